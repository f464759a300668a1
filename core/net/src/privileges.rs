//! Who may open the sockets, and who has them already.

use std::{fmt, fs};

/// The process that has a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortOwner {
    /// Its process id.
    pub pid: u32,
    /// Its command name, as in `ps`.
    pub command: String,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.command, self.pid)
    }
}

/// Which process has UDP `port` in this thread's network namespace; `None` when nobody has it or /proc does not say.
pub fn port_owner(port: u16) -> Option<PortOwner> {
    let table = fs::read_to_string("/proc/thread-self/net/udp").ok()?;
    let socket = format!("socket:[{}]", port_inode(&table, port)?);
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let holds = fs::read_dir(entry.path().join("fd"))
            .ok()?
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == socket.as_str()));
        holds.then(|| {
            let command = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            PortOwner { pid, command: command.trim_end().to_owned() }
        })
    })
}

/// The inode of the socket on `port` in the text of /proc/net/udp.
fn port_inode(table: &str, port: u16) -> Option<&str> {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        // slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode
        let mut words = line.split_ascii_whitespace().skip(1);
        words.next()?.ends_with(&suffix).then(|| words.nth(7)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inode_of_a_port_is_found() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n  \
             321: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 48123 2 0\n  \
             322: 0100007F:0143 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 48124 2 0\n";
        assert_eq!(port_inode(table, 67), Some("48123"));
        assert_eq!(port_inode(table, 323), Some("48124"));
        assert_eq!(port_inode(table, 68), None);
    }
}
