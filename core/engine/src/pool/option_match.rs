//! `option-match option-82`: which range of a pool a circuit or remote id is given an address of (junos.md §5.1).

use alloc::{boxed::Box, collections::BTreeMap};
use core::fmt;

/// A range of a pool, by its place in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RangeId(pub u16);

/// Ranges by the values of option 82's sub-options, byte for byte (RFC 3046 §3.1, §3.2). Made once by the
/// configuration; a look-up takes as many steps as the count of values has bits.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OptionMatch {
    circuits: BTreeMap<Box<[u8]>, RangeId>,
    remotes: BTreeMap<Box<[u8]>, RangeId>,
}

impl OptionMatch {
    /// Adds `circuit-id VALUE range RANGE`. Returns the range that the value had already, which it keeps.
    pub fn circuit(&mut self, value: &[u8], range: RangeId) -> Option<RangeId> {
        add(&mut self.circuits, value, range)
    }

    /// Adds `remote-id VALUE range RANGE`. Returns the range that the value had already, which it keeps.
    pub fn remote(&mut self, value: &[u8], range: RangeId) -> Option<RangeId> {
        add(&mut self.remotes, value, range)
    }

    /// Whether nothing is matched.
    pub fn is_empty(&self) -> bool {
        self.circuits.is_empty() && self.remotes.is_empty()
    }

    /// The range for a client behind `circuit_id` and `remote_id`; the circuit is looked at first.
    pub fn find(&self, circuit_id: Option<&[u8]>, remote_id: Option<&[u8]>) -> Option<RangeId> {
        let circuit = circuit_id.and_then(|value| self.circuits.get(value));
        circuit.or_else(|| self.remotes.get(remote_id?)).copied()
    }
}

impl fmt::Debug for OptionMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OptionMatch({} circuits, {} remotes)", self.circuits.len(), self.remotes.len())
    }
}

fn add(map: &mut BTreeMap<Box<[u8]>, RangeId>, value: &[u8], range: RangeId) -> Option<RangeId> {
    if let Some(former) = map.get(value) {
        return Some(*former);
    }
    map.insert(value.into(), range);
    None
}
