//! Leases of Kea's DHCPv4 server, as its memfile backend writes them.
//!
//! A file grows at its end: each change of a lease is a line with all of it, and the last line of an address holds. A
//! cleanup process writes the file anew from time to time, so several files, `.2`, `.1` and the one without a number,
//! read in this order, are one. Columns are named in the first line of each.

use crate::note::clean;
use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;

/// Longest line, bytes: a user context may be long, nothing else is.
const LINE_MAX: usize = 1 << 20;

/// Most faults that a table keeps; the rest is counted.
const FAULTS_MAX: usize = 1000;

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// The hardware address, as many bytes as it has; empty where none is known.
    pub hw: Box<[u8]>,
    /// The client identifier, its type included (RFC 2132 §9.14); empty where the client sent none.
    pub client_id: Box<[u8]>,
    /// How long the lease was given for, seconds; `u32::MAX` is for ever. 0 stands in the line of a lease that was
    /// deleted.
    pub valid_lifetime: u32,
    /// When it ends, in seconds since 1970.
    pub expire: u64,
    /// Number of the subnet in Kea's configuration; the pool that comes of it is called `subnet-NUMBER`.
    pub subnet_id: u32,
    /// The client's name, as Kea has it in the DNS; empty where there is none.
    pub hostname: Box<str>,
    /// What it is.
    pub state: LeaseState,
}

/// What a lease is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// 0: the client's, up to its end.
    Default,
    /// 1: somebody else uses the address; nobody gets it.
    Declined,
    /// 2: it ended, and was taken back.
    ExpiredReclaimed,
    /// Any other number: of a later version of Kea.
    Other(u32),
}

