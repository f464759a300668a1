//! The table, and what is known of its elements.

use crate::{
    element::{Counted, Direction, Figures},
    error::Error,
    message::Batch,
    socket::{Dumped, NftSocket},
};
use bindery_engine::route::Counters;
use bindery_types::Ipv4Addr;
use foldhash::{HashMap, HashSet};
use nix::errno::Errno;

/// Addresses in one transaction: its messages fit into the default send buffer.
const AT_ONCE: usize = 4_096;
/// Addresses in one transaction of which the kernel tells each element: the answers fit into its default buffer.
const TOLD_AT_ONCE: usize = 256;
/// Addresses in one question: each answer takes a buffer of 8 KiB in the kernel, whatever it says.
const ASKED_AT_ONCE: usize = 8;
/// How often something is tried that somebody else's changes to the table make fail.
const TRIES: usize = 3;

/// How the table is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlaneSettings {
    /// Name of the table of family ip: 1 to 64 letters, digits, `_` and `-`. `bindery` by default; another one for a
    /// second daemon in the same network namespace.
    pub table: String,
}

impl Default for PlaneSettings {
    fn default() -> Self {
        Self { table: "bindery".into() }
    }
}

/// What [`Plane::retain`] did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Retained {
    /// Addresses that go on counting.
    pub kept: usize,
    /// Addresses that were counted no longer for anybody.
    pub removed: usize,
    /// Addresses that count from zero.
    pub added: usize,
}

/// The table. Every call blocks until the kernel has answered: some 40 us for one address, 20 us each for many. Only
/// to take over what stands ([`Plane::open`]) takes longer, by the square: 0.1 s for 10,000 addresses, 4 s for 100,000.
/// Dropping it leaves the table: the packets go on being counted.
pub struct Plane {
    socket: NftSocket,
    table: String,
    known: HashMap<Ipv4Addr, Counted>,
    repairs: u64,
}

impl Plane {
    /// Makes the table in the calling thread's network namespace, or takes over the one that stands with all its
    /// elements: what an earlier life of the program counted is not lost.
    ///
    /// # Errors
    /// [`Error`]: no privilege, no nf_tables, or another's table of this name.
    pub fn open(settings: PlaneSettings) -> Result<Self, Error> {
        let mut plane = Self::prepare(settings)?;
        plane.learn()?;
        Ok(plane)
    }

    /// Makes the table. What stands in it is not known before [`Plane::learn`].
    pub(crate) fn prepare(settings: PlaneSettings) -> Result<Self, Error> {
        let PlaneSettings { table } = settings;
        let sound = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
        if table.is_empty() || table.len() > 64 || !table.chars().all(sound) {
            return Err(Error::Name);
        }
        let mut plane = Self { socket: NftSocket::open()?, table, known: HashMap::default(), repairs: 0 };
        plane.make()?;
        Ok(plane)
    }

    /// Reads what an earlier life left.
    pub(crate) fn learn(&mut self) -> Result<(), Error> {
        self.restore().map(drop)
    }

    /// Opens a new socket after a fault, and makes whole what is not as it should be.
    pub(crate) fn reopen(&mut self) -> Result<(), Error> {
        self.socket = NftSocket::open()?;
        self.repair()
    }

    /// How many addresses are counted.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no address is counted.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How often the table was found changed by somebody else (`nft flush ruleset`) and was made again. What was
    /// counted since the last read before is lost then, the rest is not: figures never fall.
    pub fn repairs(&self) -> u64 {
        self.repairs
    }

    /// Counts for `addresses` from zero on, also where one is counted already: it belongs to a new subscriber.
    ///
    /// # Errors
    /// [`Error`]. Some of a list of more than 4,096 may be counted nevertheless.
    pub fn add(&mut self, addresses: &[Ipv4Addr]) -> Result<(), Error> {
        for part in distinct(addresses.iter().copied()).chunks(AT_ONCE / 2) {
            self.steadily(|plane| {
                let standing: Vec<_> =
                    part.iter().copied().filter(|address| plane.known.contains_key(address)).collect();
                let mut batch = Batch::transaction();
                batch.remove(&plane.table, &standing, false);
                batch.add(&plane.table, part, true);
                plane.socket.transact(batch, |_| {})
            })?;
            self.known.extend(part.iter().map(|address| (*address, Counted::default())));
        }
        Ok(())
    }

