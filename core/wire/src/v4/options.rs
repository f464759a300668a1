//! The options of a reply that is being built.

use super::{CodeSet, OptionCode, OptionError};
use alloc::vec::Vec;
use core::fmt;

/// An ordered list of options, each code once, in one growable buffer.
///
/// [`OptionList::clear`] keeps the memory, so a list that lives as long as its owner stops allocating. Values may
/// be longer than 255 bytes; the encoder splits them (RFC 3396 §6).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OptionList {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    present: CodeSet,
}

/// Where one value lies in the buffer. Values lie in list order without gaps.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot {
    code: OptionCode,
    start: u16,
    len: u16,
}

impl OptionList {
    /// Most bytes that all values together may have.
    pub const BYTES_MAX: usize = 16_384;

    /// An empty list; allocates nothing.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), slots: Vec::new(), present: CodeSet::new() }
    }

    /// Removes all options and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.slots.clear();
        self.present = CodeSet::new();
    }

    /// Sets an option: a new one goes to the end, one that is in the list keeps its place.
    ///
    /// # Errors
    /// [`OptionError::Reserved`] for 0, 52 and 255; [`OptionError::Full`] where the values would have more than
    /// [`OptionList::BYTES_MAX`] bytes together. The list is unchanged then.
    pub fn set(&mut self, code: OptionCode, value: &[u8]) -> Result<(), OptionError> {
        if code.is_bare() || code == OptionCode::OPTION_OVERLOAD {
            return Err(OptionError::Reserved(code));
        }
        let full = OptionError::Full(code);
        let position = self.position(code);
        let old = position.and_then(|at| self.slots.get(at)).copied();
        let kept = self.bytes.len() - old.map_or(0, |slot| usize::from(slot.len));
        if value.len() > Self::BYTES_MAX || kept + value.len() > Self::BYTES_MAX {
            return Err(full);
        }
        let len = u16::try_from(value.len()).map_err(|_| full)?;
        match (position, old) {
            (Some(at), Some(slot)) => self.replace(at, slot, len, value),
            _ => {
                let start = u16::try_from(self.bytes.len()).map_err(|_| full)?;
                self.bytes.extend_from_slice(value);
                self.slots.push(Slot { code, start, len });
                self.present.insert(code);
            }
        }
        Ok(())
    }

    fn replace(&mut self, at: usize, old: Slot, len: u16, value: &[u8]) {
        let range = usize::from(old.start)..usize::from(old.start) + usize::from(old.len);
        if len == old.len {
            if let Some(place) = self.bytes.get_mut(range) {
                place.copy_from_slice(value);
            }
            return;
        }
        self.bytes.splice(range, value.iter().copied());
        let mut slots = self.slots.iter_mut().skip(at);
        if let Some(slot) = slots.next() {
            slot.len = len;
        }
        for slot in slots {
            slot.start = slot.start - old.len + len;
        }
    }

    /// Removes an option; whether it was in the list.
    pub fn remove(&mut self, code: OptionCode) -> bool {
        let Some(at) = self.position(code) else {
            return false;
        };
        let slot = self.slots.remove(at);
        let start = usize::from(slot.start);
        self.bytes.drain(start..start + usize::from(slot.len));
        for later in self.slots.iter_mut().skip(at) {
            later.start -= slot.len;
        }
        self.present.remove(code)
    }

    /// The value of an option.
    pub fn get(&self, code: OptionCode) -> Option<&[u8]> {
        self.position(code).and_then(|at| self.slots.get(at)).map(|slot| self.value(*slot))
    }

    /// Whether the option is in the list.
    pub fn has(&self, code: OptionCode) -> bool {
        self.present.contains(code)
    }

    /// The codes in the list.
    pub fn codes(&self) -> CodeSet {
        self.present
    }

    /// The options in list order.
    pub fn iter(&self) -> impl Iterator<Item = (OptionCode, &[u8])> + Clone {
        self.slots.iter().map(|slot| (slot.code, self.value(*slot)))
    }

    /// How many options there are, 0 to 253.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no option.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes of all options on the wire, without the end option.
    pub fn encoded_len(&self) -> usize {
        self.slots.iter().map(|slot| encoded_len(usize::from(slot.len))).sum()
    }

    fn position(&self, code: OptionCode) -> Option<usize> {
        if !self.present.contains(code) {
            return None;
        }
        self.slots.iter().position(|slot| slot.code == code)
    }

    fn value(&self, slot: Slot) -> &[u8] {
        let start = usize::from(slot.start);
        self.bytes.get(start..start + usize::from(slot.len)).unwrap_or_default()
    }
}

