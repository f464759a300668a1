//! `remote-id-mismatch disconnect` (junos.md §2.4): a client that comes in over another line loses its session.

use crate::lab::{Lab, SERVER, config, ip, mac};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, Reply, Verb},
    config::Config,
    event::{DropReason, Event, SessionChange},
    history::{HistoryCursor, HistoryKey, What, Why},
    record::DurableState,
};
use bindery_types::Ipv4Addr;
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode, SubOption};

const RELAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn minding() -> Config {
    let mut config = config();
    config.groups[0].remote_id_mismatch = true;
    config.groups[0].account = true;
    config
}

fn via(message: MessageBuilder, remote: &[u8]) -> MessageBuilder {
    message.giaddr(RELAY).relay_agent(&[(SubOption::CIRCUIT_ID, b"port"), (SubOption::REMOTE_ID, remote)])
}

fn lease(lab: &mut Lab, remote: &[u8]) -> Ipv4Addr {
    let offer = lab.unicast(&via(MessageBuilder::discover(mac(1)), remote), RELAY).unwrap();
    let request = via(MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER), remote);
    let ack = lab.unicast(&request, RELAY).unwrap();
    assert_eq!(ack.message(), MessageType::Ack);
    ack.yiaddr()
}

fn told(lab: &Lab) -> usize {
    lab.events.iter().filter(|event| matches!(event, Event::RemoteIdMismatch { .. })).count()
}

#[test]
fn a_rebinding_over_another_line_gets_a_nak_and_ends_the_session() {
    let mut lab = Lab::new(minding());
    let address = lease(&mut lab, b"line-1");
    let rebind = MessageBuilder::request_renewing(mac(1), address);
    assert_eq!(lab.unicast(&via(rebind.clone(), b"line-1"), RELAY).unwrap().message(), MessageType::Ack);
    assert_eq!(lab.unicast(&via(rebind, b"line-2"), RELAY).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    assert!(lab.kernel.is_empty());
    assert_eq!(told(&lab), 1);
    assert_eq!(lab.news.last().map(|news| news.change), Some(SessionChange::Cleared));
    lease(&mut lab, b"line-2");
}

/// RFC 2131 §4.3.1 table 3: the NAK has a message for the client, and the history the same for the operator.
#[test]
fn a_client_that_is_refused_over_another_line_is_told_why() {
    let mut lab = Lab::new(minding());
    let address = lease(&mut lab, b"line-1");
    let nak = lab.unicast(&via(MessageBuilder::request_renewing(mac(1), address), b"line-2"), RELAY).unwrap();
    let message = nak.packet().option(OptionCode::MESSAGE).map(|text| text.to_vec());
    assert_eq!(message.as_deref(), Some(Why::OtherLine.label().as_bytes()));
    lease(&mut lab, b"line-2");
    lab.unicast(&via(MessageBuilder::discover(mac(1)), b"line-3"), RELAY);
    let verb = Verb::History { key: HistoryKey::Mac(mac(1)), cursor: HistoryCursor::default() };
    let Some(Reply::History { rows, next: None }) = lab.command(verb) else { panic!("no answer") };
    let because = |wanted| rows.iter().filter(move |row| row.what == wanted).map(|row| row.why).collect::<Vec<_>>();
    assert_eq!(because(What::Refused), [Why::OtherLine]);
    assert_eq!(because(What::Cleared), [Why::OtherLine, Why::OtherLine]);
}

#[test]
fn while_storage_is_down_another_line_ends_nothing_and_hears_nothing() {
    let mut lab = Lab::new(minding());
    let address = lease(&mut lab, b"line-1");
    lab.input(Input::StoreFailed);
    let rebind = MessageBuilder::request_renewing(mac(1), address);
    for request in [rebind, MessageBuilder::request_init_reboot(mac(1), address)] {
        assert!(lab.unicast(&via(request, b"line-2"), RELAY).is_none());
    }
    lab.input(Input::StoreReady);
    assert!(lab.heard.is_empty());
    assert_eq!((lab.state(address), told(&lab)), (Some(DurableState::Bound), 0));
}

#[test]
fn a_reboot_over_another_line_gets_a_nak_too() {
    let mut lab = Lab::new(minding());
    let address = lease(&mut lab, b"line-1");
    let reboot = via(MessageBuilder::request_init_reboot(mac(1), address), b"line-2");
    assert_eq!(lab.unicast(&reboot, RELAY).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
}

#[test]
fn a_discover_over_another_line_ends_the_session_and_the_next_one_begins_anew() {
    let mut lab = Lab::new(minding());
    let address = lease(&mut lab, b"line-1");
    let discover = via(MessageBuilder::discover(mac(1)), b"line-2");
    assert!(lab.unicast(&discover, RELAY).is_none());
    assert_eq!((lab.dropped(DropReason::RemoteIdMismatch), lab.dropped_in_all()), (1, 1));
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    assert_eq!(lab.unicast(&discover, RELAY).unwrap().message(), MessageType::Offer);
}

#[test]
fn nothing_is_compared_where_one_of_them_is_missing() {
    let mut lab = Lab::new(minding());
    let address = lease(&mut lab, b"line-1");
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack, "a renewal by unicast brings none");
    let bare = MessageBuilder::request_renewing(mac(1), address).giaddr(RELAY);
    assert_eq!(lab.unicast(&bare, RELAY).unwrap().message(), MessageType::Ack);
    assert_eq!(told(&lab), 0);
    // Direct, without any: then nothing differs from nothing.
    let other = lab.lease(2);
    assert_ne!(other, ip(0));
}

#[test]
fn without_the_statement_another_line_is_taken_over() {
    let mut config = minding();
    config.groups[0].remote_id_mismatch = false;
    let mut lab = Lab::new(config);
    let address = lease(&mut lab, b"line-1");
    let rebind = via(MessageBuilder::request_renewing(mac(1), address), b"line-2");
    assert_eq!(lab.unicast(&rebind, RELAY).unwrap().message(), MessageType::Ack);
    let Some(Reply::Bindings { rows, .. }) = lab.command(Verb::Bindings { filter: Filter::All, cursor: Cursor::START })
    else {
        panic!("no answer");
    };
    assert!(rows[0].relay_info.ends_with(b"line-2"));
}
