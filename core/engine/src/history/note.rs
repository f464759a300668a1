//! Counting and noting: what each exchange came to, and what became of sessions.

use super::{Actor, Detail, Entry, HistoryCursor, HistoryKey, HistoryView, Origin, Shelf, What, Why};
use crate::{
    Engine,
    command::Reply,
    event::{DropReason, ExchangeId},
    input::RxMeta,
    session::{NameId, Slot, State},
};
use bindery_types::{HwAddr, IfIndex, SessionId};
use bindery_wire::v4::{MessageType, OptionCode, Packet};

/// Most sessions of one hardware address that are looked at.
const OF_ONE_HW_MAX: usize = 16;

impl Engine {
    /// Sets the revision of the configuration in force, which the history names. 0 for none.
    pub fn set_revision(&mut self, revision: u64) {
        self.history.revision = revision;
    }

    /// Says who asks by the next `Input::Command`.
    pub fn set_actor(&mut self, actor: Actor) {
        self.actor = actor;
    }

    /// Whether each entry of the history goes to [`Outbox::traces`](crate::Outbox) too.
    pub fn set_traced(&mut self, traced: bool) {
        self.history.traced = traced;
    }

    /// A datagram came.
    pub(crate) fn begin_exchange(&mut self, meta: &RxMeta) {
        let number = self.history.next_number();
        self.origin = Origin { number, index: meta.link, src_mac: meta.src_mac, ..Origin::default() };
    }

    /// It could be parsed.
    pub(crate) fn know_packet(&mut self, packet: &Packet<'_>) {
        let id = packet.option(OptionCode::CLIENT_IDENTIFIER);
        self.origin.client = self.history.client_hash(id.as_deref().unwrap_or_default());
        self.origin.hw = Some(packet.hw_addr());
        self.origin.xid = packet.xid();
        self.origin.message = packet.message_type().map_or(0, |message| message as u8);
        let ciaddr = Some(packet.ciaddr()).filter(|address| !address.is_unspecified());
        let named = || packet.address_option(OptionCode::REQUESTED_IP_ADDRESS);
        self.origin.address = ciaddr.or_else(named).unwrap_or(bindery_types::Ipv4Addr::UNSPECIFIED);
    }

    /// Something of the daemon's own begins: a deadline, a command.
    pub(crate) fn begin_event(&mut self, why: Why) {
        self.origin = Origin { why, ..Origin::default() };
    }

    /// A command begins.
    pub(crate) fn begin_command(&mut self, by_radius: bool) {
        let (why, detail) = match core::mem::take(&mut self.actor) {
            _ if by_radius => (Why::Radius, Detail(0)),
            Actor::Operator(uid) => (Why::Operator, Detail(uid)),
            Actor::Plugin => (Why::Plugin, Detail(0)),
            Actor::Unknown => (Why::Operator, Detail(u32::MAX)),
        };
        self.origin = Origin { why, detail, ..Origin::default() };
    }

    /// What follows has this reason.
    pub(crate) fn because(&mut self, why: Why) {
        self.origin.why = why;
    }

    /// What is worked on, as log lines name it.
    pub(crate) fn exchange_id(&mut self) -> ExchangeId {
        ExchangeId { exchange: self.number(), xid: self.origin.xid, session: self.origin.session }
    }

    /// Counts that the exchange which is worked on ends without an answer, and notes it.
    pub(crate) fn dropped_for(&mut self, reason: DropReason) {
        self.counters.drop(reason);
        if let Some(counters) = self.links.tally(self.origin.index) {
            counters.drop(reason);
        }
        let mut entry = Entry { dropped: reason as u8, why: Why::Unknown, ..self.entry(What::Dropped) };
        if !matches!(reason, DropReason::Policy | DropReason::PolicyTimeout) {
            entry.detail = Detail(0);
        }
        self.note_client(entry);
    }

    /// The same where a plugin may have been the reason: its name goes with it.
    pub(crate) fn dropped_by(&mut self, reason: DropReason, plugin: &str) {
        if matches!(reason, DropReason::Policy | DropReason::PolicyTimeout) {
            self.origin.detail = Detail(self.names.intern(plugin).number());
        }
        self.dropped_for(reason);
    }

    /// Counts a received message; `None` is BOOTP.
    pub(crate) fn count_received(&mut self, message: Option<MessageType>) {
        self.counters.receive(message);
        if let Some(counters) = self.links.tally(self.origin.index) {
            counters.receive(message);
        }
    }

    /// Counts a message that leaves, and notes those that change nothing on storage.
    pub(crate) fn count_sent(&mut self, message: impl Into<Option<MessageType>>) {
        let message = message.into();
        self.counters.send(message);
        if let Some(counters) = self.links.tally(self.origin.index) {
            counters.send(message);
        }
        let what = match message {
            Some(MessageType::Offer) => What::Offered,
            Some(MessageType::Nak) => What::Refused,
            Some(MessageType::ForceRenew) => What::Reconfigured,
            Some(MessageType::Ack) if self.origin.message == MessageType::Inform as u8 => What::Informed,
            _ => return,
        };
        let entry = self.entry(what);
        self.note_client(entry);
    }

