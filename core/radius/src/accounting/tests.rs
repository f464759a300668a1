use super::*;
use crate::access::Subscriber;
use crate::config::NasConfig;
use crate::packet::{AttributeList, Type};
use bindery_types::{Ipv4Addr, Wall};
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

fn nas() -> NasConfig {
    NasConfig { identifier: "bng-1".into(), address: None }
}

fn session(id: &str) -> Session<'_> {
    let subscriber = Subscriber { username: "alice", session_id: id, ..Subscriber::default() };
    Session { subscriber, address: Some(Ipv4Addr::new(10, 0, 0, 1)), ..Session::default() }
}

fn start(id: &str) -> Record {
    Record::start("p".into(), &nas(), &session(id), Wall(1000)).unwrap()
}

fn interim(id: &str) -> Record {
    Record::interim("p".into(), &nas(), &session(id), Wall(1000), &Usage::default()).unwrap()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounting");
    (folder, path)
}

#[test]
fn a_stop_says_what_was_used_with_gigawords_only_where_needed() {
    let classes: [Box<[u8]>; 1] = [b"gold".as_slice().into()];
    let session = Session { classes: &classes, ..session("s1") };
    let volume = Volume { input_octets: 5, output_octets: (3 << 32) + 7, input_packets: 1, output_packets: 2 };
    let usage = Usage { seconds: 60, volume: Some(volume) };
    let cause = TerminateCause::ADMIN_RESET;
    let stop = Record::stop("p".into(), &nas(), &session, Wall(1_700_000_000), &usage, cause).unwrap();
    let number = |kind| stop.attributes.iter().find(|a| a.kind == kind).and_then(|a| a.number());
    assert_eq!(number(Type::ACCT_STATUS_TYPE), Some(2));
    assert_eq!(number(Type::ACCT_SESSION_TIME), Some(60));
    assert_eq!((number(Type::ACCT_INPUT_OCTETS), number(Type::ACCT_INPUT_GIGAWORDS)), (Some(5), None));
    assert_eq!((number(Type::ACCT_OUTPUT_OCTETS), number(Type::ACCT_OUTPUT_GIGAWORDS)), (Some(7), Some(3)));
    assert_eq!(number(Type::ACCT_TERMINATE_CAUSE), Some(6));
    assert_eq!(number(Type::EVENT_TIMESTAMP), Some(1_700_000_000));
    assert_eq!(stop.attributes.first(Type::CLASS), Some(&b"gold"[..]));
    assert_eq!(stop.session(), b"s1");
    assert_eq!(stop.request(Wall(1_700_000_009)).age.as_secs(), 9);
    let mut bytes = Vec::new();
    stop.encode(&mut bytes);
    assert_eq!(Record::decode(&bytes), Some(stop));
}

#[test]
fn records_of_one_session_go_one_after_the_other_and_only_when_they_are_written() {
    let mut queue = Queue::new(10, Vec::new());
    let first = queue.push(start("a"));
    let second = queue.push(interim("a"));
    let other = queue.push(start("b"));
    assert!(queue.take_next(|_| true).is_none(), "the file has none of them");
    queue.durable_up_to(other);
    let next = |queue: &mut Queue| queue.take_next(|_| true).map(|(sequence, _)| sequence);
    assert_eq!([next(&mut queue), next(&mut queue), next(&mut queue)], [Some(first), Some(other), None]);
    queue.returned(first);
    assert_eq!([next(&mut queue), next(&mut queue)], [Some(first), None]);
    queue.delivered(first);
    queue.delivered(first);
    assert_eq!(next(&mut queue), Some(second));
    assert_eq!(queue.counters().delivered, 1);
    assert_eq!(queue.take_operations().len(), 4);
    let third = queue.push(interim("a"));
    queue.delivered(second);
    assert_eq!(next(&mut queue), None, "it is the first of its session now, but not written");
    queue.durable_up_to(third);
    assert_eq!(next(&mut queue), Some(third));
}

#[test]
fn a_full_queue_drops_the_oldest_interim_then_the_oldest_record() {
    let mut queue = Queue::new(3, Vec::new());
    let a = queue.push(start("a"));
    queue.push(interim("a"));
    queue.push(interim("a"));
    queue.push(start("b"));
    assert_eq!(queue.counters().dropped_interims, 1);
    queue.push(start("c"));
    assert_eq!(queue.counters().dropped_interims, 2);
    queue.push(interim("c"));
    assert_eq!(queue.counters().dropped_interims, 3, "a new Interim-Update goes before an old Start");
    queue.durable_up_to(queue.last());
    assert_eq!(queue.take_next(|_| true).unwrap().0, a);
    queue.push(start("d"));
    assert_eq!(queue.counters().dropped_others, 1);
    let left: Vec<Sequence> = queue.snapshot().into_iter().map(|(sequence, _)| sequence).collect();
    assert_eq!(left, [a, 5, 7], "a is under way; b's Start, the oldest idle one, went");
}

