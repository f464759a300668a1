//! What the kernel says beside a packet: PACKET_AUXDATA.

/// The checksum in the packet was left to the sending card, and no card was in between.
const TP_STATUS_CSUMNOTREADY: u32 = 1 << 3;
/// `tp_vlan_tci` is valid.
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;
/// `tp_vlan_tpid` is valid.
const TP_STATUS_VLAN_TPID_VALID: u32 = 1 << 6;
/// 802.1Q, the tag protocol of kernels that do not say.
const ETH_P_8021Q: u16 = 0x8100;

/// A VLAN tag that the kernel took out of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VlanTag {
    /// Tag protocol: 0x8100 for 802.1Q, 0x88a8 for 802.1ad.
    pub tpid: u16,
    /// Priority (3 bits), drop eligibility (1 bit) and VLAN (12 bits).
    pub tci: u16,
}

impl VlanTag {
    /// The VLAN, 0 to 4095. 0 marks a frame that has a priority but belongs to no VLAN.
    pub const fn id(self) -> u16 {
        self.tci & 0x0fff
    }
}

/// `struct tpacket_auxdata`, as far as it concerns us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Auxdata {
    /// Whether the UDP checksum is not filled in yet: the sender is on this machine, and the frame crossed no wire.
    pub checksum_pending: bool,
    /// The outer VLAN tag.
    pub tag: Option<VlanTag>,
}

impl Auxdata {
    /// Reads the bytes of `struct tpacket_auxdata`, in this machine's byte order; `None` when there are too few.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        // status u32, len u32, snaplen u32, mac u16, net u16, vlan_tci u16, vlan_tpid u16
        let bytes: &[u8; 20] = bytes.first_chunk()?;
        let status = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let tci = u16::from_ne_bytes([bytes[16], bytes[17]]);
        let tpid = u16::from_ne_bytes([bytes[18], bytes[19]]);
        let tag = (status & TP_STATUS_VLAN_VALID != 0)
            .then_some(VlanTag { tpid: if status & TP_STATUS_VLAN_TPID_VALID != 0 { tpid } else { ETH_P_8021Q }, tci });
        Some(Self { checksum_pending: status & TP_STATUS_CSUMNOTREADY != 0, tag })
    }

    /// Whether the frame belongs to a VLAN, so that the interface it was seen on is not the one it is for.
    ///
    /// Where a VLAN device takes the frame, that device's copy comes untagged and is the one to serve. Where none
    /// does, the frame is nobody's. In both cases the tagged copy is let be. A frame of VLAN 0 is for this interface.
    pub fn foreign_vlan(self) -> bool {
        self.tag.is_some_and(|tag| tag.id() != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(status: u32, tci: u16, tpid: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(status.to_ne_bytes());
        bytes.extend(342u32.to_ne_bytes());
        bytes.extend(342u32.to_ne_bytes());
        bytes.extend(0u16.to_ne_bytes());
        bytes.extend(14u16.to_ne_bytes());
        bytes.extend(tci.to_ne_bytes());
        bytes.extend(tpid.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_service_tag_is_read() {
        // 0x51 is what a kernel said of a frame of 802.1ad VLAN 200: user, VLAN valid, TPID valid.
        let aux = Auxdata::parse(&bytes(0x51, 0x20c8, 0x88a8)).unwrap();
        assert_eq!(aux.tag, Some(VlanTag { tpid: 0x88a8, tci: 0x20c8 }));
        assert_eq!(aux.tag.unwrap().id(), 200);
        assert!(aux.foreign_vlan() && !aux.checksum_pending);
    }

    #[test]
    fn a_priority_tag_names_no_vlan() {
        let aux = Auxdata::parse(&bytes(0x11, 0xe000, 0)).unwrap();
        assert_eq!(aux.tag, Some(VlanTag { tpid: 0x8100, tci: 0xe000 }));
        assert!(!aux.foreign_vlan());
    }

    #[test]
    fn a_pending_checksum_is_seen_and_stale_tags_are_not() {
        let aux = Auxdata::parse(&bytes(0x09, 7, 0x8100)).unwrap();
        assert_eq!(aux, Auxdata { checksum_pending: true, tag: None });
    }

    #[test]
    fn short_auxdata_is_none() {
        assert_eq!(Auxdata::parse(&bytes(0x51, 200, 0x88a8)[..19]), None);
    }
}
