//! One session, and what happened to it, as a record.

use super::Denied;
use crate::{
    radius::GroupAccess,
    username::{self, Client},
};
use bindery_engine::{
    command::BindingView,
    event::{SessionChange, SessionNews},
};
use bindery_radius::{
    access::Subscriber,
    accounting::{Record, Session, TerminateCause, Usage, Volume},
    config::NasConfig,
    packet::TooLong,
};
use bindery_types::Wall;
use std::{borrow::Cow, sync::Arc};

/// What a record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Start,
    Interim(Option<Volume>),
    Stop(Option<Volume>, TerminateCause),
}

/// Acct-Session-Id: the session and its beginning, as one that was left and comes back keeps its id.
pub(crate) fn session_id(view: &BindingView) -> String {
    format!("{}-{}", view.session.0, view.start.0)
}

/// Makes a record of a session.
///
/// # Errors
/// A name does not fit an attribute.
pub(super) fn session(
    nas: &NasConfig,
    group: &GroupAccess,
    view: &BindingView,
    change: Change,
    at: Wall,
) -> Result<Record, TooLong> {
    let (id, multi_id) = (session_id(view), view.multi_session.0.to_string());
    let username = username(group, view);
    let subscriber = Subscriber {
        username: &username,
        session_id: &id,
        multi_session_id: &multi_id,
        mac: view.hw.mac(),
        interface: &view.interface,
        ..Subscriber::default()
    };
    let (address, classes) = (Some(view.address), &view.subscriber.classes);
    let session = Session { subscriber, address, classes, local: !group.asks_radius };
    let profile = Arc::clone(&group.profile);
    let seconds = u32::try_from(view.started_ago).unwrap_or(u32::MAX);
    match change {
        Change::Start => Record::start(profile, nas, &session, at),
        Change::Interim(volume) => Record::interim(profile, nas, &session, at, &Usage { seconds, volume }),
        Change::Stop(volume, cause) => Record::stop(profile, nas, &session, at, &Usage { seconds, volume }, cause),
    }
}

/// A Stop of a client that got nothing.
///
/// # Errors
/// A name does not fit an attribute.
pub(super) fn denied(nas: &NasConfig, denied: &Denied) -> Result<Record, TooLong> {
    // No session has id 0.
    let id = format!("0-{}-{}", denied.at.0, denied.tag);
    let subscriber = Subscriber {
        username: &denied.username,
        session_id: &id,
        mac: denied.mac,
        interface: &denied.interface,
        ..Subscriber::default()
    };
    let session = Session { subscriber, classes: &denied.classes, ..Session::default() };
    Record::stop(Arc::clone(&denied.profile), nas, &session, denied.at, &Usage::default(), denied.cause)
}

/// The name that its authority knows, else one made like it.
fn username<'a>(group: &GroupAccess, view: &'a BindingView) -> Cow<'a, str> {
    if !view.subscriber.username.is_empty() {
        return Cow::Borrowed(&view.subscriber.username);
    }
    let client = Client {
        mac: view.hw.mac(),
        option_60: &view.vendor_class,
        option_82: &view.relay_info,
        client_id: &view.client_id,
        interface: &view.interface,
        instance: &view.instance,
    };
    let made = group.include.as_ref().and_then(|include| username::build(include, &client).ok().flatten());
    Cow::Owned(made.unwrap_or_default())
}