    /// Notes what became of a session.
    pub(crate) fn note_session(&mut self, what: What, slot: Slot) {
        let Some((record, identity)) = self.sessions.get(slot).zip(self.sessions.identity(slot)) else { return };
        let own = self.history.client_hash(identity.client_id);
        let known = Entry {
            session: record.id().0,
            client: own,
            address: record.address(),
            link: record.link(),
            mac: identity.hw.mac().unwrap_or_default(),
            ..self.blank(what)
        };
        let of_operator = self.origin.why == Why::Operator && !matches!(what, What::Bound | What::Renewed);
        let detail = if of_operator { self.origin.detail } else { Detail(record.pool.number()) };
        let shelf = match what {
            What::Renewed | What::Reconfigured => Shelf::Traffic,
            What::Lapsed => Shelf::Strangers,
            _ => Shelf::Lives,
        };
        let number = self.number();
        self.shelve(shelf, Entry { detail, number, ..known });
    }

    /// Notes what concerns a client: with what it has, if it has a binding.
    fn note_client(&mut self, entry: Entry) {
        if entry.mac == bindery_types::MacAddr::default() && entry.client == 0 && entry.session == 0 {
            return;
        }
        let bound = self.origin.hw.and_then(|hw| self.bound_of(&hw, entry.client));
        match bound {
            Some(session) => {
                let session = if entry.session == 0 { session.0 } else { entry.session };
                self.shelve(Shelf::Traffic, Entry { session, ..entry });
            }
            None => self.shelve(Shelf::Strangers, entry),
        }
    }

    /// The bound session of a client.
    fn bound_of(&self, hw: &HwAddr, client: u64) -> Option<SessionId> {
        let is_it = |slot: &Slot| {
            let identity = self.sessions.identity(*slot);
            let same = client == 0 || identity.is_some_and(|i| self.history.client_hash(i.client_id) == client);
            // The shadow of an offer is an ended session: only a live one counts.
            same && self.sessions.get(*slot).is_some_and(|record| record.state() == State::Bound)
        };
        let slot = self.sessions.by_hw(hw).take(OF_ONE_HW_MAX).find(is_it)?;
        self.sessions.get(slot).map(|record| record.id())
    }

    fn number(&mut self) -> u64 {
        if self.origin.number == 0 {
            self.origin.number = self.history.next_number();
        }
        self.origin.number
    }

    /// An entry of what is worked on.
    fn entry(&mut self, what: What) -> Entry {
        Entry { number: self.number(), ..self.blank(what) }
    }

    fn blank(&self, what: What) -> Entry {
        let origin = &self.origin;
        let name = self.links.get(origin.index).map_or(NameId::EMPTY, |link| link.name);
        let mac = origin.hw.and_then(|hw| hw.mac()).or(origin.src_mac).unwrap_or_default();
        Entry {
            number: origin.number,
            at: self.history.wall,
            session: origin.session.0,
            client: origin.client,
            address: origin.address,
            link: name,
            xid: origin.xid,
            revision: u32::try_from(self.history.revision).unwrap_or(u32::MAX),
            detail: origin.detail,
            mac,
            times: 1,
            message: origin.message,
            what,
            why: origin.why,
            dropped: 0,
        }
    }

    fn shelve(&mut self, shelf: Shelf, entry: Entry) {
        self.history.push(shelf, entry);
        if self.history.traced {
            let view = self.view_entry(&entry);
            self.outbox.traces.push(view);
        }
    }

    /// One page of somebody's history, in no order: rings follow each other.
    pub(crate) fn history_page(&self, key: &HistoryKey, cursor: HistoryCursor) -> Reply {
        let (entries, next) = self.history.page(key, cursor);
        Reply::History { rows: entries.iter().map(|entry| self.view_entry(entry)).collect(), next }
    }

    fn view_entry(&self, entry: &Entry) -> HistoryView {
        let dropped = (entry.what == What::Dropped).then(|| DropReason::ALL.get(usize::from(entry.dropped)).copied());
        let dropped = dropped.flatten();
        let name = self.names.name(NameId::of(entry.detail.0));
        let by_plugin = matches!(dropped, Some(DropReason::Policy | DropReason::PolicyTimeout));
        let of_operator = entry.why == Why::Operator && !matches!(entry.what, What::Bound | What::Renewed);
        let pool = if dropped.is_some() || of_operator { "" } else { name };
        HistoryView {
            exchange: entry.number,
            at: entry.at,
            what: entry.what,
            why: entry.why,
            dropped,
            message: MessageType::try_from(entry.message).ok(),
            times: entry.times,
            session: (entry.session != 0).then_some(SessionId(entry.session)),
            mac: entry.mac,
            address: entry.address,
            interface: self.names.name(entry.link).into(),
            xid: entry.xid,
            revision: u64::from(entry.revision),
            pool: pool.into(),
            plugin: if by_plugin { name.into() } else { "".into() },
            operator: (of_operator && entry.detail.0 != u32::MAX).then_some(entry.detail.0),
        }
    }

    /// The interface that a session's packets come in on now; 0 for none.
    pub(crate) fn index_of(&self, link: NameId) -> IfIndex {
        self.links.by_name(link).map_or(IfIndex(0), |link| link.link.index)
    }
}
