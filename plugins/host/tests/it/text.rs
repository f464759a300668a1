//! Guests in the text format: no toolchain for guests is needed to test the host.

use bindery_plugin_host::{Host, HostConfig, Plugin, PluginSpec, Source, Stage, Stages};

/// A guest of stage `shape-reply` in parts that a test can replace.
pub(crate) struct Guest {
    /// Instructions of `shape`: `$exchange` is the handle; the verdict is left on the stack.
    pub(crate) shape: &'static str,
    /// Instructions of `configure`, if it is exported: the address of the result is left on the stack.
    pub(crate) configure: Option<&'static str>,
    /// Pages of 64 KiB at the start.
    pub(crate) pages: u32,
    /// Further fields of the component.
    pub(crate) extra: &'static str,
}

/// Set option 43 to the number of calls since the instance began.
pub(crate) const GOOD: &str = "
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.store8 (i32.const 0) (global.get $calls))
    (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 1))
    (call $release (local.get $exchange))
    (i32.const 0)";
/// The same, and then send nothing.
pub(crate) const DROP: &str = "
    (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 1))
    (call $release (local.get $exchange))
    (i32.const 1)";
pub(crate) const SPIN: &str = "
    (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 1))
    (loop (br 0)) (unreachable)";
pub(crate) const TRAP: &str = "
    (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 1))
    (unreachable)";
/// Grow until it fails, then trap as a guest's allocator does.
pub(crate) const GROW: &str = "
    (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 1))
    (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (unreachable)";
pub(crate) const FLOOD: &str = "
    (loop (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 0)) (br 0))
    (unreachable)";
pub(crate) const HUGE: &str = "
    (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 4097))
    (call $release (local.get $exchange))
    (i32.const 0)";
pub(crate) const REMOVE_FORBIDDEN: &str = "
    (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 1))
    (call $remove (local.get $exchange) (i32.const 54))
    (call $release (local.get $exchange))
    (i32.const 0)";
/// A number that is no verdict.
pub(crate) const NO_VERDICT: &str = "
    (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 1))
    (call $release (local.get $exchange))
    (i32.const 2)";
/// Keeps the borrowed handle, which the canonical ABI forbids.
pub(crate) const KEEP: &str = "
    (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 1))
    (i32.const 0)";
/// Set options 43 and 108.
pub(crate) const IPV6_ONLY: &str = "
    (call $set (local.get $exchange) (i32.const 43) (i32.const 0) (i32.const 1))
    (call $set (local.get $exchange) (i32.const 108) (i32.const 0) (i32.const 4))
    (call $release (local.get $exchange))
    (i32.const 0)";
/// Trap in the first call of each instance but not in the next, were there one.
pub(crate) const TRAP_ONCE: &str = "
    (if (i32.eqz (global.get $calls)) (then (global.set $calls (i32.const 1)) (unreachable)))
    (call $release (local.get $exchange))
    (i32.const 0)";

/// Settings are fine.
pub(crate) const ACCEPT: &str = "(i32.store8 (i32.const 64) (i32.const 0)) (i32.const 64)";
/// Refuse the second setting with \"no\\nsuch thing\".
pub(crate) const REFUSE: &str = "
    (i32.store8 (i32.const 64) (i32.const 1))
    (i32.store8 (i32.const 68) (i32.const 1)) (i32.store (i32.const 72) (i32.const 1))
    (i32.store (i32.const 76) (i32.const 128)) (i32.store (i32.const 80) (i32.const 13))
    (i32.const 64)";

impl Guest {
    pub(crate) const fn new(shape: &'static str) -> Guest {
        Guest { shape, configure: None, pages: 1, extra: "" }
    }

