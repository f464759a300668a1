//! Many subscribers.

use crate::lab::{Lab, counted, subscriber};
use bindery_types::Ipv4Addr;
use std::time::Instant;

#[test]
fn ten_thousand_are_added_read_and_removed() {
    let Some(lab) = Lab::new("counters-scale") else { return };
    let mut plane = lab.router.plane();
    let all: Vec<Ipv4Addr> = (1..=10_000).map(subscriber).collect();
    let start = Instant::now();
    plane.add(&all).expect("added");
    println!("10,000 added in {:?}", start.elapsed());
    lab.send_up(subscriber(2), 2, 100);
    let start = Instant::now();
    let read = plane.read(&all).expect("read");
    println!("10,000 read in {:?}", start.elapsed());
    assert_eq!(read.len(), all.len());
    assert_eq!(read.iter().filter(|one| **one == counted(0, 0, 0, 0)).count(), all.len() - 1);
    assert_eq!(read.get(1), Some(&counted(2, 200, 0, 0)));
    let kept: Vec<Ipv4Addr> = all.iter().copied().skip(1).step_by(2).collect();
    assert_eq!(plane.retain(&kept).expect("retained").removed, 5_000);
    let start = Instant::now();
    let ended = plane.remove(&all).expect("removed");
    println!("5,000 removed in {:?}", start.elapsed());
    assert_eq!(ended.iter().filter(|one| one.is_none()).count(), 5_000);
    assert_eq!(ended.get(1), Some(&counted(2, 200, 0, 0)));
    assert!(plane.is_empty());
    let table = lab.table("bindery");
    assert!(!table.contains("elements"), "{table}");
}
