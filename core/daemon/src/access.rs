//! Newcomers: what is asked of plugins and RADIUS about them, and what the answers mean to the engine.
//!
//! All of it runs on the packet thread and waits for nothing: RADIUS answers come back as messages.

use crate::{
    accounting::{Denied, Feed},
    log::Limiter,
    radius::{Aaa, GroupAccess},
    username::{self, Client},
};
use bindery_engine::{
    Engine,
    access::{AccessQuestion, PATIENCE},
    event::SessionNews,
    policy::{
        Attribute, Authorize, EXTRA_ROUTES_MAX, ExtraRoute, Hook, Phase, Policy, RouteChoice, Steer, Token, Verdict,
    },
    subscriber::{Authorization, Grant, Subscriber},
};
use bindery_netlink::RouteHandle;
use bindery_radius::{
    access::{Grant as Accepted, Subscriber as About},
    accounting::TerminateCause,
    client::{Answer, Kind, Request},
    packet::{AttributeList, TooLong, Type},
    shell::{Busy, Handle},
};
use bindery_types::{Ipv4Addr, Mono, Now};
use bindery_wire::v4::{OptionCode, Packet, ParseRules, RelayAgentInformation, SubOption};
use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

/// Longest wait of a request before it is first sent: clients try again sooner than that.
const UNSENT_MAX: Duration = Duration::from_secs(30);

/// The stage is not parked: the token names nothing.
const UNPARKED: Token = Token { engine: 0, slot: u32::MAX, generation: 0 };

/// What is said about a newcomer whose answer has come.
#[derive(Debug)]
pub(crate) enum Said {
    /// To the engine; and the record that is made where it cannot do what was granted.
    Answer(Authorization, Option<Box<Denied>>),
    /// A commit came in between: the request is to be judged anew by what holds now.
    Again(Box<AccessQuestion>),
}

/// What RADIUS was asked and has answered, since start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Asked {
    /// Requests handed to RADIUS.
    pub(crate) requests: u64,
    /// Access-Accepts.
    pub(crate) accepts: u64,
    /// Access-Rejects.
    pub(crate) rejects: u64,
    /// Requests without an answer.
    pub(crate) failures: u64,
    /// Requests that could not be handed over.
    pub(crate) refused: u64,
    /// Answers that nobody waited for any more.
    pub(crate) late: u64,
}

/// A newcomer that RADIUS was asked about.
struct Waiting {
    question: AccessQuestion,
    /// The configuration at that time.
    aaa: Arc<Aaa>,
    username: Box<str>,
    steer: Steer,
}

/// Asks about newcomers. Holds at most as many as the engine lets wait.
pub(crate) struct Access {
    radius: Handle,
    aaa: Arc<Aaa>,
    records: Feed,
    waiting: HashMap<u64, Waiting>,
    /// When each is given up, in order.
    deadlines: VecDeque<(Mono, u64)>,
    counted: Asked,
    log: Limiter,
}

impl Access {
    /// `records` takes what is to be accounted.
    pub(crate) fn new(radius: Handle, aaa: Arc<Aaa>, records: Feed) -> Self {
        let (waiting, deadlines) = (HashMap::new(), VecDeque::new());
        Self { radius, aaa, records, waiting, deadlines, counted: Asked::default(), log: Limiter::default() }
    }

    /// What was counted.
    pub(crate) fn counted(&self) -> Asked {
        self.counted
    }

    /// Something happened to a session of a group that accounts. Call this before the operations of `routes` are
    /// submitted.
    pub(crate) fn happened(&mut self, now: Now, news: SessionNews, routes: Option<&RouteHandle>) {
        self.records.session(now, &self.aaa, news, routes);
    }

    /// A commit.
    pub(crate) fn configure(&mut self, aaa: Arc<Aaa>) {
        self.aaa = aaa;
    }

