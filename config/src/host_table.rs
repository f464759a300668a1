//! The file that a pool's `host-table` names: reservations by the million, as CSV or as JSON lines.
//!
//! ```text
//! # customers of street 7
//! hardware-address,ip-address,name
//! 02:00:00:00:00:01,10.0.0.17,printer
//! ```
//!
//! or a line `{"hardware-address": "02:00:00:00:00:01", "ip-address": "10.0.0.17", "name": "printer"}` for each. The
//! first line that is neither empty nor a comment tells which of them it is. Names are for the reader of the file:
//! they are checked and not kept.

use crate::Hash;
use bindery_engine::pool::{self, RESERVATIONS_MAX, TableError};
use bindery_types::{Ipv4Addr, MacAddr};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Most faults that are told of one file.
pub const TABLE_FAULTS_MAX: usize = 20;

/// Bytes of the longest line.
const LINE_MAX: usize = 4096;

/// Characters of the longest name: those of a `host`.
const NAME_MAX: usize = 256;

/// Characters of a field that a message shows.
const SHOWN_MAX: usize = 40;

/// A table that was read: its reservations, and where in the file each of them stands.
#[derive(Clone)]
pub struct HostTable {
    reservations: Arc<pool::HostTable>,
    /// Lines of the file, from 1, in the order of the addresses.
    lines: Box<[u32]>,
    hash: Hash,
}

/// One fault in the file of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFault {
    /// The line, from 1.
    pub line: u32,
    /// The byte in the line, from 1, where it is known.
    pub column: Option<u32>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for TableFault {}

/// Why there is no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostTableError {
    /// The file cannot be read, and why.
    Unreadable(String),
    /// Its content is at fault: the first [`TABLE_FAULTS_MAX`] faults, in the order of their lines.
    Faulty(Vec<TableFault>),
}

impl fmt::Display for HostTableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => f.write_str(why),
            Self::Faulty(faults) => match faults.as_slice() {
                [first, ..] => write!(f, "{first}"),
                [] => f.write_str("at fault"),
            },
        }
    }
}

impl std::error::Error for HostTableError {}

impl HostTable {
    /// Reads the content of a file.
    ///
    /// ```
    /// use bindery_config::HostTable;
    /// let table = HostTable::parse(b"hardware-address,ip-address\n02:00:00:00:00:01,10.0.0.17\n").unwrap();
    /// assert_eq!((table.len(), table.line_of([10, 0, 0, 17].into())), (1, Some(2)));
    /// let faults = HostTable::parse(b"hardware-address,ip-address\n02:00:00:00:00:01,10.0.0\n").unwrap_err();
    /// assert_eq!(faults[0].line, 2);
    /// ```
    ///
    /// # Errors
    /// The first [`TABLE_FAULTS_MAX`] faults, in the order of their lines.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<TableFault>> {
        Self::parse_hashed(bytes, Self::hash_of(bytes))
    }

    fn parse_hashed(bytes: &[u8], hash: Hash) -> Result<Self, Vec<TableFault>> {
        let mut reader = Reader::default();
        reader.read(bytes);
        if !reader.faults.is_empty() {
            return Err(reader.faults);
        }
        let line = |at: u32| reader.lines.get(at as usize).copied().unwrap_or_default();
        match pool::HostTable::new(&reader.reservations) {
            Ok((table, order)) => {
                Ok(Self { reservations: Arc::new(table), lines: order.into_iter().map(line).collect(), hash })
            }
            Err(TableError::TooMany) => Err(vec![too_many(1)]),
            Err(TableError::Repeats(repeats)) => {
                let told = repeats.iter().take(TABLE_FAULTS_MAX).map(|repeat| {
                    let of = reader.reservations.get(repeat.again as usize).copied();
                    let (address, mac) = of.unwrap_or((Ipv4Addr::UNSPECIFIED, MacAddr::default()));
                    let what = if repeat.of_mac { mac.to_string() } else { address.to_string() };
                    let message = format!("{what} is in line {} already", line(repeat.first));
                    TableFault { line: line(repeat.again), column: None, message }
                });
                Err(told.collect())
            }
        }
    }

    /// SHA-256 of the content of a file: what a revision keeps of a table.
    pub fn hash_of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    /// SHA-256 of the content it was read from.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// What the engine runs on.
    pub fn reservations(&self) -> &Arc<pool::HostTable> {
        &self.reservations
    }

    /// How many reservations there are.
    pub fn len(&self) -> usize {
        self.reservations.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.reservations.is_empty()
    }

    /// The line of the reservation of `address`, from 1.
    pub fn line_of(&self, address: Ipv4Addr) -> Option<u32> {
        self.line(self.reservations.index_of(address)?)
    }

    /// The line of the reservation at an index of the engine's table.
    pub(crate) fn line(&self, index: u32) -> Option<u32> {
        self.lines.get(index as usize).copied()
    }

    /// Bytes that the table takes in memory.
    pub fn bytes(&self) -> usize {
        self.reservations.bytes() + size_of_val(&*self.lines)
    }
}

