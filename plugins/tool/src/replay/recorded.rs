//! Files for `bindery plugin test`: exchanges, settings, expectations.
//!
//! ```kdl
//! settings { option 15 string="isp.example" }         // the plugin's own, as in the configuration
//!
//! exchange "a phone" group="residential" {
//!     request "discover" mac="02:00:00:00:00:07" giaddr="192.0.2.1" { option 60 string="acme.phone" }
//!     reply "offer" address="192.0.2.10" lease=3600 { option 1 hex="ffffff00" }
//!     expect { shape-reply "continue"; option 43 hex="0100"; no-option 12 }
//! }
//! exchange "as it was recorded" {
//!     request hex="01010600..."                        // the UDP payload
//!     reply hex="02010600..."
//! }
//! ```

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use bindery_config::tree::Node;
use bindery_config::{Setting as Statement, flatten};
use bindery_plugin_host::Setting;
use bindery_types::{Ipv4Addr, MacAddr};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode, OptionList, Packet, ParseRules};

use super::expect::{Expectation, Verdict};
use super::read::{self, File};
use super::{Case, Reply, options};

/// Address of a client unless the file says another.
const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// The exchanges of a file, and the settings in it.
pub(super) fn cases(path: &Path) -> Result<(Vec<Case>, Vec<Setting>)> {
    let file = File::open(path)?;
    let (mut cases, mut settings) = (Vec::new(), Vec::new());
    for node in &file.tree.nodes {
        match node.name.as_str() {
            "settings" => settings = flat(&node.children),
            "exchange" => cases.push(case(&file, node)?),
            _ => return Err(file.fault(node, "unknown statement: it must be exchange or settings")),
        }
    }
    Ok((cases, settings))
}

/// The settings of a file: its statements, or those in its `settings { ... }`.
pub(super) fn settings(path: &Path) -> Result<Vec<Setting>> {
    let file = File::open(path)?;
    Ok(match file.tree.nodes.as_slice() {
        [only] if only.name == "settings" && only.arguments.is_empty() => flat(&only.children),
        nodes => flat(nodes),
    })
}

/// Add the expectations of a file to the exchanges that it names, by number or by name.
pub(super) fn expectations(path: &Path, cases: &mut [Case]) -> Result<()> {
    let file = File::open(path)?;
    for node in &file.tree.nodes {
        let at = |error: anyhow::Error| file.fault(node, format!("{error:#}"));
        match node.name.as_str() {
            "exchanges" => {
                let wanted = read::argument(node, "their number").map_err(at)?;
                if wanted != cases.len().to_string() {
                    return Err(at(anyhow!("expected {wanted}, found {}", cases.len())));
                }
            }
            "exchange" => {
                let key = read::argument(node, "a number from 1, or a name").map_err(at)?;
                let index = match key.parse::<usize>() {
                    Ok(number) => number.checked_sub(1),
                    Err(_) => cases.iter().position(|case| case.name == key),
                };
                let case = index.and_then(|index| cases.get_mut(index));
                let case = case.ok_or_else(|| at(anyhow!("there is no exchange {key}")))?;
                case.expect.extend(expect(&file, node)?);
            }
            _ => return Err(at(anyhow!("unknown statement: it must be exchange or exchanges"))),
        }
    }
    Ok(())
}

/// Statements as the daemon hands them to a plugin.
fn flat(nodes: &[Node]) -> Vec<Setting> {
    let statements: Vec<Statement> = nodes.iter().filter(|node| !node.is_inactive()).map(statement).collect();
    let handed = flatten(&statements).into_iter().map(|flat| Setting {
        parent: flat.parent,
        name: flat.name,
        arguments: flat.arguments,
        properties: flat.properties,
    });
    handed.collect()
}

fn statement(node: &Node) -> Statement {
    Statement {
        name: node.name.clone(),
        arguments: node.arguments.iter().map(|argument| argument.value.clone()).collect(),
        properties: node.properties.iter().map(|property| (property.name.clone(), property.value.clone())).collect(),
        children: node.active().map(statement).collect(),
        span: node.head_span(),
    }
}

