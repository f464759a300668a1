//! VLAN devices that the daemon makes.

use crate::error::{Fault, Faults};
use crate::model::Model;

/// Longest name of a device (IFNAMSIZ).
const NAME_MAX: usize = 15;

/// Ranges are ranges, and the longest name that they can lead to is one.
pub(super) fn vlans(model: &Model, faults: &mut Faults) {
    for auto in &model.auto_configure {
        let name = &auto.interface;
        let path = format!("interfaces {} auto-configure", name.value);
        for text in &auto.faults {
            let message = format!("\"{}\" is no range of VLANs", text.value);
            let help = "like \"100-199\" or \"any\"; of stacked VLANs like \"200-299,1-4094\"; VLANs are 1 to 4094";
            faults.push(Fault::new(message, text.span, &*path).help(help));
        }
        if name.value.contains('*') {
            faults.push(Fault::new("this is the beginning of names", name.span, &*path).help("name one interface"));
            continue;
        }
        let digits = |last: u16| last.to_string().len() + 1;
        let single = auto.single.iter().map(|range| digits(*range.end()));
        let stacked = auto.stacked.iter().map(|(outer, inner)| digits(*outer.end()) + digits(*inner.end()));
        let longest = single.chain(stacked).max().unwrap_or(0);
        if name.value.len() + longest > NAME_MAX {
            let message = format!("names of VLAN devices would be longer than {NAME_MAX} characters");
            faults.push(Fault::new(message, name.span, &*path).help("a shorter interface name, or lower VLANs"));
        }
    }
}
