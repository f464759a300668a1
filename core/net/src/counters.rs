//! What the sockets count.

use bindery_wire::{frame::FrameError, v4::MessageType};

/// Message type codes with a counter of their own; the codes of DHCPv4 end well before.
const MESSAGE_TYPES: usize = 32;

/// Counts since the sockets were opened. A packet that is not for us (see the crate's rule) is in none of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Datagrams given on that came by the packet socket.
    pub received_packet: u64,
    /// Datagrams given on that came by the UDP socket.
    pub received_udp: u64,
    /// Dropped: longer than a slot of the receive arena (9,216 bytes).
    pub too_long: u64,
    /// Dropped: shorter than the IP and UDP headers.
    pub too_short: u64,
    /// Dropped: a length in the IP header is wrong (RFC 791 §3.1).
    pub bad_ip_length: u64,
    /// Dropped: the IP header checksum is wrong (RFC 791 §3.1).
    pub bad_ip_checksum: u64,
    /// Dropped: the UDP length is wrong (RFC 768).
    pub bad_udp_length: u64,
    /// Dropped: the UDP checksum is wrong (RFC 768).
    pub bad_udp_checksum: u64,
    /// Dropped: the kernel's control data named no interface or no address.
    pub no_control_data: u64,
    /// Receive calls that failed.
    pub receive_errors: u64,
    /// Packets given to the kernel.
    pub sent: u64,
    send_errors: SendErrors,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct SendErrors([u64; MESSAGE_TYPES]);

impl Counters {
    /// Packets of this message type that could not be sent.
    pub fn send_errors(&self, message: MessageType) -> u64 {
        self.send_errors.0.get(message as usize).copied().unwrap_or(0)
    }

    /// Packets of any type that could not be sent.
    pub fn send_errors_total(&self) -> u64 {
        self.send_errors.0.iter().sum()
    }

    pub(crate) fn count_send_error(&mut self, message: MessageType) {
        if let Some(counter) = self.send_errors.0.get_mut(message as usize) {
            *counter += 1;
        }
    }

    pub(crate) fn count_malformed(&mut self, error: FrameError) {
        match error {
            FrameError::TooShort => self.too_short += 1,
            FrameError::BadIpLength => self.bad_ip_length += 1,
            FrameError::BadIpChecksum => self.bad_ip_checksum += 1,
            FrameError::BadUdpLength => self.bad_udp_length += 1,
            FrameError::BadUdpChecksum => self.bad_udp_checksum += 1,
            FrameError::TooLong => self.too_long += 1,
            // The kernel's filter lets none of these through: they are not for us and are counted nowhere.
            FrameError::NotIpv4 | FrameError::Fragment | FrameError::NotUdp => {}
        }
    }
}

/// Packets that the kernel dropped because a socket's receive buffer was full, since the sockets were opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KernelDrops {
    /// By the packet socket.
    pub packet: u64,
    /// By the UDP sockets of this network namespace together. The kernel's count for one socket has every packet in
    /// it that the filter left to the packet socket, and is of no use.
    pub udp: u64,
}

/// `RcvbufErrors` in the text of /proc/net/snmp.
pub(crate) fn udp_drops(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut columns = names.split(' ').zip(values.split(' '));
    columns.find(|(name, _)| *name == "RcvbufErrors")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receive_buffer_errors_are_found() {
        let text =
            "Tcp: RcvbufErrors\nTcp: 1\nUdp: InDatagrams InErrors RcvbufErrors\nUdp: 5 7 9\nUdpLite: RcvbufErrors\n";
        assert_eq!(udp_drops(text), Some(9));
        assert_eq!(udp_drops("Udp: InDatagrams\nUdp: 5\n"), None);
    }

    #[test]
    fn every_message_type_has_its_counter() {
        let mut counters = Counters::default();
        counters.count_send_error(MessageType::Ack);
        counters.count_send_error(MessageType::LeaseQueryDone);
        assert_eq!(counters.send_errors(MessageType::Ack), 1);
        assert_eq!(counters.send_errors(MessageType::LeaseQueryDone), 1);
        assert_eq!(counters.send_errors(MessageType::Nak), 0);
        assert_eq!(counters.send_errors_total(), 2);
    }
}