impl fmt::Debug for HostTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostTable({} reservations, {})", self.len(), self.hash)
    }
}

/// The tables in use, by their content: one that did not change is not read anew, and is the same one in the old and
/// the new configuration. Forgets a table as soon as no configuration has it.
#[derive(Debug, Default)]
pub struct HostTables {
    by_hash: Mutex<HashMap<Hash, Weak<HostTable>>>,
}

impl HostTables {
    /// The table of a file's content.
    ///
    /// # Errors
    /// As [`HostTable::parse`].
    pub fn table(&self, bytes: &[u8]) -> Result<Arc<HostTable>, Vec<TableFault>> {
        let hash = HostTable::hash_of(bytes);
        let find = |known: &HashMap<Hash, Weak<HostTable>>| known.get(&hash).and_then(Weak::upgrade);
        if let Some(table) = find(&self.by_hash.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(table);
        }
        // Not under the lock: this takes up to seconds.
        let table = Arc::new(HostTable::parse_hashed(bytes, hash)?);
        let mut known = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, table| table.strong_count() > 0);
        if let Some(table) = find(&known) {
            return Ok(table);
        }
        known.insert(hash, Arc::downgrade(&table));
        Ok(table)
    }
}

fn too_many(line: u32) -> TableFault {
    TableFault { line, column: None, message: format!("more than {RESERVATIONS_MAX} reservations") }
}

/// A line of JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct JsonLine<'a> {
    #[serde(borrow)]
    hardware_address: Cow<'a, str>,
    #[serde(borrow)]
    ip_address: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
}

/// Which field of a CSV line is what.
#[derive(Clone, Copy, Debug)]
struct Columns {
    mac: usize,
    address: usize,
    name: Option<usize>,
    count: usize,
}

/// How the lines are written.
#[derive(Clone, Copy, Debug)]
enum Format {
    Csv(Columns),
    Json,
}

#[derive(Default)]
struct Reader {
    reservations: Vec<(Ipv4Addr, MacAddr)>,
    lines: Vec<u32>,
    faults: Vec<TableFault>,
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut format = None;
        let mut fields = Vec::new();
        let mut last = 1;
        for (line, text) in (1u32..).zip(bytes.split(|byte| *byte == b'\n')) {
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if text.trim_ascii().is_empty() || text.starts_with(b"#") {
                continue;
            }
            last = line;
            if self.faults.len() >= TABLE_FAULTS_MAX {
                return;
            }
            if text.len() > LINE_MAX {
                self.fault(line, None, format!("longer than {LINE_MAX} bytes"));
                continue;
            }
            match format {
                Some(Format::Csv(columns)) => self.csv(line, text, columns, &mut fields),
                Some(Format::Json) => self.json(line, text),
                None if text.trim_ascii_start().starts_with(b"{") => {
                    format = Some(Format::Json);
                    self.json(line, text);
                }
                None => match header(text) {
                    Ok(columns) => format = Some(Format::Csv(columns)),
                    Err(message) => return self.fault(line, None, message),
                },
            }
            if self.reservations.len() > RESERVATIONS_MAX {
                return self.faults.push(too_many(line));
            }
        }
        if format.is_none() {
            self.fault(last, None, no_header());
        }
    }

    /// Keeps a fault, if there is room: the last line that is looked at may have more of them than one.
    fn fault(&mut self, line: u32, column: Option<u32>, message: String) {
        if self.faults.len() < TABLE_FAULTS_MAX {
            self.faults.push(TableFault { line, column, message });
        }
    }

    fn csv<'a>(&mut self, line: u32, text: &'a [u8], columns: Columns, fields: &mut Vec<Cow<'a, [u8]>>) {
        fields.clear();
        if let Err(message) = split(text, fields) {
            return self.fault(line, None, message.to_owned());
        }
        if fields.len() != columns.count {
            return self.fault(
                line,
                None,
                format!("the header has {} fields, this line {}", columns.count, fields.len()),
            );
        }
        let field = |at: usize| str::from_utf8(fields.get(at).map(|field| &**field).unwrap_or_default());
        let name = columns.name.map_or(Ok(""), field);
        match (field(columns.mac), field(columns.address), name) {
            (Ok(mac), Ok(address), Ok(name)) => self.entry(line, mac, address, name),
            _ => self.fault(line, None, "not UTF-8".to_owned()),
        }
    }

    fn json(&mut self, line: u32, text: &[u8]) {
        match serde_json::from_slice::<JsonLine<'_>>(text) {
            Ok(entry) => self.entry(line, &entry.hardware_address, &entry.ip_address, &entry.name),
            Err(error) => {
                let message = error.to_string();
                let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
                let column = u32::try_from(error.column()).ok().filter(|column| *column > 0);
                self.fault(line, column, message.to_owned());
            }
        }
    }

    fn entry(&mut self, line: u32, mac: &str, address: &str, name: &str) {
        let faults = self.faults.len();
        let parsed_mac = mac.parse::<MacAddr>();
        if parsed_mac.is_err() {
            let message = format!("`{}` is no hardware address like \"02:00:00:00:00:01\"", shorten(mac));
            self.fault(line, None, message);
        }
        let parsed_address = address.parse::<Ipv4Addr>();
        if parsed_address.is_err() {
            self.fault(line, None, format!("`{}` is no address like \"192.0.2.1\"", shorten(address)));
        }
        if name.len() > NAME_MAX && name.chars().count() > NAME_MAX {
            self.fault(line, None, format!("the name is longer than {NAME_MAX} characters"));
        }
        if let (Ok(mac), Ok(address), true) = (parsed_mac, parsed_address, self.faults.len() == faults) {
            self.reservations.push((address, mac));
            self.lines.push(line);
        }
    }
}

