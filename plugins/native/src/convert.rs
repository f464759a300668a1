//! Between the engine's words and those of the interface.

use bindery_engine::route::{Destination, Route, RouteChange, RouteError, RouteOp};
use bindery_plane_abi as abi;
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr};
use std::num::NonZeroU32;

const HOST_BITS: u32 = 32;

pub(crate) fn op(op: &RouteOp) -> abi::Op {
    let flags = if op.urgent { abi::URGENT } else { 0 };
    match &op.change {
        RouteChange::Set(route) => abi::Op { kind: abi::SET, flags, entry: entry(route) },
        RouteChange::Unset(at) => abi::Op { kind: abi::REMOVE, flags, entry: destination(at) },
    }
}

fn destination(at: &Destination) -> abi::Entry {
    let abi::Key { instance, family, dst_len, table, dst } = key(at);
    abi::Entry { instance, family, dst_len, table, dst, ..abi::Entry::default() }
}

fn entry(route: &Route) -> abi::Entry {
    let mut entry = destination(&route.destination());
    entry.link = route.link.0;
    if let Some(via) = route.via {
        entry.flags |= abi::HAS_VIA;
        entry.via = octets(via);
    }
    if route.on_link {
        entry.flags |= abi::ON_LINK;
    }
    if let Some(src) = route.src {
        entry.flags |= abi::HAS_SRC;
        entry.src = octets(src);
    }
    if let Some(MacAddr([a, b, c, d, e, f])) = route.neighbour {
        entry.flags |= abi::HAS_NEIGHBOUR;
        entry.mac = [a, b, c, d, e, f, 0, 0];
    }
    if let Some(metric) = route.metric {
        entry.flags |= abi::HAS_METRIC;
        entry.metric = metric;
    }
    if let Some(tag) = route.tag {
        entry.flags |= abi::HAS_TAG;
        entry.tag = tag;
    }
    entry
}

pub(crate) fn key(of: &Destination) -> abi::Key {
    abi::Key {
        instance: u32::from(of.instance.0),
        family: abi::IPV4,
        dst_len: u32::from(of.len),
        table: of.table.map_or(0, NonZeroU32::get),
        dst: octets(of.dst),
    }
}

fn octets(address: Ipv4Addr) -> [u8; 16] {
    let [a, b, c, d] = address.octets();
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

fn address([a, b, c, d, ..]: [u8; 16]) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

/// The route that an entry tells of; `None` where it is none that a host could have asked for.
pub(crate) fn route(entry: &abi::Entry) -> Option<Route> {
    const KNOWN: u32 = abi::HAS_VIA | abi::HAS_SRC | abi::HAS_NEIGHBOUR | abi::ON_LINK | abi::HAS_METRIC | abi::HAS_TAG;
    if entry.family != abi::IPV4 || entry.dst_len > HOST_BITS || entry.flags & !KNOWN != 0 {
        return None;
    }
    let has = |flag| entry.flags & flag != 0;
    let [a, b, c, d, e, f, ..] = entry.mac;
    Some(Route {
        instance: InstanceId(u16::try_from(entry.instance).ok()?),
        table: NonZeroU32::new(entry.table),
        dst: address(entry.dst),
        len: u8::try_from(entry.dst_len).ok()?,
        link: IfIndex(entry.link),
        via: has(abi::HAS_VIA).then(|| address(entry.via)),
        on_link: has(abi::ON_LINK),
        src: has(abi::HAS_SRC).then(|| address(entry.src)),
        neighbour: has(abi::HAS_NEIGHBOUR).then_some(MacAddr([a, b, c, d, e, f])),
        metric: has(abi::HAS_METRIC).then_some(entry.metric),
        tag: has(abi::HAS_TAG).then_some(entry.tag),
    })
}

/// How an operation went; `None` where the driver answered what the contract does not have.
pub(crate) fn result(result: i32) -> Option<Result<(), RouteError>> {
    match result {
        abi::OK => Some(Ok(())),
        abi::FOREIGN => Some(Err(RouteError::Foreign)),
        abi::LINK_DOWN => Some(Err(RouteError::LinkDown)),
        errno if errno > 0 => Some(Err(RouteError::Refused(errno))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_comes_back_as_it_went() {
        let bare = Route::host(InstanceId(7), Ipv4Addr::new(10, 1, 2, 3), IfIndex(5));
        let full = Route {
            via: Some(Ipv4Addr::new(192, 0, 2, 1)),
            src: Some(Ipv4Addr::UNSPECIFIED),
            neighbour: Some(MacAddr([2, 0, 0, 0, 0, 9])),
            metric: Some(0),
            table: NonZeroU32::new(7),
            tag: Some(u32::MAX),
            ..bare
        };
        let behind = Route { len: 0, dst: Ipv4Addr::UNSPECIFIED, via: Some(bare.dst), on_link: true, ..bare };
        for wanted in [bare, full, behind] {
            assert_eq!(route(&entry(&wanted)), Some(wanted));
        }
        let told = entry(&full);
        assert_eq!(route(&abi::Entry { family: abi::IPV6, ..told }), None);
        assert_eq!(route(&abi::Entry { dst_len: 33, ..told }), None);
        assert_eq!(route(&abi::Entry { flags: 64, ..told }), None);
        assert_eq!(route(&abi::Entry { instance: 65_536, ..told }), None);
    }
}
