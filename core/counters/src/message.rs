//! The messages of nf_tables (linux/netfilter/nf_tables.h) that the table needs, and no others.

mod snooped;

pub(crate) use snooped::dropped;

use crate::{
    attribute::{Reader, Writer},
    element::{Direction, Figures},
};
use bindery_types::Ipv4Addr;

/// Elements in one message: an attribute is shorter than 64 KiB, and an element takes 16 octets of one.
pub(crate) const IN_MESSAGE: usize = 2_048;

/// Netlink's header and that of nf_netlink behind it.
const HEADERS: usize = 16 + 4;

const CHAIN: &str = "forward";
/// Behind the firewall's chains at priority 0 (filter): what those drop is not counted.
const PRIORITY: i32 = 5;

const SUBSYSTEM: u16 = libc::NFNL_SUBSYS_NFTABLES as u16;
const NEW_TABLE: u16 = libc::NFT_MSG_NEWTABLE as u16;
const DEL_TABLE: u16 = libc::NFT_MSG_DELTABLE as u16;
const NEW_CHAIN: u16 = libc::NFT_MSG_NEWCHAIN as u16;
const NEW_RULE: u16 = libc::NFT_MSG_NEWRULE as u16;
const DEL_RULE: u16 = libc::NFT_MSG_DELRULE as u16;
const NEW_SET: u16 = libc::NFT_MSG_NEWSET as u16;
const NEW_ELEMENT: u16 = libc::NFT_MSG_NEWSETELEM as u16;
const GET_ELEMENT: u16 = libc::NFT_MSG_GETSETELEM as u16;
const DEL_ELEMENT: u16 = libc::NFT_MSG_DELSETELEM as u16;

const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const ACK: u16 = libc::NLM_F_ACK as u16;
const ECHO: u16 = libc::NLM_F_ECHO as u16;
const DUMP: u16 = libc::NLM_F_DUMP as u16;
const CREATE: u16 = libc::NLM_F_CREATE as u16;
const EXCLUSIVE: u16 = libc::NLM_F_EXCL as u16;
const APPEND: u16 = libc::NLM_F_APPEND as u16;

// Attributes. Those of libc end with the numbers of messages.
const LIST_ELEMENT: u16 = 1;
const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const PAYLOAD_REGISTER: u16 = 1;
const PAYLOAD_BASE: u16 = 2;
const PAYLOAD_OFFSET: u16 = 3;
const PAYLOAD_LEN: u16 = 4;
const LOOKUP_SET: u16 = 1;
const LOOKUP_REGISTER: u16 = 2;
const SET_TABLE: u16 = 1;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LEN: u16 = 5;
const SET_ID: u16 = 10;
const SET_USERDATA: u16 = 13;
const SET_EXPRESSION: u16 = 17;
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_EXPRESSION: u16 = 7;
const DATA_VALUE: u16 = 1;
const COUNTER_BYTES: u16 = 1;
const COUNTER_PACKETS: u16 = 2;

/// The number by which the program nft knows the type ipv4_addr; the kernel only keeps it.
const TYPE_IPV4_ADDR: u32 = 7;
/// For [`set`]: the keys are in this machine's order, or big-endian.
const HOST_ORDER: u32 = 1;
const NETWORK_ORDER: u32 = 2;

/// Messages that go to the kernel in one call.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    transaction: bool,
}

impl Batch {
    /// Messages that take effect together or not at all.
    pub(crate) fn transaction() -> Self {
        let mut batch = Self { bytes: Vec::new(), starts: Vec::new(), transaction: true };
        batch.bracket(libc::NFNL_MSG_BATCH_BEGIN as u16);
        batch
    }

    /// Questions, each answered for itself.
    pub(crate) fn questions() -> Self {
        Self { bytes: Vec::new(), starts: Vec::new(), transaction: false }
    }

