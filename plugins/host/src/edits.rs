//! The changes that one call wants to make, held back until it has ended well.

use crate::v4;

/// Most changes of one call.
pub const EDITS_MAX: usize = 128;
/// Code and length of an option on the wire (RFC 2132 §2).
const HEADER_BYTES: usize = 2;

/// One change of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit<'a> {
    /// Set the option, in the place of any with this code.
    Set(u16, &'a [u8]),
    /// Remove the option.
    Remove(u16),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    code: u16,
    /// Where the value is in `bytes`; none means removal.
    value: Option<(usize, usize)>,
}

/// Why a change was not noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// More than one call may give. The guest is stopped.
    TooMuch,
}

/// The changes of one call, in the order in which the plugin made them. The buffers are used again.
#[derive(Debug, Default)]
pub struct Edits {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    output_max: usize,
    forbidden: Option<u16>,
}

impl Edits {
    pub(crate) fn new(output_max: usize) -> Edits {
        Edits { output_max, ..Edits::default() }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        self.forbidden = None;
    }

    /// The first code that no plugin may touch, if there was one.
    pub(crate) const fn forbidden(&self) -> Option<u16> {
        self.forbidden
    }

    pub(crate) fn set(&mut self, code: u16, value: &[u8]) -> Result<(), Refused> {
        let start = self.bytes.len();
        let headers = (self.entries.len() + 1) * HEADER_BYTES;
        if headers + start + value.len() > self.output_max {
            return Err(Refused::TooMuch);
        }
        self.note(code, Some((start, start + value.len())))?;
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    pub(crate) fn remove(&mut self, code: u16) -> Result<(), Refused> {
        self.note(code, None)
    }

    fn note(&mut self, code: u16, value: Option<(usize, usize)>) -> Result<(), Refused> {
        if self.entries.len() >= EDITS_MAX {
            return Err(Refused::TooMuch);
        }
        if v4::is_forbidden(code) && self.forbidden.is_none() {
            self.forbidden = Some(code);
        }
        self.entries.push(Entry { code, value });
        Ok(())
    }

    /// Forget the changes of `code`.
    pub(crate) fn leave_out(&mut self, code: u16) {
        self.entries.retain(|entry| entry.code != code);
    }

    /// The latest change of `code`.
    pub(crate) fn latest(&self, code: u16) -> Option<Edit<'_>> {
        self.entries.iter().rev().find(|entry| entry.code == code).map(|entry| self.edit(*entry))
    }

    /// The changes in order.
    pub fn iter(&self) -> impl Iterator<Item = Edit<'_>> {
        self.entries.iter().map(|entry| self.edit(*entry))
    }

    /// Whether there is no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn edit(&self, entry: Entry) -> Edit<'_> {
        match entry.value {
            Some((start, end)) => Edit::Set(entry.code, self.bytes.get(start..end).unwrap_or_default()),
            None => Edit::Remove(entry.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_latest() {
        let mut edits = Edits::new(100);
        edits.set(15, b"a").unwrap();
        edits.remove(12).unwrap();
        edits.set(15, b"bc").unwrap();
        let all: Vec<_> = edits.iter().collect();
        assert_eq!(all, [Edit::Set(15, b"a"), Edit::Remove(12), Edit::Set(15, b"bc")]);
        assert_eq!(edits.latest(15), Some(Edit::Set(15, b"bc")));
        assert_eq!(edits.latest(12), Some(Edit::Remove(12)));
        assert_eq!(edits.latest(1), None);
        edits.leave_out(15);
        assert_eq!(edits.iter().collect::<Vec<_>>(), [Edit::Remove(12)]);
        edits.clear();
        assert!(edits.is_empty());
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let mut edits = Edits::new(10);
        edits.set(15, &[0; 4]).unwrap();
        assert_eq!(edits.set(16, &[0; 3]), Err(Refused::TooMuch));
        edits.set(16, &[0; 2]).unwrap();
        assert_eq!(edits.set(17, &[]), Err(Refused::TooMuch));

        let mut edits = Edits::new(10);
        for _ in 0..EDITS_MAX {
            edits.remove(12).unwrap();
        }
        assert_eq!(edits.remove(12), Err(Refused::TooMuch));
    }

    #[test]
    fn the_first_forbidden_code_is_kept() {
        let mut edits = Edits::new(100);
        edits.set(15, b"a").unwrap();
        assert_eq!(edits.forbidden(), None);
        edits.remove(53).unwrap();
        edits.set(54, b"b").unwrap();
        assert_eq!(edits.forbidden(), Some(53));
    }
}