#[test]
fn a_restart_finds_what_no_server_has() {
    let (_folder, path) = folder();
    let (mut journal, recovered) = Journal::open(&path).unwrap();
    assert_eq!(recovered, Recovered::default());
    let mut queue = Queue::new(10, recovered.records);
    let first = queue.push(start("a"));
    queue.push(start("b"));
    journal.apply(&queue.take_operations()).unwrap();
    queue.durable_up_to(queue.last());
    assert_eq!(queue.take_next(|_| true).unwrap().0, first);
    queue.delivered(first);
    journal.apply(&queue.take_operations()).unwrap();
    drop(journal);
    let (_, recovered) = Journal::open(&path).unwrap();
    assert_eq!(recovered.records, [(2, start("b"))]);
    assert_eq!((recovered.torn, recovered.damaged), (0, 0));
    let mut queue = Queue::new(10, recovered.records);
    assert_eq!(queue.take_next(|_| true).unwrap().0, 2);
    assert_eq!(queue.push(start("c")), 3);
}

#[test]
fn a_torn_tail_is_cut_and_damage_before_sound_frames_is_kept_beside() {
    let (_folder, path) = folder();
    let write = || {
        let (mut journal, _) = Journal::open(&path).unwrap();
        let operations: Vec<_> = (1..=3).map(|n| Operation::Append(n, Arc::new(start("a")))).collect();
        journal.apply(&operations).unwrap();
        std::fs::read(&path).unwrap()
    };
    let whole = write();
    let frame = (whole.len() - 8) / 3;
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let (_, recovered) = Journal::open(&path).unwrap();
        assert_eq!(recovered.records.len(), cut.saturating_sub(8) / frame, "cut at {cut}");
        assert_eq!(recovered.damaged, 0, "cut at {cut}");
    }
    let damaged = path.with_extension("damaged");
    assert!(!damaged.exists());
    let mut bent = whole.clone();
    // Its last byte is of a time: only the checksum can tell.
    bent[8 + 2 * frame - 1] ^= 1;
    std::fs::write(&path, &bent).unwrap();
    let (_, recovered) = Journal::open(&path).unwrap();
    let numbers: Vec<_> = recovered.records.iter().map(|(number, _)| *number).collect();
    assert_eq!((numbers, recovered.damaged, recovered.torn), (vec![1, 3], frame as u64, 0));
    assert_eq!(std::fs::read(&damaged).unwrap(), bent);
}

#[test]
fn the_file_is_written_anew_when_most_of_it_is_done() {
    let (_folder, path) = folder();
    let (mut journal, _) = Journal::open(&path).unwrap();
    let mut queue = Queue::new(10, Vec::new());
    let mut most = 0;
    for _ in 0..5000 {
        let sequence = queue.push(start("a"));
        queue.durable_up_to(sequence);
        queue.take_next(|_| true).unwrap();
        queue.delivered(sequence);
        if journal.wants_rewrite() {
            journal.rewrite(&queue.snapshot()).unwrap();
        } else if sequence.is_multiple_of(50) {
            journal.apply(&queue.take_operations()).unwrap();
        }
        most = most.max(std::fs::metadata(&path).unwrap().len());
    }
    assert!(most < 100_000, "{most}");
}

#[test]
fn a_journal_that_failed_takes_no_more_until_it_is_rewritten() {
    let (folder, path) = folder();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let inside = inner.join("accounting");
    let (mut journal, _) = Journal::open(&inside).unwrap();
    std::fs::remove_dir_all(&inner).unwrap();
    assert!(journal.rewrite(&[]).is_err());
    let operation = [Operation::Append(1, Arc::new(start("a")))];
    assert!(journal.apply(&operation).is_err());
    std::fs::create_dir(&inner).unwrap();
    journal.rewrite(&[(1, Arc::new(start("a")))]).unwrap();
    journal.apply(&[Operation::Append(2, Arc::new(start("a")))]).unwrap();
    assert_eq!(Journal::open(&inside).unwrap().1.records.len(), 2);
    drop(path);
}

proptest! {
    // Each case waits for storage.
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_bytes_are_a_file_or_damage(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_folder, path) = folder();
        std::fs::write(&path, &bytes).unwrap();
        prop_assert!(Journal::open(&path).unwrap().1.records.is_empty());
        let _ = Record::decode(&bytes);
        let _ = AttributeList::from_bytes(&bytes);
    }

    /// Whatever happens, the file and the queue hold the same records.
    #[test]
    fn the_file_follows_the_queue(steps in prop::collection::vec((0u8..5, 0u8..4), 1..60)) {
        let (_folder, path) = folder();
        let (mut journal, _) = Journal::open(&path).unwrap();
        let mut queue = Queue::new(6, Vec::new());
        let mut under_way = Vec::new();
        for (step, number) in steps {
            let name = ["a", "b", "c", "d"][usize::from(number)];
            match step {
                0 => _ = queue.push(start(name)),
                1 => _ = queue.push(interim(name)),
                2 => under_way.extend(queue.take_next(|_| true).map(|(sequence, _)| sequence)),
                3 => if let Some(sequence) = under_way.pop() {
                    if number % 2 == 0 { queue.delivered(sequence) } else { queue.returned(sequence) }
                },
                _ => {
                    journal.apply(&queue.take_operations()).unwrap();
                    queue.durable_up_to(queue.last());
                }
            }
            prop_assert!(queue.len() <= 6 + under_way.len());
        }
        journal.apply(&queue.take_operations()).unwrap();
        let here: Vec<_> = queue.snapshot().into_iter().map(|(sequence, record)| (sequence, (*record).clone())).collect();
        prop_assert_eq!(Journal::open(&path).unwrap().1.records, here);
    }
}
