//! Requests to other servers that are dropped.

use crate::lab::{Lab, SERVER, Space, subscriber};
use bindery_counters::{Error, SnoopedFilter};
use bindery_types::{IfIndex, Ipv4Addr};
use std::{collections::BTreeSet, net::UdpSocket, time::Duration};

/// Whether a request from `sender` to a server behind the router arrives there. The answer that goes after it from the
/// same socket is never dropped.
fn arrives(sender: (&Space, Ipv4Addr), server: &Space) -> bool {
    let receiver = server.run(|| UdpSocket::bind((SERVER, 67))).expect("bound");
    receiver.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
    let from = sender.1;
    let client = sender.0.run(move || UdpSocket::bind((from, 68))).expect("bound");
    let mut buffer = [0; 300];
    for op in [1, 2] {
        buffer[0] = op;
        client.send_to(&buffer, (SERVER, 67)).expect("it leaves");
    }
    let mut receive = || receiver.recv(&mut buffer).map(|_| buffer[0]).expect("it arrives");
    let first = receive();
    first == 1 && receive() == 2
}

fn index(lab: &Lab, name: &str) -> IfIndex {
    let text = lab.router.sh(&format!("ip -o link show dev {name}"));
    IfIndex(text.split(':').next().and_then(|number| number.trim().parse().ok()).expect("a number"))
}

/// What a filter, made in the router's namespace, does there.
fn on<T: Send + 'static>(
    lab: &Lab,
    filter: SnoopedFilter,
    work: impl FnOnce(&mut SnoopedFilter) -> T + Send + 'static,
) -> (SnoopedFilter, T) {
    let mut filter = filter;
    lab.router.run(move || {
        let done = work(&mut filter);
        (filter, done)
    })
}

fn set(lab: &Lab, filter: SnoopedFilter, interfaces: &[IfIndex]) -> SnoopedFilter {
    let wanted: BTreeSet<IfIndex> = interfaces.iter().copied().collect();
    let (filter, done) = on(lab, filter, move |filter| filter.set(&wanted));
    done.expect("set");
    filter
}

#[test]
fn requests_are_dropped_on_the_interfaces_that_are_named() {
    let Some(lab) = Lab::new("snooped") else { return };
    let (sub, core) = (index(&lab, "sub0"), index(&lab, "core0"));
    let one = || arrives((&lab.subscribers, subscriber(1)), &lab.server);
    // What an earlier run has left, of whatever kind.
    lab.router.sh("nft 'table ip bindery-snooped { chain forward { type filter hook forward priority 0; drop; }; }'");
    let filter = set(&lab, SnoopedFilter::default(), &[]);
    assert!(one());
    let filter = set(&lab, filter, &[sub]);
    assert!(!one());
    let (filter, dropped) = on(&lab, filter, SnoopedFilter::dropped);
    assert_eq!(dropped, Ok(Some(1)));
    let table = lab.table("bindery-snooped");
    assert!(table.contains("iif @interfaces counter packets 1") && table.contains("\"sub0\""), "{table}");
    // Others are named: the count goes on, so the table stood.
    let filter = set(&lab, filter, &[core]);
    assert!(one());
    let filter = set(&lab, filter, &[core, sub]);
    assert!(!one());
    let (filter, dropped) = on(&lab, filter, SnoopedFilter::dropped);
    assert_eq!(dropped, Ok(Some(2)));
    // More than go in one transaction, of interfaces that need not be there.
    let many: Vec<IfIndex> = (1_000..11_000).map(IfIndex).chain([sub]).collect();
    let filter = set(&lab, filter, &many);
    assert!(!one());
    let filter = set(&lab, filter, &[]);
    assert!(one());
    assert!(!lab.router.sh("nft list tables").contains("snooped"));
    drop(set(&lab, filter, &many));
    assert!(!one());
}

#[test]
fn a_table_that_others_change_is_made_again() {
    let Some(lab) = Lab::new("snooped-flush") else { return };
    let (sub, core) = (index(&lab, "sub0"), index(&lab, "core0"));
    let one = || arrives((&lab.subscribers, subscriber(1)), &lab.server);
    let mut filter = set(&lab, SnoopedFilter::default(), &[sub]);
    for damage in ["nft flush ruleset", "nft flush chain ip bindery-snooped forward"] {
        lab.router.sh(damage);
        assert!(one(), "{damage}");
        let (looked, dropped) = on(&lab, filter, SnoopedFilter::dropped);
        assert_eq!(dropped, Ok(None), "{damage}");
        filter = set(&lab, looked, &[sub]);
        assert!(!one(), "{damage}");
    }
    // Found by a change.
    lab.router.sh("nft flush ruleset");
    let filter = set(&lab, filter, &[sub, core]);
    assert!(!one());
    lab.router.sh("nft flush set ip bindery-snooped interfaces");
    drop(set(&lab, filter, &[sub]));
    assert!(!one());
}

/// What the process without the privilege finds (`plane::without_the_privilege_the_error_says_what_to_do`).
pub(crate) fn without_the_privilege() {
    let wanted = BTreeSet::from([IfIndex(1)]);
    assert_eq!(SnoopedFilter::default().set(&wanted), Err(Error::Privilege));
}
