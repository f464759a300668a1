//! Choosing a client's pool, and who a client is, or is another server's.

use super::{KernelTable, RoutingInstance, Spanned, read::At};
use crate::error::{Fault, Faults};
use crate::tree::Span;
use crate::value::Typed;
use bindery_engine::config::{DiscoverMatch, DuplicateClients, ForwardSnooped, PoolMatch, RequestedIp};
use bindery_types::Prefix4;

/// What a server says.
#[derive(Clone, Debug, Default)]
pub struct Choosing {
    /// `pool-match-order`, in order.
    pub pool_match_order: Vec<Spanned<PoolMatch>>,
    /// `duplicate-clients-in-subnet`.
    pub in_subnet: Option<Spanned<DuplicateClients>>,
    /// The place of `duplicate-clients-on-interface`.
    pub on_interface: Option<Span>,
    /// `requested-ip-network-match`.
    pub network_match: Option<Spanned<u8>>,
    /// The place of `requested-ip-interface-match`.
    pub interface_match: Option<Span>,
    /// `forward-snooped-clients`.
    pub forward_snooped: Option<Spanned<ForwardSnooped>>,
}

impl Choosing {
    /// `pool-match-order` as the engine has it: empty for the default, written or not.
    pub fn order(&self) -> Vec<PoolMatch> {
        let order: Vec<PoolMatch> = self.pool_match_order.iter().map(|word| word.value).collect();
        if order == [PoolMatch::IpAddressFirst] { Vec::new() } else { order }
    }

    /// What tells clients apart.
    pub fn duplicate_clients(&self) -> DuplicateClients {
        let older = self.on_interface.map(|_| DuplicateClients::IncomingInterface);
        self.in_subnet.as_ref().map(|rule| rule.value).or(older).unwrap_or_default()
    }

    /// How an address that a client remembers is compared with ours.
    pub fn requested_ip(&self) -> RequestedIp {
        match &self.network_match {
            None if self.interface_match.is_some() => RequestedIp::Interface,
            bits => RequestedIp::Network(bits.as_ref().map_or(NETWORK_MATCH_DEFAULT, |bits| bits.value)),
        }
    }
}

/// `requested-ip-network-match` where nothing is written; the table has the same, a test compares them. Junos has 8
/// (junos.md §2.2), which leaves a client that comes from another network without the DHCPNAK of RFC 2131 §4.3.2.
pub(crate) const NETWORK_MATCH_DEFAULT: u8 = 0;

/// What the server `at` says.
pub(super) fn choosing(at: At<'_>) -> Choosing {
    let order = at.list("pool-match-order").into_iter();
    Choosing {
        pool_match_order: order.filter_map(|word| word.map(|word| pool_match(word.word()?))).collect(),
        in_subnet: at.child("duplicate-clients-in-subnet").and_then(|at| {
            let rule =
                if at.has("option-82") { DuplicateClients::Option82 } else { DuplicateClients::IncomingInterface };
            let written = at.has("option-82") || at.has("incoming-interface");
            written.then(|| Spanned { value: rule, span: at.span() })
        }),
        on_interface: at.child("duplicate-clients-on-interface").map(At::span),
        network_match: at.leaf("requested-ip-network-match").and_then(|leaf| leaf.map(Typed::integer)),
        interface_match: at.child("requested-ip-interface-match").map(At::span),
        forward_snooped: at.leaf("forward-snooped-clients").and_then(|leaf| leaf.map(|word| snooped(word.word()?))),
    }
}

fn snooped(word: &str) -> Option<ForwardSnooped> {
    Some(match word {
        "configured-interfaces" => ForwardSnooped::Configured,
        "non-configured-interfaces" => ForwardSnooped::NonConfigured,
        "all-interfaces" => ForwardSnooped::All,
        _ => return None,
    })
}

