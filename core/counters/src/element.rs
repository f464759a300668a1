//! What is kept of one address.

use bindery_engine::route::Counters;

/// Which way, seen from the router (RFC 2866 §5.3, §5.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// From the subscriber.
    In = 0,
    /// To the subscriber.
    Out = 1,
}

impl Direction {
    pub(crate) const BOTH: [Self; 2] = [Self::In, Self::Out];

    /// The set of addresses whose elements count it.
    pub(crate) const fn set(self) -> &'static str {
        match self {
            Self::In => "subscribers_in",
            Self::Out => "subscribers_out",
        }
    }

    /// The direction of a set's name, as the kernel writes it.
    pub(crate) fn of_set(name: &[u8]) -> Option<Self> {
        let name = name.strip_suffix(&[0])?;
        Self::BOTH.into_iter().find(|direction| direction.set().as_bytes() == name)
    }

    /// Where the subscriber's address is in an IPv4 header (RFC 791 §3.1): as source or as destination.
    pub(crate) const fn offset(self) -> u32 {
        match self {
            Self::In => 12,
            Self::Out => 16,
        }
    }
}

/// What the kernel has counted one way.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Figures {
    pub(crate) packets: u64,
    pub(crate) octets: u64,
}

/// What an address has counted: in the kernel's element, and in elements before it that somebody else removed.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counted {
    /// Of elements that are gone, as they were read last.
    base: [Figures; 2],
    /// Of the element that stands, as read last.
    last: [Figures; 2],
}

impl Counted {
    /// Takes over what was read. Less than before means that it counts from zero again (`nft reset`).
    pub(crate) fn read(&mut self, direction: Direction, figures: Figures) {
        let Some(last) = self.last.get(direction as usize) else { return };
        if figures.packets < last.packets || figures.octets < last.octets {
            self.lost(direction);
        }
        if let Some(last) = self.last.get_mut(direction as usize) {
            *last = figures;
        }
    }

    /// The element is gone; another one counts from zero.
    pub(crate) fn lost(&mut self, direction: Direction) {
        if let (Some(base), Some(last)) = (self.base.get_mut(direction as usize), self.last.get_mut(direction as usize))
        {
            base.packets = base.packets.saturating_add(last.packets);
            base.octets = base.octets.saturating_add(last.octets);
            *last = Figures::default();
        }
    }

    /// The whole.
    pub(crate) fn total(&self) -> Counters {
        let [base_in, base_out] = self.base;
        let [last_in, last_out] = self.last;
        Counters {
            packets_in: base_in.packets.saturating_add(last_in.packets),
            octets_in: base_in.octets.saturating_add(last_in.octets),
            packets_out: base_out.packets.saturating_add(last_out.packets),
            octets_out: base_out.octets.saturating_add(last_out.octets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_never_fall() {
        let mut counted = Counted::default();
        counted.read(Direction::In, Figures { packets: 5, octets: 500 });
        counted.read(Direction::In, Figures { packets: 7, octets: 700 });
        // Somebody has set it to zero; and then it was gone.
        counted.read(Direction::In, Figures { packets: 1, octets: 100 });
        counted.lost(Direction::In);
        counted.read(Direction::In, Figures { packets: 2, octets: 200 });
        counted.read(Direction::Out, Figures { packets: 3, octets: 30 });
        let total = Counters { packets_in: 10, octets_in: 1_000, packets_out: 3, octets_out: 30 };
        assert_eq!(counted.total(), total);
    }
}
