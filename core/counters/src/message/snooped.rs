//! The messages of the table that drops requests to other servers.

use super::{
    ACK, APPEND, Batch, CHAIN, COUNTER_PACKETS, CREATE, DATA_VALUE, DEL_ELEMENT, DUMP, EXPRESSION_DATA,
    EXPRESSION_NAME, HEADERS, HOST_ORDER, IN_MESSAGE, NEW_ELEMENT, NEW_RULE, NEW_SET, NEW_TABLE, RULE_CHAIN,
    RULE_EXPRESSIONS, RULE_TABLE, TABLE_NAME, elements, expression, lookup, payload, set,
};
use crate::attribute::{Reader, Writer};
use bindery_types::IfIndex;

const SET: &str = "interfaces";
/// Before the firewall's chains at priority 0 (filter): nobody counts what is dropped here.
const PRIORITY: i32 = -5;

const GET_RULE: u16 = libc::NFT_MSG_GETRULE as u16;
const META_REGISTER: u16 = 1;
const META_KEY: u16 = 2;
const COMPARE_REGISTER: u16 = 1;
const COMPARE_HOW: u16 = 2;
const COMPARE_DATA: u16 = 3;
const IMMEDIATE_REGISTER: u16 = 1;
const IMMEDIATE_DATA: u16 = 2;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;

/// The number by which the program nft knows the type iface_index; the kernel only keeps it.
const TYPE_IFACE_INDEX: u32 = 20;
const UDP: u8 = 17;
const SERVER_PORT: u16 = 67;
/// Of the UDP header (RFC 768): the destination port, and the first octet behind it, which is op of DHCP (RFC 2131 §2).
const PORT_AT: u32 = 2;
const OP_AT: u32 = 8;
const BOOTREQUEST: u8 = 1;

impl Batch {
    /// Makes the table anew, whatever of that name is there, with an empty set of interfaces.
    pub(crate) fn snooped_table(&mut self, table: &str) {
        self.no_table(table);
        self.push(NEW_TABLE, CREATE, |message| message.text(TABLE_NAME, table));
        self.push(NEW_SET, CREATE, |message| {
            set(message, table, SET, 1, (TYPE_IFACE_INDEX, HOST_ORDER));
        });
        self.chain(table, PRIORITY);
        self.push(NEW_RULE, CREATE | APPEND, |message| {
            message.text(RULE_TABLE, table);
            message.text(RULE_CHAIN, CHAIN);
            message.nest(RULE_EXPRESSIONS, drops_requests);
        });
    }

    /// Leaves no table of that name. To make one first makes that no fault where there is none.
    pub(crate) fn no_table(&mut self, table: &str) {
        self.push(NEW_TABLE, CREATE, |message| message.text(TABLE_NAME, table));
        self.remove_table(table);
    }

    /// Drops requests that come in on these interfaces from now on; those that it drops on already are no fault.
    pub(crate) fn drop_on(&mut self, table: &str, interfaces: &[IfIndex]) {
        for part in interfaces.chunks(IN_MESSAGE) {
            self.push(NEW_ELEMENT, CREATE, |message| {
                elements(message, table, SET, part.iter().map(|it| it.0.to_ne_bytes()))
            });
        }
    }

    /// Ends that; it fails where it does not drop on one.
    pub(crate) fn pass_on(&mut self, table: &str, interfaces: &[IfIndex]) {
        for part in interfaces.chunks(IN_MESSAGE) {
            self.push(DEL_ELEMENT, 0, |message| {
                elements(message, table, SET, part.iter().map(|it| it.0.to_ne_bytes()))
            });
        }
    }

    /// Asks for the rule.
    pub(crate) fn snooped_rule(&mut self, table: &str) {
        self.push(GET_RULE, DUMP | ACK, |message| {
            message.text(RULE_TABLE, table);
            message.text(RULE_CHAIN, CHAIN);
        });
    }
}

/// `meta l4proto udp udp dport 67 @th,64,8 1 iif @interfaces counter drop`. A fragment behind the first has no ports,
/// and passes: without the first one it is of no use to anybody.
fn drops_requests(rule: &mut Writer<'_>) {
    meta(rule, libc::NFT_META_L4PROTO as u32);
    equals(rule, &[UDP]);
    payload(rule, libc::NFT_PAYLOAD_TRANSPORT_HEADER as u32, PORT_AT, 2);
    equals(rule, &SERVER_PORT.to_be_bytes());
    payload(rule, libc::NFT_PAYLOAD_TRANSPORT_HEADER as u32, OP_AT, 1);
    equals(rule, &[BOOTREQUEST]);
    meta(rule, libc::NFT_META_IIF as u32);
    lookup(rule, SET);
    expression(rule, "counter", |_| {});
    expression(rule, "immediate", |data| {
        data.number(IMMEDIATE_REGISTER, libc::NFT_REG_VERDICT as u32);
        data.nest(IMMEDIATE_DATA, |data| {
            data.nest(DATA_VERDICT, |verdict| verdict.number(VERDICT_CODE, libc::NF_DROP as u32));
        });
    });
}

fn meta(rule: &mut Writer<'_>, key: u32) {
    expression(rule, "meta", |data| {
        data.number(META_KEY, key);
        data.number(META_REGISTER, libc::NFT_REG_1 as u32);
    });
}

fn equals(rule: &mut Writer<'_>, value: &[u8]) {
    expression(rule, "cmp", |data| {
        data.number(COMPARE_REGISTER, libc::NFT_REG_1 as u32);
        data.number(COMPARE_HOW, libc::NFT_CMP_EQ as u32);
        data.nest(COMPARE_DATA, |data| data.bytes(DATA_VALUE, value));
    });
}

/// How many packets the rule of this message of the kernel has dropped; `None` for a message without a counter.
pub(crate) fn dropped(message: &[u8]) -> Option<u64> {
    let rule = Reader(message.get(HEADERS..)?).within(RULE_EXPRESSIONS)?;
    let counter = rule.into_iter().find_map(|(_, expression)| {
        let expression = Reader(expression);
        (expression.find(EXPRESSION_NAME)? == b"counter\0").then(|| expression.within(EXPRESSION_DATA)).flatten()
    })?;
    counter.find(COUNTER_PACKETS)?.try_into().ok().map(u64::from_be_bytes)
}
