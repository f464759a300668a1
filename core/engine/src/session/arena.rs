//! Pages of 4096 entries, never moved: growing costs one page, whatever is there already.

use alloc::vec::Vec;

/// Entries a page.
pub(super) const PAGE: usize = 4096;

/// A growing array of pages.
#[derive(Debug)]
pub(super) struct Pages<T> {
    pages: Vec<Vec<T>>,
    len: u32,
}

impl<T> Pages<T> {
    pub(super) const fn new() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }

    /// How many entries were made.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let index = index as usize;
        self.pages.get(index / PAGE)?.get(index % PAGE)
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let index = index as usize;
        self.pages.get_mut(index / PAGE)?.get_mut(index % PAGE)
    }

    /// Appends `value` and returns its index; `None` when indexes run out: `u32::MAX` is nobody's.
    pub(super) fn push(&mut self, value: T) -> Option<u32> {
        let index = self.len;
        let next = index.checked_add(1)?;
        match self.pages.last_mut() {
            Some(page) if page.len() < PAGE => page.push(value),
            _ => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(value);
                self.pages.push(page);
            }
        }
        self.len = next;
        Some(index)
    }

    /// Bytes of the pages and of the vector of pages.
    pub(super) fn bytes(&self) -> usize {
        self.pages.len() * PAGE * size_of::<T>() + self.pages.capacity() * size_of::<Vec<T>>()
    }
}
