//! Dynamic reconfiguration: the schedule, its ends, and what a restart leaves (junos.md §8).

use crate::lab::{Heard, LEASE_SECS, LINK, Lab, SERVER, config, ip, mac};
use bindery_engine::{
    command::{Cursor, DisconnectKeys, Disconnected, Filter, PublicState, ReconfigureView, Reconfigured, Reply, Verb},
    config::{Config, PluginId, Reconfigure},
    input::{CommandId, Input, RxMeta},
    output::Destination,
    policy::{
        Attribute, Disconnect, DisconnectVerdict, Exhausted, ExhaustedVerdict, Hook, Policy, ShapeReply, Stage, Verdict,
    },
    reconfigure::{Capability, Phase, Purpose},
    record::DurableState,
};
use bindery_types::{IfIndex, Ipv4Addr, Now};
use bindery_wire::v4::{
    MessageBuilder, MessageType, OptionCode,
    authentication::{Authentication, hmac_md5, token_head},
};

/// Answers `reconfigure-exhausted`.
struct Abort(ExhaustedVerdict);

impl Policy for Abort {
    fn shape_reply(&mut self, _: Now, _: &[PluginId], _: &mut ShapeReply<'_>) -> Hook {
        Hook::Done(Verdict::Continue)
    }

    fn reconfigure_exhausted(&mut self, _: Now, _: &[PluginId], question: &Exhausted<'_>) -> ExhaustedVerdict {
        assert_eq!((question.subject.group, question.subject.interface), ("access", "eth1"));
        self.0
    }
}

fn with(reconfigure: Reconfigure) -> Config {
    let mut config = config();
    config.groups[0].reconfigure = Some(reconfigure);
    config
}

fn lab() -> Lab {
    Lab::new(with(Reconfigure::default()))
}

/// A lab that has a plugin for clients that answer nothing.
fn lab_with(verdict: ExhaustedVerdict) -> Lab {
    let mut config = with(Reconfigure::default());
    config.groups[0].chains.set(Stage::ReconfigureExhausted, vec![PluginId(0)]);
    let mut lab = Lab::new(config);
    lab.policy = Box::new(Abort(verdict));
    lab
}

fn reconfigure(lab: &mut Lab, filter: Filter, purpose: Purpose) -> Reconfigured {
    lab.replies.clear();
    let verb = Verb::Reconfigure { filter, cursor: Cursor::START, purpose, most: 256 };
    lab.input(Input::Command { id: CommandId(77), verb });
    match lab.replies.pop() {
        Some((CommandId(77), Reply::Reconfigured(done))) => done,
        other => panic!("{other:?}"),
    }
}

fn renumber(lab: &mut Lab) {
    let done = reconfigure(lab, Filter::All, Purpose::Renumber);
    assert_eq!(done, Reconfigured { started: 1, ..Reconfigured::default() });
}

fn forcerenews(lab: &mut Lab) -> Vec<Heard> {
    std::mem::take(&mut lab.heard).into_iter().filter(|heard| heard.message() == MessageType::ForceRenew).collect()
}

fn view(lab: &mut Lab, address: Ipv4Addr) -> (PublicState, ReconfigureView) {
    lab.replies.clear();
    let verb = Verb::Bindings { filter: Filter::Address(address), cursor: Cursor::START };
    lab.input(Input::Command { id: CommandId(78), verb });
    match lab.replies.pop() {
        Some((_, Reply::Bindings { rows, .. })) => (rows[0].state, rows[0].reconfigure),
        other => panic!("{other:?}"),
    }
}

fn nonce_capable(message: MessageBuilder) -> MessageBuilder {
    message.option(OptionCode::FORCERENEW_NONCE_CAPABLE, &[1])
}

