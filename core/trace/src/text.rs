//! Packets in words.

use bindery_types::Ipv4Addr;
use bindery_wire::v4::{MessageType, Op, OptionCode, Packet, ParseRules, RelayAgentInformation};
use std::fmt::Write as _;

/// A packet: one line, and with `options` one more for each option.
pub(crate) fn packet(bytes: &[u8], options: bool) -> String {
    let rules = ParseRules { allow_no_end_option: true };
    let packet = match Packet::parse(bytes, rules) {
        Ok(packet) => packet,
        Err(error) => return format!("{} bytes that are no DHCP message: {error:?}", bytes.len()),
    };
    let name = match (packet.message_type(), packet.op()) {
        (Some(message), _) => message.name(),
        (None, Op::BootRequest) => "BOOTREQUEST",
        (None, _) => "BOOTREPLY",
    };
    let mut text = format!("{name} xid 0x{:08x} hw {}", packet.xid().0, packet.hw_addr());
    let addresses = [
        ("ciaddr", packet.ciaddr()),
        ("yiaddr", packet.yiaddr()),
        ("siaddr", packet.siaddr()),
        ("giaddr", packet.giaddr()),
    ];
    // Writing to a string cannot fail.
    for (name, address) in addresses.into_iter().filter(|(_, address)| !address.is_unspecified()) {
        let _ = write!(text, " {name} {address}");
    }
    for (name, number) in [("secs", packet.secs()), ("flags", packet.flags()), ("hops", u16::from(packet.hops()))] {
        if number != 0 {
            let _ = write!(text, " {name} {number}");
        }
    }
    if options {
        for (code, value) in packet.options() {
            let name = code.name().unwrap_or("unknown");
            let _ = write!(text, "\n    option {} {name}: {}", code.0, option(code, &value));
        }
    }
    text
}

/// The value of an option.
fn option(code: OptionCode, value: &[u8]) -> String {
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    match code {
        OptionCode::DHCP_MESSAGE_TYPE => match value.first().copied().map(MessageType::try_from) {
            Some(Ok(message)) => message.name().to_owned(),
            _ => hex(value),
        },
        OptionCode::SUBNET_MASK
        | OptionCode::ROUTER
        | OptionCode::DOMAIN_NAME_SERVER
        | OptionCode::BROADCAST_ADDRESS
        | OptionCode::NTP_SERVERS
        | OptionCode::NETBIOS_NAME_SERVER
        | OptionCode::REQUESTED_IP_ADDRESS
        | OptionCode::SERVER_IDENTIFIER => addresses(value),
        OptionCode::IP_ADDRESS_LEASE_TIME | OptionCode::RENEWAL_TIME | OptionCode::REBINDING_TIME => {
            format!("{} s", number(value))
        }
        OptionCode::MAXIMUM_DHCP_MESSAGE_SIZE | OptionCode::INTERFACE_MTU => number(value).to_string(),
        OptionCode::HOST_NAME | OptionCode::DOMAIN_NAME | OptionCode::VENDOR_CLASS | OptionCode::MESSAGE => {
            format!("\"{}\"", value.escape_ascii())
        }
        OptionCode::PARAMETER_REQUEST_LIST => value.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        OptionCode::RELAY_AGENT_INFORMATION => {
            let info = RelayAgentInformation::new(value);
            let part = |name, id: Option<&[u8]>| id.map(|id| format!(", {name} \"{}\"", id.escape_ascii()));
            let parts = [part("circuit id", info.circuit_id()), part("remote id", info.remote_id())];
            parts.into_iter().flatten().fold(hex(value), |text, part| text + &part)
        }
        // A token or a nonce is nobody's to read.
        OptionCode::AUTHENTICATION => format!("{} bytes, hidden", value.len()),
        _ => hex(value),
    }
}

fn addresses(value: &[u8]) -> String {
    if value.is_empty() || !value.len().is_multiple_of(4) {
        return hex(value);
    }
    let address = |chunk: &[u8]| <[u8; 4]>::try_from(chunk).map(|octets| Ipv4Addr::from(octets).to_string());
    value.chunks(4).filter_map(|chunk| address(chunk).ok()).collect::<Vec<_>>().join(" ")
}

fn hex(value: &[u8]) -> String {
    value.iter().fold(String::with_capacity(2 * value.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_types::MacAddr;
    use bindery_wire::v4::MessageBuilder;
    use expect_test::expect;

    #[test]
    fn a_request_with_its_options() {
        let (mac, address) = (MacAddr([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(192, 0, 2, 10));
        let bytes = MessageBuilder::request_selecting(mac, address, Ipv4Addr::new(192, 0, 2, 1))
            .xid(7)
            .option(OptionCode::HOST_NAME, b"cpe\x1b")
            .option(OptionCode::AUTHENTICATION, b"\x00secret")
            .option(OptionCode::RELAY_AGENT_INFORMATION, b"\x01\x02p1")
            .build();
        expect![[r#"
            DHCPREQUEST xid 0x00000007 hw 02:00:00:00:00:01
                option 53 dhcp-message-type: DHCPREQUEST
                option 50 requested-ip-address: 192.0.2.10
                option 54 server-identifier: 192.0.2.1
                option 12 host-name: "cpe\x1b"
                option 90 authentication: 7 bytes, hidden
                option 82 relay-agent-information: 01027031, circuit id "p1""#]]
        .assert_eq(&packet(&bytes, true));
        assert_eq!(packet(&bytes, false), "DHCPREQUEST xid 0x00000007 hw 02:00:00:00:00:01");
    }

    #[test]
    fn garbage_is_told_as_such() {
        assert!(packet(b"garbage", true).starts_with("7 bytes that are no DHCP message"));
    }
}
