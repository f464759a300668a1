//! The messages of the table that drops requests to other servers.

use super::{
    ACK, APPEND, Batch, CHAIN, CHAIN_HOOK, CHAIN_NAME, CHAIN_POLICY, CHAIN_TABLE, CHAIN_TYPE, COUNTER_PACKETS, CREATE,
    DATA_VALUE, DEL_ELEMENT, DUMP, ELEMENT_KEY, EXPRESSION_DATA, EXPRESSION_NAME, HEADERS, HOOK_NUMBER, HOOK_PRIORITY,
    IN_MESSAGE, LIST_ELEMENT, LIST_ELEMENTS, LIST_SET, LIST_TABLE, LOOKUP_REGISTER, LOOKUP_SET, NEW_CHAIN, NEW_ELEMENT,
    NEW_RULE, NEW_SET, NEW_TABLE, PAYLOAD_BASE, PAYLOAD_LEN, PAYLOAD_OFFSET, PAYLOAD_REGISTER, RULE_CHAIN,
    RULE_EXPRESSIONS, RULE_TABLE, SET_FLAGS, SET_ID, SET_KEY_LEN, SET_KEY_TYPE, SET_NAME, SET_TABLE, SET_USERDATA,
    TABLE_NAME,
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

/// Also for the program nft: the key is in this machine's order (tag 0, length 4).
fn key_byte_order() -> [u8; 6] {
    let [a, b, c, d] = 1u32.to_ne_bytes();
    [0, 4, a, b, c, d]
}

impl Batch {
    /// Makes the table anew, whatever of that name is there, with an empty set of interfaces.
    pub(crate) fn snooped_table(&mut self, table: &str) {
        self.no_table(table);
        self.push(NEW_TABLE, CREATE, |message| message.text(TABLE_NAME, table));
        self.push(NEW_SET, CREATE, |message| {
            message.text(SET_TABLE, table);
            message.text(SET_NAME, SET);
            message.number(SET_FLAGS, 0);
            message.number(SET_KEY_TYPE, TYPE_IFACE_INDEX);
            message.number(SET_KEY_LEN, 4);
            message.number(SET_ID, 1);
            message.bytes(SET_USERDATA, &key_byte_order());
        });
        self.push(NEW_CHAIN, CREATE, |message| {
            message.text(CHAIN_TABLE, table);
            message.text(CHAIN_NAME, CHAIN);
            message.nest(CHAIN_HOOK, |hook| {
                hook.number(HOOK_NUMBER, libc::NF_INET_FORWARD as u32);
                hook.number(HOOK_PRIORITY, PRIORITY.cast_unsigned());
            });
            message.number(CHAIN_POLICY, libc::NF_ACCEPT as u32);
            message.text(CHAIN_TYPE, "filter");
        });
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
            self.push(NEW_ELEMENT, CREATE, |message| elements(message, table, part));
        }
    }

    /// Ends that; it fails where it does not drop on one.
    pub(crate) fn pass_on(&mut self, table: &str, interfaces: &[IfIndex]) {
        for part in interfaces.chunks(IN_MESSAGE) {
            self.push(DEL_ELEMENT, 0, |message| elements(message, table, part));
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

fn elements(message: &mut Writer<'_>, table: &str, interfaces: &[IfIndex]) {
    message.text(LIST_TABLE, table);
    message.text(LIST_SET, SET);
    message.nest(LIST_ELEMENTS, |list| {
        for interface in interfaces {
            list.nest(LIST_ELEMENT, |element| {
                element.nest(ELEMENT_KEY, |key| key.bytes(DATA_VALUE, &interface.0.to_ne_bytes()));
            });
        }
    });
}

/// `meta l4proto udp udp dport 67 @th,64,8 1 iif @interfaces counter drop`. A fragment behind the first has no ports,
/// and passes: without the first one it is of no use to anybody.
fn drops_requests(rule: &mut Writer<'_>) {
    meta(rule, libc::NFT_META_L4PROTO as u32);
    equals(rule, &[UDP]);
    of_transport(rule, PORT_AT, 2);
    equals(rule, &SERVER_PORT.to_be_bytes());
    of_transport(rule, OP_AT, 1);
    equals(rule, &[BOOTREQUEST]);
    meta(rule, libc::NFT_META_IIF as u32);
    expression(rule, "lookup", |data| {
        data.text(LOOKUP_SET, SET);
        data.number(LOOKUP_REGISTER, libc::NFT_REG_1 as u32);
    });
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

fn of_transport(rule: &mut Writer<'_>, offset: u32, len: u32) {
    expression(rule, "payload", |data| {
        data.number(PAYLOAD_REGISTER, libc::NFT_REG_1 as u32);
        data.number(PAYLOAD_BASE, libc::NFT_PAYLOAD_TRANSPORT_HEADER as u32);
        data.number(PAYLOAD_OFFSET, offset);
        data.number(PAYLOAD_LEN, len);
    });
}

fn equals(rule: &mut Writer<'_>, value: &[u8]) {
    expression(rule, "cmp", |data| {
        data.number(COMPARE_REGISTER, libc::NFT_REG_1 as u32);
        data.number(COMPARE_HOW, libc::NFT_CMP_EQ as u32);
        data.nest(COMPARE_DATA, |data| data.bytes(DATA_VALUE, value));
    });
}

fn expression(rule: &mut Writer<'_>, name: &str, fill: impl FnOnce(&mut Writer<'_>)) {
    rule.nest(LIST_ELEMENT, |expression| {
        expression.text(EXPRESSION_NAME, name);
        expression.nest(EXPRESSION_DATA, fill);
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