/// A lease of a client that offers RFC 6704; its nonce and the replay value of the ACK.
fn lease_with_nonce(lab: &mut Lab, last: u8) -> (Ipv4Addr, [u8; 16], u64) {
    let offer = lab.broadcast(&nonce_capable(MessageBuilder::discover(mac(last)))).unwrap();
    assert_eq!(offer.option(OptionCode::FORCERENEW_NONCE_CAPABLE).as_deref(), Some(&[1][..]));
    assert_eq!(offer.option(OptionCode::AUTHENTICATION), None);
    let select = MessageBuilder::request_selecting(mac(last), offer.yiaddr(), SERVER);
    let ack = lab.broadcast(&nonce_capable(select)).unwrap();
    let value = ack.option(OptionCode::AUTHENTICATION).expect("a nonce");
    match Authentication::parse(&value) {
        Some(Authentication::Nonce { replay, nonce }) => (ack.yiaddr(), nonce, replay),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_schedule_doubles_and_ends_at_510_seconds() {
    let mut lab = lab_with(ExhaustedVerdict::Restore);
    let address = lab.lease(1);
    renumber(&mut lab);
    let mut sent = vec![0; forcerenews(&mut lab).len()];
    for second in 1..=600 {
        lab.pass(1);
        sent.extend(forcerenews(&mut lab).iter().map(|_| second));
        if second == 509 {
            assert_eq!(view(&mut lab, address).1.phase, Phase::Reconfiguring(Purpose::Renumber));
        }
        if second == 511 {
            assert_eq!(view(&mut lab, address).1.phase, Phase::Idle, "restored");
        }
    }
    assert_eq!(sent, [0, 2, 6, 14, 30, 62, 126, 254]);
    assert_eq!(view(&mut lab, address).1.capability, Capability::Deaf);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack, "an unchanged lease");
}

#[test]
fn the_forcerenew_of_rfc_3203() {
    let mut lab = lab();
    let offer = lab.discover(1).unwrap();
    let xid = lab.select(1, offer.yiaddr()).unwrap().packet().xid();
    renumber(&mut lab);
    let sent = forcerenews(&mut lab).remove(0);
    let packet = sent.packet();
    assert_eq!(sent.to, Destination::Udp { link: IfIndex(0), src: SERVER, dst: offer.yiaddr(), port: 68 });
    assert_eq!((packet.xid(), packet.hops(), packet.hw_addr().mac()), (xid, 0, Some(mac(1))));
    let zero = Ipv4Addr::UNSPECIFIED;
    assert_eq!((packet.ciaddr(), packet.yiaddr(), packet.siaddr(), packet.giaddr()), (zero, zero, zero, zero));
    assert_eq!(sent.option(OptionCode::SERVER_IDENTIFIER).unwrap(), SERVER.octets());
    assert_eq!(sent.option(OptionCode::AUTHENTICATION), None, "plain");
}

#[test]
fn it_leaves_when_it_is_durable() {
    let mut lab = lab();
    let address = lab.lease(1);
    lab.prompt = false;
    lab.replies.clear();
    let verb = Verb::Reconfigure { filter: Filter::All, cursor: Cursor::START, purpose: Purpose::Renumber, most: 256 };
    lab.input(Input::Command { id: CommandId(1), verb });
    assert!(lab.heard.is_empty() && lab.replies.is_empty());
    assert_eq!(view(&mut lab, address).1.phase, Phase::Idle, "memory follows storage");
    lab.answer_store();
    assert_eq!(forcerenews(&mut lab).len(), 1);
    assert!(matches!(lab.replies[..], [(CommandId(1), Reply::Reconfigured(Reconfigured { started: 1, .. }))]));
    assert_eq!(view(&mut lab, address).0, PublicState::Reconfiguring);
}

#[test]
fn a_pace_begins_with_no_more_than_it_says() {
    let mut lab = lab();
    for number in 1..=3 {
        lab.lease(number);
    }
    let (mut cursor, mut begun) = (Some(Cursor::START), Vec::new());
    while let Some(at) = cursor {
        lab.replies.clear();
        let verb = Verb::Reconfigure { filter: Filter::All, cursor: at, purpose: Purpose::Renumber, most: 2 };
        lab.input(Input::Command { id: CommandId(1), verb });
        let [(_, Reply::Reconfigured(page))] = lab.replies[..] else { panic!("{:?}", lab.replies) };
        begun.push(page.started);
        cursor = page.next;
    }
    assert_eq!(begun, [2, 1]);
    assert_eq!(forcerenews(&mut lab).len(), 3, "each once");
}

#[test]
fn a_failed_write_fails_the_command_and_sends_nothing() {
    let mut lab = lab();
    let address = lab.lease(1);
    lab.prompt = false;
    let verb = Verb::Reconfigure { filter: Filter::All, cursor: Cursor::START, purpose: Purpose::Renumber, most: 256 };
    lab.replies.clear();
    lab.input(Input::Command { id: CommandId(1), verb });
    lab.input(Input::StoreFailed);
    assert!(lab.heard.is_empty());
    assert!(matches!(lab.replies[..], [(_, Reply::Reconfigured(Reconfigured { failed: true, .. }))]));
    lab.mutations.clear();
    lab.prompt = true;
    lab.input(Input::StoreReady);
    assert_eq!(view(&mut lab, address).1.phase, Phase::Idle);
    renumber(&mut lab);
    assert_eq!(forcerenews(&mut lab).len(), 1);
}

#[test]
fn a_failed_attempt_is_made_again() {
    let mut lab = lab();
    lab.lease(1);
    renumber(&mut lab);
    forcerenews(&mut lab);
    lab.prompt = false;
    lab.pass(2);
    lab.input(Input::StoreFailed);
    lab.mutations.clear();
    lab.prompt = true;
    lab.input(Input::StoreReady);
    lab.pass(40);
    assert_eq!(forcerenews(&mut lab).len(), 2, "attempts 2 and 3");
}

#[test]
fn renewal_gets_a_nak_and_the_client_another_address() {
    for kind in ["renewing", "rebinding", "init-reboot", "selecting"] {
        let mut lab = lab();
        let address = lab.lease(1);
        renumber(&mut lab);
        forcerenews(&mut lab);
        let answer = match kind {
            "renewing" => lab.renew(1, address),
            "rebinding" => lab.broadcast(&MessageBuilder::request_renewing(mac(1), address)),
            "init-reboot" => lab.broadcast(&MessageBuilder::request_init_reboot(mac(1), address)),
            _ => lab.select(1, address),
        };
        assert_eq!(answer.unwrap().message(), MessageType::Nak, "{kind}");
        assert_eq!(lab.state(address), Some(DurableState::Cleared), "{kind}");
        assert!(!lab.kernel.contains_key(&address), "{kind}");
        lab.heard.clear();
        // It asks for its old address, as clients do.
        let wish = MessageBuilder::discover(mac(1)).requested(address);
        let offer = lab.broadcast(&wish).unwrap();
        assert_ne!(offer.yiaddr(), address, "{kind}");
        let ack = lab.select(1, offer.yiaddr()).unwrap();
        assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, offer.yiaddr()), "{kind}");
        lab.pass(600);
        assert!(forcerenews(&mut lab).is_empty(), "{kind}: it is over");
        assert_eq!(view(&mut lab, offer.yiaddr()).1.capability, Capability::Plain, "{kind}: known also afterwards");
    }
}

