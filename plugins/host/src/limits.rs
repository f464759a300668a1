//! What one instance may take of memory, and what it has taken.

use wasmtime::ResourceLimiter;

/// Most entries of one table: function pointers, more than any real plugin has.
const TABLE_MAX: usize = 100_000;
/// Most core instances, tables and memories of one component.
const PARTS_MAX: usize = 64;

/// The limits of one store.
#[derive(Debug)]
pub(crate) struct Limits {
    memory_max: usize,
    memory: usize,
    refused: bool,
}

impl Limits {
    pub(crate) const fn new(memory_max: usize) -> Limits {
        Limits { memory_max, memory: 0, refused: false }
    }

    /// Linear memory in use, in bytes, over all memories of the instance.
    pub(crate) const fn memory(&self) -> usize {
        self.memory
    }

    /// Whether growth was refused since the last call of this function.
    pub(crate) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_sub(current).saturating_add(desired);
        if total > self.memory_max {
            // The guest sees a failed growth and may cope. If it traps, this tells why.
            self.refused = true;
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= TABLE_MAX;
        self.refused |= !fits;
        Ok(fits)
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn memories(&self) -> usize {
        PARTS_MAX
    }
}
