//! Packets from the server: are they sound, and may they leave?

use super::{
    Auditor, Finding, HOLD_SECS, Hold, KernelRoutes, Key, Towards, access::CLOCK_SLACK_SECS, address, request::Request,
};
use crate::clock::SEC;
use bindery_engine::record::{DurableState, RouteRecord};
use bindery_types::{Ipv4Addr, LeaseTime, MacAddr};
use bindery_wire::v4::{MessageType, Op, OptionCode, Packet, ParseRules};

/// Options that no reply has, whatever a plugin wants: they are the client's own.
const NEVER: [OptionCode; 2] = [OptionCode::REQUESTED_IP_ADDRESS, OptionCode(57)];

impl Auditor {
    /// A packet leaves the server.
    ///
    /// # Errors
    /// A broken promise.
    pub fn sent(&mut self, to: Towards, bytes: &[u8], kernel: &KernelRoutes) -> Result<(), Finding> {
        let parsed = Packet::parse(bytes, ParseRules::default());
        let plain = || Packet::parse_without_options(bytes).ok().filter(|_| self.site.bootp);
        let packet = parsed.or_else(|e| plain().ok_or(format!("a reply does not parse: {e}")))?;
        let Some(message) = packet.message_type() else {
            return self.bootp_is_fair(&packet, kernel);
        };
        if packet.op() != Op::BootReply {
            return Err("a reply is no BOOTREPLY".into());
        }
        if message == MessageType::ForceRenew {
            return self.forcerenew_is_fair(to, &packet);
        }
        let mut candidates: Vec<Request> = self.requests.iter().filter(|r| echoes(&packet, r)).cloned().collect();
        // What came in on an interface that the server did not know yet is answered least.
        candidates.sort_by_key(|r| !r.link_known);
        let mut finding = format!("a {message:?} answers no request that came");
        let mut answered = None;
        for request in &candidates {
            let sound = answers(&packet, message, request)
                .and_then(|()| self.options_are_sound(&packet, message, request))
                .and_then(|()| self.destination_is_right(to, &packet, message, request));
            match sound {
                Ok(()) => {
                    answered = Some(request.clone());
                    break;
                }
                Err(why) => finding = why,
            }
        }
        let Some(request) = answered else {
            return Err(finding);
        };
        let same: Vec<Request> = candidates.iter().filter(|r| answers(&packet, message, r).is_ok()).cloned().collect();
        self.note_sent(message, &request, &same);
        self.rate_is_kept(&request, &same)?;
        match message {
            MessageType::Offer => {
                let at = (request.instance, packet.yiaddr());
                self.offer_is_allowed(at, &request.key, &candidates)?;
                self.newcomer_is_fair(at, &request, &candidates)?;
                self.offer_is_fair(&packet, &request)
            }
            MessageType::Ack if request.message == MessageType::Discover => {
                let at = (request.instance, packet.yiaddr());
                self.newcomer_is_fair(at, &request, &candidates)?;
                // The offer and its answer in one (RFC 4039 §3.1).
                self.ended.retain(|(of, key), _| of.0 != at.0 || *key != request.key);
                self.ack_is_fair(&packet, &request, kernel)
            }
            MessageType::Ack => self.ack_is_fair(&packet, &request, kernel),
            MessageType::Nak => {
                self.note_refusal(&packet, &request);
                self.nak_is_fair(&packet, &candidates)
            }
            other => Err(format!("the server sent a {other:?}")),
        }
    }

    fn options_are_sound(&self, packet: &Packet<'_>, message: MessageType, request: &Request) -> Result<(), Finding> {
        for code in NEVER {
            if packet.has(code) {
                return Err(format!("option {} in a {message:?}", code.0));
            }
        }
        self.authentication_is_sound(packet, message, request)?;
        let server = packet.address_option(OptionCode::SERVER_IDENTIFIER).ok_or("a reply without option 54")?;
        if !self.own_ever.contains(&server) && Some(server) != self.site.set_server_id {
            return Err(format!("option 54 is {server}, which is not ours"));
        }
        if packet.has(OptionCode(108)) && !request.asked_108 {
            return Err("option 108 to a client that did not ask for it".into());
        }
        let lease = packet.u32_option(OptionCode::IP_ADDRESS_LEASE_TIME);
        let (t1, t2) = (packet.u32_option(OptionCode::RENEWAL_TIME), packet.u32_option(OptionCode::REBINDING_TIME));
        if message == MessageType::Nak {
            let bare = packet.yiaddr().is_unspecified() && lease.or(t1).or(t2).is_none();
            return if bare { Ok(()) } else { Err("a NAK with an address or a lease".into()) };
        }
        let lease = lease.ok_or("a lease without option 51")?;
        if lease < 60 && !self.may_be_short() {
            return Err(format!("a lease of {lease} s"));
        }
        let ordered = t1.unwrap_or(0) <= t2.unwrap_or(u32::MAX) && t2.unwrap_or(0) <= lease;
        if !ordered { Err(format!("T1 {t1:?}, T2 {t2:?}, lease {lease}")) } else { Ok(()) }
    }