/// The UDP socket does not say from which MAC a renewal came, and the client's route ends with its binding.
#[test]
fn a_nak_goes_to_the_mac_of_a_direct_client_also_the_second_time() {
    let mut lab = lab();
    let address = lab.lease(1);
    renumber(&mut lab);
    let bytes = MessageBuilder::request_renewing(mac(1), address).build();
    for _ in 0..2 {
        lab.heard.clear();
        let meta = RxMeta { link: LINK, src: address, src_port: 68, dst: SERVER, src_mac: None };
        lab.input(Input::Datagram4 { meta, bytes: &bytes });
        let wanted = Destination::Frame { link: LINK, mac: mac(1), src: SERVER, dst: address };
        assert!(lab.heard.iter().any(|heard| heard.message() == MessageType::Nak && heard.to == wanted));
        assert!(!lab.kernel.contains_key(&address));
    }
}

#[test]
fn the_last_free_address_is_better_than_none() {
    let mut config = with(Reconfigure::default());
    config.pools[0].ranges[0].high = ip(10);
    let mut lab = Lab::new(config);
    let address = lab.lease(1);
    renumber(&mut lab);
    lab.renew(1, address);
    lab.heard.clear();
    assert_eq!(lab.lease(1), address);
}

#[test]
fn a_refresh_keeps_the_address() {
    let mut lab = lab();
    let address = lab.lease(1);
    let done = reconfigure(&mut lab, Filter::Address(address), Purpose::Refresh);
    assert_eq!(done.started, 1);
    assert_eq!(view(&mut lab, address).1.phase, Phase::Reconfiguring(Purpose::Refresh));
    assert_eq!(forcerenews(&mut lab).len(), 1);
    let ack = lab.renew(1, address).unwrap();
    assert_eq!((ack.message(), ack.yiaddr()), (MessageType::Ack, address));
    let (state, reconfigure) = view(&mut lab, address);
    assert_eq!(
        (state, reconfigure.phase, reconfigure.capability),
        (PublicState::Bound, Phase::Idle, Capability::Plain)
    );
    lab.pass(600);
    assert!(forcerenews(&mut lab).is_empty());
}

