//! What to do where something stands already.
//!
//! Each question is put to the kernel as a request that it answers atomically, so nothing foreign can slip in between
//! a look and a change:
//!
//! - RTM_NEWROUTE with neither CREATE nor EXCL nor REPLACE changes nothing; it answers EEXIST where exactly this route
//!   (protocol, scope, source and next hop included) stands, and ENOENT elsewhere.
//! - RTM_DELROUTE with a protocol number removes no route that carries another.

use crate::{
    Fault, Plane,
    message::{self, FoundNeighbour},
    plane::{PART_NEIGHBOUR, PART_OLD, PART_ROUTE, Task, tag},
    socket::{Answer, parse},
};
use bindery_engine::route::RouteError;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;

impl Plane {
    /// Settles routes that could not be added because one stands there: the very same is fine, another of ours is
    /// replaced, a foreign one stays.
    pub(crate) fn settle_routes(&mut self, tasks: &mut [Task]) -> Result<(), Fault> {
        let protocol = self.settings.protocol;
        let open = |task: &Task| task.route_exists && task.result.is_ok();
        if !tasks.iter().any(open) {
            return Ok(());
        }
        for (at, task) in tasks.iter().enumerate().filter(|(_, task)| open(task)) {
            if let (Some(route), Some(table)) = (task.wanted, task.table) {
                self.socket.push(message::new_route(&route, table, protocol), 0, tag(at, PART_ROUTE));
            }
        }
        let mut other = Vec::new();
        self.socket.flush(|answer| {
            let Answer::Error(tag, errno) = answer else { return };
            match errno {
                Errno::EEXIST => {}
                // Another one stands, or none does any more.
                Errno::ENOENT | Errno::ESRCH => other.push((tag >> 2) as usize),
                errno => {
                    if let Some(task) = tasks.get_mut((tag >> 2) as usize) {
                        task.fail(errno);
                    }
                }
            }
        })?;
        for at in other {
            let Some((route, table)) = tasks.get(at).and_then(|task| task.wanted.zip(task.table)) else { continue };
            let removal = message::del_route((route.dst, route.len), table, protocol);
            self.socket.push(removal, 0, tag(at, PART_OLD));
            let addition = message::new_route(&route, table, protocol);
            self.socket.push(addition, NLM_F_CREATE | NLM_F_EXCL, tag(at, PART_ROUTE));
        }
        self.socket.flush(|answer| {
            let Answer::Error(tag, errno) = answer else { return };
            let Some(task) = tasks.get_mut((tag >> 2) as usize) else { return };
            match (tag & 3, errno) {
                (PART_OLD, _) => {}
                (_, Errno::EEXIST) => task.result = task.result.and(Err(RouteError::Foreign)),
                (_, errno) => task.fail(errno),
            }
        })
    }

    /// Settles neighbours that could not be added because one stands there: what the kernel has learned and what is
    /// ours is replaced, what another program has configured stays. It is fine where it says the same.
    pub(crate) fn settle_neighbours(&mut self, tasks: &mut [Task]) -> Result<(), Fault> {
        let open = |task: &Task| task.neighbour_exists && task.result.is_ok();
        if !tasks.iter().any(open) {
            return Ok(());
        }
        for (at, task) in tasks.iter().enumerate().filter(|(_, task)| open(task)) {
            if let Some(route) = task.wanted {
                self.socket.push(message::get_neighbour(route.dst, route.link), 0, tag(at, PART_NEIGHBOUR));
            }
        }
        let mut found: Vec<(usize, Option<FoundNeighbour>)> = Vec::new();
        self.socket.flush(|answer| match answer {
            Answer::Message(tag, bytes) => {
                if let Some(RouteNetlinkMessage::NewNeighbour(message)) = parse(bytes) {
                    found.push(((tag >> 2) as usize, FoundNeighbour::read(&message)));
                }
            }
            // It is gone meanwhile.
            Answer::Error(tag, _) => found.push(((tag >> 2) as usize, None)),
        })?;
        let protocol = self.settings.protocol;
        for (at, neighbour) in found {
            let Some(task) = tasks.get_mut(at) else { continue };
            let Some((route, mac)) = task.wanted.and_then(|route| route.neighbour.map(|mac| (route, mac))) else {
                continue;
            };
            match neighbour {
                Some(neighbour) if neighbour.configured && neighbour.protocol != protocol => {
                    self.neighbours.remove(&task.key);
                    if neighbour.mac != Some(mac) {
                        task.result = Err(RouteError::Foreign);
                    }
                }
                _ => {
                    let request = message::new_neighbour(route.dst, route.link, mac, protocol);
                    self.socket.push(request, NLM_F_CREATE | NLM_F_REPLACE, tag(at, PART_NEIGHBOUR));
                }
            }
        }
        self.socket.flush(|answer| {
            let Answer::Error(tag, errno) = answer else { return };
            if let Some(task) = tasks.get_mut((tag >> 2) as usize) {
                task.fail(errno);
            }
        })
    }

    /// A route that was wanted and failed leaves nothing of ours behind: neither half of it, nor its predecessor.
    pub(crate) fn clean_up(&mut self, tasks: &[Task]) -> Result<(), Fault> {
        for task in tasks.iter().filter(|task| task.wanted.is_some() && task.result.is_err()) {
            let Some(table) = task.table else { continue };
            self.socket.push(message::del_route((task.key.dst, task.key.len), table, self.settings.protocol), 0, 0);
            self.note_metric(task.key, None);
            // An entry that stood there and is not known to be ours may be foreign; a sweep tells.
            let ours = !task.neighbour_exists || task.neighbour_ours;
            if let Some(link) = self.neighbours.remove(&task.key).filter(|_| ours) {
                self.socket.push(message::del_neighbour(task.key.dst, link), 0, 0);
            }
        }
        self.socket.flush(|_| {})
    }
}