    /// Ends counting for `addresses`; one entry for each, in order: all that was counted up to the end, `None` where
    /// nothing was. Later packets are counted for nobody.
    ///
    /// # Errors
    /// [`Error`]. What of a list of more than 256 was removed before is then lost but for what was read last; ask
    /// [`Plane::read`] before where that matters.
    pub fn remove(&mut self, addresses: &[Ipv4Addr]) -> Result<Vec<Option<Counters>>, Error> {
        let mut ended = HashMap::default();
        for part in distinct(addresses.iter().copied()).chunks(TOLD_AT_ONCE) {
            let standing = |plane: &Self| -> Vec<_> {
                part.iter().copied().filter(|address| plane.known.contains_key(address)).collect()
            };
            let gone = standing(self);
            if gone.is_empty() {
                continue;
            }
            let mut told = Vec::with_capacity(2 * gone.len());
            self.steadily(|plane| {
                told.clear();
                let mut batch = Batch::transaction();
                batch.remove(&plane.table, &standing(plane), true);
                plane.socket.transact(batch, |message| {
                    crate::message::read(message, |direction, address, figures| {
                        told.push((direction, address, figures))
                    });
                })
            })?;
            for (direction, address, figures) in told {
                self.observe(direction, address, figures);
            }
            ended.extend(gone.iter().filter_map(|address| Some((*address, self.known.remove(address)?.total()))));
        }
        Ok(addresses.iter().map(|address| ended.get(address).copied()).collect())
    }

