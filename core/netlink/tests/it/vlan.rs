//! VLAN devices, as far as a kernel without them can tell; `tests/netns` has the rest, in a guest.

use crate::lab::Lab;
use bindery_netlink::{Fault, VlanDevices};
use nix::errno::Errno;

/// Another device of the name must not get the packets of the VLAN's clients.
#[test]
fn a_name_that_something_else_has_is_no_vlan_device() {
    let Some(lab) = Lab::new("a_name_that_something_else_has_is_no_vlan_device") else { return };
    lab.sh("ip link add s0.100 type veth peer name other");
    let (under, there) = (lab.index("s0"), lab.index("s0.100"));
    let (made, listed, found) = lab.run(move || {
        let mut devices = VlanDevices::open().unwrap();
        let made = devices.create("s0.100", under, 0x8100, 100);
        (made, devices.list().unwrap(), devices.find("s0.100").unwrap())
    });
    assert_eq!(made, Err(Fault::System(Errno::EEXIST)));
    assert_eq!((listed, found), (Vec::new(), Some(there)));
}