    fn destination_is_right(
        &self,
        to: Towards,
        packet: &Packet<'_>,
        message: MessageType,
        request: &Request,
    ) -> Result<(), Finding> {
        let broadcast = Towards::Frame { link: request.link, mac: MacAddr::BROADCAST, dst: Ipv4Addr::BROADCAST };
        let renews = request.requested.is_none() && !request.ciaddr.is_unspecified();
        let right = if !request.giaddr.is_unspecified() {
            to == Towards::Udp { dst: request.giaddr, port: 67 }
        } else if message == MessageType::Nak {
            let own = Towards::Udp { dst: request.ciaddr, port: 68 };
            let direct =
                matches!(to, Towards::Frame { link, dst, .. } if link == request.link && dst == request.ciaddr);
            to == broadcast || (!request.ciaddr.is_unspecified() && (to == own || direct))
        } else if renews && to == (Towards::Udp { dst: request.ciaddr, port: 68 }) {
            true
        } else {
            let mac = request.hw.mac().filter(|m| m.0[0] & 1 == 0 && m.0 != [0; 6] && !packet.is_broadcast());
            match mac {
                Some(mac) => to == Towards::Frame { link: request.link, mac, dst: packet.yiaddr() },
                None => to == broadcast,
            }
        };
        if right { Ok(()) } else { Err(format!("a {message:?} goes to {to:?}, for {request:?}")) }
    }

    fn offer_is_fair(&mut self, packet: &Packet<'_>, request: &Request) -> Result<(), Finding> {
        let at = (request.instance, packet.yiaddr());
        self.may_be_given(at, &request.key, "offered")?;
        // Whoever sends another's identifier is that client, with what it was offered.
        let one = |p: &super::SitePool| p.host_by_id || matches!(request.key, Key::Hw(_));
        let kept = |p: &super::SitePool| {
            p.instance == at.0 && one(p) && p.host_user.is_none() && p.is_anothers(at.1, request.hw.mac(), &request.key)
        };
        if self.site.pools.iter().any(kept) && !self.is_bound(at.0, at.1, &request.key) {
            return Err(format!("{} is offered to {:?} and reserved for another client", at.1, request.key));
        }
        let scope = self.scope_of(request).unwrap_or(Ipv4Addr::UNSPECIFIED);
        self.offer_moves_on(at, scope, &request.key)?;
        self.note_authentication(packet, (at.0, scope, request.key.clone()), None)?;
        let now = self.now;
        if self.site.offers_lapse || self.sites().any(|site| site.discover_match.is_some()) {
            // Nobody knows which still stand: those that were made but not sent count too.
            self.holds.clear();
        }
        if let Some(hold) = self.holds.get(&at)
            && hold.until > now
            && hold.key != request.key
        {
            return Err(format!("{} is offered to {:?} and held for {:?}", at.1, request.key, hold.key));
        }
        let mine = |(of, hold): &(&super::At, &Hold)| {
            of.0 == at.0 && **of != at && hold.key == request.key && hold.scope == scope && hold.until > now
        };
        let one = !self.tells_apart() && !self.is_steered(at.0, &request.key);
        if let Some((other, _)) = self.holds.iter().find(mine).filter(|_| one) {
            return Err(format!("{:?} is offered {} and {}", request.key, other.1, at.1));
        }
        // A commit may have taken the address out of its pool while the offer waited for a plugin.
        let held = if self.site.has(at.0, at.1) { HOLD_SECS } else { 0 };
        let until = now + held * SEC;
        self.holds.insert(at, Hold { key: request.key.clone(), scope, until });
        // A new cycle: what we ended may begin again.
        self.ended.retain(|(of, key), _| of.0 != at.0 || *key != request.key);
        Ok(())
    }

