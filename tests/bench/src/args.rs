//! The options of `dhcpload`.

use crate::frame::Mac;
use crate::message::Style;
use crate::plan::{Pace, Plan, Work};
use anyhow::{Context, Result, bail};
use lexopt::ValueExt;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

/// Printed by `dhcpload --help`.
pub const HELP: &str = "\
dhcpload --server ADDRESS (--giaddr ADDRESS... | --interface IFL) [options]
  many DHCPv4 clients in one process; prints one JSON line; exit status 1 when a reply was wrong or an address
  was given twice

link
  --server ADDRESS      the server
  --giaddr ADDRESS      relayed: UDP from ADDRESS:67 to the server; may be repeated, clients take turns
  --interface IFL       direct: frames from clients without an address on this interface
  --server-mac MAC      direct: where renewing clients send their frames
work
  --renew               renew leases (taken first, not counted) instead of taking them
  --leases FILE         renew those that an earlier run left in its --acked FILE
  --shuffle             clients take turns in an order that is not that of their numbers
  --clients N           number of clients (100000)
  --first N             number of the first client (0); two runs with disjoint numbers are different clients
  --window N            closed loop: N exchanges open at any time (32)
  --rate R              open loop: R exchanges begun a second, latency from the scheduled time
  --seconds S           offer load for S seconds (60 when only --count is given, else 5)
  --count N             begin N exchanges at most
  --timeout-ms N        send again after N ms without answer (1000)
  --tries N             messages before an exchange is lost (4)
  --tolerate-silence    ask until --seconds have passed, through a server that is away
  --hold S              after the load watch for late replies for S seconds (0)
messages
  --option82            a relay agent information option with a circuit-id per client; its echo is checked
  --client-id           a client identifier
  --broadcast           ask for broadcast replies
output
  --stamps IFL          latency of REQUESTs by the kernel's stamps on this interface too (wire_*)
  --log FILE            each ACK as XID MAC ADDRESS SERVER LEASE UNIX_US, flushed as it comes
  --acked FILE          at the end, every address held as ADDRESS MAC
";

/// A parsed command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to run.
    pub plan: Plan,
    /// The server.
    pub server: Ipv4Addr,
    /// Relay addresses; empty in direct mode.
    pub giaddrs: Vec<Ipv4Addr>,
    /// Interface of direct clients.
    pub interface: Option<String>,
    /// Hardware address of the server for direct renewals.
    pub server_mac: Option<Mac>,
    /// Leases that clients have already.
    pub leases: Option<PathBuf>,
    /// Interface whose frames are stamped by the kernel.
    pub stamps: Option<String>,
    /// Where each ACK is logged.
    pub log: Option<PathBuf>,
    /// Where the held addresses are written.
    pub acked: Option<PathBuf>,
}

/// Parses `aa:bb:cc:dd:ee:ff`.
///
/// # Errors
/// Anything else.
pub fn parse_mac(text: &str) -> Result<Mac> {
    let octets: Vec<u8> = text
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16))
        .collect::<Result<_, _>>()
        .with_context(|| format!("{text:?} is no hardware address"))?;
    octets.try_into().ok().with_context(|| format!("{text:?} is no hardware address"))
}

/// Address and client number of a line of an `--acked` file.
#[must_use]
pub fn parse_lease(line: &str) -> Option<(Ipv4Addr, u32)> {
    let (address, mac) = line.split_once(' ')?;
    let [_, _, a, b, c, d] = parse_mac(mac).ok()?;
    Some((address.parse().ok()?, u32::from_be_bytes([a, b, c, d])))
}

/// A number of seconds, fractions allowed.
///
/// # Errors
/// Negative, infinite or no number.
pub fn parse_seconds(text: &str) -> Result<Duration> {
    let seconds: f64 = text.parse().with_context(|| format!("{text:?} is no number of seconds"))?;
    Duration::try_from_secs_f64(seconds).with_context(|| format!("{text:?} is no number of seconds"))
}

fn string(parser: &mut lexopt::Parser) -> Result<String> {
    Ok(parser.value()?.string()?)
}

/// Options before they are checked against each other.
#[derive(Default)]
struct Given {
    server: Option<Ipv4Addr>,
    giaddrs: Vec<Ipv4Addr>,
    interface: Option<String>,
    server_mac: Option<Mac>,
    renew: bool,
    leases: Option<PathBuf>,
    shuffle: bool,
    clients: Option<u32>,
    first: u32,
    window: Option<u32>,
    rate: Option<f64>,
    seconds: Option<Duration>,
    count: Option<u64>,
    timeout_ms: Option<u64>,
    tries: Option<u16>,
    tolerate: bool,
    hold: Duration,
    style: Style,
    stamps: Option<String>,
    log: Option<PathBuf>,
    acked: Option<PathBuf>,
}