    /// Asks about a newcomer. The answer comes back where nobody has to be waited for.
    pub(crate) fn ask(
        &mut self,
        now: Now,
        engine: &Engine,
        policy: &mut dyn Policy,
        question: AccessQuestion,
    ) -> Option<Authorization> {
        self.expire(now);
        let aaa = Arc::clone(&self.aaa);
        let group = aaa.group(&question.instance, &question.group);
        // It parsed once; the rules only decide about a missing end option.
        let Ok(packet) = Packet::parse(&question.request, ParseRules { allow_no_end_option: true }) else {
            return Some(Authorization::Unavailable);
        };
        let facts = Known::of(&packet);
        let name = group.and_then(|group| group.include.as_ref()).map(|include| {
            username::build(include, &facts.client(&packet, &question.interface, &question.instance))
                .map(Option::unwrap_or_default)
        });
        let username = match name.transpose() {
            Ok(name) => name.unwrap_or_default().into_boxed_str(),
            Err(error) => return Some(self.unavailable(now, &question, "", &error.to_string())),
        };
        let Some(group) = group.filter(|group| group.asks_radius) else {
            let case = Case { engine, question: &question, packet: &packet, group };
            return Some(after(now, policy, &case, &username, &AttributeList::new(), Steer::default()));
        };
        let made = facts.about(&packet, &username, &question.interface).access_attributes(&aaa.radius.nas);
        let case = Case { engine, question: &question, packet: &packet, group: Some(group) };
        let made = made.map_err(BeforeError::TooLong);
        let (username, attributes, steer) = match made.and_then(|list| before(now, policy, &case, &username, list)) {
            Ok(made) => made,
            Err(BeforeError::Said(answer)) => return Some(answer),
            Err(BeforeError::TooLong(error)) => {
                return Some(self.unavailable(now, &question, &username, &error.to_string()));
            }
        };
        let request = Request {
            kind: Kind::Access,
            profile: Arc::clone(&group.profile),
            attributes,
            password: group.password.clone(),
            age: Duration::ZERO,
            patience: Some(UNSENT_MAX),
        };
        if let Err(Busy(_)) = self.radius.access(question.tag, request) {
            self.counted.refused += 1;
            return Some(self.unavailable(now, &question, &username, "too many requests wait for RADIUS"));
        }
        tracing::debug!(%username, group = %question.group, interface = %question.interface, "RADIUS is asked");
        self.counted.requests += 1;
        self.deadlines.push_back((now.mono.plus(PATIENCE), question.tag));
        self.waiting.insert(question.tag, Waiting { question, aaa, username, steer });
        None
    }

    /// RADIUS has answered. `None`: nobody waits any more.
    pub(crate) fn answered(
        &mut self,
        now: Now,
        engine: &Engine,
        policy: &mut dyn Policy,
        tag: u64,
        (answer, server): (Answer, Option<SocketAddr>),
    ) -> Option<Said> {
        self.count(&answer);
        let Some(Waiting { question, aaa, username, steer }) = self.waiting.remove(&tag) else {
            self.counted.late += 1;
            return None;
        };
        if !Arc::ptr_eq(&aaa, &self.aaa) {
            return Some(Said::Again(Box::new(question)));
        }
        let group = aaa.group(&question.instance, &question.group);
        let Ok(packet) = Packet::parse(&question.request, ParseRules { allow_no_end_option: true }) else {
            return Some(Said::Answer(Authorization::Unavailable, None));
        };
        let case = Case { engine, question: &question, packet: &packet, group };
        let list = match answer {
            Answer::Accept(list) => list,
            Answer::Failed(_) if group.is_some_and(|group| group.takes_without_answer) => AttributeList::new(),
            Answer::Reject(_) => {
                self.rejected(now, &case, &username, server);
                return Some(Said::Answer(Authorization::Rejected, None));
            }
            Answer::Failed(failure) => {
                let why = format!("no answer of RADIUS: {failure:?}");
                return Some(Said::Answer(self.unavailable(now, &question, &username, &why), None));
            }
            // No answer to what was asked.
            Answer::Recorded(_) => return Some(Said::Answer(Authorization::Unavailable, None)),
        };
        let answer = after(now, policy, &case, &username, &list, steer);
        let accepted = matches!(answer, Authorization::Accepted(_));
        tracing::debug!(%username, group = %question.group, server = ?server, accepted, "RADIUS has answered");
        let in_vain = match (&answer, group) {
            (Authorization::Accepted(grant), Some(group)) if group.accounts && group.records.stop_on_failure => {
                let mut denied = case.denied(now, group, &grant.subscriber.username);
                denied.classes.clone_from(&grant.subscriber.classes);
                Some(Box::new(Denied { cause: TerminateCause::SERVICE_UNAVAILABLE, ..denied }))
            }
            _ => None,
        };
        Some(Said::Answer(answer, in_vain))
    }

