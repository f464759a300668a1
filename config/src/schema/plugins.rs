//! `plugins`: which components the daemon loads, and within which limits.

use super::{Apply, Kind, Statement, Type, Word};

/// The section.
pub(super) const PLUGINS: Statement = Statement::container(
    "plugins",
    &[Statement::named(
        "plugin",
        Type::Name(64),
        &[
            Statement::leaf(
                "path",
                Type::Path,
                "\"option-insert.wasm\"",
                "The component's file; a relative path starts at the folder of the configuration file.",
            )
            .apply(Apply::Hot)
            .mandatory(),
            Statement::leaf(
                "deadline-ms",
                Type::Integer(1, 1000),
                "5",
                "Longest time of one call, in milliseconds; a call that takes longer is cut off and has failed.",
            )
            .default("5")
            .apply(Apply::Hot),
            Statement::leaf(
                "memory-max",
                Type::Size(64 << 10, 1 << 30),
                "\"16MiB\"",
                "Most memory of one instance; an instance that wants more has failed.",
            )
            .default("16MiB")
            .apply(Apply::Hot),
            Statement::leaf(
                "output-max",
                Type::Size(64, 64 << 10),
                "4096",
                "Most bytes of options that one call may set.",
            )
            .default("4096")
            .apply(Apply::Hot),
            Statement::leaf(
                "on-failure",
                Type::Word(&[Word { name: "continue", built: true }, Word { name: "drop", built: true }]),
                "continue",
                "What becomes of a reply whose plugin has failed: it goes out without the plugin's changes, or not at \
                 all.",
            )
            .default("continue")
            .apply(Apply::Hot),
            Statement::list(
                "grants",
                Type::Word(&[
                    Word { name: "log", built: true },
                    Word { name: "counters", built: true },
                    Word { name: "kv", built: true },
                    Word { name: "session-lookup", built: true },
                    Word { name: "request-reconfigure", built: true },
                ]),
                "log counters",
                "What the plugin may call: the log, counters of its own, a small persistent store of its own, looking \
                 up sessions, asking that a client be reconfigured.",
            )
            .apply(Apply::Hot),
            Statement::new("settings", Kind::Free, "Statements for the plugin; what they mean is its own matter.")
                .example("{ option 15 string=\"isp.example\" }")
                .apply(Apply::Hot),
        ],
        "A component under the name by which policy binds it.",
    )
    .apply(Apply::Hot)],
    "Components that take part in decisions.",
)
.apply(Apply::Hot);