#[test]
fn a_renewal_of_the_clients_own_is_no_answer() {
    let mut lab = lab();
    let address = lab.lease(1);
    renumber(&mut lab);
    // The third attempt leaves at 6, the fourth at 14.
    lab.pass(13);
    lab.heard.clear();
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    assert_eq!(view_of_tombstone(&lab, address), Capability::Unknown);
}

#[test]
fn discover_ends_it_and_starts_anew() {
    let mut lab = lab();
    let address = lab.lease(1);
    renumber(&mut lab);
    forcerenews(&mut lab);
    assert!(lab.discover(1).is_none(), "dropped, and the client is deleted");
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    assert_ne!(lab.discover(1).unwrap().yiaddr(), address);
}

#[test]
fn release_decline_expiry_and_clear_end_it() {
    for event in ["release", "decline", "expiry", "clear"] {
        let mut lab = lab_with(ExhaustedVerdict::Restore);
        let address = lab.lease(1);
        renumber(&mut lab);
        forcerenews(&mut lab);
        let wanted = match event {
            "release" => {
                lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
                DurableState::Released
            }
            "decline" => {
                lab.broadcast(&MessageBuilder::decline(mac(1), address, SERVER));
                DurableState::Declined
            }
            "expiry" => {
                lab.jump(u64::from(LEASE_SECS) + 1);
                DurableState::Expired
            }
            _ => {
                let verb = Verb::ClearBindings { filter: Filter::All, cursor: Cursor::START };
                lab.input(Input::Command { id: CommandId(3), verb });
                DurableState::Cleared
            }
        };
        assert_eq!(lab.state(address), Some(wanted), "{event}");
        lab.heard.clear();
        lab.pass(600);
        assert!(forcerenews(&mut lab).is_empty(), "{event}");
    }
}

#[test]
fn other_clients_are_ignored_cleared_or_refused() {
    let mut lab = lab();
    lab.lease(1);
    renumber(&mut lab);
    let again = reconfigure(&mut lab, Filter::All, Purpose::Renumber);
    assert_eq!(again, Reconfigured { ignored: 1, ..Reconfigured::default() });
    lab.discover(2).unwrap();
    let offered = reconfigure(&mut lab, Filter::Mac(mac(2)), Purpose::Renumber);
    assert_eq!(offered, Reconfigured { cleared: 1, ..Reconfigured::default() });
    let mut lab = Lab::new(config());
    lab.lease(1);
    let refused = reconfigure(&mut lab, Filter::All, Purpose::Renumber);
    assert_eq!(refused, Reconfigured { not_configured: 1, ..Reconfigured::default() });
    assert!(forcerenews(&mut lab).is_empty());
}