impl fmt::Debug for OptionList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Bytes on the wire of an option with a value of `len` bytes: one instance of at most 255 bytes after another, and
/// one instance for an empty value (RFC 3396 §6).
pub(super) const fn encoded_len(len: usize) -> usize {
    let instances = if len == 0 { 1 } else { len.div_ceil(255) };
    len + 2 * instances
}

/// The longest value whose option fits into `room` bytes on the wire; 0 also where none does.
pub(super) const fn value_len(room: usize) -> usize {
    room / 257 * 255 + (room % 257).saturating_sub(2)
}

/// Appends an option, split into instances of at most 255 bytes where it is longer (RFC 3396 §6).
pub(super) fn write_option(out: &mut Vec<u8>, code: OptionCode, value: &[u8]) {
    if value.is_empty() {
        out.extend_from_slice(&[code.0, 0]);
    }
    for part in value.chunks(255) {
        // A chunk has at most 255 bytes, so the length fits.
        out.extend_from_slice(&[code.0, part.len() as u8]);
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{vec, vec::Vec};

    const A: OptionCode = OptionCode(1);
    const B: OptionCode = OptionCode(2);
    const C: OptionCode = OptionCode(3);

    fn list() -> OptionList {
        let mut list = OptionList::new();
        list.set(A, b"aa").unwrap();
        list.set(B, b"bbbb").unwrap();
        list.set(C, b"c").unwrap();
        list
    }

    fn content(list: &OptionList) -> Vec<(u8, &[u8])> {
        list.iter().map(|(code, value)| (code.0, value)).collect()
    }

    #[test]
    fn a_value_is_replaced_where_it_stands() {
        let mut list = list();
        list.set(B, b"x").unwrap();
        list.set(A, b"yy").unwrap();
        list.set(C, b"longer").unwrap();
        list.set(B, b"").unwrap();
        assert_eq!(content(&list), vec![(1, &b"yy"[..]), (2, b""), (3, b"longer")]);
        assert_eq!(list.encoded_len(), 4 + 2 + 8);
        assert_eq!(list.get(B), Some(&b""[..]));
    }

    #[test]
    fn removal_closes_the_gap() {
        let mut list = list();
        assert!(list.remove(A) && !list.remove(A));
        assert_eq!(content(&list), vec![(2, &b"bbbb"[..]), (3, b"c")]);
        list.set(A, b"z").unwrap();
        assert_eq!(content(&list), vec![(2, &b"bbbb"[..]), (3, b"c"), (1, b"z")]);
        assert!(!list.has(OptionCode(9)) && list.get(OptionCode(9)).is_none());
        list.clear();
        assert!(list.is_empty() && !list.has(A) && list.codes().is_empty());
    }

    #[test]
    fn reserved_codes_and_too_many_bytes_are_refused() {
        let mut list = list();
        for code in [0, 52, 255].map(OptionCode) {
            assert_eq!(list.set(code, b"1"), Err(OptionError::Reserved(code)));
        }
        let most = vec![7; OptionList::BYTES_MAX - 7];
        list.set(OptionCode(4), &most).unwrap();
        assert_eq!(list.set(OptionCode(5), b"1"), Err(OptionError::Full(OptionCode(5))));
        assert_eq!(list.set(C, b"cc"), Err(OptionError::Full(C)));
        list.set(C, b"d").unwrap();
        list.set(OptionCode(5), b"").unwrap();
        assert_eq!(list.get(OptionCode(4)), Some(&most[..]));
        assert_eq!(list.get(C), Some(&b"d"[..]));
    }

    #[test]
    fn long_values_count_one_header_per_instance() {
        for (len, bytes) in [(0, 2), (1, 3), (255, 257), (256, 260), (510, 514), (511, 517)] {
            let mut out = Vec::new();
            write_option(&mut out, A, &vec![9; len]);
            assert_eq!((encoded_len(len), out.len()), (bytes, bytes), "{len}");
        }
        for room in 3..1_200 {
            let len = value_len(room);
            assert!(encoded_len(len) <= room && encoded_len(len + 1) > room, "{room}");
        }
        assert_eq!([0, 1, 2].map(value_len), [0; 3]);
    }
}
