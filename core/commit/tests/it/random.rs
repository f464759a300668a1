//! Whatever several operators do in whatever order, with crashes between: nothing is lost that was not taken away.

use crate::router::{Fault, Router, loaded, pools};
use bindery_api::{LoadVerb, Mode};
use bindery_commit::{EXPIRED, KEPT, Scheduled};
use bindery_config::edit::canonical;
use bindery_config::tree::{Tree, parse, print};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What somebody does. `u8` says which session, pool or file, whatever there is.
#[derive(Clone, Debug)]
enum Deed {
    Open(Mode),
    Close(u8),
    Set(u8, u8, u8),
    Delete(u8, u8),
    /// Two commands of which the second is refused.
    Refused(u8, u8),
    Load(u8, bool, u8),
    Rollback(u8, u8),
    Update(u8),
    Commit(u8),
    Confirmed(u8, u32),
    Confirm,
    Later(u8),
    Unschedule,
    Scheduled,
    Rescue(bool),
    Reload(u8),
    Pass(u64),
    Sweep,
    Crash,
    /// A commit whose change of the storage fails.
    Failing(u8, u8, usize),
    /// The file is changed by hand, and the daemon starts again.
    ByHand(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let mode = prop_oneof![4 => Just(Mode::Private), 3 => Just(Mode::Shared), 1 => Just(Mode::Exclusive)];
    let s = 0_u8..6;
    prop_oneof![
        3 => mode.prop_map(Deed::Open),
        1 => s.clone().prop_map(Deed::Close),
        8 => (s.clone(), 0_u8..6, any::<u8>()).prop_map(|(s, p, v)| Deed::Set(s, p, v)),
        3 => (s.clone(), 0_u8..6).prop_map(|(s, p)| Deed::Delete(s, p)),
        1 => (s.clone(), 0_u8..6).prop_map(|(s, p)| Deed::Refused(s, p)),
        2 => (s.clone(), any::<bool>(), any::<u8>()).prop_map(|(s, o, v)| Deed::Load(s, o, v)),
        2 => (s.clone(), 0_u8..4).prop_map(|(s, r)| Deed::Rollback(s, r)),
        2 => s.clone().prop_map(Deed::Update),
        6 => s.clone().prop_map(Deed::Commit),
        2 => (s.clone(), 1_u32..3).prop_map(|(s, m)| Deed::Confirmed(s, m)),
        1 => Just(Deed::Confirm),
        1 => s.clone().prop_map(Deed::Later),
        1 => Just(Deed::Unschedule),
        1 => Just(Deed::Scheduled),
        1 => any::<bool>().prop_map(Deed::Rescue),
        1 => any::<u8>().prop_map(Deed::Reload),
        2 => (0_u64..200).prop_map(Deed::Pass),
        1 => Just(Deed::Sweep),
        2 => Just(Deed::Crash),
        2 => (s, 0_u8..3, 0_usize..5).prop_map(|(s, kind, at)| Deed::Failing(s, kind, at)),
        1 => any::<u8>().prop_map(Deed::ByHand),
    ]
}

/// A router, and what must be true of it.
struct World {
    router: Router,
    sessions: Vec<u64>,
    /// Networks by pool when each private session saw the active configuration last.
    bases: BTreeMap<u64, BTreeMap<String, String>>,
    /// Text by revision, as it was recorded.
    ring: BTreeMap<u64, String>,
}

/// Networks by pool.
fn networks(tree: &Tree) -> BTreeMap<String, String> {
    let commands = bindery_config::form::set(tree);
    let lines = commands.lines().filter_map(|line| {
        let rest = line.strip_prefix("set access address-assignment pool ")?;
        rest.split_once(' ').map(|(name, rest)| (name.to_owned(), rest.to_owned()))
    });
    lines.collect()
}

impl World {
    fn new() -> Self {
        let router = Router::new(&pools(&[("p0", 0), ("p1", 1)]));
        let mut world = Self { router, sessions: Vec::new(), bases: BTreeMap::new(), ring: BTreeMap::new() };
        world.note();
        world
    }

    fn active(&self) -> BTreeMap<String, String> {
        networks(&self.router.db.tree_of("0").unwrap())
    }

    fn pick(&self, at: u8) -> Option<u64> {
        self.sessions.get(usize::from(at) % self.sessions.len().max(1)).copied()
    }

    /// Notes what is the newest revision now.
    fn note(&mut self) {
        let db = &self.router.db;
        self.ring.insert(db.revision(), db.active().text().to_owned());
    }

