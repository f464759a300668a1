//! The blast radius of a commit: what it does to the live sessions, by exact count.

use crate::packet::{Inbox, Message};
use bindery_api::ImpactedSession;
use bindery_engine::{
    command::{Cursor, Reply, Verb},
    config::{Config, PluginId},
    history::Actor,
    impact::{Impact, ImpactCounts, ImpactView, Prospect},
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Most sessions that are listed.
const IMPACTED_MAX: usize = 1_000;

/// What becomes of the live sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blast {
    /// By what happens to them.
    pub(crate) counts: ImpactCounts,
    /// Those that are not kept, where they were asked for.
    pub(crate) sessions: Vec<ImpactedSession>,
}

impl Blast {
    /// Sessions that lose their address or their server.
    pub(crate) fn hit(&self) -> u64 {
        self.counts.moved + self.counts.dropped
    }
}

/// What `config` does to the sessions, if it takes the place of the active one; none when the daemon is ending. `former`
/// says which plugin of the active one each of its plugins is; without it they are the same, number by number.
pub(crate) async fn blast_of(
    inbox: &Inbox,
    config: &Arc<Config>,
    former: Option<Vec<Option<PluginId>>>,
    list: bool,
) -> Option<Blast> {
    let config = Arc::clone(config);
    let (sender, in_force) = oneshot::channel();
    inbox.send(Message::Config(sender));
    let in_force = in_force.await.ok()?;
    // Its pools are built here, not where packets wait.
    let prospect = tokio::task::spawn_blocking(move || {
        let prospect = Prospect::new(config.following(&in_force));
        Arc::new(match former {
            Some(former) => prospect.with_plugins(former),
            None => prospect,
        })
    });
    let prospect = prospect.await.ok()?;
    let (mut blast, mut cursor) = (Blast::default(), Some(Cursor::START));
    while let Some(at) = cursor {
        let room = IMPACTED_MAX - blast.sessions.len();
        let rows = (list && room > 0).then_some(Impact::Changed);
        let (sender, answer) = oneshot::channel();
        let verb = Verb::Impact { prospect: Arc::clone(&prospect), cursor: at, rows };
        inbox.send(Message::Command(verb, Actor::Unknown, sender));
        let Reply::Impact { counts, rows, next } = answer.await.ok()? else { return None };
        blast.counts.add(&counts);
        blast.sessions.extend(rows.iter().take(room).map(told));
        cursor = next;
    }
    Some(blast)
}

fn told(view: &ImpactView) -> ImpactedSession {
    ImpactedSession {
        session_id: view.session.0,
        allocated_address: view.address.to_string(),
        mac_address: view.hw.to_string(),
        pool_name: view.pool.to_string(),
        interface_name: view.interface.to_string(),
        impact: match view.impact {
            Impact::Kept => "kept",
            Impact::Changed => "changed",
            Impact::Moved => "moved",
            Impact::Dropped => "dropped",
        }
        .to_owned(),
        reason: view.reason.text().to_owned(),
    }
}