#[test]
fn clear_on_abort() {
    let mut lab = lab_with(ExhaustedVerdict::Clear);
    let address = lab.lease(1);
    renumber(&mut lab);
    lab.pass(512);
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    assert!(!lab.kernel.contains_key(&address));
    lab.heard.clear();
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak, "it learns of it when it renews");
}

#[test]
fn a_deferred_nak_strikes_at_the_next_renewal_also_after_a_restart() {
    let mut lab = lab_with(ExhaustedVerdict::Defer);
    let address = lab.lease(1);
    renumber(&mut lab);
    lab.pass(512);
    assert_eq!(view(&mut lab, address), {
        let (state, reconfigure) = view(&mut lab, address);
        assert_eq!((state, reconfigure.phase), (PublicState::Bound, Phase::DeferredNak));
        (state, reconfigure)
    });
    assert!(lab.kernel.contains_key(&address), "the session is fully up");
    let mut lab = lab.restart(with(Reconfigure::default()), 10);
    assert_eq!(view(&mut lab, address).1.phase, Phase::DeferredNak);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    lab.heard.clear();
    assert_ne!(lab.lease(1), address);
}

#[test]
fn a_deferred_nak_can_be_tried_again() {
    let mut lab = lab_with(ExhaustedVerdict::Defer);
    let address = lab.lease(1);
    renumber(&mut lab);
    lab.pass(512);
    forcerenews(&mut lab);
    renumber(&mut lab);
    assert_eq!(forcerenews(&mut lab).len(), 1);
    assert_eq!(view(&mut lab, address).1.phase, Phase::Reconfiguring(Purpose::Renumber));
}

#[test]
fn a_refresh_that_nobody_answers_refuses_nobody() {
    let mut lab = lab_with(ExhaustedVerdict::Defer);
    let address = lab.lease(1);
    reconfigure(&mut lab, Filter::All, Purpose::Refresh);
    lab.pass(512);
    lab.heard.clear();
    assert_eq!(view(&mut lab, address).1.phase, Phase::Idle);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
}

#[test]
fn the_schedule_survives_a_restart() {
    let mut lab = lab();
    let address = lab.lease(1);
    renumber(&mut lab);
    lab.pass(7);
    assert_eq!(forcerenews(&mut lab).len(), 3, "at 0, 2 and 6");
    let mut lab = lab.restart(with(Reconfigure::default()), 3);
    assert_eq!(view(&mut lab, address).1.attempts, 3);
    lab.pass(2);
    assert!(forcerenews(&mut lab).is_empty(), "the fourth comes at 14");
    lab.pass(4);
    assert_eq!(forcerenews(&mut lab).len(), 1);
    assert_eq!(view(&mut lab, address).1.attempts, 4);
    lab.heard.clear();
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
}

#[test]
fn overdue_attempts_are_no_burst() {
    let mut lab = lab();
    for client in 1..=4 {
        lab.lease(client);
    }
    assert_eq!(reconfigure(&mut lab, Filter::All, Purpose::Renumber).started, 4);
    let mut lab = lab.restart(with(Reconfigure::default()), 60);
    lab.heard.clear();
    lab.input(Input::Tick);
    assert!(forcerenews(&mut lab).is_empty());
    let mut sent = Vec::new();
    for _ in 0..40 {
        lab.now.mono = lab.now.mono.plus(std::time::Duration::from_millis(1));
        lab.input(Input::Tick);
        sent.push(forcerenews(&mut lab).len());
    }
    assert_eq!((sent.iter().sum::<usize>(), sent.iter().max()), (4, Some(&1)), "{sent:?}");
}

