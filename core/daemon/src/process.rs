//! Who asked: the user's name and the process, as the kernel tells them.

use bindery_commit::Who;
use bindery_control::Requestor;
use nix::unistd::{Uid, User};

/// The one who asks.
pub(crate) fn who(requestor: Requestor) -> Who {
    let uid = requestor.uid.unwrap_or(u32::MAX);
    let pid = requestor.pid.unwrap_or(0);
    Who { user: user(uid), uid, pid, mark: mark(pid).unwrap_or(0) }
}

/// The name of a user; its number where it has none.
pub(crate) fn user(uid: u32) -> String {
    let known = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    known.map_or_else(|| format!("uid-{uid}"), |user| user.name)
}

/// Whether the process that was seen with this mark still runs.
pub(crate) fn is_alive(pid: i32, seen: u64) -> bool {
    mark(pid) == Some(seen)
}

/// When the process started, in ticks since boot: tells it from a later one of the same number (proc(5), field 22).
/// None for one that has ended, also while its parent has not asked how (field 3): that may take its time.
fn mark(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks and parentheses; it ends at the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one() {
        let own = i32::try_from(std::process::id()).unwrap();
        let seen = who(Requestor { uid: Some(0), pid: Some(own) });
        assert_eq!((seen.user.as_str(), seen.pid), ("root", own));
        assert!(is_alive(own, seen.mark));
        assert!(!is_alive(own, seen.mark + 1));
        assert!(!is_alive(0, 0));
    }
    #[test]
    fn a_process_that_has_ended_and_was_not_waited_for_is_over() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let seen = mark(pid).unwrap();
        assert!(is_alive(pid, seen));
        drop(child.stdin.take());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while is_alive(pid, seen) {
            assert!(std::time::Instant::now() < deadline, "it still counts as alive");
            std::thread::yield_now();
        }
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        assert!(stat.contains(") Z "), "it was reaped: {stat}");
        child.wait().unwrap();
    }
}
