//! Who a packet is for: routing instance, group, pool, our address. Worked out once; later stages use the result.

use crate::{
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
    /// Our address towards the client or its relay.
    pub(crate) local: Ipv4Addr,
    /// Option 54 of our replies.
    pub(crate) server_id: Ipv4Addr,
    /// Whether somebody has chosen group or pool.
    pub(crate) steered: bool,
}

/// Classifies a packet by its ingress interface, giaddr and option 82. A pure function.
///
/// # Errors
/// Why the packet is not served.
pub(crate) fn classify(
    config: &Config,
    links: &Links,
    pools: &Pools,
    packet: &Packet<'_>,
    meta: &RxMeta,
) -> Result<Class, DropReason> {
    let state = links.get(meta.link).ok_or(DropReason::NoInterfaceCfg)?;
    let served = state.served.ok_or(DropReason::NoInterfaceCfg)?;
    let local = local_address(links, state, &served, meta).ok_or(DropReason::NoLocalAddress)?;
    let pool = match selector(packet) {
        Some(network) => pools.match_network(served.instance, network),
        None => served.pool,
    };
    let pool = pool.ok_or(DropReason::InvalidSubnet)?;
    let server_id = config.pool(pool).and_then(|p| p.attributes.server_identifier).unwrap_or(local);
    let (instance, link, index) = (served.instance, state.name, meta.link);
    Ok(Class { served, instance, link, index, pool, local, server_id, steered: false })
}

/// The address that names a relayed client's subnet: the link selection of its relay (RFC 3527 §3), else giaddr
/// (RFC 2131 §4.3.1). `None` for a direct client.
pub(crate) fn selector(packet: &Packet<'_>) -> Option<Ipv4Addr> {
    let giaddr = packet.giaddr();
    let info = packet.option(OptionCode::RELAY_AGENT_INFORMATION).filter(|_| !giaddr.is_unspecified());
    selection(giaddr, info.as_deref().unwrap_or_default())
}

/// The same of a relay at `giaddr` whose option 82 is `relay_info`.
pub(crate) fn selection(giaddr: Ipv4Addr, relay_info: &[u8]) -> Option<Ipv4Addr> {
    let selected = || RelayAgentInformation::new(relay_info).link_selection().unwrap_or(giaddr);
    (!giaddr.is_unspecified()).then(selected)
}

/// The address at which the client or its relay reaches us: the one it wrote to, else the interface's, else the
/// gateway address on a loopback.
fn local_address(links: &Links, state: &LinkState, served: &Served, meta: &RxMeta) -> Option<Ipv4Addr> {
    if links.is_own(meta.dst) {
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