#[test]
fn a_commit_that_takes_the_feature_away_restores() {
    let mut lab = lab();
    let address = lab.lease(1);
    renumber(&mut lab);
    forcerenews(&mut lab);
    lab.input(Input::Configure(std::sync::Arc::new(config())));
    lab.pass(3);
    assert!(forcerenews(&mut lab).is_empty());
    assert_eq!(view(&mut lab, address).1.phase, Phase::Idle);
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
}

#[test]
fn a_nonce_authenticates() {
    let mut lab = lab();
    let (address, nonce, replay) = lease_with_nonce(&mut lab, 1);
    renumber(&mut lab);
    lab.pass(2);
    let mut last = replay;
    for sent in forcerenews(&mut lab) {
        let value = sent.option(OptionCode::AUTHENTICATION).unwrap();
        let Some(Authentication::Digest { replay, digest }) = Authentication::parse(&value) else {
            panic!("{value:?}");
        };
        assert!(replay > last);
        last = replay;
        let mut blank = sent.bytes.clone();
        let at = blank.windows(16).position(|window| window == digest).unwrap();
        blank[at..at + 16].fill(0);
        assert_eq!(hmac_md5(&nonce, &blank), digest);
    }
    lab.heard.clear();
    lab.renew(1, address);
    assert_eq!(view_of_tombstone(&lab, address), Capability::Nonce);
}

fn view_of_tombstone(lab: &Lab, address: Ipv4Addr) -> Capability {
    let flags = lab.record(address).expect("a tombstone").flags;
    [Capability::Unknown, Capability::Nonce, Capability::Token, Capability::Plain, Capability::Deaf]
        [usize::from(flags >> 12 & 7)]
}

#[test]
fn the_nonce_is_told_once_and_survives_a_restart() {
    let mut lab = lab();
    let (address, nonce, replay) = lease_with_nonce(&mut lab, 1);
    let renew = nonce_capable(MessageBuilder::request_renewing(mac(1), address));
    let ack = lab.unicast(&renew, address).unwrap();
    assert_eq!(ack.option(OptionCode::AUTHENTICATION), None, "RFC 6704 section 3.1.3: not again");
    let mut lab = lab.restart(with(Reconfigure::default()), 5);
    assert_eq!(lab.record(address).unwrap().nonce.unwrap().value, nonce);
    renumber(&mut lab);
    let sent = forcerenews(&mut lab).remove(0);
    let value = sent.option(OptionCode::AUTHENTICATION).unwrap();
    assert!(matches!(Authentication::parse(&value), Some(Authentication::Digest { replay: r, .. }) if r > replay));
    // A client that boots has forgotten it.
    let boot = nonce_capable(MessageBuilder::request_init_reboot(mac(2), address));
    let _ = lab.broadcast(&boot);
    let (_, other, _) = lease_with_nonce(&mut lab, 2);
    assert_ne!(other, nonce);
}

#[test]
fn a_request_that_comes_twice_is_told_one_nonce() {
    let mut lab = lab();
    let offer = lab.broadcast(&nonce_capable(MessageBuilder::discover(mac(1)))).unwrap();
    let select = nonce_capable(MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER));
    let mut ask = || {
        let ack = lab.broadcast(&select).unwrap();
        // The same exchange: the laboratory counts xids.
        lab.xid -= 1;
        match Authentication::parse(&ack.option(OptionCode::AUTHENTICATION).unwrap()) {
            Some(Authentication::Nonce { replay, nonce }) => (nonce, replay),
            other => panic!("{other:?}"),
        }
    };
    let (first, second) = (ask(), ask());
    assert_eq!(first.0, second.0);
    assert!(second.1 > first.1);
}

#[test]
fn a_client_that_boots_is_told_a_nonce_again() {
    let mut lab = lab();
    let (address, nonce, _) = lease_with_nonce(&mut lab, 1);
    let ack = lab.broadcast(&nonce_capable(MessageBuilder::request_init_reboot(mac(1), address))).unwrap();
    let value = ack.option(OptionCode::AUTHENTICATION).unwrap();
    assert!(matches!(Authentication::parse(&value), Some(Authentication::Nonce { nonce: n, .. }) if n != nonce));
}

