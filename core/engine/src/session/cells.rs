//! Short strings of bytes, a million of them, without what an allocator adds to each.
//!
//! A string lies in a cell: the next multiple of 8 bytes. Cells of one size share pages, which are never moved, and a
//! freed cell serves the next string of its size. A string longer than [`CELL_MAX`] has a box of its own.

use alloc::{boxed::Box, vec, vec::Vec};

/// Sizes of cells are multiples of this.
const STEP: usize = 8;
/// Size 0 stands for the boxes.
const SIZES: usize = 64;
/// The longest string that has a cell.
pub(super) const CELL_MAX: usize = (SIZES - 1) * STEP;
/// Cells a page: 4 KiB of the cells of 16 bytes.
const PAGE: usize = 256;
/// Bits of a [`Cell`] that number the cells of one size.
const NUMBER_BITS: u32 = 26;
/// No cell; also the most cells of one size.
const NONE: u32 = (1 << NUMBER_BITS) - 1;

/// Where a string lies: its size in steps, and which of that size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cell(u32);

impl Cell {
    /// The cell of nothing.
    pub(super) const NOWHERE: Self = Self(NONE);

    const fn new(size: usize, number: u32) -> Self {
        Self((size as u32) << NUMBER_BITS | number)
    }

    const fn size(self) -> usize {
        (self.0 >> NUMBER_BITS) as usize
    }

    const fn number(self) -> u32 {
        self.0 & NONE
    }
}

/// The cells of one size.
#[derive(Debug)]
struct Room {
    /// Bytes a cell.
    size: usize,
    pages: Vec<Box<[u8]>>,
    /// How many were made.
    made: u32,
    /// The first free one; each free cell begins with the number of the next.
    free: u32,
}

/// The strings.
#[derive(Debug)]
pub(super) struct Cells {
    /// By size in steps; the first stays empty.
    rooms: [Room; SIZES],
    /// Strings too long for a cell; empty where none is.
    long: Vec<Box<[u8]>>,
    long_free: Vec<u32>,
}

impl Cells {
    pub(super) fn new() -> Self {
        let room = |size| Room { size: size * STEP, pages: Vec::new(), made: 0, free: NONE };
        Self { rooms: core::array::from_fn(room), long: Vec::new(), long_free: Vec::new() }
    }

    /// Keeps a copy of `bytes`; `None` when there are 2^26 strings of that size.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Option<Cell> {
        if bytes.len() > CELL_MAX {
            return self.put_long(bytes.into());
        }
        let size = bytes.len().div_ceil(STEP).max(1);
        let number = self.rooms.get_mut(size)?.take()?;
        let cell = Cell::new(size, number);
        let (string, padding) = self.get_mut(cell).split_at_mut_checked(bytes.len())?;
        string.copy_from_slice(bytes);
        padding.fill(0);
        Some(cell)
    }

    fn put_long(&mut self, bytes: Box<[u8]>) -> Option<Cell> {
        if let Some(number) = self.long_free.pop() {
            *self.long.get_mut(number as usize)? = bytes;
            return Some(Cell::new(0, number));
        }
        let number = u32::try_from(self.long.len()).ok().filter(|&number| number < NONE)?;
        self.long.push(bytes);
        Some(Cell::new(0, number))
    }

    /// The string, with zeros up to the end of its cell. Empty for a cell of nothing.
    pub(super) fn get(&self, cell: Cell) -> &[u8] {
        let bytes = match cell.size() {
            0 => self.long.get(cell.number() as usize).map(|bytes| &**bytes),
            size => self.rooms.get(size).and_then(|room| room.get(cell.number())),
        };
        bytes.unwrap_or(&[])
    }

    /// The same, to change in place.
    pub(super) fn get_mut(&mut self, cell: Cell) -> &mut [u8] {
        let bytes = match cell.size() {
            0 => self.long.get_mut(cell.number() as usize).map(|bytes| &mut **bytes),
            size => self.rooms.get_mut(size).and_then(|room| room.get_mut(cell.number())),
        };
        bytes.unwrap_or(&mut [])
    }

    /// Gives up a string. The cell means nothing after it.
    pub(super) fn free(&mut self, cell: Cell) {
        let (size, number) = (cell.size(), cell.number());
        match (size, self.long.get_mut(number as usize)) {
            (0, Some(bytes)) => {
                *bytes = Box::default();
                self.long_free.push(number);
            }
            (0, None) => {}
            _ => {
                if let Some(room) = self.rooms.get_mut(size) {
                    room.give_back(number);
                }
            }
        }
    }

    /// Bytes of the pages and boxes, free cells counted.
    pub(super) fn bytes(&self) -> usize {
        let boxes = self.rooms.iter().flat_map(|room| &room.pages).chain(&self.long);
        size_of::<Self>() + boxes.map(|bytes| bytes.len() + size_of::<Box<[u8]>>()).sum::<usize>()
    }

    /// How many strings there are.
    pub(super) fn len(&self) -> usize {
        let rooms: usize = self.rooms.iter().map(Room::len).sum();
        rooms + self.long.len() - self.long_free.len()
    }
}