    fn commit(&mut self, session: u64, minutes: Option<u32>) {
        let (before, mine) = (self.active(), networks(self.router.db.candidate(session).unwrap()));
        let base = self.bases.get(&session).cloned();
        let changed = self.router.db.is_changed(session).unwrap();
        if self.router.commit_for(session, minutes).is_err() {
            assert_eq!(self.active(), before);
            return;
        }
        let after = self.active();
        if let Some(base) = base {
            // No lost update: what this one did not touch is as it was; what it touched is as it said.
            for name in before.keys().chain(base.keys()).chain(mine.keys()) {
                let expected = if base.get(name) == mine.get(name) { before.get(name) } else { mine.get(name) };
                assert_eq!(after.get(name), expected, "{name}: {base:?} {mine:?} {before:?}");
            }
            // One without a change stays where it is.
            if changed {
                self.bases.insert(session, after);
            }
        } else {
            assert_eq!(after, mine);
        }
    }

    fn restart(&mut self) {
        self.router.restart();
        self.sessions.clear();
        self.bases.clear();
    }

    fn edit(&mut self, session: u64, commands: &[String]) -> bool {
        let before = self.router.candidate(session);
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        let done = self.router.edit(session, &commands).is_ok();
        assert!(done || self.router.candidate(session) == before);
        done
    }

    fn does(&mut self, deed: &Deed) {
        match deed {
            Deed::Open(mode) => {
                if let Ok(id) = self.router.try_open("someone", *mode) {
                    self.sessions.push(id);
                    if *mode == Mode::Private {
                        self.bases.insert(id, self.active());
                    }
                }
            }
            Deed::Confirm => drop(self.router.db.confirm("admin", self.router.wall).unwrap()),
            Deed::Unschedule => drop(self.router.db.unschedule().unwrap()),
            Deed::Scheduled => {
                if let Some(scheduled) = self.router.db.scheduled().cloned() {
                    self.router.db.unschedule().unwrap();
                    self.router.activate(&scheduled.text, "at");
                }
            }
            Deed::Rescue(true) => self.router.db.rescue_save().unwrap(),
            Deed::Rescue(false) => drop(self.router.db.rescue_delete().unwrap()),
            Deed::Reload(third) => {
                // Refused while a commit waits.
                if self.router.db.window().is_none() {
                    self.router.activate(&pools(&[("p0", *third), ("p9", third.wrapping_add(1))]), "reload");
                }
            }
            Deed::Pass(seconds) => {
                self.router.wall += seconds;
                let wall = self.router.wall;
                if self.router.db.window().is_some_and(|window| window.remaining(wall) == 0) {
                    self.router.expire();
                }
            }
            Deed::Sweep => {
                self.router.db.sweep(self.router.wall, &|_, _| true);
                let db = &self.router.db;
                self.sessions.retain(|id| db.candidate(*id).is_ok());
            }
            Deed::Crash => self.restart(),
            Deed::ByHand(third) => {
                let waits = self.router.db.window().is_some();
                let (before, text) = (self.active(), pools(&[("hand", *third)]));
                self.router.file = Some(text.clone());
                self.restart();
                let after = self.active();
                assert_eq!(after == before, waits || after == networks(&loaded(&text).tree) && after == before);
            }
            Deed::Close(s)
            | Deed::Set(s, ..)
            | Deed::Delete(s, _)
            | Deed::Refused(s, _)
            | Deed::Load(s, ..)
            | Deed::Rollback(s, _)
            | Deed::Update(s)
            | Deed::Commit(s)
            | Deed::Confirmed(s, _)
            | Deed::Later(s)
            | Deed::Failing(s, ..) => {
                if let Some(session) = self.pick(*s) {
                    self.does_in(session, deed);
                }
            }
        }
    }

