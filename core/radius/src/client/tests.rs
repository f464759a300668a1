use super::*;
use crate::config::{ProfileConfig, ServerConfig};
use crate::packet::{self, AttributeList, Code, Packet, Secret, Type};
use proptest::prelude::*;
use std::time::Duration;

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn secret() -> Secret {
    Secret::from("s3cret")
}

/// Servers 1 and 2 in profile "p".
fn config() -> Config {
    let servers = vec![ServerConfig::new(address(1), secret()), ServerConfig::new(address(2), secret())];
    let list = vec![address(1), address(2)];
    let profile =
        ProfileConfig { name: "p".into(), authentication: list.clone(), accounting: list, ..ProfileConfig::default() };
    Config { servers, profiles: vec![profile], ..Config::default() }
}

fn client(config: &Config) -> Client {
    config.check().unwrap();
    let mut count = 0u8;
    Client::new(
        config,
        Box::new(move |bytes| {
            count = count.wrapping_add(1);
            bytes.fill(count);
        }),
    )
}

fn at(secs: u64) -> Mono {
    Mono::from_secs(secs)
}

fn user(name: &str) -> Request {
    let mut attributes = AttributeList::new();
    attributes.push(Type::USER_NAME, name.as_bytes()).unwrap();
    Request::access("p".into(), attributes)
}

fn record(kind: Kind) -> Request {
    Request { kind, ..user("acct") }
}

fn reply(sent: &Transmit, code: Code, signed: bool) -> Vec<u8> {
    let request = Packet::decode(&sent.bytes).unwrap();
    packet::response(code, request.id(), request.authenticator(), &AttributeList::new(), &secret(), signed).unwrap()
}

fn hear(client: &mut Client, sent: &Transmit, bytes: &[u8]) -> Result<RequestId, Dropped> {
    client.handle_datagram(sent.socket, sent.destination, bytes)
}

#[test]
fn a_silent_server_gets_the_same_bytes_again_and_then_the_next_one_is_asked() {
    let mut client = client(&config());
    let id = client.submit(at(100), user("a")).unwrap();
    let first = client.poll_transmit(at(100)).unwrap();
    assert_eq!(first.destination, "192.0.2.1:1812".parse().unwrap());
    assert_eq!(client.poll_transmit(at(100)), None);
    assert_eq!(client.next_timeout(), Some(at(103)));
    assert_eq!(client.poll_transmit(at(102)), None);
    assert_eq!(client.poll_transmit(at(103)), Some(first.clone()));
    assert_eq!(client.poll_transmit(at(106)), Some(first.clone()));
    let second = client.poll_transmit(at(109)).unwrap();
    assert_eq!(second.destination, "192.0.2.2:1812".parse().unwrap());
    assert_ne!(
        Packet::decode(&second.bytes).unwrap().authenticator(),
        Packet::decode(&first.bytes).unwrap().authenticator()
    );
    assert_eq!(hear(&mut client, &first, &reply(&first, Code::AccessAccept, true)), Err(Dropped::Unexpected));
    assert_eq!(hear(&mut client, &second, &reply(&second, Code::AccessAccept, true)), Ok(id));
    let outcome = client.take_outcome().unwrap();
    assert_eq!((outcome.id, outcome.server), (id, Some(second.destination)));
    assert!(matches!(outcome.answer, Answer::Accept(_)));
    assert!(client.is_empty() && client.next_timeout().is_none());
}

#[test]
fn when_nobody_answers_the_request_times_out() {
    let mut client = client(&config());
    let id = client.submit(at(0), user("a")).unwrap();
    let mut sent = 0;
    while client.take_outcome().is_none_or(|outcome| {
        assert_eq!((outcome.id, outcome.answer), (id, Answer::Failed(Failure::Timeout)));
        false
    }) {
        let now = client.next_timeout().unwrap_or(at(0));
        sent += std::iter::from_fn(|| client.poll_transmit(now)).count();
    }
    assert_eq!(sent, 6);
    assert!(client.endpoints.iter().all(|endpoint| endpoint.in_use() == 0 && endpoint.outstanding == 0));
}

