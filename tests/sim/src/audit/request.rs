//! Packets towards the server: what they ask, and what they prove.

use super::{Auditor, SEC, remote_id, v4};
use crate::clock::Instant;
use bindery_engine::record::{DurableState, IdentityRecord};
use bindery_types::{HwAddr, IfIndex, InstanceId, Ipv4Addr, Xid};
use bindery_wire::v4::{
    MessageType, Op, OptionCode, Packet, ParseRules, RelayAgentInformation,
    authentication::{Authentication, HMAC_MD5},
};

/// Who a client is to the server (RFC 2131 §4.2): option 61, else the hardware address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    /// Option 61.
    Id(Vec<u8>),
    /// `htype` and `chaddr`.
    Hw(HwAddr),
}

impl Default for Key {
    fn default() -> Self {
        Self::Hw(HwAddr::default())
    }
}

impl Key {
    /// The key of a client that sent `id` (empty for none) from `hw`.
    pub fn new(id: &[u8], hw: HwAddr) -> Self {
        if id.is_empty() { Self::Hw(hw) } else { Self::Id(id.to_vec()) }
    }

    pub(super) fn of_identity(identity: &IdentityRecord) -> Self {
        Self::new(&identity.client_id, identity.hw)
    }
}

/// A request that reached the server.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) first: Instant,
    /// The auditor's lease clock then.
    pub(super) clock: u64,
    pub(super) message: MessageType,
    pub(super) xid: Xid,
    pub(super) hw: HwAddr,
    pub(super) key: Key,
    pub(super) flags: u16,
    pub(super) ciaddr: Ipv4Addr,
    pub(super) giaddr: Ipv4Addr,
    pub(super) requested: Option<Ipv4Addr>,
    pub(super) server: Option<Ipv4Addr>,
    pub(super) client_id: Option<Vec<u8>>,
    pub(super) relay_info: Option<Vec<u8>>,
    pub(super) asked_108: bool,
    pub(super) vendor_class: Vec<u8>,
    /// It asks for rapid commit (RFC 4039).
    pub(super) rapid: bool,
    /// It is a BOOTP client's, which is taken for a DISCOVER.
    pub(super) bootp: bool,
    /// It offers the nonce of RFC 6704.
    pub(super) offers_nonce: bool,
    /// It authenticates by a token (RFC 3118 §4).
    pub(super) offers_token: bool,
    pub(super) link: IfIndex,
    /// The server had been told of the interface.
    pub(super) link_known: bool,
    pub(super) instance: InstanceId,
    pub(super) dst: Ipv4Addr,
    /// Its relay can be a gateway: it is on-link where the request came in.
    pub(super) relay_on_link: bool,
}

impl Request {
    /// The address it asks for.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.requested.or((!self.ciaddr.is_unspecified()).then_some(self.ciaddr))
    }

    /// The address that names its network, for a relayed one.
    pub(super) fn selector(&self) -> Option<Ipv4Addr> {
        selector_of(self.giaddr, self.relay_info.as_deref())
    }
}

/// The address that names the network of a client behind a relay.
pub(super) fn selector_of(giaddr: Ipv4Addr, relay_info: Option<&[u8]>) -> Option<Ipv4Addr> {
    if giaddr.is_unspecified() {
        return None;
    }
    let selected = relay_info.and_then(|bytes| RelayAgentInformation::new(bytes).link_selection());
    Some(selected.unwrap_or(giaddr))
}

