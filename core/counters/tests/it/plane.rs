//! The table: what it counts, and whose it is.

use crate::lab::{Lab, ROUTER, counted, subscriber, transfer};
use bindery_counters::{Error, Plane, PlaneSettings, Retained};
use std::{env, process::Command};

#[test]
fn what_is_forwarded_is_counted_packet_by_packet_and_octet_by_octet() {
    let Some(lab) = Lab::new("counters-forwarded") else { return };
    let mut plane = lab.router.plane();
    let [one, two, three] = [1, 2, 3].map(subscriber);
    plane.add(&[one, two]).expect("added");
    lab.send_up(one, 7, 100);
    lab.send_down(one, 3, 1_400);
    lab.send_up(two, 1, 28);
    lab.send_up(three, 5, 100);
    let read = plane.read(&[two, one, three]).expect("read");
    assert_eq!(read, [counted(1, 28, 0, 0), counted(7, 700, 3, 4_200), None]);
    // With the router itself, which answers that no such port is open.
    let before = plane.read(&[one]).expect("read");
    transfer((&lab.subscribers, one), (&lab.router, ROUTER), 4, 100);
    assert_eq!(plane.read(&[one]).expect("read"), before);
}

#[test]
fn what_a_firewall_drops_is_not_counted_and_its_table_stays() {
    let Some(lab) = Lab::new("counters-firewall") else { return };
    lab.router.sh("nft 'add table ip wall; add set ip wall subscribers_in { type ipv4_addr; elements = { 10.1.0.9 } }
        add chain ip wall forward { type filter hook forward priority filter; policy accept; }
        add rule ip wall forward udp length 508 counter drop'");
    let wall = lab.table("wall");
    let mut plane = lab.router.plane();
    plane.add(&[subscriber(1)]).expect("added");
    assert_eq!(lab.table("wall"), wall);
    lab.send_up(subscriber(1), 1, 100);
    lab.send_in_vain(subscriber(1), 528);
    // It is behind that one on the way.
    lab.send_up(subscriber(1), 1, 100);
    let dropped = lab.table("wall");
    assert!(dropped.contains("counter packets 1"), "{dropped}");
    assert_eq!(plane.read(&[subscriber(1)]).expect("read"), [counted(2, 200, 0, 0)]);
    plane.close(true).expect("removed");
    assert_eq!(lab.table("wall"), dropped);
    assert_eq!(lab.router.sh("nft list tables"), "table ip wall\n");
}

#[test]
fn the_end_gives_all_that_was_counted_and_the_next_subscriber_starts_at_zero() {
    let Some(lab) = Lab::new("counters-end") else { return };
    let mut plane = lab.router.plane();
    let [one, two] = [1, 2].map(subscriber);
    plane.add(&[one, two]).expect("added");
    lab.send_up(one, 2, 200);
    // No read before: the figures of the end come with the removal.
    let ended = plane.remove(&[one, subscriber(9), one]).expect("removed");
    assert_eq!(ended, [counted(2, 400, 0, 0), None, counted(2, 400, 0, 0)]);
    lab.send_up(one, 2, 200);
    assert_eq!(plane.read(&[one]).expect("read"), [None]);
    assert_eq!(plane.remove(&[one]).expect("removed"), [None]);
    plane.add(&[one]).expect("added");
    lab.send_down(one, 1, 50);
    lab.send_down(two, 1, 60);
    assert_eq!(plane.read(&[one, two]).expect("read"), [counted(0, 0, 1, 50), counted(0, 0, 1, 60)]);
    // A new subscriber although nobody said that the old one ended.
    plane.add(&[two, two]).expect("added");
    lab.send_up(two, 1, 70);
    assert_eq!(plane.read(&[one, two]).expect("read"), [counted(0, 0, 1, 50), counted(1, 70, 0, 0)]);
    assert_eq!(plane.len(), 2);
}

#[test]
fn counting_goes_on_without_the_program_and_the_next_one_keeps_whom_it_knows() {
    let Some(lab) = Lab::new("counters-restart") else { return };
    let mut plane = lab.router.plane();
    let [one, two, three] = [1, 2, 3].map(subscriber);
    plane.add(&[one, two]).expect("added");
    lab.send_up(one, 1, 100);
    // As at `kill -9`: nothing is told to the kernel.
    drop(plane);
    lab.send_up(one, 2, 100);
    let mut plane = lab.router.plane();
    assert_eq!(plane.len(), 2);
    let retained = plane.retain(&[three, one]).expect("retained");
    assert_eq!(retained, Retained { kept: 1, removed: 1, added: 1 });
    lab.send_up(one, 3, 100);
    lab.send_up(three, 1, 40);
    let read = plane.read(&[one, two, three]).expect("read");
    assert_eq!(read, [counted(6, 600, 0, 0), None, counted(1, 40, 0, 0)]);
    let table = lab.table("bindery");
    assert!(!table.contains("10.1.0.2"), "{table}");
    // The rules are there once, however often it starts.
    assert_eq!(table.matches("@subscribers_").count(), 2, "{table}");
    assert!(table.contains("hook forward priority filter + 5; policy accept;"), "{table}");
    assert_eq!(
        lab.router.sh("nft -s list set ip bindery subscribers_out | head -4 | tail -2 | tr -d '\\t\\n'"),
        "type ipv4_addrcounter"
    );
}

#[test]
fn a_flushed_table_is_made_again_and_no_figure_falls() {
    let Some(lab) = Lab::new("counters-flush") else { return };
    let mut plane = lab.router.plane();
    let [one, two, three, four] = [1, 2, 3, 4].map(subscriber);
    plane.add(&[one, two]).expect("added");
    lab.send_up(one, 2, 100);
    assert_eq!(plane.read(&[one]).expect("read"), [counted(2, 200, 0, 0)]);
    lab.router.sh("nft flush ruleset");
    // Found by a read, by an addition, by a removal.
    assert_eq!(plane.read(&[one, two]).expect("read"), [counted(2, 200, 0, 0), counted(0, 0, 0, 0)]);
    lab.send_up(one, 3, 100);
    assert_eq!(plane.read(&[one]).expect("read"), [counted(5, 500, 0, 0)]);
    lab.router.sh("nft flush ruleset");
    plane.add(&[three]).expect("added");
    lab.send_up(one, 1, 100);
    lab.router
        .sh("nft delete element ip bindery subscribers_in { 10.1.0.1 }; nft flush set ip bindery subscribers_out");
    assert_eq!(plane.remove(&[one, three]).expect("removed"), [counted(5, 500, 0, 0), counted(0, 0, 0, 0)]);
    assert_eq!(plane.repairs(), 3);
    // Somebody else makes an element of ours.
    lab.router.sh("nft add element ip bindery subscribers_in { 10.1.0.4 }");
    plane.add(&[four]).expect("added");
    lab.send_up(four, 1, 100);
    assert_eq!(plane.read(&[four, two]).expect("read"), [counted(1, 100, 0, 0), counted(0, 0, 0, 0)]);
    lab.router.sh("nft delete table ip bindery");
    plane.close(true).expect("that it is gone is what was wanted");
}

#[test]
fn a_table_of_this_name_that_is_not_ours_is_left() {
    let Some(lab) = Lab::new("counters-foreign") else { return };
    lab.router.sh("nft 'add table ip bindery; add chain ip bindery forward { type filter hook input priority 0; }'");
    let theirs = lab.table("bindery");
    let refused = lab.router.run(|| Plane::open(PlaneSettings::default()).map(drop)).expect_err("refused");
    assert!(matches!(refused, Error::Foreign(_)), "{refused}");
    assert_eq!(lab.table("bindery"), theirs);
    let own = PlaneSettings { table: "bindery-2".into() };
    lab.router.run(|| Plane::open(own).map(drop)).expect("another name");
    for table in ["", "a b", "x;y", &"t".repeat(65)] {
        let settings = PlaneSettings { table: table.into() };
        assert_eq!(Plane::open(settings).map(drop), Err(Error::Name), "{table}");
    }
}

/// Set in the process that has no privilege.
const WITHOUT: &str = "BINDERY_COUNTERS_WITHOUT_PRIVILEGE";

#[test]
fn without_the_privilege_the_error_says_what_to_do() {
    if env::var_os(WITHOUT).is_some() {
        let error = Plane::open(PlaneSettings::default()).map(drop).expect_err("refused");
        assert_eq!(error, Error::Privilege);
        assert!(error.to_string().contains("CAP_NET_ADMIN"));
        crate::snooped::without_the_privilege();
        return;
    }
    if Lab::new("counters-privilege").is_none() {
        return;
    }
    let test = "plane::without_the_privilege_the_error_says_what_to_do";
    let status = Command::new("setpriv")
        .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"])
        .arg(env::current_exe().expect("this program"))
        .args(["--exact", test])
        .env(WITHOUT, "1")
        .status();
    assert!(status.expect("setpriv of util-linux").success());
}