/// What one line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseLine {
    /// A lease; with a lifetime of 0 it is deleted.
    Lease(Lease),
    /// The names of the columns, an empty line or a comment.
    Nothing,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseFault {
    /// The line, from 1; over several files it is counted on.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for LeaseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

impl std::error::Error for LeaseFault {}

/// Reads line by line, and keeps nothing but the columns: for files of any length.
#[derive(Debug, Default)]
pub struct LeaseReader {
    columns: Option<Columns>,
    line: u32,
}

/// Where in a line each value stands.
#[derive(Clone, Copy, Debug)]
struct Columns {
    address: usize,
    hwaddr: usize,
    client_id: usize,
    valid_lifetime: usize,
    expire: usize,
    subnet_id: usize,
    hostname: Option<usize>,
    state: Option<usize>,
}

impl Columns {
    fn of(line: &str) -> Result<Self, String> {
        let names: Vec<&str> = line.split(',').map(str::trim).collect();
        let find = |name: &str| names.iter().position(|known| *known == name);
        let need = |name: &str| find(name).ok_or_else(|| format!("there is no column `{name}`"));
        Ok(Self {
            address: need("address")?,
            hwaddr: need("hwaddr")?,
            client_id: need("client_id")?,
            valid_lifetime: need("valid_lifetime")?,
            expire: need("expire")?,
            subnet_id: need("subnet_id")?,
            hostname: find("hostname"),
            state: find("state"),
        })
    }
}

impl LeaseReader {
    /// A reader before the first line of the first file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next line, without its end.
    ///
    /// # Errors
    /// It cannot be read; the next one may.
    pub fn line(&mut self, line: &str) -> Result<LeaseLine, LeaseFault> {
        self.line = self.line.saturating_add(1);
        self.read(line).map_err(|message| LeaseFault { line: self.line, message: clean(&message) })
    }

    fn read(&mut self, line: &str) -> Result<LeaseLine, String> {
        if line.len() > LINE_MAX {
            return Err(format!("the line is longer than {LINE_MAX} bytes"));
        }
        let line = line.trim_matches(['\r', '\n', '\u{feff}', ' ']);
        if line.is_empty() || line.starts_with('#') {
            return Ok(LeaseLine::Nothing);
        }
        if line.starts_with("address,") {
            self.columns = None;
            self.columns = Some(Columns::of(line)?);
            return Ok(LeaseLine::Nothing);
        }
        let Some(columns) = self.columns else { return Err("there is no line of column names before it".to_owned()) };
        let values: Vec<&str> = line.split(',').collect();
        let at = |index: usize, name: &str| values.get(index).copied().ok_or_else(|| format!("`{name}` is missing"));
        let number = |index: usize, name: &str| {
            let value = at(index, name)?;
            value.parse::<u64>().map_err(|_| format!("`{name}` is `{value}`, no number"))
        };
        let small = |index: usize, name: &str| {
            u32::try_from(number(index, name)?).map_err(|_| format!("`{name}` is out of range"))
        };
        let octets = |index: usize, name: &str| {
            let value = at(index, name)?;
            bytes(value).ok_or_else(|| format!("`{name}` is `{value}`, not like 02:00:00:00:00:01"))
        };
        let address = at(columns.address, "address")?;
        let optional = |index: Option<usize>| index.and_then(|index| values.get(index).copied()).unwrap_or_default();
        let state = match optional(columns.state) {
            "" | "0" => LeaseState::Default,
            "1" => LeaseState::Declined,
            "2" => LeaseState::ExpiredReclaimed,
            other => LeaseState::Other(other.parse().map_err(|_| format!("`state` is `{other}`, no number"))?),
        };
        Ok(LeaseLine::Lease(Lease {
            address: address.parse().map_err(|_| format!("`{address}` is no IPv4 address"))?,
            hw: octets(columns.hwaddr, "hwaddr")?,
            client_id: octets(columns.client_id, "client_id")?,
            valid_lifetime: small(columns.valid_lifetime, "valid_lifetime")?,
            expire: number(columns.expire, "expire")?,
            subnet_id: small(columns.subnet_id, "subnet_id")?,
            hostname: unescape(optional(columns.hostname)).into(),
            state,
        }))
    }
}

/// `02:00:00:00:00:01` and the like; one digit may stand alone.
fn bytes(text: &str) -> Option<Box<[u8]>> {
    if text.is_empty() {
        return Some(Box::default());
    }
    let octet = |octet: &str| {
        let right = matches!(octet.len(), 1 | 2) && octet.bytes().all(|byte| byte.is_ascii_hexdigit());
        u8::from_str_radix(octet, 16).ok().filter(|_| right)
    };
    text.split(':').map(octet).collect()
}

/// `&#x2c` stands for a comma, and so on, without a semicolon behind it.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("&#x") {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let code = escape.get(3..5).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = escape.get(5..).unwrap_or_default();
            }
            None => {
                out.push_str("&#x");
                rest = escape.get(3..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// What holds behind the lines that were pushed: for each address the last one. About 150 bytes a lease.
#[derive(Debug, Default)]
pub struct LeaseTable {
    reader: LeaseReader,
    leases: HashMap<Ipv4Addr, Lease>,
    faults: Vec<LeaseFault>,
    more: u64,
}

impl LeaseTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line, without its end. The oldest file comes first.
    pub fn push(&mut self, line: &str) {
        match self.reader.line(line) {
            Ok(LeaseLine::Lease(lease)) if lease.valid_lifetime == 0 => {
                self.leases.remove(&lease.address);
            }
            Ok(LeaseLine::Lease(lease)) => {
                self.leases.insert(lease.address, lease);
            }
            Ok(LeaseLine::Nothing) => {}
            Err(fault) if self.faults.len() < FAULTS_MAX => self.faults.push(fault),
            Err(_) => self.more += 1,
        }
    }

    /// How many addresses have a lease so far.
    pub fn len(&self) -> usize {
        self.leases.len()
    }

    /// Whether no address has one.
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    /// The leases by address, the first 1,000 faults, and how many more there were.
    pub fn finish(self) -> (Vec<Lease>, Vec<LeaseFault>, u64) {
        let mut leases: Vec<Lease> = self.leases.into_values().collect();
        leases.sort_unstable_by_key(|lease| lease.address);
        (leases, self.faults, self.more)
    }
}

/// The leases of a text, by address, and the lines that cannot be read (the first 1,000).
///
/// ```
/// let text = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n\
///             192.0.2.7,02:00:00:00:00:01,,3600,1790000000,1,0,0,,0,\n";
/// let (leases, faults) = bindery_import::kea_leases(text);
/// assert!(faults.is_empty() && leases[0].expire == 1_790_000_000);
/// ```
pub fn kea_leases(text: &str) -> (Vec<Lease>, Vec<LeaseFault>) {
    let mut table = LeaseTable::new();
    text.split('\n').for_each(|line| table.push(line));
    let (leases, faults, _) = table.finish();
    (leases, faults)
}