impl Given {
    /// Takes one long option; false when there is none of that name.
    fn take(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<bool> {
        match name {
            "server" => self.server = Some(parser.value()?.parse()?),
            "giaddr" => self.giaddrs.push(parser.value()?.parse()?),
            "interface" => self.interface = Some(string(parser)?),
            "server-mac" => self.server_mac = Some(parse_mac(&string(parser)?)?),
            "renew" => self.renew = true,
            "leases" => self.leases = Some(parser.value()?.into()),
            "shuffle" => self.shuffle = true,
            "clients" => self.clients = Some(parser.value()?.parse()?),
            "first" => self.first = parser.value()?.parse()?,
            "window" => self.window = Some(parser.value()?.parse()?),
            "rate" => self.rate = Some(parser.value()?.parse()?),
            "seconds" => self.seconds = Some(parse_seconds(&string(parser)?)?),
            "count" => self.count = Some(parser.value()?.parse()?),
            "timeout-ms" => self.timeout_ms = Some(parser.value()?.parse()?),
            "tries" => self.tries = Some(parser.value()?.parse()?),
            "tolerate-silence" => self.tolerate = true,
            "hold" => self.hold = parse_seconds(&string(parser)?)?,
            "option82" => self.style.option82 = true,
            "client-id" => self.style.client_id = true,
            "broadcast" => self.style.broadcast = true,
            "stamps" => self.stamps = Some(string(parser)?),
            "log" => self.log = Some(parser.value()?.into()),
            "acked" => self.acked = Some(parser.value()?.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self) -> Result<Options> {
        let server = self.server.context("--server is needed")?;
        match (self.giaddrs.is_empty(), self.interface.is_some()) {
            (true, false) => bail!("--giaddr or --interface is needed"),
            (false, true) => bail!("--giaddr and --interface exclude each other"),
            _ => {}
        }
        let pace = match (self.window, self.rate) {
            (Some(_), Some(_)) => bail!("--window and --rate exclude each other"),
            (_, Some(rate)) if rate.is_finite() && rate > 0.0 => Pace::Rate(rate),
            (_, Some(rate)) => bail!("--rate {rate}: must be above 0"),
            (Some(0), _) => bail!("--window must be above 0"),
            (window, _) => Pace::Window(window.unwrap_or(32)),
        };
        let patience = if self.count.is_some() { 60 } else { 5 };
        let plan = Plan {
            work: if self.renew { Work::Renew } else { Work::Dora },
            pace,
            first: self.first,
            shuffle: self.shuffle,
            clients: self.clients.unwrap_or(100_000),
            limit: self.seconds.unwrap_or(Duration::from_secs(patience)),
            count: self.count.unwrap_or(u64::MAX),
            timeout: Duration::from_millis(self.timeout_ms.unwrap_or(1000).max(1)),
            tries: self.tries.unwrap_or(4).max(1),
            tolerate: self.tolerate,
            hold: self.hold,
            style: self.style,
        };
        Ok(Options {
            plan,
            server,
            giaddrs: self.giaddrs,
            interface: self.interface,
            server_mac: self.server_mac,
            leases: self.leases,
            stamps: self.stamps,
            log: self.log,
            acked: self.acked,
        })
    }
}

/// Parses a command line without the program's name; `None` asks for [`HELP`].
///
/// # Errors
/// Unknown options, values that are none, and options that exclude each other.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Options>> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut given = Given::default();
    while let Some(arg) = parser.next()? {
        let name = match arg {
            lexopt::Arg::Long(name) => name.to_owned(),
            other => return Err(other.unexpected().into()),
        };
        if name == "help" {
            return Ok(None);
        }
        if !given.take(&name, &mut parser)? {
            bail!("there is no option --{name}; see --help");
        }
    }
    given.finish().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Options>> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn fault(line: &str) -> String {
        read(line).expect_err(line).to_string()
    }

    #[test]
    fn relayed_with_defaults() {
        let options = read("--server 10.0.0.1 --giaddr 10.0.0.2 --giaddr 10.0.0.3").expect("good").expect("a run");
        assert_eq!(options.giaddrs.len(), 2);
        assert_eq!(options.plan.pace, Pace::Window(32));
        assert_eq!(options.plan.work, Work::Dora);
        assert_eq!(options.plan.limit, Duration::from_secs(5));
        assert_eq!(options.plan.clients, 100_000);
    }

    #[test]
    fn direct_open_loop() {
        let line = "--server 10.0.0.1 --interface vc --server-mac 02:00:00:00:00:0a --renew --rate 2000.5 \
                    --seconds 0.5 --option82 --tolerate-silence --count 7 --hold 2";
        let options = read(line).expect("good").expect("a run");
        assert_eq!(options.plan.pace, Pace::Rate(2000.5));
        assert_eq!(options.plan.work, Work::Renew);
        assert_eq!(options.plan.limit, Duration::from_millis(500));
        assert_eq!(options.plan.hold, Duration::from_secs(2));
        assert_eq!(options.server_mac, Some([2, 0, 0, 0, 0, 10]));
        assert!(options.plan.style.option82 && options.plan.tolerate);
    }

    #[test]
    fn bad_lines_say_why() {
        assert!(fault("--giaddr 10.0.0.2").contains("--server"));
        assert!(fault("--server 10.0.0.1").contains("--giaddr or --interface"));
        let both = "--server 10.0.0.1 --giaddr 10.0.0.2 --interface vc";
        assert!(fault(both).contains("exclude"));
        let good = "--server 10.0.0.1 --giaddr 10.0.0.2";
        for (extra, word) in [
            ("--window 3 --rate 4", "exclude"),
            ("--rate 0", "above 0"),
            ("--rate nan", "above 0"),
            ("--window 0", "above 0"),
            ("--seconds -1", "seconds"),
            ("--server-mac 02:00", "hardware address"),
            ("--server-mac zz:00:00:00:00:00", "hardware address"),
            ("--nonsense", "--nonsense"),
        ] {
            let message = fault(&format!("{good} {extra}"));
            assert!(message.contains(word), "{extra}: {message}");
        }
    }

    #[test]
    fn a_lease_of_an_earlier_run_is_read() {
        assert_eq!(parse_lease("10.16.0.9 02:be:00:01:00:02"), Some((Ipv4Addr::new(10, 16, 0, 9), 0x0001_0002)));
        assert_eq!(parse_lease("10.16.0.9"), None);
    }

    #[test]
    fn help_is_asked_for() {
        assert!(read("--server 10.0.0.1 --help").expect("good").is_none());
    }
}
