//! Statements that make DHCP options, and their encoding.

use super::PoolOption;
use super::read::At;
use crate::value::Typed;
use bindery_types::{Ipv4Addr, Prefix4};
use bindery_wire::v4::OptionCode;

/// Most bytes of one option: more has no room in any message that a client takes.
pub(super) const VALUE_MAX: usize = 1024;

/// Leaves that are options by another name.
const NAMED: [(&str, OptionCode); 9] = [
    ("domain-name", OptionCode::DOMAIN_NAME),
    ("name-server", OptionCode::DOMAIN_NAME_SERVER),
    ("wins-server", OptionCode::NETBIOS_NAME_SERVER),
    ("router", OptionCode::ROUTER),
    ("netbios-node-type", OptionCode::NETBIOS_NODE_TYPE),
    ("tftp-server", OptionCode::TFTP_SERVER_ADDRESS),
    ("sip-server", OptionCode::SIP_SERVERS),
    ("captive-portal", OptionCode::CAPTIVE_PORTAL),
    ("ipv6-only-preferred", OptionCode::IPV6_ONLY_PREFERRED),
];

/// All options of `dhcp-attributes`.
pub(super) fn options(at: At<'_>) -> Vec<PoolOption> {
    let named = NAMED.into_iter().filter_map(|(name, code)| {
        let leaf = at.child(name)?;
        let value = if name == "sip-server" { sip_server(leaf)? } else { encode(name, leaf.values()) };
        Some(PoolOption { code, statement: name.to_owned(), span: leaf.span(), value })
    });
    let coded = at.all("option").filter_map(|option| {
        let code: u8 = option.key()?.value.integer()?;
        let form = option.only()?;
        let form = if form.name() == "array" { form.only()? } else { form };
        let value = encode(form.name(), form.values());
        Some(PoolOption { code: OptionCode(code), statement: format!("option {code}"), span: option.span(), value })
    });
    named.chain(static_routes(at)).chain(coded).collect()
}

/// `static-route`s as option 121 (RFC 3442): those of the longest prefix first, each with the bytes of its network that
/// count. Without one of its own the default route is by the first `router`: who gets the option takes no other.
fn static_routes(at: At<'_>) -> Option<PoolOption> {
    let span = at.child("static-route")?.span();
    let written = at
        .all("static-route")
        .filter_map(|route| Some((route.key()?.value.prefix4()?, route.leaf("next-hop")?.value.address4()?)));
    let mut routes: Vec<_> = written.collect();
    let router = at.list("router").into_iter().find_map(|router| router.value.address4());
    if let (Some(router), Some(default)) = (router, Prefix4::containing(Ipv4Addr::UNSPECIFIED, 0))
        && routes.iter().all(|(network, _)| *network != default)
    {
        routes.push((default, router));
    }
    routes.sort_by_key(|(network, _)| (std::cmp::Reverse(network.len()), network.address()));
    let mut out = Vec::new();
    for (network, next_hop) in routes {
        out.push(network.len());
        out.extend(network.address().octets().into_iter().take(usize::from(network.len()).div_ceil(8)));
        out.extend(next_hop.octets());
    }
    let value = if out.len() <= VALUE_MAX { Ok(out) } else { Err(too_long(out.len())) };
    Some(PoolOption { code: OptionCode::CLASSLESS_STATIC_ROUTE, statement: "static-route".to_owned(), span, value })
}

fn too_long(len: usize) -> String {
    format!("the option has {len} bytes; no more than {VALUE_MAX} have room in a message")
}

/// The values one behind the other.
fn encode(form: &str, values: Vec<super::Spanned<Typed>>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for value in values {
        encode_one(&mut out, form, value.value);
    }
    if out.len() > VALUE_MAX {
        return Err(too_long(out.len()));
    }
    Ok(out)
}

/// Numbers go most significant byte first (RFC 2132 §2); the range check has made sure that they fit.
fn encode_one(out: &mut Vec<u8>, form: &str, value: Typed) {
    let width = match form {
        "byte" => 1,
        "short" | "unsigned-short" => 2,
        _ => 4,
    };
    match value {
        Typed::Bool(truth) => out.push(u8::from(truth)),
        Typed::Integer(number) => out.extend(number.to_be_bytes().iter().skip(8 - width)),
        Typed::Bytes(bytes) => out.extend(bytes),
        Typed::Text(text) => out.extend(text.into_bytes()),
        Typed::Address4(address) => out.extend(address.octets()),
        Typed::Address6(address) => out.extend(address.octets()),
        Typed::Word(word) => out.push(match word {
            "b-node" => 1,
            "p-node" => 2,
            "m-node" => 4,
            _ => 8,
        }),
        Typed::Seconds(seconds) => out.extend(seconds.to_be_bytes()),
        Typed::Prefix4(_) | Typed::Mac(_) | Typed::Infinite | Typed::Size(_) => {}
    }
}

/// An encoding byte, then names or addresses (RFC 3361 §3).
fn sip_server(at: At<'_>) -> Option<Result<Vec<u8>, String>> {
    let form = at.only()?;
    if form.name() == "ip-address" {
        return Some(encode(form.name(), form.values()).map(|addresses| [vec![1], addresses].concat()));
    }
    let mut out = vec![0];
    for name in form.values().into_iter().filter_map(|name| name.value.text()) {
        match labels(&name) {
            Some(labels) => out.extend(labels),
            None => return Some(Err(format!("\"{name}\" is no domain name"))),
        }
    }
    if out.len() > VALUE_MAX {
        Some(Err(format!("no more than {VALUE_MAX} bytes have room in a message")))
    } else {
        Some(Ok(out))
    }
}

/// A domain name in the form of RFC 1035 §3.1, without compression.
fn labels(name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        let right = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if label.is_empty() || label.len() > 63 || !label.bytes().all(right) {
            return None;
        }
        out.push(u8::try_from(label.len()).ok()?);
        out.extend(label.bytes());
    }
    out.push(0);
    (out.len() <= 255).then_some(out)
}

/// Why a pool may not set an option; none if it may.
pub(super) fn refusal(code: OptionCode) -> Option<&'static str> {
    match code.0 {
        0 | 255 => Some("it marks padding and the end of the options"),
        1 => Some("the subnet mask follows the pool's network"),
        50 | 55 | 57 | 61 => Some("it belongs to the client"),
        51 => Some("the lease time is set by maximum-lease-time"),
        52 | 53 => Some("the server makes it itself"),
        54 => Some("it is set by server-identifier"),
        58 => Some("it is set by t1-percentage or t1-renewal-time"),
        59 => Some("it is set by t2-percentage or t2-rebinding-time"),
        82 => Some("it belongs to the relay agent and is echoed"),
        90 | 145 => Some("it belongs to authentication"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_names_are_labels() {
        assert_eq!(labels("a.bc."), Some(b"\x01a\x02bc\0".to_vec()));
        for bad in ["", ".", "a..b", "a b", &"a".repeat(64), &"a.".repeat(130)] {
            assert_eq!(labels(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_have_the_width_of_their_form() {
        for (form, number, want) in [
            ("byte", 200, vec![200]),
            ("short", -2, vec![0xff, 0xfe]),
            ("unsigned-short", 1400, vec![5, 120]),
            ("integer", -3600, vec![0xff, 0xff, 0xf1, 0xf0]),
            ("unsigned-integer", 0xffff_ffff, vec![0xff; 4]),
        ] {
            let mut out = Vec::new();
            encode_one(&mut out, form, Typed::Integer(number));
            assert_eq!(out, want, "{form}");
        }
    }
}