    /// The component in text form.
    pub(crate) fn text(&self) -> String {
        let configure = self.configure.unwrap_or("(unreachable)");
        let Guest { shape, pages, extra, .. } = self;
        let core = format!(
            "(core module $guest
                (import \"host\" \"set\" (func $set (param i32 i32 i32 i32)))
                (import \"host\" \"remove\" (func $remove (param i32 i32)))
                (import \"host\" \"release\" (func $release (param i32)))
                (import \"heap\" \"memory\" (memory 0))
                (global $calls (mut i32) (i32.const 0))
                (data (i32.const 128) \"no\\nsuch thing\")
                (func (export \"shape\")
                    (param i32 i64 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32) (param $exchange i32)
                    (result i32) {shape})
                (func (export \"configure\") (param i32 i32) (result i32) {configure}))"
        );
        let configuration = if self.configure.is_some() { CONFIGURATION } else { "" };
        format!("(component {IMPORTS} {} {core} {LINK} {HOOK} {configuration} {extra})", heap(*pages))
    }

    /// The component in binary form.
    pub(crate) fn binary(&self) -> Vec<u8> {
        wat::parse_str(self.text()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A specification that binds the guest to its stage.
    pub(crate) fn spec(&self) -> PluginSpec {
        let mut spec = PluginSpec::new("tested", Source::Embedded(self.binary().into()));
        spec.stages = Stages::NONE.with(Stage::ShapeReply);
        spec
    }
}

/// A host without a cache.
pub(crate) fn host() -> Host {
    Host::new(HostConfig::default()).unwrap()
}

/// The guest loaded with default limits.
pub(crate) fn plugin(shape: &'static str) -> Plugin {
    host().load(&Guest::new(shape).spec()).unwrap()
}

const IMPORTS: &str = r#"
(type $types-type (instance
    (type $a (variant (case "ipv4" u32) (case "ipv6" (tuple u64 u64))))
    (export "address" (type (eq $a)))
    (type $c (enum "init" "selecting" "init-reboot" "renewing" "rebinding" "informing" "other"))
    (export "client-state" (type (eq $c)))
    (type $s (record (field "parent" (option u32)) (field "name" string) (field "arguments" (list string))
        (field "properties" (list (tuple string string)))))
    (export "setting" (type (eq $s)))
    (type $e (record (field "setting" (option u32)) (field "message" string)))
    (export "setting-error" (type (eq $e)))))
(import "bindery:types/types@1.0.0" (instance $types (type $types-type)))
(alias export $types "address" (type $address))
(alias export $types "client-state" (type $client-state))
(alias export $types "setting" (type $setting))
(alias export $types "setting-error" (type $setting-error))
(type $exchanges-type (instance
    (export "exchange" (type $e (sub resource)))
    (export "[method]exchange.set-option"
        (func (param "self" (borrow $e)) (param "code" u16) (param "value" (list u8))))
    (export "[method]exchange.remove-option" (func (param "self" (borrow $e)) (param "code" u16)))))
(import "bindery:shape-reply/exchanges@1.0.0" (instance $exchanges (type $exchanges-type)))
(alias export $exchanges "exchange" (type $exchange))
"#;

/// The guest's memory, with an allocator that never frees.
fn heap(pages: u32) -> String {
    format!(
        "(core module $heap-module
            (memory (export \"memory\") {pages})
            (global $next (mut i32) (i32.const 1024))
            (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)
                (global.get $next)
                (global.set $next (i32.and (i32.const -8)
                    (i32.add (i32.const 7) (i32.add (global.get $next) (local.get 3)))))))
        (core instance $heap (instantiate $heap-module))"
    )
}

const LINK: &str = r#"
(alias export $exchanges "[method]exchange.set-option" (func $set))
(alias export $exchanges "[method]exchange.remove-option" (func $remove))
(core func $set-core (canon lower (func $set) (memory $heap "memory")))
(core func $remove-core (canon lower (func $remove)))
(core func $release-core (canon resource.drop $exchange))
(core instance $host (export "set" (func $set-core)) (export "remove" (func $remove-core))
    (export "release" (func $release-core)))
(core instance $guest (instantiate $guest (with "host" (instance $host)) (with "heap" (instance $heap))))
"#;

const HOOK: &str = r#"
(type $meta (record (field "address" $address) (field "request-type" u8) (field "reply-type" u8)
    (field "state" $client-state) (field "mac" (tuple u8 u8 u8 u8 u8 u8)) (field "transaction-id" u32)
    (field "session-id" u64) (field "lease-seconds" u32)))
(type $verdict (enum "continue" "drop"))
(func $shape (param "meta" $meta) (param "exchange" (borrow $exchange)) (result $verdict)
    (canon lift (core func $guest "shape")))
(component $hook
    (type $a (variant (case "ipv4" u32) (case "ipv6" (tuple u64 u64))))
    (import "address" (type $address-in (eq $a)))
    (type $c (enum "init" "selecting" "init-reboot" "renewing" "rebinding" "informing" "other"))
    (import "client-state" (type $client-state-in (eq $c)))
    (import "exchange" (type $exchange-in (sub resource)))
    (type $m (record (field "address" $address-in) (field "request-type" u8) (field "reply-type" u8)
        (field "state" $client-state-in) (field "mac" (tuple u8 u8 u8 u8 u8 u8)) (field "transaction-id" u32)
        (field "session-id" u64) (field "lease-seconds" u32)))
    (import "meta" (type $meta-in (eq $m)))
    (type $v (enum "continue" "drop"))
    (import "verdict" (type $verdict-in (eq $v)))
    (import "shape"
        (func $shape-in (param "meta" $meta-in) (param "exchange" (borrow $exchange-in)) (result $verdict-in)))
    (export $exchange-out "exchange" (type $exchange-in))
    (export $meta-out "meta" (type $meta-in))
    (export $verdict-out "verdict" (type $verdict-in))
    (export "shape" (func $shape-in)
        (func (param "meta" $meta-out) (param "exchange" (borrow $exchange-out)) (result $verdict-out))))
(instance $hook (instantiate $hook (with "address" (type $address)) (with "client-state" (type $client-state))
    (with "exchange" (type $exchange)) (with "meta" (type $meta)) (with "verdict" (type $verdict))
    (with "shape" (func $shape))))
(export "bindery:shape-reply/hook@1.0.0" (instance $hook))
"#;

const CONFIGURATION: &str = r#"
(func $configure (param "settings" (list $setting)) (result (result (error $setting-error)))
    (canon lift (core func $guest "configure") (memory $heap "memory") (realloc (func $heap "realloc"))))
(component $configuration
    (type $s (record (field "parent" (option u32)) (field "name" string) (field "arguments" (list string))
        (field "properties" (list (tuple string string)))))
    (import "setting" (type $setting-in (eq $s)))
    (type $e (record (field "setting" (option u32)) (field "message" string)))
    (import "setting-error" (type $error-in (eq $e)))
    (import "configure"
        (func $configure-in (param "settings" (list $setting-in)) (result (result (error $error-in)))))
    (export $setting-out "setting" (type $setting-in))
    (export $error-out "setting-error" (type $error-in))
    (export "configure" (func $configure-in)
        (func (param "settings" (list $setting-out)) (result (result (error $error-out))))))
(instance $configuration (instantiate $configuration (with "setting" (type $setting))
    (with "setting-error" (type $setting-error)) (with "configure" (func $configure))))
(export "bindery:types/configuration@1.0.0" (instance $configuration))
"#;
