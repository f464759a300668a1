//! The change feed (design §4): a reader that applies the changes has the table.

use crate::lab::*;
use bindery_engine::{
    CHANGES_KEPT,
    command::{BindingView, CHANGES_NOW, ChangeKind, ChangeView, Cursor, Filter, PublicState, Reply, Verb},
    config::Config,
    input::Input,
    record::DurableState,
};
use bindery_types::Ipv4Addr;
use bindery_wire::v4::MessageBuilder;
use std::collections::BTreeMap;

/// One answer: rows, next, lost, more.
fn ask(lab: &mut Lab, after: u64, filter: &Filter) -> (Vec<ChangeView>, u64, bool, bool) {
    match lab.command(Verb::Changes { after, filter: filter.clone() }) {
        Some(Reply::Changes { rows, next, lost, more }) => (rows, next, lost, more),
        other => panic!("{other:?}"),
    }
}

fn now(lab: &mut Lab) -> u64 {
    let (rows, next, lost, more) = ask(lab, CHANGES_NOW, &Filter::All);
    assert!(rows.is_empty() && lost && !more);
    next
}

fn kinds(rows: &[ChangeView]) -> Vec<(ChangeKind, Ipv4Addr)> {
    rows.iter().map(|row| (row.what, row.binding.address)).collect()
}

/// A reader with a table of its own.
#[derive(Default)]
struct Reader {
    at: u64,
    sessions: BTreeMap<u64, BindingView>,
}

impl Reader {
    fn start(lab: &mut Lab) -> Self {
        let mut reader = Self { at: now(lab), sessions: BTreeMap::new() };
        for row in bindings(lab, &Filter::All) {
            reader.sessions.insert(row.session.0, row);
        }
        reader
    }

    fn follow(&mut self, lab: &mut Lab) {
        loop {
            let (rows, next, lost, more) = ask(lab, self.at, &Filter::All);
            assert!(!lost);
            for row in rows {
                let session = row.binding.session.0;
                match row.what.ends() {
                    true => self.sessions.remove(&session),
                    false => self.sessions.insert(session, row.binding),
                };
            }
            self.at = next;
            if !more {
                return;
            }
        }
    }

    fn has_the_table_of(&self, lab: &mut Lab) {
        // The end of the lease, whenever the row was made.
        let end = |row: &BindingView| row.expires_in.map(|secs| row.start.0 + row.started_ago + secs);
        let brief = |row: &BindingView| (row.session.0, row.address, end(row));
        let table: Vec<_> = bindings(lab, &Filter::All).iter().map(brief).collect();
        let mut mine: Vec<_> = self.sessions.values().map(brief).collect();
        mine.sort_unstable();
        let mut table = table;
        table.sort_unstable();
        assert_eq!(mine, table);
    }
}

fn bindings(lab: &mut Lab, filter: &Filter) -> Vec<BindingView> {
    match lab.command(Verb::Bindings { filter: filter.clone(), cursor: Cursor::START }) {
        Some(Reply::Bindings { rows, next: None }) => rows,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_change_comes_once_with_its_last_state() {
    let mut lab = Lab::new(config());
    let start = now(&mut lab);
    let first = lab.lease(1);
    let second = lab.lease(2);
    let (rows, at, lost, more) = ask(&mut lab, start, &Filter::All);
    assert!(!lost && !more);
    assert_eq!(kinds(&rows), [(ChangeKind::Bound, first), (ChangeKind::Bound, second)]);
    assert!(rows[0].sequence < rows[1].sequence);
    assert_eq!(at, rows[1].sequence);
    // Behind the first of them only the other.
    assert_eq!(kinds(&ask(&mut lab, rows[0].sequence, &Filter::All).0), [(ChangeKind::Bound, second)]);
    lab.pass(10);
    lab.renew(1, first).unwrap();
    lab.renew(2, second).unwrap();
    lab.unicast(&MessageBuilder::release(mac(1), first, SERVER), first);
    // Renewed and released: one change.
    let (rows, at, ..) = ask(&mut lab, at, &Filter::All);
    assert_eq!(kinds(&rows), [(ChangeKind::Renewed, second), (ChangeKind::Released, first)]);
    assert_eq!(rows[1].binding.state, PublicState::Ended(DurableState::Released));
    assert_eq!(ask(&mut lab, at, &Filter::All), (Vec::new(), at, false, false));
}

#[test]
fn only_what_is_on_storage_is_told() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let at = now(&mut lab);
    lab.prompt = false;
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    let offer = lab.discover(2).unwrap();
    assert!(lab.select(2, offer.yiaddr()).is_none());
    assert!(ask(&mut lab, at, &Filter::All).0.is_empty());
    lab.prompt = true;
    lab.answer_store();
    lab.answer_routes();
    assert_eq!(
        kinds(&ask(&mut lab, at, &Filter::All).0),
        [(ChangeKind::Released, address), (ChangeKind::Bound, offer.yiaddr())]
    );
}

#[test]
fn a_failed_write_is_no_change() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let at = now(&mut lab);
    lab.prompt = false;
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    lab.mutations.clear();
    lab.input(Input::StoreFailed);
    lab.prompt = true;
    lab.input(Input::StoreReady);
    assert!(ask(&mut lab, at, &Filter::All).0.is_empty());
    let mut reader = Reader::start(&mut lab);
    reader.follow(&mut lab);
    reader.has_the_table_of(&mut lab);
}

