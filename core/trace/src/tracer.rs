//! What is traced, and the thread that writes it.

use crate::{Flag, Level, Scope, Settings, file::TraceFile, text};
use bindery_engine::{
    event::DropReason,
    history::{HistoryView, What},
};
use bindery_types::{MacAddr, Xid};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Lines that may wait for the disk. When it is full, a further one is lost and counted.
const QUEUE: usize = 4_096;

/// Where a hardware address stands in a DHCP message (RFC 2131 §2).
const CHADDR: std::ops::Range<usize> = 28..34;

/// An interface as the engine knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether its group says `interface NAME trace`.
    pub traced: bool,
    /// Its routing instance.
    pub instance: &'a str,
}

impl Place<'_> {
    /// None that is known.
    pub const UNKNOWN: Self = Self { name: "", traced: false, instance: "" };
}

/// What is traced. Owned by the packet thread; dropping it ends the thread that writes, once all is written.
pub struct Tracer {
    settings: Vec<Settings>,
    sender: Sender<Job>,
    lost: Arc<AtomicU64>,
}

/// A line for some files.
struct Job {
    at: SystemTime,
    /// Places in [`Tracer::settings`], never empty.
    files: Vec<usize>,
    flag: Flag,
    what: Content,
}

/// What is made text where nobody waits.
enum Content {
    Packet { way: &'static str, interface: String, options: bool, bytes: Box<[u8]> },
    Entry(Box<HistoryView>),
    Line(String),
}

impl Tracer {
    /// Traces into these files.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(settings: Vec<Settings>) -> io::Result<Self> {
        let (sender, jobs) = bounded(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let files = settings.iter().map(TraceFile::new).collect();
        let counted = Arc::clone(&lost);
        std::thread::Builder::new().name("traces".to_owned()).spawn(move || write(&jobs, files, &counted))?;
        Ok(Self { settings, sender, lost })
    }

    /// Whether anybody wants to know of this.
    pub fn wants(&self, flag: Flag, level: Level) -> bool {
        self.settings.iter().any(|settings| settings.flags.has(flag) && level <= settings.level)
    }

    /// Traces a packet, received or sent.
    pub fn packet(&self, way: &'static str, place: Place<'_>, bytes: &[u8]) {
        let mac = bytes.get(CHADDR).and_then(|bytes| <[u8; 6]>::try_from(bytes).ok()).map(MacAddr);
        let with_options = self.files(Flag::PacketOption, Level::Info, place, mac);
        let mut lines = self.files(Flag::Packet, Level::Info, place, mac);
        lines.retain(|file| !with_options.contains(file));
        let interface = || place.name.to_owned();
        let job = |options| Content::Packet { way, interface: interface(), options, bytes: bytes.into() };
        self.send(with_options, Flag::PacketOption, || job(true));
        self.send(lines, Flag::Packet, || job(false));
    }

    /// Traces an entry of the history.
    pub fn history(&self, view: &HistoryView, place: Place<'_>) {
        let (flag, level) = class_of(view);
        let mac = Some(view.mac);
        let files = self.files(flag, level, place, mac);
        if view.dropped == Some(DropReason::ShortCycleProtect) {
            let mut others = self.files(Flag::LockoutDb, level, place, mac);
            others.retain(|file| !files.contains(file));
            self.send(others, Flag::LockoutDb, || Content::Entry(Box::new(view.clone())));
        }
        self.send(files, flag, || Content::Entry(Box::new(view.clone())));
    }

    /// Traces anything else. What is of no interface goes to the files that are about all of them.
    pub fn line(&self, flag: Flag, level: Level, text: impl FnOnce() -> String) {
        let files = self.wanting(flag, level).filter(|(_, settings)| settings.scope == Scope::default());
        self.send(files.map(|(at, _)| at).collect(), flag, || Content::Line(text()));
    }

    /// The files that take `flag` at `level`.
    fn wanting(&self, flag: Flag, level: Level) -> impl Iterator<Item = (usize, &Settings)> {
        let settings = self.settings.iter().enumerate();
        settings.filter(move |(_, settings)| settings.flags.has(flag) && level <= settings.level)
    }

    /// Those of them that are about `place` and the client `mac`.
    fn files(&self, flag: Flag, level: Level, place: Place<'_>, mac: Option<MacAddr>) -> Vec<usize> {
        let about = |settings: &Settings| {
            let client = settings.clients.is_empty() || mac.is_some_and(|mac| settings.clients.contains(&mac));
            client && settings.scope.covers(place)
        };
        self.wanting(flag, level).filter(|(_, settings)| about(settings)).map(|(at, _)| at).collect()
    }