    /// Nobody else has the address, and it is in no quarantine.
    fn may_be_given(&self, at: super::At, key: &Key, what: &str) -> Result<(), Finding> {
        if let Some(until) = self.quarantines.get(&at)
            && self.lease_clock() + SEC < *until
        {
            return Err(format!("{} {what} for {key:?} during its quarantine", at.1));
        }
        // What was kept by another configuration is not told here.
        let calm = self.sites().count() == 1 && self.site.has(at.0, at.1);
        if let Some((lease, until)) = self.is_kept_for(at).filter(|_| calm)
            && self.identities.get(&lease.key.session).map(Key::of_identity).as_ref() != Some(key)
            && self.shown_clock().is_some_and(|clock| clock + CLOCK_SLACK_SECS < until)
        {
            return Err(format!("{} {what} for {key:?}, though its grace period lasts until {until}", at.1));
        }
        self.nobody_else_was_told(at, key, what)
    }

    /// A reply to a BOOTP client: an address for ever, which is on disk before it.
    fn bootp_is_fair(&mut self, packet: &Packet<'_>, kernel: &KernelRoutes) -> Result<(), Finding> {
        let asked = self.requests.iter().find(|r| r.bootp && echoes(packet, r)).cloned();
        let Some(request) = asked else { return Err("a BOOTREPLY answers no request that came".into()) };
        if packet.u32_option(OptionCode::IP_ADDRESS_LEASE_TIME).is_some() {
            return Err("a BOOTREPLY with a lease time".into());
        }
        if packet.yiaddr().is_unspecified() && !request.ciaddr.is_unspecified() {
            // It knows its address, and asks for the rest.
            return Ok(());
        }
        let at = (request.instance, packet.yiaddr());
        self.newcomer_is_fair(at, &request, std::slice::from_ref(&request))?;
        self.ended.retain(|(of, key), _| of.0 != at.0 || *key != request.key);
        self.ack_is_fair(packet, &request, kernel)
    }

    fn ack_is_fair(&mut self, packet: &Packet<'_>, request: &Request, kernel: &KernelRoutes) -> Result<(), Finding> {
        self.acks += 1;
        let at = (request.instance, packet.yiaddr());
        let who = format!("ACK of {} to {:?}", at.1, request.key);
        self.may_be_given(at, &request.key, "leased")?;
        if self.is_ended(at, &request.key) && !self.tells_apart() {
            return Err(format!("{who}: we ended it and there was no offer since"));
        }
        if self.sites().all(|site| !site.has(at.0, at.1)) {
            return Err(format!("{who}: no pool has it"));
        }
        let lease = self.disk.values().find(|l| {
            l.state == DurableState::Bound
                && (l.instance, address(l)) == at
                && self.identities.get(&l.key.session).map(Key::of_identity).as_ref() == Some(&request.key)
        });
        let Some(lease) = lease.copied() else {
            return Err(format!("{who} in {:?}: no such binding on disk", at.0));
        };
        // BOOTP knows no end, but its authority may.
        let told = packet.u32_option(OptionCode::IP_ADDRESS_LEASE_TIME).filter(|_| !request.bootp);
        let forever =
            if lease.end == LeaseTime::NEVER { u64::from(u32::MAX) } else { lease.cltt.secs_until(lease.end) };
        let bootp = u32::try_from(forever).unwrap_or(u32::MAX);
        let secs = told.unwrap_or(if request.bootp { bootp } else { 0 });
        let long_enough = request.bootp
            || match secs {
                u32::MAX => lease.end == LeaseTime::NEVER,
                // A renewal may be written behind; what it promises is kept for the client by then.
                secs => {
                    lease.end >= lease.cltt.plus_secs(u64::from(secs)) && self.is_kept(lease.end, secs, request.first)
                }
            };
        if !long_enough {
            return Err(format!("{who} for {secs} s: on disk it ends at {:?}, last heard {:?}", lease.end, lease.cltt));
        }
        if !request.bootp {
            self.lease_is_valid(&lease, secs).map_err(|why| format!("{who}: {why}"))?;
            self.lease_is_granted(&lease, secs).map_err(|why| format!("{who}: {why}"))?;
        }
        let of = (at.0, super::v4(lease.scope), request.key.clone());
        self.note_authentication(packet, of, Some(&lease))?;
        self.is_alone(&lease, request).map_err(|why| format!("{who}: {why}"))?;
        self.note_acked(at, request);
        self.hear(at);
        self.route_stands(&lease, request, kernel).map_err(|why| format!("{who}: {why}"))?;
        let until = match secs {
            u32::MAX => u64::MAX,
            // Nothing was told.
            _ if request.bootp => request.clock,
            secs => request.clock.saturating_add(u64::from(secs) * SEC),
        };
        self.claim(at, &request.key, (until, request.bootp));
        self.holds.remove(&at);
        Ok(())
    }