fn case(file: &File, node: &Node) -> Result<Case> {
    let at = |error: anyhow::Error| file.fault(node, format!("{error:#}"));
    read::only(node, &["group", "interface", "unicast"]).map_err(at)?;
    let mut case = Case {
        name: node.key().unwrap_or_default().to_owned(),
        request: Vec::new(),
        reply: None,
        group: read::property(node, "group").unwrap_or_default(),
        interface: read::property(node, "interface").unwrap_or_else(|| "eth0".to_owned()),
        unicast: read::parsed(node, "unicast", "#true or #false").map_err(at)?.unwrap_or_default(),
        expect: Vec::new(),
    };
    for child in node.active() {
        let at = |error: anyhow::Error| file.fault(child, format!("{error:#}"));
        match child.name.as_str() {
            "request" => case.request = request(child).map_err(at)?,
            "reply" => case.reply = Some(reply(child).map_err(at)?),
            "expect" => case.expect.extend(expect(file, child)?),
            _ => return Err(at(anyhow!("unknown statement: it must be request, reply or expect"))),
        }
    }
    if case.request.is_empty() {
        return Err(at(anyhow!("it needs a request, as in: request \"discover\" mac=\"02:00:00:00:00:01\"")));
    }
    Ok(case)
}

/// `discover`, `DHCPDISCOVER` or the like.
fn message(node: &Node) -> Result<MessageType> {
    let text = read::argument(node, "a message type, as \"discover\", or hex=")?;
    let name = text.to_ascii_uppercase();
    let known = MessageType::ALL
        .into_iter()
        .find(|kind| kind.name() == name || kind.name().strip_prefix("DHCP") == Some(&name));
    known.with_context(|| format!("unknown message type \"{text}\""))
}

/// The bytes of `hex=`, which is a message in itself.
fn recorded(node: &Node) -> Result<Option<Vec<u8>>> {
    let Some(text) = read::property(node, "hex") else { return Ok(None) };
    if node.properties.len() > 1 || !node.children.is_empty() || !node.arguments.is_empty() {
        bail!("hex= is the whole message: remove what stands beside it");
    }
    read::hex(&text).map(Some)
}

fn request(node: &Node) -> Result<Vec<u8>> {
    if let Some(bytes) = recorded(node)? {
        Packet::parse(&bytes, ParseRules { allow_no_end_option: true })
            .map_err(|error| anyhow!("hex= is no DHCPv4 message: {error}"))?;
        return Ok(bytes);
    }
    read::only(node, &["mac", "xid", "ciaddr", "giaddr"])?;
    let mac = read::parsed(node, "mac", "as 02:00:00:00:00:01")?.unwrap_or(CLIENT);
    let address =
        |name| Ok::<_, anyhow::Error>(read::parsed(node, name, "an IPv4 address")?.unwrap_or(Ipv4Addr::UNSPECIFIED));
    let mut builder = MessageBuilder::new(message(node)?, mac)
        .xid(read::parsed(node, "xid", "a number")?.unwrap_or(1))
        .ciaddr(address("ciaddr")?)
        .giaddr(address("giaddr")?);
    for child in node.active() {
        let (code, value) = named_option(child)?;
        builder = builder.option(OptionCode(code), &value);
    }
    Ok(builder.build())
}

fn named_option(node: &Node) -> Result<(u8, Vec<u8>)> {
    if node.name != "option" {
        bail!("unknown statement {}: it must be option", node.name);
    }
    read::option(node)
}

fn reply(node: &Node) -> Result<Reply> {
    if let Some(bytes) = recorded(node)? {
        let packet = Packet::parse(&bytes, ParseRules { allow_no_end_option: true })
            .map_err(|error| anyhow!("hex= is no DHCPv4 message: {error}"))?;
        return Ok(Reply {
            message: packet.message_type().context("hex= has no message type (option 53)")?,
            address: packet.yiaddr(),
            lease_seconds: packet.u32_option(OptionCode::IP_ADDRESS_LEASE_TIME).unwrap_or_default(),
            session: 0,
            options: options(&packet),
        });
    }
    read::only(node, &["address", "lease", "session"])?;
    let mut list = OptionList::new();
    for child in node.active() {
        let (code, value) = named_option(child)?;
        list.set(OptionCode(code), &value).map_err(|error| anyhow!("option {code}: {error}"))?;
    }
    Ok(Reply {
        message: message(node)?,
        address: read::parsed(node, "address", "an IPv4 address")?.unwrap_or(Ipv4Addr::UNSPECIFIED),
        lease_seconds: read::parsed(node, "lease", "a number of seconds")?.unwrap_or_default(),
        session: read::parsed(node, "session", "a number")?.unwrap_or_default(),
        options: list,
    })
}

/// The statements in `expect { ... }`.
fn expect(file: &File, node: &Node) -> Result<Vec<Expectation>> {
    let mut all = Vec::new();
    for child in node.active() {
        expectation(child, &mut all).map_err(|error| file.fault(child, format!("{error:#}")))?;
    }
    Ok(all)
}