impl Room {
    fn place(&self, number: u32) -> (usize, core::ops::Range<usize>) {
        let number = number as usize;
        let at = number % PAGE * self.size;
        (number / PAGE, at..at + self.size)
    }

    fn get(&self, number: u32) -> Option<&[u8]> {
        let (page, cell) = self.place(number);
        self.pages.get(page)?.get(cell)
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut [u8]> {
        let (page, cell) = self.place(number);
        self.pages.get_mut(page)?.get_mut(cell)
    }

    /// The free cell behind a free cell.
    fn next(&self, number: u32) -> Option<u32> {
        self.get(number)?.first_chunk().map(|next| u32::from_le_bytes(*next))
    }

    fn take(&mut self) -> Option<u32> {
        let number = self.free;
        if number != NONE {
            self.free = self.next(number)?;
            return Some(number);
        }
        let number = self.made;
        if number == NONE {
            return None;
        }
        if number as usize / PAGE == self.pages.len() {
            self.pages.push(vec![0; PAGE * self.size].into_boxed_slice());
        }
        self.made += 1;
        Some(number)
    }

    fn give_back(&mut self, number: u32) {
        let next = self.free;
        if let Some(first) = self.get_mut(number).and_then(|cell| cell.first_chunk_mut()) {
            *first = next.to_le_bytes();
            self.free = number;
        }
    }

    fn len(&self) -> usize {
        let free = core::iter::successors(Some(self.free), |&number| self.next(number));
        self.made as usize - free.take_while(|&number| number != NONE).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Strings of all sizes, kept and given up in any order, are what was kept.
        #[test]
        fn cells_keep_what_was_put_there(ops in prop::collection::vec((any::<u8>(), 0..600usize, any::<bool>()), 1..400)) {
            let mut cells = Cells::new();
            let mut kept: Vec<(Cell, Vec<u8>)> = Vec::new();
            for (byte, len, gives_up) in ops {
                if gives_up && !kept.is_empty() {
                    let (cell, _) = kept.swap_remove(usize::from(byte) % kept.len());
                    cells.free(cell);
                    continue;
                }
                let bytes = vec![byte; len];
                let cell = cells.put(&bytes).unwrap();
                prop_assert!(kept.iter().all(|(other, _)| *other != cell));
                kept.push((cell, bytes));
            }
            prop_assert_eq!(cells.len(), kept.len());
            for (cell, bytes) in &kept {
                let (string, padding) = cells.get(*cell).split_at(bytes.len());
                prop_assert_eq!(string, bytes);
                prop_assert!(padding.len() <= STEP && padding.iter().all(|byte| *byte == 0));
            }
        }
    }

    #[test]
    fn a_free_cell_serves_the_next_string_of_its_size() {
        let mut cells = Cells::new();
        for n in 0..10 * PAGE {
            let cell = cells.put(&[1; 17]).unwrap();
            if n % 2 == 0 {
                cells.free(cell);
            }
        }
        assert_eq!(cells.len(), 5 * PAGE);
        let before = cells.bytes();
        for _ in 0..5 * PAGE {
            cells.put(&[2; 24]).unwrap();
        }
        let grown = cells.bytes() - before;
        assert!(grown <= 5 * PAGE * (24 + 1), "{grown} bytes more");
        let long = [3; CELL_MAX + 1];
        let first = cells.put(&long).unwrap();
        cells.free(first);
        assert_eq!(cells.put(&long), Some(first));
        assert_eq!(cells.get(first), long);
        assert_eq!(cells.get(Cell::NOWHERE), []);
        assert!(cells.put(&[]).is_some(), "no bytes are a string too");
    }

    #[test]
    fn a_size_can_be_full() {
        let mut room = Room { size: STEP, pages: Vec::new(), made: NONE, free: NONE };
        assert_eq!(room.take(), None);
    }
}