    fn does_in(&mut self, session: u64, deed: &Deed) {
        let path = |pool: u8| format!("access address-assignment pool p{pool}");
        match deed {
            Deed::Close(_) => {
                self.router.db.close_session(session).unwrap();
                self.sessions.retain(|id| *id != session);
                self.bases.remove(&session);
            }
            Deed::Set(_, pool, third) => {
                self.edit(session, &[format!("set {} family inet network 10.0.{third}.0/24", path(*pool))]);
            }
            Deed::Delete(_, pool) => drop(self.edit(session, &[format!("delete {}", path(*pool))])),
            Deed::Refused(_, pool) => {
                let commands = [format!("set {} family inet network 10.9.9.0/24", path(*pool)), "delete policy".into()];
                assert!(!self.edit(session, &commands));
            }
            Deed::Load(_, whole, third) => {
                let verb = if *whole { LoadVerb::Override } else { LoadVerb::Merge };
                let _ = self.router.load(session, verb, &pools(&[("p1", *third), ("p2", 2)]));
            }
            Deed::Rollback(_, 3) => drop(self.router.db.rollback(session, "rescue", self.router.wall)),
            Deed::Rollback(_, to) => {
                let done = self.router.db.rollback(session, &to.to_string(), self.router.wall);
                if done.is_ok() && *to == 0 && self.bases.contains_key(&session) {
                    self.bases.insert(session, self.active());
                }
            }
            Deed::Update(_) => {
                let done = self.router.db.update(session, self.router.wall);
                if done.is_ok() {
                    self.bases.insert(session, self.active());
                }
            }
            Deed::Commit(_) => self.commit(session, None),
            Deed::Confirmed(_, minutes) => self.commit(session, Some(*minutes)),
            Deed::Later(_) => {
                if let Ok(tree) = self.router.db.propose(session) {
                    let text = print(&tree);
                    let (user, comment) = ("someone".to_owned(), String::new());
                    let at = self.router.wall + 5;
                    let scheduled = Scheduled { at, user, comment, text, force: false, renumber: None };
                    self.router.db.schedule(scheduled).unwrap();
                }
            }
            Deed::Failing(_, kind, at) => {
                let fault = match kind {
                    0 => Fault::Refused(*at),
                    1 => Fault::Doubtful(*at),
                    _ => Fault::Stopped(*at),
                };
                let (old, revision) = (self.router.db.active().text().to_owned(), self.router.db.revision());
                let new = self.router.db.propose(session).map(|tree| print(&tree));
                self.router.disk.fail(fault);
                let _ = self.router.commit_for(session, None);
                self.router.disk.fail(Fault::None);
                let file = self.router.file.clone();
                self.restart();
                let found = self.router.db.active().text();
                assert!(found == old || new.is_ok_and(|new| found == new) || file.as_deref() == Some(found));
                assert!(self.router.db.revision() >= revision);
            }
            _ => {}
        }
    }

    /// What is always true.
    fn check(&mut self) {
        let db = &self.router.db;
        let history = db.history();
        assert!(!history.commits.is_empty() && history.commits.len() <= KEPT);
        assert!(history.commits.is_sorted_by(|a, b| a.revision > b.revision));
        assert!((0..).zip(&history.commits).all(|(at, commit)| commit.sequence_number == at));
        assert_eq!(history.commits[0].revision, db.revision());
        let newest = &history.commits[0];
        assert_eq!(newest.confirm_by.is_some(), db.window().is_some());
        assert!(newest.client != EXPIRED || db.window().is_none());
        // Each revision is what it was when it was recorded.
        for commit in &history.commits {
            let mut tree = db.tree_of(&commit.sequence_number.to_string()).unwrap();
            canonical(&mut tree);
            if let Some(text) = self.ring.get(&commit.revision) {
                let mut recorded = parse("t", text).unwrap();
                canonical(&mut recorded);
                assert!(tree == recorded, "revision {}", commit.revision);
            }
        }
        if let Some((number, text)) = db.fallback().unwrap() {
            assert!(number < db.revision());
            assert!(self.ring.get(&number).is_none_or(|recorded| *recorded == text));
        }
        let active = db.tree_of("0").unwrap();
        for &session in &self.sessions {
            let candidate = db.candidate(session).unwrap();
            assert!(parse("t", &print(candidate)).unwrap() == *candidate);
            let mut sorted = candidate.clone();
            canonical(&mut sorted);
            assert!(sorted == *candidate, "a candidate is in canonical order");
            let told = db.session(session, self.router.wall).unwrap();
            if told.mode != Mode::Private {
                assert_eq!(told.changed, *candidate != active);
            }
        }
        let exclusive = db.sessions(self.router.wall).iter().filter(|s| s.mode == Mode::Exclusive).count();
        assert!(exclusive <= 1);
        // Another database on the same disk finds the same.
        let again = self.router.disk.database().unwrap();
        assert_eq!(again.history(), history);
        assert_eq!((again.window(), again.scheduled()), (db.window(), db.scheduled()));
        self.note();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost(deeds in proptest::collection::vec(deed(), 1..60)) {
        let mut world = World::new();
        for deed in &deeds {
            world.does(deed);
            world.check();
        }
    }
}
