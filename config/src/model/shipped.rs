//! Policies that ship with the daemon, bound by statements of the same meaning (design §5): what is bound here is a
//! plugin like any other, without a `plugins` node.

use super::plugins::{Grants, OnFailure, PluginConfig, Setting};
use super::{Model, Policies, Reconfigure, Spanned};
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
    let top = model.reconfigure.clone();
    for at in 0..model.groups.len() {
        let Some(group) = model.groups.get(at) else { continue };
        let own = group.reconfigure.is_some();
        let Some(reconfigure) = group.reconfigure.clone().or_else(|| top.clone()) else { continue };
        for (stage, name, shipped, action) in wanted(&reconfigure) {
            // What the group's policy says of the stage wins; the top level's only over the top level's statement.
            let bound = group_binds(model, at, stage) || (!own && model.policy.contains_key(&stage));
            if !bound {
                let chain = vec![plugin(model, name, shipped, Some(action))];
                if let Some(group) = model.groups.get_mut(at) {
                    group.policy.insert(stage, chain);
                }
            }
        }
    }
    if model.allow_leasequery.is_some_and(|allow| allow.restricted_requestor) {
        let restrict = plugin(model, "restricted-requestor", Shipped::RestrictedRequestor, None);
        let append = |policy: &mut Policies| {
            if let Some(chain) = policy.get_mut(&Stage::Leasequery) {
                chain.push(restrict.clone());
            }
        };
        model.policy.entry(Stage::Leasequery).or_default().push(restrict.clone());
        for group in &mut model.groups {
            append(&mut group.policy);
            group.interfaces.iter_mut().for_each(|interface| append(&mut interface.policy));
        }
    }
}

fn group_binds(model: &Model, at: usize, stage: Stage) -> bool {
    model.groups.get(at).is_some_and(|group| group.policy.contains_key(&stage))
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

/// The name of the plugin of a statement, made at its first use.
fn plugin(model: &mut Model, name: &str, shipped: Shipped, action: Option<&str>) -> Spanned<String> {
    let span = Span::default();
    let spanned = Spanned { value: name.to_owned(), span };
    if model.plugins.iter().any(|plugin| plugin.name == name) {
        return spanned;
    }
    let setting = |action: &str| Setting {
        name: "action".to_owned(),
        arguments: vec![Value::Text(action.to_owned())],
        properties: Vec::new(),
        children: Vec::new(),
        span,
    };
    model.plugins.push(PluginConfig {
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
    model.plugin_names.push(spanned.clone());
    spanned
}