#[test]
fn each_unwanted_datagram_is_passed_over_and_the_request_goes_on() {
    let mut client = client(&config());
    let id = client.submit(at(0), user("a")).unwrap();
    let sent = client.poll_transmit(at(0)).unwrap();
    let good = reply(&sent, Code::AccessAccept, true);
    let stranger = "192.0.2.9:1812".parse().unwrap();
    assert_eq!(client.handle_datagram(sent.socket, stranger, &good), Err(Dropped::Stranger));
    assert_eq!(client.handle_datagram(SocketId(77), sent.destination, &good), Err(Dropped::Stranger));
    let other = SocketId(sent.socket.0 + 1);
    assert_eq!(client.handle_datagram(other, sent.destination, &good), Err(Dropped::Unexpected));
    assert_eq!(hear(&mut client, &sent, &good[..19]), Err(Dropped::Malformed));
    let unsigned = reply(&sent, Code::AccessAccept, false);
    assert_eq!(hear(&mut client, &sent, &unsigned), Err(Dropped::Unsigned));
    let wrong = reply(&sent, Code::AccountingResponse, true);
    assert_eq!(hear(&mut client, &sent, &wrong), Err(Dropped::WrongCode));
    let mut bent = good.clone();
    bent[5] ^= 1;
    assert_eq!(hear(&mut client, &sent, &bent), Err(Dropped::NotAuthentic));
    let counters = client.status()[0].counters;
    assert_eq!((counters.bad_authenticators, counters.unsigned, counters.malformed), (1, 1, 2));
    assert_eq!(hear(&mut client, &sent, &reply(&sent, Code::AccessChallenge, true)), Ok(id));
    assert!(matches!(client.take_outcome().unwrap().answer, Answer::Reject(_)));
}

#[test]
fn no_message_authenticator_takes_old_servers() {
    let mut config = config();
    config.servers[0].no_message_authenticator = true;
    let mut client = client(&config);
    let id = client.submit(at(0), user("a")).unwrap();
    let sent = client.poll_transmit(at(0)).unwrap();
    assert_eq!(packet::verify_access_request(&Packet::decode(&sent.bytes).unwrap(), &secret()), Ok(()));
    assert_eq!(hear(&mut client, &sent, &reply(&sent, Code::AccessReject, false)), Ok(id));
}

#[test]
fn more_than_256_requests_go_out_of_several_sockets() {
    let mut config = config();
    config.options.request_rate = 4000;
    let mut client = client(&config);
    for _ in 0..1500 {
        client.submit(at(0), user("a")).unwrap();
    }
    let mut now = at(0);
    let mut seen = std::collections::HashSet::new();
    while now < at(2) {
        while let Some(sent) = client.poll_transmit(now) {
            assert!(seen.insert((sent.socket, sent.destination, sent.bytes[1])), "an identifier is in use once");
        }
        now = client.next_timeout().unwrap();
    }
    assert_eq!(seen.len(), 1500, "1000 to the first server, the rest to the second");
    assert_eq!(client.status()[0].outstanding, 1000);
    assert_eq!(client.status()[2].outstanding, 500);
}

#[test]
fn accounting_that_was_delayed_has_a_new_identifier_and_an_answer_to_any_counts() {
    let mut client = client(&config());
    let id = client.submit(at(0), Request { age: Duration::from_secs(7), ..record(Kind::Accounting) }).unwrap();
    let first = client.poll_transmit(at(0)).unwrap();
    let second = client.poll_transmit(at(3)).unwrap();
    let delay = |sent: &Transmit| {
        let packet = Packet::decode(&sent.bytes).unwrap();
        assert_eq!(packet::verify_signed_request(&packet, &secret(), false), Ok(()));
        packet.first(Type::ACCT_DELAY_TIME).unwrap().to_vec()
    };
    assert_eq!((delay(&first), delay(&second)), (vec![0, 0, 0, 7], vec![0, 0, 0, 10]));
    assert_ne!(first.bytes[1], second.bytes[1]);
    assert_eq!(client.endpoints[1].in_use(), 2);
    assert_eq!(hear(&mut client, &first, &reply(&first, Code::AccountingResponse, false)), Ok(id));
    assert_eq!(client.endpoints[1].in_use(), 0);
}

/// Lets time pass without any answer until nothing is under way.
fn starve(client: &mut Client, mut now: Mono) -> (Mono, Vec<SocketAddr>) {
    let mut sent = Vec::new();
    loop {
        sent.extend(std::iter::from_fn(|| client.poll_transmit(now)).map(|transmit| transmit.destination));
        match client.next_timeout() {
            Some(next) => now = next,
            None => return (now, sent),
        }
    }
}