#[test]
fn without_reconfigure_no_nonce_is_given() {
    let mut lab = Lab::new(config());
    let offer = lab.broadcast(&nonce_capable(MessageBuilder::discover(mac(1)))).unwrap();
    assert_eq!(offer.option(OptionCode::FORCERENEW_NONCE_CAPABLE), None);
    let select = nonce_capable(MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER));
    assert_eq!(lab.broadcast(&select).unwrap().option(OptionCode::AUTHENTICATION), None);
}

#[test]
fn the_token_goes_to_clients_that_use_one() {
    let mut lab = Lab::new(with(Reconfigure { token: Some((*b"s3cret").into()), ..Reconfigure::default() }));
    let wants = |message: MessageBuilder| message.option(OptionCode::AUTHENTICATION, &token_head(0));
    let offer = lab.broadcast(&wants(MessageBuilder::discover(mac(1)))).unwrap();
    let select = wants(MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER));
    let ack = lab.broadcast(&select).unwrap();
    let mut last = 0;
    renumber(&mut lab);
    let force = forcerenews(&mut lab).remove(0);
    // A client with a token hears no NAK without it.
    let renewal = wants(MessageBuilder::request_renewing(mac(1), offer.yiaddr()));
    let nak = lab.unicast(&renewal, offer.yiaddr()).unwrap();
    assert_eq!(nak.message(), MessageType::Nak);
    for message in [&offer, &ack, &force, &nak] {
        let value = message.option(OptionCode::AUTHENTICATION).unwrap();
        let Some(Authentication::Token { replay, token: b"s3cret" }) = Authentication::parse(&value) else {
            panic!("{value:?}");
        };
        assert!(replay > last, "{:?}", message.message());
        last = replay;
    }
    // One that sent no option 90 gets none: it would refuse the offer.
    assert_eq!(lab.discover(2).unwrap().option(OptionCode::AUTHENTICATION), None);
}

#[test]
fn replay_values_grow_past_writes_that_never_reached_storage() {
    let with_token = || with(Reconfigure { token: Some((*b"s3cret").into()), ..Reconfigure::default() });
    let wants = |message: MessageBuilder| message.option(OptionCode::AUTHENTICATION, &token_head(0));
    let replay = |heard: &Heard| match Authentication::parse(&heard.option(OptionCode::AUTHENTICATION).unwrap()) {
        Some(Authentication::Token { replay, .. }) => replay,
        other => panic!("{other:?}"),
    };
    let mut lab = Lab::new(with_token());
    let offer = lab.broadcast(&wants(MessageBuilder::discover(mac(1)))).unwrap();
    let select = wants(MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER));
    lab.broadcast(&select).unwrap();
    // Others are under way to storage when the client is offered its address again; then the process dies.
    let others: Vec<_> = (2..=4).map(|last| (last, lab.discover(last).unwrap().yiaddr())).collect();
    lab.prompt = false;
    for (last, address) in others {
        lab.select(last, address);
    }
    let last = replay(&lab.broadcast(&wants(MessageBuilder::discover(mac(1)))).unwrap());
    lab.mutations.clear();
    let mut lab = lab.restart(with_token(), 1);
    assert_eq!(reconfigure(&mut lab, Filter::Mac(mac(1)), Purpose::Renumber).started, 1);
    assert!(replay(&forcerenews(&mut lab).remove(0)) > last);
}

/// Answers `disconnect` as the first attribute says.
struct ByAttribute;

impl Policy for ByAttribute {
    fn shape_reply(&mut self, _: Now, _: &[PluginId], _: &mut ShapeReply<'_>) -> Hook {
        Hook::Done(Verdict::Continue)
    }

    fn disconnect(&mut self, _: Now, _: &[PluginId], question: &Disconnect<'_>) -> Option<DisconnectVerdict> {
        match &*question.attributes.first()?.value {
            b"clear" => Some(DisconnectVerdict::Clear),
            b"reconfigure" => Some(DisconnectVerdict::Reconfigure),
            b"ignore" => Some(DisconnectVerdict::Ignore),
            _ => None,
        }
    }
}