#[test]
fn an_offer_hides_no_end() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let at = now(&mut lab);
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    lab.discover(1).unwrap();
    let (rows, ..) = ask(&mut lab, at, &Filter::All);
    assert_eq!(kinds(&rows), [(ChangeKind::Released, address)]);
    assert_eq!(rows[0].binding.state, PublicState::Ended(DurableState::Released));
    // Bound again, it is one change: the last.
    lab.select(1, address).unwrap();
    assert_eq!(kinds(&ask(&mut lab, at, &Filter::All).0), [(ChangeKind::Bound, address)]);
}

#[test]
fn a_reader_of_another_life_takes_the_full_state() {
    let mut lab = Lab::new(config());
    let before = now(&mut lab);
    lab.lease(1);
    let at = now(&mut lab);
    assert!(at > before);
    assert!(!ask(&mut lab, before, &Filter::All).2);
    let mut lab = lab.restart(config(), 3);
    for position in [before, at] {
        let (rows, next, lost, _) = ask(&mut lab, position, &Filter::All);
        assert!(lost && rows.is_empty());
        assert_eq!(ask(&mut lab, next, &Filter::All), (Vec::new(), next, false, false));
    }
}

#[test]
fn a_tombstone_that_went_is_told_still() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let held = now(&mut lab);
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    let seen = now(&mut lab);
    lab.jump(bindery_engine::TOMBSTONE_SECS + 2);
    assert_eq!(lab.disk.len(), 0, "the tombstone is there still");
    let (rows, next, lost, more) = ask(&mut lab, held, &Filter::All);
    assert!(!lost && !more);
    assert_eq!(kinds(&rows), [(ChangeKind::Released, address)]);
    assert_eq!((rows[0].binding.hw, next), (mac(1).into(), seen));
    assert_eq!(ask(&mut lab, seen, &Filter::All), (Vec::new(), seen, false, false));
    // Where it ended is all that is known of it: who looks elsewhere is told that it is not there.
    for (filter, what) in [
        (Filter::Interface("eth1".into()), ChangeKind::Released),
        (Filter::Interface("wan0".into()), ChangeKind::Left),
        (Filter::Pool("other".into()), ChangeKind::Left),
    ] {
        assert_eq!(kinds(&ask(&mut lab, held, &filter).0), [(what, address)], "{filter:?}");
    }
    // Of many that went the newest are known.
    let (mut at, mut positions) = (seen, Vec::new());
    for _ in 0..1_025 {
        let address = lab.lease(1);
        lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
        lab.jump(bindery_engine::TOMBSTONE_SECS + 2);
        positions.push(at);
        at = now(&mut lab);
    }
    assert!(ask(&mut lab, held, &Filter::All).2, "more is kept than is said");
    assert!(ask(&mut lab, positions[0], &Filter::All).2);
    let (rows, _, lost, _) = ask(&mut lab, positions[2], &Filter::All);
    assert!(!lost && rows.len() == 256);
}

/// More addresses than one page has rows.
fn wide() -> Config {
    let mut config = config();
    config.pools[0].network = "10.0.0.0/8".parse().unwrap();
    config.pools[0].ranges[0].low = Ipv4Addr::new(10, 1, 0, 1);
    config.pools[0].ranges[0].high = Ipv4Addr::new(10, 1, 255, 254);
    config
}

fn wide_lab() -> Lab {
    let mut lab = Lab::new(wide());
    lab.input(Input::LinkSet(link(LINK, "eth1", &[(Ipv4Addr::new(10, 0, 0, 1), 8), (SERVER, 24)])));
    lab
}

fn numbered(n: u32) -> bindery_types::MacAddr {
    let [_, a, b, c] = n.to_be_bytes();
    bindery_types::MacAddr([2, 0, 0, a, b, c])
}

fn lease_numbered(lab: &mut Lab, n: u32) {
    let offer = lab.broadcast(&MessageBuilder::discover(numbered(n))).unwrap();
    lab.broadcast(&MessageBuilder::request_selecting(numbered(n), offer.yiaddr(), Ipv4Addr::new(10, 0, 0, 1))).unwrap();
    lab.heard.clear();
}

