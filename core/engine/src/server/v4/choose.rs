//! Addresses that a client may be given, or asks about, by the way its pool was chosen.

use super::{Outcome, Request};
use crate::{
    Engine,
    choose::Span,
    classify::Class,
    config::RequestedIp,
    event::DropReason,
    pool::{Client, Refusal},
    reconfigure::flag,
    session::{Record, Slot},
};
use bindery_types::{Ipv4Addr, PoolId, Prefix4};

impl Engine {
    /// Gives a wished address of the client's pool, where its option 82 lets it have that one and its relay has another
    /// (RFC 2131 §2.2: no address is in use by two); a `host` comes before that.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn take_chosen(
        &mut self,
        class: &Class,
        tombstone: Option<Slot>,
        address: Ipv4Addr,
        client: Client<'_>,
    ) -> Result<PoolId, Refusal> {
        let admits = address != class.relay && class.span.admits(&self.pools, address);
        if !admits && !self.keeps_for(class, address, client) {
            return Err(Refusal::NotOurs);
        }
        self.take_for(tombstone, class.pool, address, client)
    }

    /// Whether a live session's address is one that `option-82-strict` leaves to its client where it is now. What AAA or
    /// a plugin has chosen is not looked at, and neither is a reservation.
    pub(super) fn is_in_place4(&self, class: &Class, record: &Record, client: Client<'_>) -> bool {
        let strict = matches!(class.span, Span::Nothing | Span::Narrowed { strict: true, .. });
        !strict
            || record.flags & flag::STEERED != 0
            || class.span.admits(&self.pools, record.address())
            || self.keeps_for(class, record.address(), client)
    }

    fn keeps_for(&self, class: &Class, address: Ipv4Addr, client: Client<'_>) -> bool {
        self.pools.is_reserved(class.instance, address) && !self.pools.is_reserved_from(class.instance, address, client)
    }

    /// `requested-ip-network-match` and `requested-ip-interface-match` (junos.md §2.4): whether a client that we do not
    /// know asks us when it asks about `address`. Where it does not, another server may have given it.
    ///
    /// # Errors
    /// The question is not for us: silence.
    pub(super) fn check_requested(&self, request: &Request<'_>, class: &Class, address: Ipv4Addr) -> Outcome {
        let Some(rule) = request.config.server(class.instance).requested_ip else { return Ok(()) };
        let giaddr = request.packet.giaddr();
        let ours = if request.is_relayed() { giaddr } else { class.local };
        let bits = match rule {
            RequestedIp::Network(bits) => Some(bits),
            RequestedIp::Interface if request.is_relayed() => self.relay_network_len(class, giaddr),
            RequestedIp::Interface => self.interface_network_len(class),
        };
        let shares = |bits| Prefix4::containing(ours, bits).is_none_or(|network| network.contains(address));
        if bits.is_none_or(shares) { Ok(()) } else { Err(DropReason::RequestedIp) }
    }

    /// Length of the network of our address towards a direct client.
    fn interface_network_len(&self, class: &Class) -> Option<u8> {
        let link = &self.links.get(class.index)?.link;
        let own = link.addresses.iter().find(|own| own.address == class.local);
        // An unnumbered interface has the network of its pool.
        own.map(|own| own.len).or_else(|| self.network_len(class.pool))
    }

    /// Length of the network that a relay stands in: its pool's, which is that of `giaddr` unless it selects another.
    fn relay_network_len(&self, class: &Class, giaddr: Ipv4Addr) -> Option<u8> {
        let pool = self.pools.match_network(class.instance, giaddr);
        self.network_len(pool.unwrap_or(class.pool))
    }

    fn network_len(&self, pool: PoolId) -> Option<u8> {
        self.config.pool(pool).map(|pool| pool.network.len())
    }
}
