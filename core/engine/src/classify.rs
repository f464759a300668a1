//! Who a packet is for: routing instance, group, pool, our address. Worked out once; later stages use the result.

use crate::{
    attributes::Effective,
    choose::{Known, NOWHERE, Span, choose, narrows},
    config::Config,
    event::DropReason,
    input::RxMeta,
    links::{LinkState, Links, Served},
    pool::Pools,
    session::{ClientKey, NameId},
};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, PoolId};
use bindery_wire::v4::{OptionCode, Packet, RelayAgentInformation};

/// Where a packet of an interface in a group belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Class {
    pub(crate) served: Served,
    pub(crate) instance: InstanceId,
    pub(crate) link: NameId,
    pub(crate) index: IfIndex,
    /// The pool whose network holds giaddr, the link selection, or our address on the interface.
    pub(crate) pool: PoolId,
    /// The relay, 0.0.0.0 without one. It has this address, so no client behind it can be given it.
    pub(crate) relay: Ipv4Addr,
    /// Our address towards the client or its relay.
    pub(crate) local: Ipv4Addr,
    /// Option 54 of our replies.
    pub(crate) server_id: Ipv4Addr,
    /// Whether somebody has chosen group or pool.
    pub(crate) steered: bool,
    /// How much of the pool is for the client.
    pub(crate) span: Span,
    /// What the relay wants as option 54 (RFC 5107 §4).
    pub(crate) server_id_override: Option<Ipv4Addr>,
}

impl Class {
    /// Whether an address can be given at all.
    ///
    /// # Errors
    /// AAA has named no pool, or `option-82-strict` leaves none.
    pub(crate) fn check_choice(&self) -> Result<(), DropReason> {
        match self.span {
            _ if self.pool == NOWHERE => Err(DropReason::InvalidSubnet),
            Span::Nothing => Err(DropReason::Option82),
            Span::Narrowed { .. } | Span::Whole => Ok(()),
        }
    }
}

/// What AAA has said of a client's pool.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Word {
    /// The pool that it names.
    pub(crate) named: Option<PoolId>,
    /// It was asked.
    pub(crate) is_final: bool,
}

/// Classifies a packet by its ingress interface, giaddr, option 82 and what AAA has said. A pure function.
///
/// # Errors
/// Why the packet is not served.
pub(crate) fn classify(
    config: &Config,
    links: &Links,
    pools: &Pools,
    packet: &Packet<'_>,
    meta: &RxMeta,
    word: Word,
) -> Result<Class, DropReason> {
    let state = links.get(meta.link).ok_or(DropReason::NoInterface)?;
    let served = state.served.ok_or(DropReason::NoInterfaceCfg)?;
    let local = local_address(links, state, &served, meta).ok_or(DropReason::NoLocalAddress)?;
    let order = config.server(served.instance).pool_match_order.as_slice();
    // What a direct client says of links and servers is not a relay's word (RFC 3046 §2.1).
    let relayed = !packet.giaddr().is_unspecified();
    let info = (relayed || narrows(order)).then(|| packet.option(OptionCode::RELAY_AGENT_INFORMATION)).flatten();
    let info = info.as_deref().unwrap_or_default();
    let matched = match selection(packet.giaddr(), info) {
        Some(network) => pools.match_network(served.instance, network),
        None => served.pool,
    };
    let matched = subnet_selection(config, &served, pools, packet, info, matched)?;
    let known = Known { matched, named: word.named, final_word: word.is_final, relay_info: info };
    let (pool, span) = choose(order, pools, known)?;
    let named = matched.and_then(|pool| config.pool(pool));
    let named = named.and_then(|pool| Effective::of(config, served, pool).server_identifier());
    let server_id_override = if relayed { server_id_override(info) } else { None };
    let server_id = server_id_override.or(named).unwrap_or(local);
    let (instance, link, index) = (served.instance, state.name, meta.link);
    let relay = packet.giaddr();
    Ok(Class { served, instance, link, index, pool, relay, local, server_id, steered: false, span, server_id_override })
}

/// The pool that a client chooses by option 118 (RFC 3011 §2), else `usual`. The relay's link selection comes first
/// (RFC 3527 §3). Without `subnet-selection` the option is ignored (RFC 3011 §6).
///
/// # Errors
/// It names a subnet that is neither its own nor one of those that clients here may name.
fn subnet_selection(
    config: &Config,
    served: &Served,
    pools: &Pools,
    packet: &Packet<'_>,
    info: &[u8],
    usual: Option<PoolId>,
) -> Result<Option<PoolId>, DropReason> {
    let permitted = served.overrides(config).map_or(&[][..], |overrides| &overrides.subnet_selection);
    if permitted.is_empty() || RelayAgentInformation::new(info).link_selection().is_some() {
        return Ok(usual);
    }
    let Some(subnet) = packet.address_option(OptionCode::SUBNET_SELECTION) else { return Ok(usual) };
    let pool = pools.match_network(served.instance, subnet);
    let own = || usual.zip(pool).is_some_and(|(usual, pool)| pools.in_chain(usual, pool));
    if permitted.iter().any(|network| network.contains(subnet)) || own() {
        return Ok(pool);
    }
    Err(DropReason::InvalidSubnet)
}

/// The server identifier that a relay asks for (RFC 5107 §4): of no use where nobody could send to it.
pub(crate) fn server_id_override(info: &[u8]) -> Option<Ipv4Addr> {
    let wanted = RelayAgentInformation::new(info).server_identifier_override()?;
    let usable = !(wanted.is_unspecified() || wanted.is_loopback() || wanted.is_multicast() || wanted.is_broadcast());
    usable.then_some(wanted)
}

/// The address that names the subnet of a client behind a relay at `giaddr` whose option 82 is `relay_info`: the link
/// selection of the relay (RFC 3527 §3), else giaddr (RFC 2131 §4.3.1). `None` for a direct client.
pub(crate) fn selection(giaddr: Ipv4Addr, relay_info: &[u8]) -> Option<Ipv4Addr> {
    let selected = || RelayAgentInformation::new(relay_info).link_selection().unwrap_or(giaddr);
    (!giaddr.is_unspecified()).then(selected)
}

/// The address at which the client or its relay reaches us: the one it wrote to, else the interface's, else the
/// gateway address on a loopback.
fn local_address(links: &Links, state: &LinkState, served: &Served, meta: &RxMeta) -> Option<Ipv4Addr> {
    if links.is_to_us(meta) {
        return Some(meta.dst);
    }
    served.local.or_else(|| state.link.addresses.first().map(|a| a.address))
}

/// The client's identity: option 61 when it sent one, else its hardware address (RFC 2131 §4.2).
pub(crate) fn client_key<'a>(packet: &Packet<'_>, client_id: Option<&'a [u8]>) -> ClientKey<'a> {
    match client_id {
        Some(id) if !id.is_empty() => ClientKey::ClientId(id),
        _ => ClientKey::Hw(packet.hw_addr()),
    }
}
