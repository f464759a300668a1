//! VLANs whose devices the daemon makes: `interfaces NAME auto-configure`.

use super::build::name;
use super::read::{At, Spanned};
use crate::value::Typed;
use std::ops::RangeInclusive;

/// The highest VLAN; 0 and 4095 are none.
const VLAN_MAX: u16 = 4094;

/// `interfaces NAME auto-configure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoConfigure {
    /// The interface whose tags are meant.
    pub interface: Spanned<String>,
    /// `vlan-ranges`.
    pub single: Vec<RangeInclusive<u16>>,
    /// `stacked-vlan-ranges`: service VLANs, customer VLANs.
    pub stacked: Vec<(RangeInclusive<u16>, RangeInclusive<u16>)>,
    /// `remove-when-no-subscribers`.
    pub remove_when_empty: bool,
    /// Ranges that are none.
    pub(crate) faults: Vec<Spanned<String>>,
}

impl AutoConfigure {
    /// Whether clients with these tags, the outer one first, get a device.
    pub fn covers(&self, tags: &[u16]) -> bool {
        match tags {
            [vlan] => self.single.iter().any(|range| range.contains(vlan)),
            [service, customer] => {
                self.stacked.iter().any(|(outer, inner)| outer.contains(service) && inner.contains(customer))
            }
            _ => false,
        }
    }
}

pub(super) fn auto_configure(at: At<'_>) -> Option<AutoConfigure> {
    let interface = name(at)?;
    let at = at.child("auto-configure")?;
    let mut faults = Vec::new();
    let ranges = |of: &'static str| -> Vec<Spanned<String>> {
        let values = at.child(of).map(|at| at.list("ranges")).unwrap_or_default();
        values.into_iter().filter_map(|value| value.map(Typed::text)).collect()
    };
    let (mut single, mut stacked) = (Vec::new(), Vec::new());
    for text in ranges("vlan-ranges") {
        match range(&text.value) {
            Some(range) => single.push(range),
            None => faults.push(text),
        }
    }
    for text in ranges("stacked-vlan-ranges") {
        match text.value.split_once(',').and_then(|(outer, inner)| Some((range(outer)?, range(inner)?))) {
            Some(pair) => stacked.push(pair),
            None => faults.push(text),
        }
    }
    Some(AutoConfigure { interface, single, stacked, remove_when_empty: at.has("remove-when-no-subscribers"), faults })
}

/// `any`, one VLAN, or the first and the last.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let text = text.trim();
    if matches!(text, "any" | "any-any") {
        return Some(1..=VLAN_MAX);
    }
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    (1 <= low && low <= high && high <= VLAN_MAX).then_some(low..=high)
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_of_vlans() {
        assert_eq!(range("any"), Some(1..=4094));
        assert_eq!(range("7"), Some(7..=7));
        assert_eq!(range(" 1 - 4094 "), Some(1..=4094));
        for wrong in ["", "0", "4095", "0-1", "9-8", "1-2-3", "x", "-", "1-", "1-4095", "65537"] {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }
}