    /// The engine could not do what was granted.
    pub(crate) fn in_vain(&mut self, now: Now, denied: Denied) {
        self.records.denied(now, denied);
    }

    fn count(&mut self, answer: &Answer) {
        match answer {
            Answer::Accept(_) => self.counted.accepts += 1,
            Answer::Reject(_) => self.counted.rejects += 1,
            Answer::Failed(_) | Answer::Recorded(_) => self.counted.failures += 1,
        }
    }

    fn rejected(&mut self, now: Now, case: &Case<'_>, username: &str, server: Option<SocketAddr>) {
        if self.log.allows(now.mono.secs()) {
            let hw = case.packet.hw_addr();
            tracing::info!(username, %hw, group = %case.question.group, ?server, "RADIUS has rejected a client");
        }
        let Some(group) = case.group.filter(|group| group.accounts && group.records.stop_on_access_deny) else {
            return;
        };
        self.records.denied(now, case.denied(now, group, username));
    }

    fn unavailable(&mut self, now: Now, question: &AccessQuestion, username: &str, why: &str) -> Authorization {
        if self.log.allows(now.mono.secs()) {
            let (group, interface) = (&question.group, &question.interface);
            tracing::warn!(username, %group, %interface, why, "a newcomer stays unanswered");
        }
        Authorization::Unavailable
    }

    /// Gives up on answers that were lost.
    fn expire(&mut self, now: Now) {
        while let Some(&(deadline, tag)) = self.deadlines.front()
            && (deadline <= now.mono || !self.waiting.contains_key(&tag))
        {
            self.deadlines.pop_front();
            if self.waiting.remove(&tag).is_some() {
                self.radius.cancel(tag);
            }
        }
    }
}

/// What a question is about.
struct Case<'a> {
    engine: &'a Engine,
    question: &'a AccessQuestion,
    packet: &'a Packet<'a>,
    group: Option<&'a GroupAccess>,
}

impl<'a> Case<'a> {
    /// The record of a client that is rejected.
    fn denied(&self, now: Now, group: &GroupAccess, username: &str) -> Denied {
        Denied {
            profile: Arc::clone(&group.profile),
            username: username.into(),
            mac: self.packet.hw_addr().mac(),
            interface: self.question.interface.clone(),
            classes: Vec::new(),
            cause: TerminateCause::USER_ERROR,
            tag: self.question.tag,
            at: now.wall,
        }
    }

    fn stage(&self, phase: Phase, username: Box<str>, list: &AttributeList, steer: Steer) -> Authorize<'a> {
        Authorize {
            request: self.packet,
            group: &self.question.group,
            interface: &self.question.interface,
            phase,
            username,
            attributes: flat(list),
            token: UNPARKED,
            sessions: self.engine.lookup_for(&self.question.meta),
            steer,
        }
    }
}

/// The options of a request that requests to RADIUS are made of.
struct Known<'a> {
    option_60: Cow<'a, [u8]>,
    option_82: Cow<'a, [u8]>,
    client_id: Cow<'a, [u8]>,
    dhcp_options: Vec<u8>,
}