#[test]
fn a_dead_server_is_left_alone_until_the_revert_interval_ends() {
    let mut client = client(&config());
    let first: SocketAddr = "192.0.2.1:1812".parse().unwrap();
    let second: SocketAddr = "192.0.2.2:1812".parse().unwrap();
    let ask = |client: &mut Client, now: Mono| {
        client.submit(now, user("a")).unwrap();
        let sent = client.poll_transmit(now).unwrap();
        hear(client, &sent, &reply(&sent, Code::AccessAccept, true)).unwrap();
        sent.destination
    };
    client.submit(at(0), user("a")).unwrap();
    starve(&mut client, at(0));
    assert!(client.status().iter().all(|server| server.alive), "within the grace nobody is dead");
    client.submit(at(20), user("a")).unwrap();
    let (now, _) = starve(&mut client, at(20));
    assert_eq!(now, at(38));
    assert!(!client.status()[0].alive && !client.status()[2].alive);
    // All are dead: one probe each, the others fail at once.
    for _ in 0..4 {
        client.submit(at(40), user("a")).unwrap();
    }
    let probe = client.poll_transmit(at(40)).unwrap();
    let probe_2 = client.poll_transmit(at(40)).unwrap();
    assert_eq!((probe.destination, probe_2.destination), (first, second));
    assert_eq!(client.poll_transmit(at(40)), None);
    let failed: Vec<Answer> =
        std::iter::from_fn(|| client.take_outcome()).skip(2).map(|outcome| outcome.answer).collect();
    assert_eq!(failed, [Answer::Failed(Failure::NoServer), Answer::Failed(Failure::NoServer)]);
    // The second one is back: it is used at once, and the first only after its 60 seconds.
    hear(&mut client, &probe_2, &reply(&probe_2, Code::AccessAccept, true)).unwrap();
    starve(&mut client, at(41));
    assert_eq!(ask(&mut client, at(60)), second);
    assert_eq!(ask(&mut client, at(88)), second);
    assert_eq!(ask(&mut client, at(89)), first, "29 s and 60 s");
}

#[test]
fn a_server_that_comes_back_silent_is_dead_again_without_grace() {
    let mut config = config();
    config.profiles[0].authentication.pop();
    let mut client = client(&config);
    for start in [0, 20] {
        client.submit(at(start), user("a")).unwrap();
        starve(&mut client, at(start));
    }
    assert!(!client.status()[0].alive);
    client.submit(at(200), user("a")).unwrap();
    client.submit(at(200), user("b")).unwrap();
    assert_eq!(std::iter::from_fn(|| client.poll_transmit(at(200))).count(), 2, "it is up again");
    starve(&mut client, at(200));
    assert!(!client.status()[0].alive);
}

#[test]
fn a_probe_that_failed_or_was_cancelled_makes_room_for_the_next() {
    let mut config = config();
    config.options.timeout_grace = 0;
    config.profiles[0].authentication.pop();
    let mut client = client(&config);
    client.submit(at(0), user("a")).unwrap();
    starve(&mut client, at(0));
    assert!(!client.status()[0].alive);
    for start in [10, 20] {
        client.submit(at(start), user("probe")).unwrap();
        assert_eq!(starve(&mut client, at(start)).1.len(), 3, "a probe has all its tries");
    }
    let id = client.submit(at(40), user("probe")).unwrap();
    client.poll_transmit(at(40)).unwrap();
    client.cancel(id);
    client.submit(at(40), user("probe")).unwrap();
    assert!(client.poll_transmit(at(40)).is_some());
}

#[test]
fn without_a_revert_interval_nobody_is_dead() {
    let mut config = config();
    config.options.revert_interval = 0;
    let mut client = client(&config);
    for start in [0, 100, 200] {
        client.submit(at(start), user("a")).unwrap();
        starve(&mut client, at(start));
    }
    assert!(client.status().iter().all(|server| server.alive));
}

#[test]
fn requests_to_a_server_that_died_move_on_without_their_last_tries() {
    let mut config = config();
    config.options.timeout_grace = 0;
    config.servers[0].retry = 2;
    let mut client = client(&config);
    client.submit(at(0), user("a")).unwrap();
    client.poll_transmit(at(0)).unwrap();
    client.submit(at(5), user("b")).unwrap();
    assert_eq!(std::iter::from_fn(|| client.poll_transmit(at(5))).count(), 2, "a again, b for the first time");
    let now = at(8);
    let sent: Vec<_> = std::iter::from_fn(|| client.poll_transmit(now)).map(|sent| sent.destination).collect();
    assert_eq!(sent, ["192.0.2.2:1812".parse().unwrap(); 2]);
}

#[test]
fn the_rate_is_kept_and_interims_have_their_own() {
    let mut config = config();
    config.options.request_rate = 100;
    config.options.interim_rate = 50;
    let mut client = client(&config);
    for _ in 0..300 {
        client.submit(at(0), record(Kind::Interim)).unwrap();
    }
    let count_until = |client: &mut Client, end: Mono| {
        let mut count = 0;
        let mut now = at(10);
        while now < end {
            count += std::iter::from_fn(|| client.poll_transmit(now)).count();
            now = client.next_timeout().unwrap();
        }
        count
    };
    assert_eq!(count_until(&mut client, at(11)), 54, "a burst of 5, and the 50th of the second is due at its end");
    for _ in 0..300 {
        client.submit(at(11), user("a")).unwrap();
    }
    let sent = count_until(&mut client, at(12));
    assert!((100..=110).contains(&sent), "{sent}");
}