    fn send(&self, files: Vec<usize>, flag: Flag, what: impl FnOnce() -> Content) {
        if files.is_empty() {
            return;
        }
        if self.sender.is_full() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let job = Job { at: SystemTime::now(), files, flag, what: what() };
        if self.sender.try_send(job).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The flag and level of an entry.
const fn class_of(view: &HistoryView) -> (Flag, Level) {
    match view.what {
        What::Dropped => (Flag::Flow, Level::Warning),
        What::Refused => (Flag::Flow, Level::Notice),
        What::Offered | What::Informed => (Flag::Flow, Level::Info),
        What::Bound | What::Renewed | What::Imported | What::Reconfigured => (Flag::State, Level::Info),
        _ => (Flag::State, Level::Notice),
    }
}

/// Writes until the tracer is gone and all is written.
fn write(jobs: &Receiver<Job>, mut files: Vec<TraceFile>, lost: &AtomicU64) {
    for Job { at, files: chosen, flag, what } in jobs {
        let missing = lost.swap(0, Ordering::Relaxed);
        let at = stamp(at);
        if missing > 0 {
            let line = format!("{at} {missing} lines were lost: the disk is too slow for them");
            files.iter_mut().for_each(|file| file.write(&line));
        }
        let line = format!("{at} {}: {}", flag.name(), words(what));
        for file in chosen {
            if let Some(file) = files.get_mut(file) {
                file.write(&line);
            }
        }
    }
}

fn words(what: Content) -> String {
    match what {
        Content::Line(text) => text,
        Content::Packet { way, interface, options, bytes } => {
            let on = if interface.is_empty() { String::new() } else { format!(" on {interface}") };
            format!("{way}{on}: {}", text::packet(&bytes, options))
        }
        Content::Entry(view) => {
            let who = if view.mac == MacAddr::default() { String::new() } else { format!(" hw {}", view.mac) };
            let xid = if view.xid == Xid(0) { "-".to_owned() } else { format!("0x{:08x}", view.xid.0) };
            let session = view.session.map_or(0, |session| session.0);
            format!("[xid={xid} session={session} exchange={}]{who} {view}", view.exchange)
        }
    }
}

/// `YYYY-MM-DD hh:mm:ss.mmm` in the time zone of the machine.
fn stamp(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(stamp) => {
            let zoned = stamp.to_zoned(jiff::tz::TimeZone::system());
            zoned.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
        }
        Err(_) => millis.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Flags;
    use bindery_types::Ipv4Addr;
    use bindery_wire::v4::MessageBuilder;
    use std::{path::Path, time::Instant};

    fn settings(path: &Path, flags: Flags) -> Settings {
        Settings {
            path: path.into(),
            size: 1 << 20,
            files: 3,
            world_readable: false,
            matching: String::new(),
            level: Level::All,
            flags,
            clients: Vec::new(),
            scope: Scope::default(),
        }
    }

    fn of_interfaces(path: &Path, flags: Flags) -> Settings {
        Settings { scope: Scope { traced: true, ..Scope::default() }, ..settings(path, flags) }
    }

    fn discover(last: u8) -> Vec<u8> {
        MessageBuilder::discover(MacAddr([2, 0, 0, 0, 0, last])).xid(u32::from(last)).build()
    }

    /// The text once it is as far as `enough` says.
    fn wait_until(path: &Path, enough: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if enough(&text) {
                return text;
            }
            assert!(Instant::now() < end, "not all of it: {text}");
            std::thread::yield_now();
        }
    }

    /// The text once `lines` lines are there.
    fn wait(path: &Path, lines: usize) -> String {
        wait_until(path, |text| text.lines().count() >= lines)
    }

    const ETH1: Place<'_> = Place { name: "eth1", traced: true, instance: "default" };
    const ETH2: Place<'_> = Place { name: "eth2", traced: false, instance: "red" };

    #[test]
    fn an_interface_is_traced_where_its_group_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (all, one) = (dir.path().join("all"), dir.path().join("one"));
        let flags = Flags::default().with(Flag::Packet);
        let tracer = Tracer::start(vec![settings(&all, flags), of_interfaces(&one, flags)]).unwrap();
        tracer.packet("received", ETH2, &discover(2));
        tracer.packet("received", ETH1, &discover(1));
        drop(tracer);
        let text = wait(&all, 2);
        assert!(text.contains("packet: received on eth2: DHCPDISCOVER xid 0x00000002"), "{text}");
        let text = wait(&one, 1);
        assert!(text.contains("eth1") && !text.contains("eth2"), "{text}");
    }