fn disconnect(lab: &mut Lab, keys: DisconnectKeys, word: &str) -> Option<Disconnected> {
    lab.replies.clear();
    let attributes = vec![Attribute { vendor: 0, code: 11, value: word.as_bytes().into() }];
    lab.input(Input::Command { id: CommandId(9), verb: Verb::Disconnect { keys, attributes } });
    match lab.replies.pop() {
        Some((CommandId(9), Reply::Disconnected(outcome))) => Some(outcome),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_disconnect_request_clears_reconfigures_or_is_ignored() {
    for (word, outcome) in [
        ("clear", Disconnected::Cleared),
        ("pass", Disconnected::Cleared),
        ("reconfigure", Disconnected::Reconfiguring),
        ("ignore", Disconnected::Ignored),
    ] {
        let mut config = with(Reconfigure::default());
        config.groups[0].chains.set(Stage::Disconnect, vec![PluginId(0)]);
        let mut lab = Lab::new(config);
        lab.policy = Box::new(ByAttribute);
        let address = lab.lease(1);
        let keys = DisconnectKeys { address: Some(address), ..DisconnectKeys::default() };
        assert_eq!(disconnect(&mut lab, keys, word), Some(outcome), "{word}");
        let state = if outcome == Disconnected::Cleared { DurableState::Cleared } else { DurableState::Bound };
        assert_eq!(lab.state(address), Some(state), "{word}");
        assert_eq!(forcerenews(&mut lab).len(), usize::from(word == "reconfigure"));
    }
}

#[test]
fn a_disconnect_request_is_answered_when_it_is_durable() {
    let mut lab = lab();
    let address = lab.lease(1);
    let keys = DisconnectKeys { address: Some(address), ..DisconnectKeys::default() };
    lab.prompt = false;
    assert_eq!(disconnect(&mut lab, keys.clone(), ""), None);
    lab.answer_store();
    assert!(matches!(lab.replies[..], [(_, Reply::Disconnected(Disconnected::Cleared))]));
    let mut lab = self::lab();
    lab.lease(1);
    lab.prompt = false;
    assert_eq!(disconnect(&mut lab, keys.clone(), ""), None);
    lab.input(Input::StoreFailed);
    assert!(matches!(lab.replies[..], [(_, Reply::Disconnected(Disconnected::Failed))]));
    assert_eq!(disconnect(&mut lab, keys, ""), Some(Disconnected::Failed));
}

#[test]
fn a_disconnect_request_matches_all_that_is_given() {
    let mut lab = lab();
    let (first, second) = (lab.lease(1), lab.lease(2));
    let keys = |address, last: u8, interface: Option<&str>| DisconnectKeys {
        address,
        mac: (last > 0).then(|| mac(last)),
        interface: interface.map(Into::into),
        ..DisconnectKeys::default()
    };
    let mut ask = |keys| disconnect(&mut lab, keys, "").unwrap();
    assert_eq!(ask(keys(None, 0, None)), Disconnected::NotFound);
    assert_eq!(ask(keys(None, 0, Some("eth1"))), Disconnected::NotFound, "an interface alone names nobody");
    assert_eq!(ask(keys(Some(first), 2, None)), Disconnected::NotFound);
    assert_eq!(ask(keys(Some(first), 1, Some("eth9"))), Disconnected::NotFound);
    assert_eq!(ask(keys(Some(ip(99)), 0, None)), Disconnected::NotFound);
    assert_eq!(ask(keys(Some(first), 1, Some("eth1"))), Disconnected::Cleared);
    assert_eq!(ask(keys(None, 2, None)), Disconnected::Cleared);
    assert_eq!((lab.state(first), lab.state(second)), (Some(DurableState::Cleared), Some(DurableState::Cleared)));
}