fn no_header() -> String {
    "the first line is `hardware-address,ip-address`, with `,name` if there are names, or a line of JSON".to_owned()
}

/// Reads the header of a CSV file: its columns may stand in any order.
fn header(text: &[u8]) -> Result<Columns, String> {
    let mut fields = Vec::new();
    split(text, &mut fields).map_err(str::to_owned)?;
    let known: [&[u8]; 3] = [b"hardware-address", b"ip-address", b"name"];
    let mut at = [None; 3];
    for (place, field) in fields.iter().enumerate() {
        let Some(column) = known.iter().position(|name| **name == **field) else {
            return Err(no_header());
        };
        let Some(slot) = at.get_mut(column).filter(|slot| slot.is_none()) else {
            return Err(format!("`{}` is twice in the header", String::from_utf8_lossy(field)));
        };
        *slot = Some(place);
    }
    let [Some(mac), Some(address), name] = at else {
        return Err(no_header());
    };
    Ok(Columns { mac, address, name, count: fields.len() })
}

/// Splits a CSV line into its fields, without the blanks around them. A field in quotes may have commas in it, and a
/// quote written twice (RFC 4180 §2), but no end of line.
fn split<'a>(text: &'a [u8], fields: &mut Vec<Cow<'a, [u8]>>) -> Result<(), &'static str> {
    if !text.contains(&b'"') {
        fields.extend(text.split(|byte| *byte == b',').map(|field| Cow::Borrowed(field.trim_ascii())));
        return Ok(());
    }
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            let mut field = Vec::new();
            let mut bytes = quoted.iter().enumerate();
            let behind = loop {
                match bytes.next() {
                    Some((at, b'"')) if quoted.get(at + 1) == Some(&b'"') => {
                        field.push(b'"');
                        bytes.next();
                    }
                    Some((at, b'"')) => break at + 1,
                    Some((_, byte)) => field.push(*byte),
                    None => return Err("a quote is not closed in this line"),
                }
            };
            fields.push(Cow::Owned(field));
            rest = quoted.get(behind..).unwrap_or_default().trim_ascii_start();
            if !rest.is_empty() && !rest.starts_with(b",") {
                return Err("something stands between a quote and the next comma");
            }
        } else {
            let end = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
            let (field, behind) = rest.split_at(end);
            if field.contains(&b'"') {
                return Err("a quote stands within a field without quotes");
            }
            fields.push(Cow::Borrowed(field.trim_ascii()));
            rest = behind;
        }
        match rest.strip_prefix(b",") {
            Some(next) => rest = next,
            None => return Ok(()),
        }
    }
}