    /// How many messages it has, the opening one of a transaction among them.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Makes it ready to be sent with sequence numbers from `seq` on. The last change of a transaction asks for an
    /// acknowledgement, which comes when all is done.
    pub(crate) fn finish(&mut self, seq: u32) -> &[u8] {
        if self.transaction {
            if let Some(start) = self.starts.last().copied()
                && let Some(flags) = self.bytes.get_mut(start + 6..start + 8)
            {
                let with_ack = u16::from_ne_bytes([flags[0], flags[1]]) | ACK;
                flags.copy_from_slice(&with_ack.to_ne_bytes());
            }
            self.bracket(libc::NFNL_MSG_BATCH_END as u16);
        }
        for (place, start) in self.starts.iter().enumerate() {
            if let Some(space) = self.bytes.get_mut(start + 8..start + 12) {
                space.copy_from_slice(&seq.wrapping_add(place as u32).to_ne_bytes());
            }
        }
        &self.bytes
    }

    fn bracket(&mut self, kind: u16) {
        self.message(kind, REQUEST, 0, SUBSYSTEM, |_| {});
    }

    fn push(&mut self, kind: u16, flags: u16, fill: impl FnOnce(&mut Writer<'_>)) {
        self.message(SUBSYSTEM << 8 | kind, flags | REQUEST, libc::AF_INET as u8, 0, fill);
    }

    fn message(&mut self, kind: u16, flags: u16, family: u8, resource: u16, fill: impl FnOnce(&mut Writer<'_>)) {
        let start = self.bytes.len();
        self.starts.push(start);
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(&[family, 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
        fill(&mut Writer::new(&mut self.bytes));
        let len = (self.bytes.len() - start) as u32;
        if let Some(space) = self.bytes.get_mut(start..start + 4) {
            space.copy_from_slice(&len.to_ne_bytes());
        }
    }

    /// Makes the whole table where it is not, and leaves its elements. The rules are always made anew: in one
    /// transaction no packet passes between the old and the new ones, and nothing has to be compared.
    pub(crate) fn table(&mut self, table: &str) {
        self.push(NEW_TABLE, CREATE, |message| message.text(TABLE_NAME, table));
        for direction in Direction::BOTH {
            self.set(table, direction);
        }
        self.chain(table, PRIORITY);
        self.push(DEL_RULE, 0, |message| {
            message.text(RULE_TABLE, table);
            message.text(RULE_CHAIN, CHAIN);
        });
        for direction in Direction::BOTH {
            self.rule(table, direction);
        }
    }

    /// A chain at the forward hook that lets pass what no rule of it ends.
    fn chain(&mut self, table: &str, priority: i32) {
        self.push(NEW_CHAIN, CREATE, |message| {
            message.text(CHAIN_TABLE, table);
            message.text(CHAIN_NAME, CHAIN);
            message.nest(CHAIN_HOOK, |hook| {
                hook.number(HOOK_NUMBER, libc::NF_INET_FORWARD as u32);
                hook.number(HOOK_PRIORITY, priority.cast_unsigned());
            });
            message.number(CHAIN_POLICY, libc::NF_ACCEPT as u32);
            message.text(CHAIN_TYPE, "filter");
        });
    }

    fn set(&mut self, table: &str, direction: Direction) {
        self.push(NEW_SET, CREATE, |message| {
            set(message, table, direction.set(), 1 + direction as u32, (TYPE_IPV4_ADDR, NETWORK_ORDER));
            message.nest(SET_EXPRESSION, |expression| {
                expression.text(EXPRESSION_NAME, "counter");
                expression.nest(EXPRESSION_DATA, |_| {});
            });
        });
    }

    fn rule(&mut self, table: &str, direction: Direction) {
        self.push(NEW_RULE, CREATE | APPEND, |message| {
            message.text(RULE_TABLE, table);
            message.text(RULE_CHAIN, CHAIN);
            message.nest(RULE_EXPRESSIONS, |rule| {
                payload(rule, libc::NFT_PAYLOAD_NETWORK_HEADER as u32, direction.offset(), 4);
                lookup(rule, direction.set());
            });
        });
    }

    /// Removes the table with all that is in it.
    pub(crate) fn remove_table(&mut self, table: &str) {
        self.push(DEL_TABLE, 0, |message| message.text(TABLE_NAME, table));
    }

    /// Starts to count for `addresses`. `exclusive`: it fails where one stands already; else that one goes on.
    pub(crate) fn add(&mut self, table: &str, addresses: &[Ipv4Addr], exclusive: bool) {
        let flags = if exclusive { CREATE | EXCLUSIVE } else { CREATE };
        for direction in Direction::BOTH {
            for part in addresses.chunks(IN_MESSAGE) {
                self.push(NEW_ELEMENT, flags, |message| {
                    elements(message, table, direction.set(), part.iter().map(|it| it.octets()))
                });
            }
        }
    }

    /// Ends counting for `addresses`; it fails where one is not there. `tell`: the kernel tells what each had counted.
    pub(crate) fn remove(&mut self, table: &str, addresses: &[Ipv4Addr], tell: bool) {
        let flags = if tell { ECHO } else { 0 };
        for direction in Direction::BOTH {
            for part in addresses.chunks(IN_MESSAGE) {
                self.push(DEL_ELEMENT, flags, |message| {
                    elements(message, table, direction.set(), part.iter().map(|it| it.octets()))
                });
            }
        }
    }

    /// Asks for one element.
    pub(crate) fn get(&mut self, table: &str, direction: Direction, address: Ipv4Addr) {
        self.push(GET_ELEMENT, 0, |message| elements(message, table, direction.set(), [address.octets()].into_iter()));
    }

    /// Asks for all elements of a set.
    pub(crate) fn dump(&mut self, table: &str, direction: Direction) {
        self.push(GET_ELEMENT, DUMP, |message| {
            message.text(LIST_TABLE, table);
            message.text(LIST_SET, direction.set());
        });
    }
}

/// A set of keys of four octets; their type and order are for the program nft (user data: tag 0, length 4, the order).
fn set(message: &mut Writer<'_>, table: &str, name: &str, id: u32, (kind, order): (u32, u32)) {
    let [a, b, c, d] = order.to_ne_bytes();
    message.text(SET_TABLE, table);
    message.text(SET_NAME, name);
    message.number(SET_FLAGS, 0);
    message.number(SET_KEY_TYPE, kind);
    message.number(SET_KEY_LEN, 4);
    message.number(SET_ID, id);
    message.bytes(SET_USERDATA, &[0, 4, a, b, c, d]);
}

fn elements(message: &mut Writer<'_>, table: &str, set: &str, keys: impl Iterator<Item = [u8; 4]>) {
    message.text(LIST_TABLE, table);
    message.text(LIST_SET, set);
    message.nest(LIST_ELEMENTS, |list| {
        for key in keys {
            list.nest(LIST_ELEMENT, |element| {
                element.nest(ELEMENT_KEY, |data| data.bytes(DATA_VALUE, &key));
            });
        }
    });
}

/// An expression of a rule.
fn expression(rule: &mut Writer<'_>, name: &str, fill: impl FnOnce(&mut Writer<'_>)) {
    rule.nest(LIST_ELEMENT, |expression| {
        expression.text(EXPRESSION_NAME, name);
        expression.nest(EXPRESSION_DATA, fill);
    });
}

/// Loads `len` octets of the packet.
fn payload(rule: &mut Writer<'_>, base: u32, offset: u32, len: u32) {
    expression(rule, "payload", |data| {
        data.number(PAYLOAD_REGISTER, libc::NFT_REG_1 as u32);
        data.number(PAYLOAD_BASE, base);
        data.number(PAYLOAD_OFFSET, offset);
        data.number(PAYLOAD_LEN, len);
    });
}

/// Goes on where what was loaded is in `set`.
fn lookup(rule: &mut Writer<'_>, set: &str) {
    expression(rule, "lookup", |data| {
        data.text(LOOKUP_SET, set);
        data.number(LOOKUP_REGISTER, libc::NFT_REG_1 as u32);
    });
}

/// Gives what each element of a message of the kernel has counted to `on_element`, with its direction. Elements
/// without a counter are none of ours.
pub(crate) fn read(message: &[u8], mut on_element: impl FnMut(Direction, Ipv4Addr, Figures)) {
    let attributes = Reader(message.get(HEADERS..).unwrap_or_default());
    let Some(direction) = attributes.find(LIST_SET).and_then(Direction::of_set) else { return };
    let Some(list) = attributes.within(LIST_ELEMENTS) else { return };
    for (_, element) in list {
        if let Some((address, figures)) = read_element(Reader(element)) {
            on_element(direction, address, figures);
        }
    }
}

fn read_element(element: Reader<'_>) -> Option<(Ipv4Addr, Figures)> {
    let key: [u8; 4] = element.within(ELEMENT_KEY)?.find(DATA_VALUE)?.try_into().ok()?;
    let counter = element.within(ELEMENT_EXPRESSION)?;
    if counter.find(EXPRESSION_NAME) != Some(b"counter\0") {
        return None;
    }
    let data = counter.within(EXPRESSION_DATA)?;
    let number = |kind| data.find(kind)?.try_into().ok().map(u64::from_be_bytes);
    Some((Ipv4Addr::from(key), Figures { packets: number(COUNTER_PACKETS)?, octets: number(COUNTER_BYTES)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_numbered_and_its_last_change_asks_for_an_answer() {
        let mut batch = Batch::transaction();
        batch.remove("t", &[Ipv4Addr::new(192, 0, 2, 1)], true);
        assert_eq!(batch.len(), 3);
        let mut rest = batch.finish(7);
        let mut seen = Vec::new();
        while let Some(len) = rest.first_chunk().map(|len| u32::from_ne_bytes(*len) as usize) {
            let word = |at: usize| u16::from_ne_bytes([rest[at], rest[at + 1]]);
            seen.push((word(4), word(6), u32::from_ne_bytes([rest[8], rest[9], rest[10], rest[11]])));
            rest = &rest[len..];
        }
        let delete = SUBSYSTEM << 8 | DEL_ELEMENT;
        assert_eq!(
            seen,
            [(16, REQUEST, 7), (delete, REQUEST | ECHO, 8), (delete, REQUEST | ECHO | ACK, 9), (17, REQUEST, 10),]
        );
    }

    #[test]
    fn a_full_message_fits_into_its_attribute() {
        let mut batch = Batch::questions();
        let many: Vec<Ipv4Addr> = (0..IN_MESSAGE as u32).map(Ipv4Addr::from).collect();
        batch.push(NEW_ELEMENT, 0, |message| {
            elements(message, "t", Direction::In.set(), many.iter().map(|it| it.octets()))
        });
        let attributes = Reader(&batch.bytes[HEADERS..]);
        assert_eq!(attributes.within(LIST_ELEMENTS).expect("elements").into_iter().count(), IN_MESSAGE);
    }

    #[test]
    fn cut_answers_are_passed_over() {
        let mut bytes = vec![0; HEADERS];
        let mut writer = Writer::new(&mut bytes);
        writer.text(LIST_SET, "subscribers_out");
        writer.nest(LIST_ELEMENTS, |list| {
            list.nest(LIST_ELEMENT, |element| {
                element.nest(ELEMENT_KEY, |key| key.bytes(DATA_VALUE, &[192, 0, 2, 9]));
                element.nest(ELEMENT_EXPRESSION, |counter| {
                    counter.text(EXPRESSION_NAME, "counter");
                    counter.nest(EXPRESSION_DATA, |data| {
                        data.bytes(COUNTER_BYTES, &84u64.to_be_bytes());
                        data.bytes(COUNTER_PACKETS, &1u64.to_be_bytes());
                    });
                });
            });
        });
        let mut seen = Vec::new();
        for len in 0..=bytes.len() {
            read(&bytes[..len], |direction, address, figures| seen.push((len, direction, address, figures)));
        }
        let whole = (bytes.len(), Direction::Out, Ipv4Addr::new(192, 0, 2, 9), Figures { packets: 1, octets: 84 });
        assert_eq!(seen, [whole]);
    }
}