#[test]
fn long_lists_of_changes_go_by_pages() {
    let mut lab = wide_lab();
    let start = now(&mut lab);
    (0..300).for_each(|n| lease_numbered(&mut lab, n));
    let (rows, next, lost, more) = ask(&mut lab, start, &Filter::All);
    assert!(!lost && more && rows.len() == 256);
    let (rows, end, lost, more) = ask(&mut lab, next, &Filter::All);
    assert!(!lost && !more && rows.len() == 44);
    assert_eq!(end, now(&mut lab));
    // A filter looks at so many entries a turn, and says that it has not seen them all.
    let mut pages = 0;
    let (mut at, mut found) = (start, 0);
    (0..4).for_each(|_| (0..300).for_each(|n| lease_numbered(&mut lab, n)));
    loop {
        let (rows, next, lost, more) = ask(&mut lab, at, &Filter::Mac(numbered(299)));
        assert!(!lost);
        found += rows.len();
        at = next;
        pages += 1;
        if !more {
            break;
        }
    }
    assert_eq!((found, pages), (1, 2));
}

#[test]
fn a_reader_too_far_behind_is_told_so() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let at = now(&mut lab);
    let renewal = MessageBuilder::request_renewing(mac(1), address);
    for _ in 0..CHANGES_KEPT {
        lab.unicast(&renewal, address).unwrap();
    }
    let (rows, _, lost, more) = ask(&mut lab, at, &Filter::All);
    // All entries but the last are stale: a page looks at a part of them.
    assert!(!lost && more && rows.is_empty());
    lab.unicast(&renewal, address).unwrap();
    assert!(ask(&mut lab, at, &Filter::All).2);
}

#[test]
fn filters_select_and_tell_who_leaves() {
    const OTHER: bindery_types::IfIndex = bindery_types::IfIndex(8);
    let mut config = config();
    config.interfaces[0].pattern = "*".into();
    let mut lab = Lab::new(config);
    lab.input(Input::LinkSet(link(OTHER, "wan0", &[(Ipv4Addr::new(192, 0, 2, 2), 24)])));
    let at = now(&mut lab);
    let (first, second) = (lab.lease(1), lab.lease(2));
    let of = |name: &str| Filter::Interface(name.into());
    for (filter, wanted) in [
        (Filter::Address(first), vec![first]),
        (Filter::Mac(mac(2)), vec![second]),
        (of("eth*"), vec![first, second]),
        (of("wan0"), vec![]),
        (Filter::Pool("pool".into()), vec![first, second]),
        (Filter::Pool("other".into()), vec![]),
    ] {
        let (rows, next, ..) = ask(&mut lab, at, &filter);
        assert_eq!(rows.iter().map(|row| row.binding.address).collect::<Vec<_>>(), wanted, "{filter:?}");
        assert_eq!(next, now(&mut lab), "{filter:?}");
        let listed: Vec<_> = bindings(&mut lab, &filter).iter().map(|row| row.address).collect();
        assert_eq!(listed, wanted, "{filter:?}");
    }
    // The client goes to another interface: who looks at the first is told, also when it renews there.
    let at = now(&mut lab);
    let rebind = MessageBuilder::request_renewing(mac(1), first);
    lab.packet_on(OTHER, &rebind, first, Ipv4Addr::BROADCAST).unwrap();
    lab.packet_on(OTHER, &rebind, first, Ipv4Addr::BROADCAST).unwrap();
    assert_eq!(kinds(&ask(&mut lab, at, &of("eth1")).0), [(ChangeKind::Left, first)]);
    assert_eq!(ask(&mut lab, at, &of("wan0")).0.len(), 1);
    assert_eq!(ask(&mut lab, at, &of("eth9")).0.len(), 1, "it may have been there");
    assert_eq!(ask(&mut lab, at, &Filter::All).0.len(), 1);
}

#[test]
fn a_reader_has_the_table_after_a_busy_day() {
    let mut config = config();
    config.pools[0].ranges[0].high = ip(60);
    let mut lab = Lab::new(config);
    lab.lease(1);
    let mut reader = Reader::start(&mut lab);
    for round in 0..6u8 {
        let of = |n: u8| n % 5 + 1;
        let addresses: Vec<_> = (0..3).map(|n| (of(round + n), lab.lease(of(round + n)))).collect();
        lab.pass(1_000);
        if round % 2 == 0 {
            reader.follow(&mut lab);
        }
        lab.renew(addresses[0].0, addresses[0].1);
        let (gone, address) = addresses[1];
        lab.unicast(&MessageBuilder::release(mac(gone), address, SERVER), address);
        lab.clear(Filter::Address(addresses[2].1));
        reader.follow(&mut lab);
        reader.has_the_table_of(&mut lab);
    }
    lab.jump(7_200);
    reader.follow(&mut lab);
    reader.has_the_table_of(&mut lab);
    assert!(reader.sessions.is_empty());
}