impl<'a> Known<'a> {
    fn of(packet: &Packet<'a>) -> Self {
        let option = |code| packet.option(code).unwrap_or_default();
        let mut dhcp_options = Vec::new();
        for (code, value) in packet.options() {
            // One of more than 255 bytes came in parts; what a server can take of it is its first part.
            let value = value.get(..255).unwrap_or(&value);
            dhcp_options.extend_from_slice(&[code.0, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
            dhcp_options.extend_from_slice(value);
        }
        Self {
            option_60: option(OptionCode::VENDOR_CLASS),
            option_82: option(OptionCode::RELAY_AGENT_INFORMATION),
            client_id: option(OptionCode::CLIENT_IDENTIFIER),
            dhcp_options,
        }
    }

    fn client<'b>(&'b self, packet: &Packet<'_>, interface: &'b str, instance: &'b str) -> Client<'b> {
        Client {
            mac: packet.hw_addr().mac(),
            option_60: &self.option_60,
            option_82: &self.option_82,
            client_id: &self.client_id,
            interface,
            instance,
        }
    }

    fn about<'b>(&'b self, packet: &Packet<'_>, username: &'b str, interface: &'b str) -> About<'b> {
        let relay = RelayAgentInformation::new(&self.option_82);
        let sub_option = |code| relay.sub_option(code).unwrap_or_default();
        About {
            username,
            mac: packet.hw_addr().mac(),
            interface,
            circuit_id: sub_option(SubOption::CIRCUIT_ID),
            remote_id: sub_option(SubOption::REMOTE_ID),
            vendor_info: sub_option(SubOption::VENDOR_SPECIFIC),
            dhcp_options: &self.dhcp_options,
            giaddr: Some(packet.giaddr()),
            ..About::default()
        }
    }
}

/// Why no request leaves.
#[derive(Debug)]
enum BeforeError {
    Said(Authorization),
    TooLong(TooLong),
}

/// Lets plugins change a request. Attributes that the client of RADIUS makes itself are not theirs.
fn before(
    now: Now,
    policy: &mut dyn Policy,
    case: &Case<'_>,
    username: &str,
    mut list: AttributeList,
) -> Result<(Box<str>, AttributeList, Steer), BeforeError> {
    if case.question.chain.is_empty() {
        return Ok((username.into(), list, Steer::default()));
    }
    list.remove(Type::USER_NAME);
    let mut stage = case.stage(Phase::Before, username.into(), &list, Steer::default());
    if let Some(answer) = stopped(policy.authorize(now, &case.question.chain, &mut stage)) {
        return Err(BeforeError::Said(answer));
    }
    const OURS: [Type; 5] =
        [Type::USER_NAME, Type::USER_PASSWORD, CHAP_PASSWORD, Type::MESSAGE_AUTHENTICATOR, Type::PROXY_STATE];
    let mut list = AttributeList::new();
    if !stage.username.is_empty() {
        list.push(Type::USER_NAME, stage.username.as_bytes()).map_err(BeforeError::TooLong)?;
    }
    let attributes = stage.attributes.iter().filter(|a| a.vendor != 0 || !OURS.contains(&Type(a.code)));
    push_all(&mut list, attributes).map_err(BeforeError::TooLong)?;
    Ok((stage.username, list, stage.steer))
}

/// It must not stand beside User-Password (RFC 2865 §4.1).
const CHAP_PASSWORD: Type = Type(3);

/// Lets plugins change what was accepted, and makes a grant of it.
fn after(
    now: Now,
    policy: &mut dyn Policy,
    case: &Case<'_>,
    username: &str,
    list: &AttributeList,
    steer: Steer,
) -> Authorization {
    let named = Accepted::read(list).username.unwrap_or_else(|| username.into());
    let session_secs = case.group.and_then(|group| group.session_secs);
    if case.question.chain.is_empty() {
        return Authorization::Accepted(Box::new(grant(named, list, steer, session_secs)));
    }
    let mut stage = case.stage(Phase::After, named, list, steer);
    if let Some(answer) = stopped(policy.authorize(now, &case.question.chain, &mut stage)) {
        return answer;
    }
    let mut list = AttributeList::new();
    match push_all(&mut list, stage.attributes.iter()) {
        Ok(()) => Authorization::Accepted(Box::new(grant(stage.username, &list, stage.steer, session_secs))),
        Err(_) => Authorization::Unavailable,
    }
}

/// What a chain has said, where the newcomer does not go on.
fn stopped(hook: Hook) -> Option<Authorization> {
    match hook {
        Hook::Done(Verdict::Continue) => None,
        Hook::Done(Verdict::Drop) => Some(Authorization::Rejected),
        // This stage is not parked: who does not answer at once has failed.
        Hook::Pending { .. } => Some(Authorization::Unavailable),
    }
}

fn flat(list: &AttributeList) -> Vec<Attribute> {
    list.flat().map(|a| Attribute { vendor: a.vendor, code: a.code, value: a.value.into() }).collect()
}

/// The way back from [`flat`]. An empty attribute must not be sent (RFC 2865 §5).
fn push_all<'a>(list: &mut AttributeList, attributes: impl Iterator<Item = &'a Attribute>) -> Result<(), TooLong> {
    for attribute in attributes.filter(|attribute| !attribute.value.is_empty()) {
        match (attribute.vendor, attribute.code) {
            (0, code) => list.push(Type(code), &attribute.value)?,
            // A vendor's bytes that are no attributes.
            (vendor, 0) => list.push(Type::VENDOR_SPECIFIC, &[&vendor.to_be_bytes(), &*attribute.value].concat())?,
            (vendor, code) => list.push_vendor(vendor, code, &attribute.value)?,
        }
    }
    Ok(())
}

/// What the attributes of an Access-Accept grant, with what plugins have chosen.
fn grant(username: Box<str>, list: &AttributeList, steer: Steer, session_secs: Option<u32>) -> Grant {
    let accepted = Accepted::read(list);
    if !accepted.malformed.is_empty() {
        tracing::debug!(%username, attributes = ?accepted.malformed, "malformed attributes of an Access-Accept");
    }
    let steer = Steer { pool: steer.pool.or(accepted.pool), address: steer.address.or(accepted.address), ..steer };
    let mut extra: Vec<ExtraRoute> = Vec::new();
    for text in &accepted.routes {
        match framed_route(text, steer.address).filter(|_| extra.len() < EXTRA_ROUTES_MAX) {
            Some(route) if extra.contains(&route) => {}
            Some(route) => extra.push(route),
            None => tracing::info!(%username, route = %text.escape_debug(), "a Framed-Route is passed over"),
        }
    }
    Grant {
        steer,
        subscriber: Subscriber {
            username,
            classes: accepted.classes,
            interim_secs: accepted.interim_interval,
            route: RouteChoice { extra, ..RouteChoice::default() },
            ..Subscriber::default()
        },
        session_secs: accepted.session_timeout.or(session_secs),
    }
}

/// Reads `PREFIX[/LEN] [GATEWAY [METRIC...]]` (RFC 2865 §5.22). Only a route via the client itself is one of the
/// subscriber's: gateway 0.0.0.0, or its address where that is granted too. Without a length it is that of the
/// address's class.
fn framed_route(text: &str, client: Option<Ipv4Addr>) -> Option<ExtraRoute> {
    let mut words = text.split_ascii_whitespace();
    let prefix = words.next()?;
    let gateway: Ipv4Addr = words.next().unwrap_or("0.0.0.0").parse().ok()?;
    if !gateway.is_unspecified() && Some(gateway) != client {
        return None;
    }
    let (network, len) = match prefix.split_once('/') {
        Some((network, len)) => (network.parse().ok()?, len.parse().ok()?),
        None => {
            let network: Ipv4Addr = prefix.parse().ok()?;
            let len = match network.octets()[0] {
                0..=127 => 8,
                128..=191 => 16,
                _ => 24,
            };
            (network, len)
        }
    };
    // The whole Internet is behind no subscriber.
    let network_bits = network.to_bits();
    let host_bits = u32::MAX.checked_shr(u32::from(len)).unwrap_or(0);
    let sound = (1..=32).contains(&len) && network_bits & host_bits == 0 && !network.is_multicast();
    sound.then_some(ExtraRoute { network, len })
}

#[cfg(test)]
mod tests;