impl Auditor {
    /// A packet reached the server.
    pub fn received(&mut self, link: IfIndex, dst: Ipv4Addr, bytes: &[u8]) {
        let parsed = Packet::parse(bytes, ParseRules { allow_no_end_option: true });
        // A BOOTP client that knows no options.
        let Ok(packet) = parsed.or_else(|_| Packet::parse_without_options(bytes)) else {
            return;
        };
        if packet.op() != Op::BootRequest {
            return;
        }
        let message = packet.message_type().unwrap_or(MessageType::Discover);
        let client_id = packet.option(OptionCode::CLIENT_IDENTIFIER).map(|v| v.into_owned());
        let key = Key::new(client_id.as_deref().unwrap_or(&[]), packet.hw_addr());
        let instance = self.site.links.get(&link).map_or(InstanceId(0), |l| l.instance);
        let list = packet.option(OptionCode::PARAMETER_REQUEST_LIST);
        let request = Request {
            first: self.now,
            clock: self.lease_clock(),
            message,
            xid: packet.xid(),
            hw: packet.hw_addr(),
            key,
            flags: packet.flags(),
            ciaddr: packet.ciaddr(),
            giaddr: packet.giaddr(),
            requested: packet.address_option(OptionCode::REQUESTED_IP_ADDRESS),
            server: packet.address_option(OptionCode::SERVER_IDENTIFIER),
            client_id,
            relay_info: packet.option(OptionCode::RELAY_AGENT_INFORMATION).map(|v| v.into_owned()),
            offers_nonce: packet
                .option(OptionCode::FORCERENEW_NONCE_CAPABLE)
                .is_some_and(|algorithms| algorithms.contains(&HMAC_MD5)),
            offers_token: packet
                .option(OptionCode::AUTHENTICATION)
                .is_some_and(|value| matches!(Authentication::parse(&value), Some(Authentication::Token { .. }))),
            vendor_class: packet.option(OptionCode::VENDOR_CLASS).map_or_else(Vec::new, |v| v.into_owned()),
            rapid: packet.has(OptionCode::RAPID_COMMIT),
            bootp: packet.message_type().is_none(),
            asked_108: list.is_some_and(|list| list.contains(&108)),
            link,
            link_known: self.site.links.contains_key(&link),
            instance,
            dst,
            relay_on_link: self.site.is_on_link(link, packet.giaddr()),
        };
        self.weigh(&request);
        self.note_newcomer(&request);
        self.requests.push(request);
    }

    /// Whether the client has a live durable binding of the address.
    pub(super) fn is_bound(&self, instance: InstanceId, address: Ipv4Addr, key: &Key) -> bool {
        self.known.values().any(|(lease, of)| {
            lease.state == DurableState::Bound
                && (lease.instance, super::address(lease)) == (instance, address)
                && of == key
        })
    }

    /// Keeps what the request proves.
    fn weigh(&mut self, request: &Request) {
        let instance = request.instance;
        let key = request.key.clone();
        if request.message == MessageType::Request {
            self.note_request(request);
            let own = self.claims.iter_mut().filter(|(at, _)| at.0 == instance);
            own.flat_map(|(_, claims)| claims).filter(|c| c.key == key).for_each(|c| c.requested = true);
        } else if request.rapid || request.bootp {
            self.note_committing(request);
        }
        if self.is_of_another_line(request) {
            self.other_lines.insert((instance, key.clone()), self.now);
        }
        match request.message {
            MessageType::Release => {
                let at = (instance, request.ciaddr);
                self.releases.insert((at, key.clone()), self.now);
                self.drop_holds(&key);
            }
            MessageType::Decline => {
                if let Some(address) = request.requested {
                    self.declines.insert(((instance, address), key.clone()), self.now);
                }
                self.drop_holds(&key);
            }
            MessageType::Discover => {
                self.discovers.insert((instance, key), self.now);
                self.note_discover(request);
            }
            MessageType::Request if request.server.is_some_and(|id| !self.is_own_in(instance, id)) => {
                self.drop_holds(&key)
            }
            MessageType::Request if request.server.is_some() => self.note_on_line(request),
            _ => {}
        }
    }

    /// Whether a live session of its client has another remote-id than the request.
    pub(super) fn is_of_another_line(&self, request: &Request) -> bool {
        let Some(now) = request.relay_info.as_deref().and_then(remote_id) else { return false };
        let own = self.known.values().filter(|(lease, of)| {
            *of == request.key && lease.instance == request.instance && lease.state == DurableState::Bound
        });
        let mut identities = own.filter_map(|(lease, _)| self.identities.get(&lease.key.session));
        identities.any(|identity| remote_id(&identity.relay_info).is_some_and(|before| before != now))
    }

    /// Whether an address is one of ours in that routing instance.
    pub(super) fn is_own_in(&self, instance: InstanceId, address: Ipv4Addr) -> bool {
        let links = self.site.links.values().filter(|link| link.instance == instance);
        links.flat_map(|link| &link.addresses).any(|(own, _)| *own == address)
    }

    fn drop_holds(&mut self, key: &Key) {
        self.holds.retain(|_, hold| hold.key != *key);
    }

    /// The last known binding's scope of a client at an address.
    pub(super) fn scope_of(&self, request: &Request) -> Option<Ipv4Addr> {
        let pool = self.site.pool_at(request.link, request.selector())?;
        self.site.pools.get(pool).map(|p| p.network.address())
    }

    /// Seconds since the request first came.
    pub(super) fn age(&self, request: &Request) -> u64 {
        (self.now - request.first) / SEC
    }

    /// Whether a durable record says that the client's lease of `address` is of this scope.
    pub(super) fn in_scope(lease: &bindery_engine::record::LeaseRecord, scope: Ipv4Addr) -> bool {
        v4(lease.scope) == scope
    }
}