fn pool_match(word: &str) -> Option<PoolMatch> {
    Some(match word {
        "ip-address-first" => PoolMatch::IpAddressFirst,
        "option-82" => PoolMatch::Option82,
        "option-82-strict" => PoolMatch::Option82Strict,
        "external-authority" => PoolMatch::ExternalAuthority,
        _ => return None,
    })
}

/// `client-discover-match` in `overrides`.
pub(super) fn discover_match(at: At<'_>) -> Option<DiscoverMatch> {
    let at = at.child("client-discover-match")?;
    let by_options = at.has("option60-and-option82").then_some(DiscoverMatch::Option60And82);
    by_options.or(at.has("incoming-interface").then_some(DiscoverMatch::IncomingInterface))
}

/// `subnet-selection` in `overrides`.
pub(super) fn subnet_selection(at: At<'_>) -> Vec<Prefix4> {
    at.list("subnet-selection").into_iter().filter_map(|network| network.value.prefix4()).collect()
}

/// What excludes what (junos.md §2.2, §2.6).
pub(super) fn check(instance: &RoutingInstance, faults: &mut Faults) {
    let choosing = &instance.server.choosing;
    let path = instance.server_path();
    let mut exclude = |one: (&str, Option<Span>), other: (&str, Option<Span>)| {
        let ((one, Some(first)), (other, Some(second))) = (one, other) else { return };
        let message = format!("`{one}` and `{other}` exclude each other");
        let fault = Fault::new(message, second, path.clone()).label("beside it").other(first, "here");
        faults.push(fault.help("keep one of them"));
    };
    exclude(
        ("duplicate-clients-in-subnet", choosing.in_subnet.as_ref().map(|rule| rule.span)),
        ("duplicate-clients-on-interface", choosing.on_interface),
    );
    exclude(
        ("requested-ip-network-match", choosing.network_match.as_ref().map(|bits| bits.span)),
        ("requested-ip-interface-match", choosing.interface_match),
    );
    // Behind a VRF device the kernel forwards as that device, whatever interface of it a packet came in on.
    if let Some(rule) = &choosing.forward_snooped
        && instance.kernel().is_some_and(|kernel| matches!(kernel.table, KernelTable::Vrf(_)))
    {
        let message = "`forward-snooped-clients` is not for a routing instance that is a VRF device";
        let fault = Fault::new(message, rule.span, path.clone()).label("here");
        faults.push(fault.help("leave it out, or keep the instance apart by `routing-table`"));
    }
    let order = &choosing.pool_match_order;
    for (at, word) in order.iter().enumerate() {
        let same = order.iter().take(at).find(|other| other.value == word.value);
        if let Some(first) = same {
            let fault = Fault::new("the same word stands twice in `pool-match-order`", word.span, path.clone());
            faults.push(fault.label("again here").other(first.span, "first here"));
        }
    }
    let of = |wanted| order.iter().find(|word| word.value == wanted).map(|word| word.span);
    exclude_words(of(PoolMatch::Option82), of(PoolMatch::Option82Strict), &path, faults);
}

/// With both, an entry that is missing could not be allowed and forbidden at once.
fn exclude_words(loose: Option<Span>, strict: Option<Span>, path: &str, faults: &mut Faults) {
    if let (Some(loose), Some(strict)) = (loose, strict) {
        let message = "`option-82` and `option-82-strict` exclude each other";
        let fault = Fault::new(message, strict, path.to_owned()).label("beside it").other(loose, "here");
        faults.push(fault.help("keep one of them"));
    }
}

#[cfg(test)]
mod tests {
    use super::NETWORK_MATCH_DEFAULT;
    use crate::model::read::default_of;
    use crate::schema::{ROOT, Statement};
    use crate::value::Typed;

    #[test]
    fn the_default_is_that_of_the_table() {
        let path = ["system", "services", "dhcp-local-server", "requested-ip-network-match"];
        let statement = path.into_iter().try_fold(&ROOT, |at: &Statement, name| at.child(name)).unwrap();
        assert_eq!(default_of(statement).and_then(Typed::integer), Some(NETWORK_MATCH_DEFAULT));
    }
}
