//! A reader of the change feed, as a client of the API is one: what it was told makes the table of live bindings.

use crate::{
    audit::{Finding, PoolSum},
    world::World,
};
use bindery_engine::{
    Input,
    command::{CHANGES_NOW, Cursor, Filter, PoolView, Reply, Verb},
    input::CommandId,
};
use bindery_types::{Ipv4Addr, SessionId};
use std::collections::BTreeMap;

/// Inputs to the engine between two looks: several changes of a session fall between them.
const EVERY: u64 = 48;

/// No other command has it.
const COMMAND: CommandId = CommandId(u64::MAX);

/// What a reader keeps.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Position, and in which life of the server.
    at: Option<(u64, u32)>,
    /// Nothing had changed yet in that life.
    fresh: bool,
    sessions: BTreeMap<SessionId, Ipv4Addr>,
}

impl World {
    /// Follows the feed now and then.
    pub(crate) fn read_feed_at_times(&mut self) -> Result<(), Finding> {
        self.pools_add_up(false)?;
        if self.steps.is_multiple_of(EVERY) { self.read_feed() } else { Ok(()) }
    }

    /// Looks at the pools; whether nothing is under way.
    pub(crate) fn pools_add_up(&mut self, rest: bool) -> Result<(), Finding> {
        if self.engine.is_none() {
            return Ok(());
        }
        let Reply::Pools(pools) = self.asked_at_once(Verb::Pools)? else {
            return Err("no answer to a look at the pools".into());
        };
        let sum = |pool: &PoolView| PoolSum {
            name: pool.name.to_string(),
            instance: pool.instance,
            total: pool.total,
            free: pool.free,
            offered: pool.offered,
            bound: pool.bound,
            quarantined: pool.quarantined,
            held: pool.held,
        };
        let sums: Vec<PoolSum> = pools.iter().map(sum).collect();
        self.auditor.pools_add_up(&sums, rest)
    }

    /// Applies what has changed, and holds that the reader then has the table.
    pub(crate) fn read_feed(&mut self) -> Result<(), Finding> {
        if self.engine.is_none() {
            return Ok(());
        }
        let mut reader = std::mem::take(&mut self.reader);
        let had = reader.at;
        let (mut at, boot) = had.unwrap_or((CHANGES_NOW, self.boot));
        loop {
            let Reply::Changes { rows, next, lost, more } =
                self.asked_at_once(Verb::Changes { after: at, filter: Filter::All })?
            else {
                return Err("the change feed was asked and answers something else".into());
            };
            // Where nothing had changed before, the table is the one that the position means.
            if had.is_some() && boot != self.boot && !lost && !reader.fresh {
                return Err("a position of another life of the server is taken for one of this".into());
            }
            // So few clients outrun no reader. At rest days pass between two looks, and tombstones go.
            if lost && !self.calm && had.is_some() && boot == self.boot {
                return Err("a reader of the change feed has lost changes".into());
            }
            if lost {
                reader.sessions = self.live_bindings()?;
            }
            for row in rows {
                let session = row.binding.session;
                match row.what.ends() {
                    true => reader.sessions.remove(&session),
                    false => reader.sessions.insert(session, row.binding.address),
                };
            }
            at = next;
            if !more {
                break;
            }
        }
        let first = had.is_none() || boot != self.boot;
        reader.fresh = first || (reader.fresh && had == Some((at, boot)));
        reader.at = Some((at, self.boot));
        let live = self.live_bindings()?;
        if reader.sessions != live {
            let odd = live.iter().find(|(id, address)| reader.sessions.get(id) != Some(address));
            let odd = odd.or_else(|| reader.sessions.iter().find(|(id, _)| !live.contains_key(id)));
            return Err(format!("a reader of the change feed is wrong about {odd:?}"));
        }
        self.reader = reader;
        Ok(())
    }

    fn live_bindings(&mut self) -> Result<BTreeMap<SessionId, Ipv4Addr>, Finding> {
        let (mut live, mut cursor) = (BTreeMap::new(), Some(Cursor::START));
        while let Some(at) = cursor {
            let Reply::Bindings { rows, next } =
                self.asked_at_once(Verb::Bindings { filter: Filter::All, cursor: at })?
            else {
                return Err("no answer to a look at the bindings".into());
            };
            live.extend(rows.iter().map(|row| (row.session, row.address)));
            cursor = next;
        }
        Ok(live)
    }

    /// Asks what is answered at once and changes nothing.
    pub(crate) fn asked_at_once(&mut self, verb: Verb) -> Result<Reply, Finding> {
        let now = self.clocks.now(self.now);
        let Some(engine) = &mut self.engine else { return Err("nobody is there to be asked".into()) };
        engine.handle(now, Input::Command { id: COMMAND, verb }, &mut self.hooks);
        let replies = &mut engine.outbox().replies;
        match replies.pop() {
            Some((COMMAND, reply)) => Ok(reply),
            other => Err(format!("a look is answered by {other:?}")),
        }
    }
}
