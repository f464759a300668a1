//! Who is answered when and how: what `overrides` says beside its plain leaves, and sets of attributes.

use super::build::name;
use super::pools::attributes;
use super::read::{At, Spanned};
use super::{Attributes, Overrides, RoutingInstance, Server};
use crate::tree::Span;
use crate::value::Typed;
use bindery_engine::config::{DelayOffer, FilterTest, OptionFilter, RouteSuppression};
use bindery_wire::v4::OptionCode;

/// `access protocol-attributes NAME dhcp`.
#[derive(Clone, Debug)]
pub struct ProtocolAttributes {
    /// Its name.
    pub name: Spanned<String>,
    /// What it sets.
    pub attributes: Attributes,
    /// Statements of pools that mean nothing in it.
    pub misplaced: Vec<Spanned<&'static str>>,
}

/// What of `overrides` decides when and how a client is answered.
#[derive(Clone, Debug, Default)]
pub struct Answering {
    /// `bootp-support`.
    pub bootp_support: bool,
    /// `rapid-commit`.
    pub rapid_commit: bool,
    /// `minimum-wait-time`, seconds.
    pub minimum_wait_secs: u16,
    /// `delay-offer`.
    pub delay_offer: Option<DelayOffer>,
    /// Filters of `delay-offer` that have no values.
    pub empty_filters: Vec<Spanned<&'static str>>,
    /// `asymmetric-lease-time`, seconds.
    pub asymmetric_lease_secs: Option<u32>,
    /// `protocol-attributes`.
    pub protocol_attributes: Option<Spanned<String>>,
    /// `include-option-82 forcerenew`.
    pub option_82_in_forcerenew: bool,
}

/// What of `at`, an `overrides`, is told here.
pub(super) fn answering(at: At<'_>) -> Answering {
    let wait = at.leaf_or_default("minimum-wait-time").and_then(Typed::seconds);
    let delay = at.child("delay-offer");
    let (based_on, empty_filters) = delay.and_then(|at| at.child("based-on")).map(filters).unwrap_or_default();
    let secs = delay.and_then(|at| at.leaf_or_default("delay-time")).and_then(Typed::seconds);
    Answering {
        bootp_support: at.has("bootp-support"),
        rapid_commit: at.has("rapid-commit"),
        minimum_wait_secs: wait.and_then(|secs| u16::try_from(secs).ok()).unwrap_or_default(),
        delay_offer: secs.and_then(|secs| Some(DelayOffer { secs: u8::try_from(secs).ok()?, based_on })),
        empty_filters,
        asymmetric_lease_secs: at.leaf("asymmetric-lease-time").and_then(|leaf| leaf.value.seconds()),
        protocol_attributes: at.leaf("protocol-attributes").and_then(|leaf| leaf.map(Typed::text)),
        option_82_in_forcerenew: at.child("include-option-82").is_some_and(|include| include.has("forcerenew")),
    }
}

const FILTERED: [(&str, OptionCode); 3] = [
    ("option-82", OptionCode::RELAY_AGENT_INFORMATION),
    ("option-60", OptionCode::VENDOR_CLASS),
    ("option-77", OptionCode::USER_CLASS),
];
const TESTS: [(&str, FilterTest); 3] =
    [("equals", FilterTest::Equals), ("not-equals", FilterTest::NotEquals), ("starts-with", FilterTest::StartsWith)];

/// The filters of a `based-on`, and those without values.
fn filters(at: At<'_>) -> (Vec<OptionFilter>, Vec<Spanned<&'static str>>) {
    let (mut filters, mut empty) = (Vec::new(), Vec::new());
    for (name, code) in FILTERED {
        let Some(option) = at.child(name) else { continue };
        if TESTS.iter().all(|(test, _)| !option.has(test)) {
            empty.push(Spanned { value: name, span: option.span() });
        }
        for (name, test) in TESTS {
            let Some(at) = option.child(name) else { continue };
            let bytes = |value: Typed| match value {
                Typed::Text(text) => Some(text.into_bytes().into()),
                Typed::Bytes(bytes) => Some(bytes.into()),
                _ => None,
            };
            let lists = ["ascii", "hexadecimal"].into_iter().flat_map(|form| at.list(form));
            let values: Vec<Box<[u8]>> = lists.filter_map(|value| bytes(value.value)).collect();
            if values.is_empty() {
                empty.push(Spanned { value: name, span: at.span() });
            }
            filters.push(OptionFilter { code, test, values });
        }
    }
    (filters, empty)
}

/// `route-suppression` in `at`, a server or a group.
pub(super) fn route_suppression(at: At<'_>) -> Option<Spanned<RouteSuppression>> {
    let at = at.child("route-suppression")?;
    let value = match at.only()?.name() {
        "access-internal" => RouteSuppression::AccessInternal,
        "destination" => RouteSuppression::Destination,
        _ => return None,
    };
    Some(Spanned { value, span: at.span() })
}

/// `protocol-attributes NAME` with a `dhcp`.
pub(super) fn protocol_attributes(at: At<'_>) -> Option<ProtocolAttributes> {
    let dhcp = at.child("dhcp")?;
    let misplaced = ["option-match", "grace-period"].into_iter();
    Some(ProtocolAttributes {
        name: name(at)?,
        attributes: attributes(dhcp),
        misplaced: misplaced.filter_map(|name| Some(Spanned { value: name, span: dhcp.written(name)? })).collect(),
    })
}

impl RoutingInstance {
    /// Every `overrides` of its server with the path of what it stands in.
    pub(crate) fn all_overrides(&self) -> Vec<(String, &Overrides)> {
        let mut all: Vec<_> = self.server.overrides.iter().map(|overrides| (self.server_path(), overrides)).collect();
        for group in &self.server.groups {
            let path = self.group_path(&group.name.value);
            all.extend(group.overrides.iter().map(|overrides| (path.clone(), overrides)));
            all.extend(group.interfaces.iter().filter_map(|interface| {
                Some((format!("{path} interface {}", interface.pattern.value), interface.overrides.as_ref()?))
            }));
        }
        all
    }
}

impl Server {
    /// Where `route-suppression` holds: of each group its own, else the server's; and of the server where it has no group.
    pub(crate) fn suppressions(&self) -> impl Iterator<Item = (Option<usize>, &Spanned<RouteSuppression>)> {
        let own = self.route_suppression.as_ref().filter(|_| self.groups.is_empty());
        let groups = self.groups.iter().enumerate().filter_map(|(at, group)| {
            Some((Some(at), group.route_suppression.as_ref().or(self.route_suppression.as_ref())?))
        });
        own.map(|it| (None, it)).into_iter().chain(groups)
    }
}

/// What an `interface` with `exclude` may not have beside it.
pub(super) fn beside_exclude(at: At<'_>) -> Vec<Spanned<&'static str>> {
    const NOT_BESIDE: [&str; 7] = [
        "trace",
        "overrides",
        "dynamic-profile",
        "policy",
        "service-profile",
        "access-profile",
        "short-cycle-protection",
    ];
    let written = |name| Some(Spanned { value: name, span: at.written(name)? });
    if at.has("exclude") { NOT_BESIDE.into_iter().filter_map(written).collect() } else { Vec::new() }
}

/// Where `exclude` stands, when it does.
pub(super) fn exclude(at: At<'_>) -> Option<Span> {
    Some(at.child("exclude")?.span())
}