/// Why the session ended.
pub(super) fn cause(news: &SessionNews) -> TerminateCause {
    let view = &news.session;
    let is_over = view.subscriber.ends.is_some_and(|ends| ends <= view.start.plus_secs(view.started_ago));
    match news.change {
        SessionChange::Released => TerminateCause::USER_REQUEST,
        SessionChange::Cleared if news.moved => TerminateCause::NAS_REQUEST,
        // Its lease ran out with it, or its client asked for more.
        SessionChange::Expired | SessionChange::Cleared if is_over => TerminateCause::SESSION_TIMEOUT,
        SessionChange::Expired => TerminateCause::LOST_SERVICE,
        SessionChange::Cleared => TerminateCause::ADMIN_RESET,
        SessionChange::Bound | SessionChange::Renewed | SessionChange::Reauthorized | SessionChange::Declined => {
            TerminateCause::NAS_ERROR
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_engine::{
        command::{PublicState, ReconfigureView, RouteState},
        reconfigure::{Capability, Phase},
        subscriber::Subscriber as Granted,
    };
    use bindery_radius::{
        accounting::Status,
        config::AccountingConfig,
        packet::{AttributeList, Type},
        username::Include,
    };
    use bindery_types::{HwAddr, InstanceId, Ipv4Addr, LeaseTime, SessionId, Xid};

    fn view() -> BindingView {
        BindingView {
            liveness: None,
            timers: [None; 2],
            bootp: false,
            lease_time_violated: false,
            session: SessionId(7),
            address: Ipv4Addr::new(10, 0, 0, 9),
            hw: HwAddr::new(1, &[2, 0, 0, 0, 0, 7]).unwrap(),
            state: PublicState::Bound,
            expires_in: Some(60),
            started_ago: 100,
            last_packet_ago: 1,
            interface: "eth1".into(),
            instance: "default".into(),
            instance_id: InstanceId(0),
            server_id: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            pool: "p".into(),
            group: "g".into(),
            client_id: Box::default(),
            relay_info: Box::default(),
            vendor_class: b"box".as_slice().into(),
            host_name: Box::default(),
            start: LeaseTime(5_000),
            multi_session: SessionId(3),
            subscriber: Granted {
                username: "alice".into(),
                classes: vec![b"c1".as_slice().into(), b"c2".as_slice().into()],
                ends: Some(LeaseTime(5_100)),
                ..Granted::default()
            },
            xid: Xid(1),
            reconfigure: ReconfigureView {
                phase: Phase::Idle,
                attempts: 0,
                next_in: None,
                capability: Capability::Unknown,
                has_nonce: false,
            },
            route: RouteState::Installed,
        }
    }

    fn group() -> GroupAccess {
        GroupAccess {
            profile: "isp".into(),
            asks_radius: true,
            takes_without_answer: false,
            accounts: true,
            password: None,
            include: Some(Include { option_60: true, ..Include::default() }),
            records: AccountingConfig::default(),
            session_secs: None,
        }
    }

    fn nas() -> NasConfig {
        NasConfig { identifier: "bng".into(), address: None }
    }

    fn text(list: &AttributeList, kind: Type) -> String {
        String::from_utf8(list.first(kind).unwrap_or_default().to_vec()).unwrap()
    }

    fn number(list: &AttributeList, kind: Type) -> Option<u32> {
        list.iter().find(|attribute| attribute.kind == kind).and_then(|attribute| attribute.number())
    }

    #[test]
    fn a_record_says_whose_session_it_is() {
        let record = session(&nas(), &group(), &view(), Change::Start, Wall(99)).unwrap();
        let list = &record.attributes;
        assert_eq!((record.status, &*record.profile, record.happened), (Status::Start, "isp", Wall(99)));
        assert_eq!(
            (text(list, Type::ACCT_SESSION_ID), text(list, Type::ACCT_MULTI_SESSION_ID)),
            ("7-5000".into(), "3".into())
        );
        assert_eq!((text(list, Type::USER_NAME), text(list, Type::NAS_PORT_ID)), ("alice".into(), "eth1".into()));
        assert_eq!(list.first(Type::FRAMED_IP_ADDRESS), Some(&[10, 0, 0, 9][..]));
        assert_eq!(list.iter().filter(|attribute| attribute.kind == Type::CLASS).count(), 2);
        assert_eq!((number(list, Type::ACCT_SESSION_TIME), number(list, Type::ACCT_AUTHENTIC)), (None, Some(1)));
        let free = GroupAccess { asks_radius: false, ..group() };
        let local = session(&nas(), &free, &view(), Change::Start, Wall(99)).unwrap();
        assert_eq!(number(&local.attributes, Type::ACCT_AUTHENTIC), Some(2));
        assert_eq!(record.session(), b"7-5000");

        let mut unnamed = view();
        unnamed.subscriber.username = Box::default();
        let record = session(&nas(), &group(), &unnamed, Change::Start, Wall(99)).unwrap();
        assert_eq!(text(&record.attributes, Type::USER_NAME), "box", "made as RADIUS would be told");
    }

    #[test]
    fn a_stop_says_how_long_how_much_and_why() {
        let volume = Volume { input_octets: 1 << 33, output_octets: 5, input_packets: 6, output_packets: 7 };
        let stop = Change::Stop(Some(volume), TerminateCause::USER_REQUEST);
        let record = session(&nas(), &group(), &view(), stop, Wall(99)).unwrap();
        let list = &record.attributes;
        assert_eq!((record.status, number(list, Type::ACCT_SESSION_TIME)), (Status::Stop, Some(100)));
        assert_eq!(number(list, Type::ACCT_TERMINATE_CAUSE), Some(1));
        assert_eq!(
            (number(list, Type::ACCT_INPUT_GIGAWORDS), number(list, Type::ACCT_OUTPUT_OCTETS)),
            (Some(2), Some(5))
        );
        let record = session(&nas(), &group(), &view(), Change::Interim(None), Wall(99)).unwrap();
        assert_eq!(number(&record.attributes, Type::ACCT_INPUT_OCTETS), None, "time only");
        assert_eq!(number(&record.attributes, Type::ACCT_TERMINATE_CAUSE), None);
    }

    #[test]
    fn causes() {
        let news = |change, moved, ends: Option<u64>| {
            let mut view = view();
            view.subscriber.ends = ends.map(LeaseTime);
            cause(&SessionNews { change, account: true, observers: Box::default(), moved, session: Box::new(view) }).0
        };
        assert_eq!(news(SessionChange::Released, false, None), 1);
        assert_eq!(news(SessionChange::Expired, false, None), 3);
        assert_eq!(news(SessionChange::Expired, false, Some(5_101)), 3, "a second early");
        assert_eq!(news(SessionChange::Expired, false, Some(5_100)), 5);
        assert_eq!(news(SessionChange::Cleared, false, None), 6);
        assert_eq!(news(SessionChange::Cleared, true, None), 10);
        assert_eq!(news(SessionChange::Declined, false, None), 9);
    }

    #[test]
    fn who_was_denied_gets_a_stop_of_its_own() {
        let (profile, username, interface) = ("isp".into(), "mallory".into(), "eth1".into());
        let (classes, cause) = (vec![], TerminateCause::USER_ERROR);
        let it = Denied { profile, username, mac: None, interface, classes, cause, tag: 4, at: Wall(99) };
        let record = denied(&nas(), &it).unwrap();
        assert_eq!((record.status, text(&record.attributes, Type::ACCT_SESSION_ID)), (Status::Stop, "0-99-4".into()));
        assert_eq!(number(&record.attributes, Type::ACCT_TERMINATE_CAUSE), Some(17));
    }
}
