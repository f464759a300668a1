//! What happened last, for a seed that failed.

use crate::clock::{Instant, SEC};
use bindery_wire::v4::{OptionCode, Packet, ParseRules};
use std::{cell::RefCell, collections::VecDeque, rc::Rc};

/// Most lines kept.
const LINES: usize = 400;

/// A log that outlives a panic of what it watches. Off: costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Option<Rc<RefCell<Log>>>);

#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<String>,
    print: bool,
}

impl Trace {
    pub(crate) fn on(print: bool) -> Self {
        Self(Some(Rc::new(RefCell::new(Log { lines: VecDeque::new(), print }))))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A line, where there is something to say.
    pub(crate) fn note_if(&self, at: Instant, line: impl FnOnce() -> Option<String>) {
        if self.is_on()
            && let Some(line) = line()
        {
            self.note(at, || line);
        }
    }

    pub(crate) fn note(&self, at: Instant, line: impl FnOnce() -> String) {
        let Some(log) = &self.0 else { return };
        let line = format!("{:>6}.{:06} {}", at / SEC, at % SEC / 1_000, line());
        let mut log = log.borrow_mut();
        if log.print {
            println!("{line}");
        }
        if log.lines.len() == LINES {
            log.lines.pop_front();
        }
        log.lines.push_back(line);
    }

    pub(crate) fn last(&self, count: usize) -> Vec<String> {
        let Some(log) = &self.0 else { return Vec::new() };
        let log = log.borrow();
        log.lines.iter().skip(log.lines.len().saturating_sub(count)).cloned().collect()
    }
}

/// A packet in a few words.
pub(crate) fn describe(bytes: &[u8]) -> String {
    let Ok(p) = Packet::parse(bytes, ParseRules { allow_no_end_option: true }) else {
        return format!("{} odd bytes", bytes.len());
    };
    format!(
        "{:?} xid {:x} {} ciaddr {} yiaddr {} giaddr {} 50 {:?} 54 {:?} 61 {:02x?} 51 {:?}",
        p.message_type(),
        p.xid().0,
        p.hw_addr(),
        p.ciaddr(),
        p.yiaddr(),
        p.giaddr(),
        p.address_option(OptionCode::REQUESTED_IP_ADDRESS),
        p.address_option(OptionCode::SERVER_IDENTIFIER),
        p.option(OptionCode::CLIENT_IDENTIFIER),
        p.u32_option(OptionCode::IP_ADDRESS_LEASE_TIME),
    )
}