    fn route_stands(
        &self,
        lease: &bindery_engine::record::LeaseRecord,
        request: &Request,
        kernel: &KernelRoutes,
    ) -> Result<(), Finding> {
        let at = (lease.instance, address(lease));
        let located = !request.giaddr.is_unspecified() || request.dst.is_broadcast();
        if located {
            let wanted = request.giaddr.is_unspecified() || request.relay_on_link;
            if wanted != (lease.route != RouteRecord::None) {
                return Err(format!("the route on disk is {:?}", lease.route));
            }
        }
        if lease.route == RouteRecord::None || self.disturbed.contains_key(&at) {
            return Ok(());
        }
        // The interface went while the reply waited.
        let Some(wanted) = self.route_for(lease) else {
            return Ok(());
        };
        match kernel.get(&at) {
            Some(route) if *route == wanted => self.prefixes_stand(lease, kernel),
            other => Err(format!("the kernel has {other:?} and not {wanted:?}")),
        }
    }

    fn nak_is_fair(&mut self, packet: &Packet<'_>, candidates: &[Request]) -> Result<(), Finding> {
        self.naks += 1;
        // One of the requests that this may answer deserves it.
        let deserved = |r: &Request| {
            let Some(asked) = r.address() else { return false };
            let at = (r.instance, asked);
            if !self.is_bound(at.0, asked, &r.key) || !self.site.has(at.0, asked) {
                return true;
            }
            // It may have come from elsewhere, and is another client then.
            if self.site.tells_apart && (r.dst.is_broadcast() || !r.giaddr.is_unspecified()) {
                return true;
            }
            if self.is_of_another_line(r) && self.sites().any(|site| site.remote_id_mismatch) {
                return true;
            }
            // Of another network than the one it is on now (RFC 2131 §4.3.2).
            let pool = self.site.pool_at(r.link, r.selector());
            let scope = self.scope_of(r);
            let here = pool.is_some_and(|p| self.site.chain(p).any(|p| p.network.contains(asked)));
            let mine = |(lease, key): &&(bindery_engine::record::LeaseRecord, Key)| {
                *key == r.key
                    && (lease.instance, address(lease)) == at
                    && scope.is_some_and(|scope| Self::in_scope(lease, scope))
            };
            let located = r.dst.is_broadcast() || !r.giaddr.is_unspecified();
            !here && located || r.requested.is_some() && (!here || self.known.values().find(mine).is_none())
        };
        let requests = candidates.iter().filter(|r| r.message == MessageType::Request && r.giaddr == packet.giaddr());
        let mut undeserved = None;
        for request in requests {
            if deserved(request) {
                return Ok(());
            }
            undeserved = Some(request);
        }
        match undeserved {
            Some(r) => {
                Err(format!("NAK to {:?}, which holds {:?} (first asked {} s ago)", r.key, r.address(), self.age(r)))
            }
            None => Err("a NAK to nobody".into()),
        }
    }
}

/// What goes back as it came: xid, hardware address, giaddr, options 61 and 82 (RFC 2131 table 3, RFC 6842 §3,
/// RFC 3046 §2.2). A NAK may leave option 82 out.
fn echoes(packet: &Packet<'_>, request: &Request) -> bool {
    let id = packet.option(OptionCode::CLIENT_IDENTIFIER);
    let info = packet.option(OptionCode::RELAY_AGENT_INFORMATION);
    let nak = packet.message_type() == Some(MessageType::Nak);
    request.xid == packet.xid()
        && request.hw == packet.hw_addr()
        && request.giaddr == packet.giaddr()
        && request.client_id.as_deref() == id.as_deref()
        && (request.relay_info.as_deref() == info.as_deref() || (nak && info.is_none()))
}

/// Whether a reply of this type, with these flags and this address, answers the request.
fn answers(packet: &Packet<'_>, message: MessageType, request: &Request) -> Result<(), Finding> {
    let rapid = message == MessageType::Ack && request.rapid && request.message == MessageType::Discover;
    if rapid != (message == MessageType::Ack && packet.has(OptionCode::RAPID_COMMIT)) {
        return Err(format!("rapid commit of a {message:?} to a {:?}", request.message));
    }
    let wanted = match message {
        MessageType::Ack if rapid => MessageType::Discover,
        MessageType::Offer => MessageType::Discover,
        _ => MessageType::Request,
    };
    if request.message != wanted {
        return Err(format!("a {message:?} answers a {:?}", request.message));
    }
    if request.flags != packet.flags() && !(message == MessageType::Nak && packet.is_broadcast()) {
        return Err(format!("flags {:#x} are answered by {:#x}", request.flags, packet.flags()));
    }
    if message == MessageType::Ack && !rapid && request.address() != Some(packet.yiaddr()) {
        return Err(format!("{} is leased, {:?} was asked for", packet.yiaddr(), request.address()));
    }
    Ok(())
}
