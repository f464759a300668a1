use super::*;

fn denied(tag: u64) -> Denied {
    Denied {
        profile: "isp".into(),
        username: "mallory".into(),
        mac: None,
        interface: "eth1".into(),
        classes: Vec::new(),
        cause: TerminateCause::USER_ERROR,
        tag,
        at: Wall(9),
    }
}

#[test]
fn what_finds_no_room_is_counted_and_told_once_a_minute() {
    let (mut feed, mut facts) = Feed::new();
    let now = Now { mono: Mono::from_secs(100), ..Now::default() };
    (0..FEED_MAX as u64).for_each(|tag| feed.denied(now, denied(tag)));
    assert_eq!(feed.lost.load(Ordering::Relaxed), 0);
    feed.denied(now, denied(1));
    assert_eq!((feed.lost.load(Ordering::Relaxed), feed.told), (0, now.mono), "told at once");
    feed.denied(now, denied(2));
    assert_eq!(feed.lost.load(Ordering::Relaxed), 1, "not again so soon");
    assert!(matches!(facts.try_recv(), Ok(Fact::Denied(first)) if first.tag == 0));
    feed.denied(now, denied(3));
    assert_eq!(feed.lost.load(Ordering::Relaxed), 1, "there was room");
}