    #[test]
    fn a_file_of_a_routing_instance_is_about_that_instance() {
        let dir = tempfile::tempdir().unwrap();
        let (all, red) = (dir.path().join("all"), dir.path().join("red"));
        let scope = Scope { instance: Some("red".into()), traced: false };
        let of_red = Settings { scope, ..settings(&red, Flags::ALL) };
        let tracer = Tracer::start(vec![settings(&all, Flags::ALL), of_red]).unwrap();
        tracer.packet("received", ETH1, &discover(1));
        tracer.packet("received", Place::UNKNOWN, &discover(3));
        tracer.line(Flag::Io, Level::Error, || "of no interface".to_owned());
        tracer.packet("received", ETH2, &discover(2));
        drop(tracer);
        let last = |text: &str| text.contains("on eth2: DHCPDISCOVER");
        assert!(wait_until(&all, last).contains("of no interface"));
        let text = wait_until(&red, last);
        let first = text.lines().next().unwrap();
        assert!(first.contains("on eth2: DHCPDISCOVER xid 0x00000002"), "{text}");
        assert!(!text.contains("eth1") && !text.contains("0x00000003") && !text.contains("of no interface"), "{text}");
    }

    #[test]
    fn options_go_to_the_file_that_wants_them() {
        let dir = tempfile::tempdir().unwrap();
        let (all, one) = (dir.path().join("all"), dir.path().join("one"));
        let both = Flags::default().with(Flag::Packet).with(Flag::PacketOption);
        let lines = settings(&all, Flags::default().with(Flag::Packet));
        let tracer = Tracer::start(vec![lines, of_interfaces(&one, both)]).unwrap();
        tracer.packet("sent", ETH1, &discover(1));
        drop(tracer);
        assert!(wait(&one, 2).contains("\n    option 53 dhcp-message-type: DHCPDISCOVER\n"));
        assert_eq!(wait(&all, 1).lines().count(), 1, "not twice, and without options");
    }

    #[test]
    fn of_clients_that_are_named_only_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        let clients = vec![MacAddr([2, 0, 0, 0, 0, 2])];
        let tracer = Tracer::start(vec![Settings { clients, ..settings(&path, Flags::ALL) }]).unwrap();
        tracer.packet("received", ETH1, &discover(1));
        tracer.packet("received", ETH1, &discover(2));
        drop(tracer);
        let text = wait(&path, 1);
        assert!(!text.contains("02:00:00:00:00:01") && text.contains("02:00:00:00:00:02"), "{text}");
    }

    fn dropped() -> HistoryView {
        HistoryView {
            exchange: 5,
            at: 0,
            what: What::Dropped,
            why: bindery_engine::history::Why::Unknown,
            dropped: Some(DropReason::NoAddresses),
            message: None,
            times: 1,
            session: None,
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            address: Ipv4Addr::UNSPECIFIED,
            interface: "eth1".into(),
            xid: Xid(7),
            revision: 1,
            pool: "".into(),
            plugin: "".into(),
            operator: None,
        }
    }

    #[test]
    fn a_level_leaves_out_what_is_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        let errors = Settings { level: Level::Error, ..settings(&path, Flags::ALL) };
        let tracer = Tracer::start(vec![errors]).unwrap();
        tracer.history(&dropped(), ETH1);
        tracer.line(Flag::Persistent, Level::Error, || "the database failed".to_owned());
        assert!(!tracer.wants(Flag::Packet, Level::Info));
        drop(tracer);
        let text = wait(&path, 1);
        assert!(text.contains("persistent: the database failed") && !text.contains("dropped"), "{text}");
    }

    #[test]
    fn an_entry_names_its_exchange() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        let tracer = Tracer::start(vec![settings(&path, Flags::ALL)]).unwrap();
        tracer.history(&dropped(), ETH1);
        drop(tracer);
        let text = wait(&path, 1);
        let wanted = "flow: [xid=0x00000007 session=0 exchange=5] hw 02:00:00:00:00:01 dropped: No available addresses";
        assert!(text.contains(wanted), "{text}");
    }

    #[test]
    fn a_full_queue_loses_lines_and_says_so() {
        let (sender, jobs) = bounded(1);
        let lost = Arc::new(AtomicU64::new(0));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        let settings = vec![settings(&path, Flags::ALL)];
        let files = settings.iter().map(TraceFile::new).collect();
        let tracer = Tracer { settings, sender, lost: Arc::clone(&lost) };
        for number in 0..4 {
            tracer.line(Flag::Io, Level::Error, || format!("line {number}"));
        }
        drop(tracer);
        write(&jobs, files, &lost);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("3 lines were lost") && text.contains("line 0") && !text.contains("line 1"), "{text}");
    }
}