    /// What has been counted for each of `addresses`, in order; `None` for one that is not counted. Many are read by a
    /// dump of all, few one by one.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&mut self, addresses: &[Ipv4Addr]) -> Result<Vec<Option<Counters>>, Error> {
        let wanted: Vec<_> = addresses.iter().copied().filter(|address| self.known.contains_key(address)).collect();
        let lost = if dump_pays(wanted.len(), self.known.len()) {
            let missing = self.dump()?.missing(&wanted);
            // A dump may pass over elements while the set grows.
            self.ask(&missing)?
        } else {
            self.ask(&wanted)?
        };
        if !lost.is_empty() {
            self.repair()?;
        }
        Ok(addresses.iter().map(|address| self.known.get(address).map(Counted::total)).collect())
    }

    /// Makes exactly `live` counted: those that are go on, those that are not count from zero, and others end.
    /// For the start of a program that knows its subscribers.
    ///
    /// # Errors
    /// [`Error`]; it can be done again.
    pub fn retain(&mut self, live: &[Ipv4Addr]) -> Result<Retained, Error> {
        let live: HashSet<Ipv4Addr> = live.iter().copied().collect();
        let gone: Vec<_> = self.known.keys().copied().filter(|address| !live.contains(address)).collect();
        for part in gone.chunks(AT_ONCE) {
            self.steadily(|plane| {
                let mut batch = Batch::transaction();
                let standing: Vec<_> =
                    part.iter().copied().filter(|address| plane.known.contains_key(address)).collect();
                batch.remove(&plane.table, &standing, false);
                plane.socket.transact(batch, |_| {})
            })?;
            for address in part {
                self.known.remove(address);
            }
        }
        let missing: Vec<_> = live.iter().copied().filter(|address| !self.known.contains_key(address)).collect();
        self.add(&missing)?;
        Ok(Retained { kept: live.len() - missing.len(), removed: gone.len(), added: missing.len() })
    }

    /// Ends it; `delete_table` also ends the counting and removes the table, else it goes on without us.
    ///
    /// # Errors
    /// [`Error`] of the removal.
    pub fn close(mut self, delete_table: bool) -> Result<(), Error> {
        if !delete_table {
            return Ok(());
        }
        let mut batch = Batch::transaction();
        batch.remove_table(&self.table);
        match self.socket.transact(batch, |_| {})? {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes what of the table is not there.
    fn make(&mut self) -> Result<(), Error> {
        let mut batch = Batch::transaction();
        batch.table(&self.table);
        self.socket.transact(batch, |_| {})?.map_err(|errno| match errno {
            Errno::EPERM | Errno::ENOMEM => errno.into(),
            // The kernel loads modules for these.
            Errno::ENOENT => Error::Unsupported,
            errno => Error::Foreign(errno),
        })
    }

    /// Reads every element, and makes those that are known but not there: they count from zero, on top of what they
    /// had.
    fn restore(&mut self) -> Result<usize, Error> {
        let seen = self.dump()?;
        let known: Vec<_> = self.known.keys().copied().collect();
        let lost = self.ask(&seen.missing(&known))?;
        for (address, direction) in &lost {
            if let Some(counted) = self.known.get_mut(address) {
                counted.lost(*direction);
            }
        }
        let lost = distinct(lost.into_iter().map(|(address, _)| address));
        for part in lost.chunks(AT_ONCE) {
            let mut batch = Batch::transaction();
            // Where one of its two elements is there, that one goes on.
            batch.add(&self.table, part, false);
            self.socket.transact(batch, |_| {})?.map_err(Error::from)?;
        }
        Ok(lost.len())
    }

    /// Makes table and elements whole again.
    fn repair(&mut self) -> Result<(), Error> {
        self.make()?;
        if self.restore()? > 0 {
            self.repairs += 1;
        }
        Ok(())
    }

    /// Does `change`, and again after a repair where the table was not as it is known to be.
    fn steadily(&mut self, mut change: impl FnMut(&mut Self) -> Result<Result<(), Errno>, Error>) -> Result<(), Error> {
        for _ in 0..TRIES {
            match change(self)? {
                Ok(()) => return Ok(()),
                Err(Errno::ENOENT | Errno::EEXIST) => self.repair()?,
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Error::Unsteady)
    }

    fn observe(&mut self, direction: Direction, address: Ipv4Addr, figures: Figures) {
        self.known.entry(address).or_default().read(direction, figures);
    }

    /// Reads both sets into what is known; elements that were not known are from now on.
    fn dump(&mut self) -> Result<Seen, Error> {
        let mut seen = Seen::default();
        for direction in Direction::BOTH {
            for _ in 0..TRIES {
                let mut batch = Batch::questions();
                batch.dump(&self.table, direction);
                let known = &mut self.known;
                let dumped = self.socket.dump(batch, |message| {
                    crate::message::read(message, |direction, address, figures| {
                        known.entry(address).or_default().read(direction, figures);
                        if let Some(addresses) = seen.0.get_mut(direction as usize) {
                            addresses.insert(address);
                        }
                    });
                })?;
                if dumped != Dumped::Interrupted {
                    break;
                }
            }
        }
        Ok(seen)
    }

    /// Reads the elements of known `addresses` one by one; what was not there.
    fn ask(&mut self, addresses: &[Ipv4Addr]) -> Result<Vec<(Ipv4Addr, Direction)>, Error> {
        let mut lost = Vec::new();
        for part in addresses.chunks(ASKED_AT_ONCE) {
            let mut asked: Vec<_> =
                part.iter().flat_map(|address| Direction::BOTH.map(|direction| (*address, direction))).collect();
            let mut batch = Batch::questions();
            for (address, direction) in &asked {
                batch.get(&self.table, *direction, *address);
            }
            let known = &mut self.known;
            self.socket.ask(batch, |message| {
                crate::message::read(message, |direction, address, figures| {
                    known.entry(address).or_default().read(direction, figures);
                    asked.retain(|one| *one != (address, direction));
                });
            })?;
            lost.append(&mut asked);
        }
        Ok(lost)
    }
}

/// The addresses of a dump, for each direction.
#[derive(Default)]
struct Seen([HashSet<Ipv4Addr>; 2]);

impl Seen {
    /// Those of `addresses` that it does not have both ways.
    fn missing(&self, addresses: &[Ipv4Addr]) -> Vec<Ipv4Addr> {
        addresses.iter().copied().filter(|address| !self.0.iter().all(|seen| seen.contains(address))).collect()
    }
}

/// Whether to dump all `known` addresses is cheaper than to ask for the `wanted` ones: a question costs some 20 us. So
/// does the dump of 4 to 7 addresses; but for each part of a dump the kernel starts at the front again and skips, so
/// that its cost grows with the square.
fn dump_pays(wanted: usize, known: usize) -> bool {
    let dump_micros = known.saturating_mul(3 + known / 3_600);
    wanted.saturating_mul(20) > dump_micros
}

/// The same without repetitions.
fn distinct(addresses: impl IntoIterator<Item = Ipv4Addr>) -> Vec<Ipv4Addr> {
    let mut seen = HashSet::default();
    addresses.into_iter().filter(|address| seen.insert(*address)).collect()
}
