//! Policies that ship with the daemon, bound by statements of the same meaning (design §5): what is bound here is a
//! plugin like any other, without a `plugins` node.

use super::plugins::{Grants, OnFailure, PluginConfig, Setting};
use super::{Group, Model, Policies, Reconfigure, Spanned};
use crate::tree::{Span, Value};
use bindery_engine::policy::Stage;

/// A component inside the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shipped {
    /// What becomes of a client that answered no FORCERENEW.
    DeferredNak,
    /// What a RADIUS Disconnect-Request does.
    RadiusDisconnect,
    /// Which requestors are told of a binding.
    RestrictedRequestor,
}

impl Shipped {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::DeferredNak, Self::RadiusDisconnect, Self::RestrictedRequestor];

    /// Name of the component.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeferredNak => "deferred-nak",
            Self::RadiusDisconnect => "radius-disconnect",
            Self::RestrictedRequestor => "restricted-requestor",
        }
    }
}

/// Binds what the statements of `model` ask for. A `policy` of the same stage and level stands before the statement.
pub(super) fn bind(model: &mut Model) {
    // The list of plugins grows while groups are walked: it is taken out for the time.
    let mut plugins = Plugins { configs: std::mem::take(&mut model.plugins), names: Vec::new() };
    let top = model.policy.clone();
    for instance in model.instances_mut() {
        let server = &mut instance.server;
        for group in &mut server.groups {
            reconfigures(group, server.reconfigure.as_ref(), &top, &mut plugins);
        }
        if server.allow_leasequery.is_some_and(|allow| allow.restricted_requestor) {
            let restrict = plugins.of("restricted-requestor", Shipped::RestrictedRequestor, None);
            for group in &mut server.groups {
                let chain = group.policy.entry(Stage::Leasequery);
                chain
                    .or_insert_with(|| top.get(&Stage::Leasequery).cloned().unwrap_or_default())
                    .push(restrict.clone());
                for interface in &mut group.interfaces {
                    if let Some(chain) = interface.policy.get_mut(&Stage::Leasequery) {
                        chain.push(restrict.clone());
                    }
                }
            }
        }
    }
    model.plugins = plugins.configs;
    model.plugin_names.extend(plugins.names);
}

/// Binds what `reconfigure` of `group`, or of its server, asks for.
fn reconfigures(group: &mut Group, server: Option<&Reconfigure>, top: &Policies, plugins: &mut Plugins) {
    let own = group.reconfigure.is_some();
    let Some(reconfigure) = group.reconfigure.as_ref().or(server) else { return };
    for (stage, name, shipped, action) in wanted(reconfigure) {
        // What the group's policy says of the stage wins; the top level's only over the server's statement.
        let bound = group.policy.contains_key(&stage) || (!own && top.contains_key(&stage));
        if !bound {
            group.policy.insert(stage, vec![plugins.of(name, shipped, Some(action))]);
        }
    }
}

/// The plugins of the configuration, and names of those that statements added.
struct Plugins {
    configs: Vec<PluginConfig>,
    names: Vec<Spanned<String>>,
}

/// Stage, name of the statement, component and its action.
fn wanted(reconfigure: &Reconfigure) -> Vec<(Stage, &'static str, Shipped, &'static str)> {
    let mut wanted = Vec::new();
    if reconfigure.defer_nack_on_abort {
        wanted.push((Stage::ReconfigureExhausted, "defer-nack-on-abort", Shipped::DeferredNak, "defer"));
    } else if reconfigure.clear_on_abort {
        wanted.push((Stage::ReconfigureExhausted, "clear-on-abort", Shipped::DeferredNak, "clear"));
    }
    if reconfigure.on_radius_disconnect {
        wanted.push((Stage::Disconnect, "trigger-radius-disconnect", Shipped::RadiusDisconnect, "reconfigure"));
    }
    wanted
}

impl Plugins {
    /// The name of the plugin of a statement, made at its first use.
    fn of(&mut self, name: &str, shipped: Shipped, action: Option<&str>) -> Spanned<String> {
        let span = Span::default();
        let spanned = Spanned { value: name.to_owned(), span };
        if self.configs.iter().any(|plugin| plugin.name == name) {
            return spanned;
        }
        let setting = |action: &str| Setting {
            name: "action".to_owned(),
            arguments: vec![Value::Text(action.to_owned())],
            properties: Vec::new(),
            children: Vec::new(),
            span,
        };
        self.configs.push(PluginConfig {
            name: name.to_owned(),
            path: String::new(),
            path_span: span,
            shipped: Some(shipped),
            deadline_ms: 5,
            memory_max: 16 << 20,
            output_max: 4096,
            on_failure: OnFailure::Continue,
            grants: Grants::default(),
            settings: action.map(setting).into_iter().collect(),
        });
        self.names.push(spanned.clone());
        spanned
    }
}