/// The beginning of what stands in a field, for a message.
fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn faults(text: &str) -> Vec<String> {
        let faults = HostTable::parse(text.as_bytes()).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    fn entries(text: &str) -> Vec<(String, String, Option<u32>)> {
        let table = HostTable::parse(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"));
        let entry =
            |(address, mac): (Ipv4Addr, MacAddr)| (address.to_string(), mac.to_string(), table.line_of(address));
        table.reservations().iter().map(entry).collect()
    }

    #[test]
    fn csv_with_all_that_it_may_have() {
        let text = "\u{feff}\r\n# a comment\r\n name , ip-address,hardware-address\r\n\
                    \"a, \"\"b\"\"\" , 10.0.0.9 ,02:00:00:00:00:01\r\n\n#x\n,10.0.0.8,\"02:00:00:00:00:02\"";
        let want = [("10.0.0.8", "02:00:00:00:00:02", 7), ("10.0.0.9", "02:00:00:00:00:01", 4)];
        assert_eq!(entries(text), want.map(|(a, m, l)| (a.to_owned(), m.to_owned(), Some(l))));
        assert!(entries("hardware-address,ip-address").is_empty());
    }

    #[test]
    fn json_lines_with_all_that_they_may_have() {
        let text = "# first\n {\"ip-address\": \"10.0.0.9\", \"hardware-address\": \"02:00:00:00:00:01\"}\r\n\n\
                    {\"hardware-address\":\"02:00:00:00:00:0\\u0032\",\"ip-address\":\"10.0.0.8\",\"name\":\"\\u00e4\"}\n";
        let want = [("10.0.0.8", "02:00:00:00:00:02", 4), ("10.0.0.9", "02:00:00:00:00:01", 2)];
        assert_eq!(entries(text), want.map(|(a, m, l)| (a.to_owned(), m.to_owned(), Some(l))));
    }

    #[test]
    fn faults_of_csv_are_told_by_their_lines() {
        let long = "x".repeat(LINE_MAX + 1);
        let name = "y".repeat(NAME_MAX + 1);
        let text = format!(
            "hardware-address,ip-address,name\n02:00:00:00:00:01,10.0.0.1\n# {long}\n{long}\n02:00:00:00:00,10.0.0.x,\n\
             02:00:00:00:00:02,10.0.0.2,\"a\"b\n02:00:00:00:00:02,10.0.0.2,\"a\n02:00:00:00:00:02,10.0.0.2,a\"\n\
             02:00:00:00:00:02,10.0.0.2,{name}\n02:00:00:00:00:03,10.0.0.3,c\n"
        );
        let want = [
            "line 2: the header has 3 fields, this line 2",
            "line 4: longer than 4096 bytes",
            "line 5: `02:00:00:00:00` is no hardware address like \"02:00:00:00:00:01\"",
            "line 5: `10.0.0.x` is no address like \"192.0.2.1\"",
            "line 6: something stands between a quote and the next comma",
            "line 7: a quote is not closed in this line",
            "line 8: a quote stands within a field without quotes",
            "line 9: the name is longer than 256 characters",
        ];
        assert_eq!(faults(&text), want);
        let latin = HostTable::parse(b"name,hardware-address,ip-address\n\xe4,02:00:00:00:00:01,10.0.0.1").unwrap_err();
        assert_eq!(latin[0].to_string(), "line 2: not UTF-8");
    }

    #[test]
    fn faults_of_json_are_told_by_their_columns() {
        let text = "{\"hardware-address\":\"02:00:00:00:00:01\",\"ip-address\":\"10.0.0.1\"}\n{\"hardware-address\":1}\n\
                    {\"hardware-address\":\"02:00:00:00:00:01\"}\n{\"address\":\"10.0.0.1\"}\nhardware-address\n\
                    {\"hardware-address\":\"02:00:00:00:00:01\",\"ip-address\":\"10.0.0.1\"} x";
        let want = [
            "line 2, column 21: invalid type: integer `1`, expected a string",
            "line 3, column 40: missing field `ip-address`",
            "line 4, column 10: unknown field `address`, expected one of `hardware-address`, `ip-address`, `name`",
            "line 5, column 1: expected value",
            "line 6, column 66: trailing characters",
        ];
        assert_eq!(faults(text), want);
    }

    #[test]
    fn a_first_line_that_is_no_header_is_the_only_fault() {
        for text in ["", "# only\n\n", "mac,ip\n02:00:00:00:00:01,10.0.0.1", "hardware-address\n", "[1]"] {
            let faults = faults(text);
            assert!(faults.len() == 1 && faults[0].contains("hardware-address,ip-address"), "{text}: {faults:?}");
        }
        assert_eq!(faults("\nip-address,ip-address\n"), ["line 2: `ip-address` is twice in the header"]);
    }

    #[test]
    fn what_is_kept_twice_is_told_with_both_lines() {
        let text = "hardware-address,ip-address\n02:00:00:00:00:01,10.0.0.2\n02:00:00:00:00:02,10.0.0.1\n\
                    02:00:00:00:00:03,10.0.0.2\n02:00:00:00:00:02,10.0.0.4\n";
        let want = ["line 4: 10.0.0.2 is in line 2 already", "line 5: 02:00:00:00:00:02 is in line 3 already"];
        assert_eq!(faults(text), want);
    }

    #[test]
    fn no_more_faults_are_told_than_can_be_read() {
        let wrong = format!("hardware-address,ip-address\n{}", "x,y\n".repeat(1000));
        let twice = format!("hardware-address,ip-address\n{}", "02:00:00:00:00:01,10.0.0.1\n".repeat(1000));
        assert_eq!((faults(&wrong).len(), faults(&twice).len()), (TABLE_FAULTS_MAX, TABLE_FAULTS_MAX));
        // The last line that is looked at has two faults, of which one is too many.
        let odd = format!("hardware-address,ip-address\n02:00:00:00:00:01,y\n{}", "x,y\n".repeat(1000));
        assert_eq!(faults(&odd).len(), TABLE_FAULTS_MAX);
        let shown = faults(&format!("hardware-address,ip-address\n{},10.0.0.1\n", "x".repeat(1000)));
        assert!(shown[0].len() < 150, "{}", shown[0]);
    }

    proptest! {
        #[test]
        fn what_is_written_in_either_form_is_read(
            kept in prop::collection::btree_map(any::<u32>(), any::<[u8; 6]>(), 1..50),
            ending in prop_oneof![Just("\n"), Just("\r\n"), Just(" \n\n# x\n")],
        ) {
            let mut by_mac = HashMap::new();
            let entries: Vec<(Ipv4Addr, MacAddr)> = kept
                .into_iter()
                .filter(|(address, mac)| by_mac.insert(*mac, *address).is_none())
                .map(|(address, mac)| (Ipv4Addr::from_bits(address), MacAddr(mac)))
                .collect();
            let line = |csv: bool| entries.iter().rev().map(move |(address, mac)| match csv {
                true => format!("{address},\"n\",{mac}{ending}"),
                false => format!("{{\"ip-address\":\"{address}\",\"hardware-address\":\"{mac}\"}}{ending}"),
            });
            let csv: String = std::iter::once(format!("ip-address,name,hardware-address{ending}")).chain(line(true)).collect();
            for text in [csv, line(false).collect()] {
                let table = HostTable::parse(text.as_bytes()).unwrap();
                prop_assert_eq!(table.reservations().iter().collect::<Vec<_>>(), entries.clone());
                for (address, mac) in &entries {
                    let line = text.lines().nth(table.line_of(*address).unwrap() as usize - 1).unwrap();
                    prop_assert!(line.contains(&mac.to_string()), "{line}");
                }
            }
        }

        #[test]
        fn whatever_stands_in_a_file_is_read_or_refused(
            parts in prop::collection::vec(prop_oneof![
                Just("hardware-address,ip-address\n"), Just("name,"), Just("02:00:00:00:00:01"), Just("10.0.0.1"),
                Just(","), Just("\""), Just("\n"), Just("\r\n"), Just("{\"ip-address\":\""), Just("\":"), Just("}"),
                Just("#"), Just(" "), Just("\u{e4}"), Just("\0"),
            ], 0..40),
            noise in any::<[u8; 3]>(),
        ) {
            let mut bytes = parts.concat().into_bytes();
            bytes.extend(noise);
            if let Err(faults) = HostTable::parse(&bytes) {
                prop_assert!((1..=TABLE_FAULTS_MAX).contains(&faults.len()));
                let lines = bytes.split(|byte| *byte == b'\n').count() as u32;
                prop_assert!(faults.iter().all(|fault| (1..=lines).contains(&fault.line)), "{faults:?}");
            }
        }
    }

    #[test]
    fn equal_content_is_one_table_while_it_is_in_use() {
        let tables = HostTables::default();
        let text = b"hardware-address,ip-address\n02:00:00:00:00:01,10.0.0.1\n";
        let one = tables.table(text).unwrap();
        let two = tables.table(text).unwrap();
        assert!(Arc::ptr_eq(&one, &two) && one.hash() == HostTable::hash_of(text));
        let other = tables.table(b"hardware-address,ip-address\n").unwrap();
        assert_ne!(other.hash(), one.hash());
        drop((one, two));
        tables.table(b"hardware-address,ip-address,name\n").unwrap();
        assert_eq!(tables.by_hash.lock().unwrap().len(), 2, "the one that nobody uses is forgotten");
        assert!(tables.table(b"").is_err());
    }
}