#[test]
fn what_cannot_be_taken_is_refused_and_what_waited_too_long_is_not_sent() {
    let mut config = config();
    config.options.queue_limit = 2;
    config.servers[0].max_outstanding = 1;
    config.profiles[0].authentication.pop();
    let mut client = client(&config);
    let nobody = Request { profile: "q".into(), ..user("a") };
    assert_eq!(client.submit(at(0), nobody), Err(SubmitError::NoProfile));
    client.submit(at(0), user("a")).unwrap();
    let stale = client.submit(at(0), Request { patience: Some(Duration::from_secs(5)), ..user("b") }).unwrap();
    assert_eq!(client.submit(at(0), user("c")), Err(SubmitError::Full));
    starve(&mut client, at(0));
    let outcome = client.take_outcome().unwrap();
    assert_eq!((outcome.id, outcome.answer), (stale, Answer::Failed(Failure::Stale)));
    assert_eq!(client.take_outcome().unwrap().answer, Answer::Failed(Failure::Timeout));
    let long = Request { password: Some(vec![1; 129].into()), ..user("d") };
    client.submit(at(10), long).unwrap();
    assert_eq!(client.poll_transmit(at(10)), None);
    assert_eq!(client.take_outcome().unwrap().answer, Answer::Failed(Failure::Malformed));
    let gone = client.submit(at(10), user("e")).unwrap();
    client.poll_transmit(at(10)).unwrap();
    client.cancel(gone);
    assert!(client.is_empty() && client.take_outcome().is_none() && client.next_timeout().is_none());
}

#[test]
fn a_new_configuration_sends_requests_under_way_anew() {
    let mut client = client(&config());
    let id = client.submit(at(0), user("a")).unwrap();
    client.poll_transmit(at(0)).unwrap();
    let mut next = config();
    next.servers.remove(0);
    next.profiles[0].authentication.remove(0);
    next.profiles[0].accounting.clear();
    client.reconfigure(&next);
    let sent = client.poll_transmit(at(1)).unwrap();
    assert_eq!((sent.id, sent.destination), (id, "192.0.2.2:1812".parse().unwrap()));
    next.profiles.clear();
    client.reconfigure(&next);
    assert_eq!(client.take_outcome().unwrap().answer, Answer::Failed(Failure::NoServer));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is lost, late, doubled or bent: every request ends exactly once and gives back what it used.
    #[test]
    fn every_request_ends_once(steps in prop::collection::vec((0u8..6, any::<u8>()), 1..200)) {
        let mut config = config();
        config.servers[0].max_outstanding = 3;
        config.servers[1].max_outstanding = 2;
        config.servers[1].accounting_timeout = 1;
        let mut client = client(&config);
        let mut now = at(1);
        let mut open = std::collections::BTreeSet::new();
        let mut wire: Vec<Transmit> = Vec::new();
        for (step, number) in steps {
            match step {
                0 => { open.insert(client.submit(now, user("a")).unwrap()); }
                1 => { open.insert(client.submit(now, record(Kind::Accounting)).unwrap()); }
                2 => now = now.plus(Duration::from_millis(u64::from(number) * 20)),
                3 => now = client.next_timeout().unwrap_or(now).max(now),
                _ if wire.is_empty() => {}
                4 => {
                    let sent = &wire[usize::from(number) % wire.len()];
                    let access = Packet::decode(&sent.bytes).unwrap().code() == Code::AccessRequest;
                    let code = if access { Code::AccessAccept } else { Code::AccountingResponse };
                    let _ = hear(&mut client, sent, &reply(sent, code, true));
                }
                _ => {
                    let sent = &wire[usize::from(number) % wire.len()];
                    let mut bytes = reply(sent, Code::AccessAccept, true);
                    let at = usize::from(number) % bytes.len();
                    bytes[at] ^= 0x55;
                    prop_assert!(hear(&mut client, sent, &bytes).is_err());
                }
            }
            wire.extend(std::iter::from_fn(|| client.poll_transmit(now)));
            while let Some(outcome) = client.take_outcome() {
                prop_assert!(open.remove(&outcome.id));
            }
            prop_assert_eq!(client.len(), open.len());
        }
        starve(&mut client, now);
        while let Some(outcome) = client.take_outcome() {
            prop_assert!(open.remove(&outcome.id));
        }
        prop_assert!(open.is_empty());
        for endpoint in &client.endpoints {
            prop_assert_eq!((endpoint.in_use(), endpoint.outstanding), (0, 0));
        }
    }
}
