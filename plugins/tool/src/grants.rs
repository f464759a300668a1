//! Everything that a configuration could grant, for plugins that are looked at and tested: each on paper only.

use std::sync::Arc;

use bindery_plugin_host::{Grants, Kv, Level, LogSink, Plugin, Purpose};

/// All grants: a store that is forgotten, no session to be found; `log` takes the lines.
pub(crate) fn all(log: LogSink) -> Grants {
    Grants { log: Some(log), counters: true, kv: Some(Kv::volatile()), session_lookup: true, request_reconfigure: true }
}

/// Takes lines and shows none.
pub(crate) fn silent() -> LogSink {
    Arc::new(|_, _, _| {})
}

/// Shows each line among what comes of an exchange.
pub(crate) fn shown() -> LogSink {
    Arc::new(|level, _, line| {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        println!("    log          {level}: {line}");
    })
}

/// Shows what the plugin has asked for since the last time.
pub(crate) fn show_requests(plugin: &Plugin) {
    for (session, purpose) in plugin.requests().map(|requests| requests.take()).unwrap_or_default() {
        let purpose = match purpose {
            Purpose::Renumber => "renumber",
            Purpose::Refresh => "refresh",
        };
        println!("    reconfigure  session {}: {purpose}", session.0);
    }
}
