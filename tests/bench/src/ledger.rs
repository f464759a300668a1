//! Which client holds which address, so that an address given twice is seen at once.

use std::net::Ipv4Addr;

/// Addresses of one /16.
const PAGE: usize = 1 << 16;
/// "No client": client indexes are below this.
const NOBODY: u32 = u32::MAX;

/// What [`Ledger::claim`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nobody held the address.
    Fresh,
    /// This client held it already.
    Own,
    /// Another client, named by its index, holds it.
    Taken(u32),
}

/// The holder of each IPv4 address, in pages of a /16 made at first use.
///
/// A look-up is two array reads. A page takes 256 KiB, so a run over a million addresses takes 4 MiB.
#[derive(Debug)]
pub struct Ledger {
    pages: Vec<Option<Box<[u32]>>>,
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger::new()
    }
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Ledger {
        let mut pages = Vec::new();
        pages.resize_with(1 << 16, || None);
        Ledger { pages }
    }

    fn holder_mut(&mut self, address: u32) -> Option<&mut u32> {
        let page = self.pages.get_mut((address >> 16) as usize)?;
        let page = page.get_or_insert_with(|| vec![NOBODY; PAGE].into_boxed_slice());
        page.get_mut((address & 0xffff) as usize)
    }

    /// Notes that `client` was told it has `address`. A taken address stays with its first holder.
    pub fn claim(&mut self, address: u32, client: u32) -> Claim {
        let Some(holder) = self.holder_mut(address) else {
            return Claim::Fresh;
        };
        match *holder {
            NOBODY => {
                *holder = client;
                Claim::Fresh
            }
            same if same == client => Claim::Own,
            other => Claim::Taken(other),
        }
    }

    /// Notes that `client` no longer uses `address`; nothing happens when another client holds it.
    pub fn release(&mut self, address: u32, client: u32) {
        if let Some(holder) = self.holder_mut(address)
            && *holder == client
        {
            *holder = NOBODY;
        }
    }

    /// Every held address with its holder, in order of address.
    pub fn held(&self) -> impl Iterator<Item = (Ipv4Addr, u32)> + '_ {
        self.pages.iter().enumerate().flat_map(|(high, page)| {
            page.iter().flat_map(move |page| {
                page.iter().enumerate().filter(|(_, holder)| **holder != NOBODY).map(move |(low, holder)| {
                    let bits = u32::try_from(high << 16 | low).unwrap_or(0);
                    (Ipv4Addr::from_bits(bits), *holder)
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_holder_is_seen() {
        let mut ledger = Ledger::new();
        let address = Ipv4Addr::new(10, 16, 0, 1).to_bits();
        assert_eq!(ledger.claim(address, 7), Claim::Fresh);
        assert_eq!(ledger.claim(address, 7), Claim::Own);
        assert_eq!(ledger.claim(address, 8), Claim::Taken(7));
        assert_eq!(ledger.claim(address, 9), Claim::Taken(7), "the first holder stays");
    }

    #[test]
    fn released_address_is_free_for_others() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.claim(5, 1), Claim::Fresh);
        ledger.release(5, 2);
        assert_eq!(ledger.claim(5, 2), Claim::Taken(1), "only the holder can release");
        ledger.release(5, 1);
        assert_eq!(ledger.claim(5, 2), Claim::Fresh);
    }

    #[test]
    fn held_lists_in_order() {
        let mut ledger = Ledger::new();
        for (address, client) in [(0x0a11_0000, 3), (0x0a10_ffff, 1), (0x0a10_0000, 2)] {
            ledger.claim(address, client);
        }
        let held: Vec<(u32, u32)> = ledger.held().map(|(a, c)| (a.to_bits(), c)).collect();
        assert_eq!(held, [(0x0a10_0000, 2), (0x0a10_ffff, 1), (0x0a11_0000, 3)]);
    }
}
