//! VLAN devices made for clients.

use super::push_line;
use bindery_api::VlanDeviceList;

/// `show interfaces auto-configure`.
pub(crate) fn vlan_devices(list: &VlanDeviceList) -> String {
    let mut text = String::new();
    if list.vlan_devices.is_empty() {
        return text;
    }
    push_line!(text, "Interface         Underlying        Protocol  VLAN  Sessions  State");
    for device in &list.vlan_devices {
        push_line!(
            text,
            "{:<17} {:<17} {:<9} {:<5} {:<9} {}",
            device.interface_name,
            device.underlying_interface,
            device.protocol,
            device.vlan_id,
            device.sessions,
            device.state
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_api::VlanDevice;
    use expect_test::expect;

    #[test]
    fn a_device_a_line() {
        let outer = VlanDevice {
            interface_name: "eth1.200".into(),
            underlying_interface: "eth1".into(),
            protocol: "802.1ad".into(),
            vlan_id: 200,
            state: "present".into(),
            sessions: 0,
        };
        let inner = VlanDevice {
            interface_name: "eth1.200.7".into(),
            underlying_interface: "eth1.200".into(),
            protocol: "802.1Q".into(),
            vlan_id: 7,
            state: "missing".into(),
            sessions: 2,
        };
        expect![[r"
            Interface         Underlying        Protocol  VLAN  Sessions  State
            eth1.200          eth1              802.1ad   200   0         present
            eth1.200.7        eth1.200          802.1Q    7     2         missing
        "]]
        .assert_eq(&vlan_devices(&VlanDeviceList { vlan_devices: vec![outer, inner] }));
        assert_eq!(vlan_devices(&VlanDeviceList::default()), "");
    }
}