fn expectation(node: &Node, to: &mut Vec<Expectation>) -> Result<()> {
    let verdict = || {
        let text = read::argument(node, "a verdict: continue, drop or failed")?;
        Verdict::of(&text).with_context(|| format!("unknown verdict \"{text}\": it must be continue, drop or failed"))
    };
    match node.name.as_str() {
        "admit" => {
            read::only(node, &["group", "pool", "class"])?;
            to.push(Expectation::Admit(verdict()?));
            for name in ["group", "pool", "class"] {
                if let Some(value) = read::property(node, name) {
                    // `#null`: nothing may be chosen.
                    to.push(Expectation::Chosen(name, Some(value).filter(|value| value != "null")));
                }
            }
        }
        "shape-reply" => {
            read::only(node, &[])?;
            to.push(Expectation::Shape(verdict()?));
        }
        "option" => {
            let (code, value) = read::option(node)?;
            to.push(Expectation::Option(code, value));
        }
        "no-option" => {
            read::only(node, &[])?;
            to.push(Expectation::NoOption(read::code(node)?));
        }
        "unchanged" => {
            read::only(node, &[])?;
            to.push(Expectation::Unchanged);
        }
        _ => bail!("unknown expectation: it must be admit, shape-reply, option, no-option or unchanged"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
settings { a 1 { b "x" y=#true } }
exchange "first" group="g" unicast=#true {
    request "request" mac="02:00:00:00:00:07" ciaddr="192.0.2.10" xid=9 { option 60 string="acme" }
    reply "ack" address="192.0.2.10" lease=60 session=3 { option 1 hex="ffffff00" }
    expect { admit "continue" group="h" pool=#null; shape-reply "drop"; option 43 byte=1; no-option 12; unchanged }
}
exchange { request "discover" }
"#;

    fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.kdl");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_file_is_read() {
        let (_dir, path) = written(GOOD);
        let (cases, settings) = cases(&path).unwrap();
        assert_eq!(settings.len(), 2);
        assert_eq!((settings[1].parent, settings[1].properties[0].1.as_str()), (Some(0), "true"));
        assert_eq!((cases.len(), cases[0].name.as_str(), cases[0].group.as_str()), (2, "first", "g"));
        let packet = Packet::parse(&cases[0].request, ParseRules::default()).unwrap();
        assert_eq!((packet.message_type(), packet.xid().0), (Some(MessageType::Request), 9));
        assert_eq!(packet.ciaddr(), Ipv4Addr::new(192, 0, 2, 10));
        assert_eq!(packet.option(OptionCode(60)).as_deref(), Some(&b"acme"[..]));
        let reply = cases[0].reply.as_ref().unwrap();
        assert_eq!((reply.message, reply.lease_seconds, reply.session), (MessageType::Ack, 60, 3));
        let wanted = [
            Expectation::Admit(Verdict::Continue),
            Expectation::Chosen("group", Some("h".into())),
            Expectation::Chosen("pool", None),
            Expectation::Shape(Verdict::Drop),
            Expectation::Option(43, vec![1]),
            Expectation::NoOption(12),
            Expectation::Unchanged,
        ];
        assert_eq!(cases[0].expect, wanted);
        assert!(cases[1].reply.is_none() && cases[1].expect.is_empty());
    }

    #[test]
    fn faults_name_the_line() {
        for (text, wanted) in [
            ("\nexchage {}", "t.kdl:2: exchage: unknown statement"),
            ("exchange {}", "it needs a request"),
            ("exchange {\n request \"discovr\"\n}", "t.kdl:2: request: unknown message type"),
            ("exchange { request hex=\"0101\" }", "no DHCPv4 message"),
            ("exchange { request hex=\"0101\" mac=\"02:00:00:00:00:01\" }", "the whole message"),
            ("exchange { request \"discover\" mc=1 }", "unknown property mc"),
            ("exchange { request \"discover\"; expect { admit \"yes\" } }", "unknown verdict"),
            ("exchange { request \"discover\"; expect { shape \"drop\" } }", "unknown expectation"),
        ] {
            let (_dir, path) = written(text);
            let error = format!("{:#}", cases(&path).err().unwrap());
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn expectations_find_their_exchange() {
        let (_dir, path) = written(GOOD);
        let (mut cases, _) = cases(&path).unwrap();
        let (_other, file) = written("exchanges 2\nexchange 2 { admit \"drop\" }\nexchange \"first\" { no-option 3 }");
        expectations(&file, &mut cases).unwrap();
        assert_eq!(cases[1].expect, [Expectation::Admit(Verdict::Drop)]);
        assert_eq!(cases[0].expect.last(), Some(&Expectation::NoOption(3)));
        for wrong in ["exchanges 3", "exchange 3 { }", "exchange 0 { }", "exchange \"third\" { }", "x"] {
            let (_other, file) = written(wrong);
            assert!(expectations(&file, &mut cases).is_err(), "{wrong}");
        }
    }
}
