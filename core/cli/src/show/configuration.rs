//! Commits and who edits: junos.md §14.6.

use super::{push_line, time};
use bindery_api::{CommitEntry, CommitHistory, CommitProgress, Committed, EditingSessionList, Impact, Mode};

/// `show system commit`.
pub(crate) fn history(history: &CommitHistory) -> String {
    let mut text = String::new();
    if let Some(pending) = &history.pending {
        push_line!(text, "commit requested by {} will be executed at {}", pending.user, time(pending.at));
        if !pending.comment.is_empty() {
            push_line!(text, "    {}", pending.comment);
        }
    }
    for entry in &history.commits {
        push_line!(text, "{:<3} {}", entry.sequence_number, commit_line(entry));
        if !entry.comment.is_empty() {
            push_line!(text, "    {}", entry.comment);
        }
    }
    if history.rescue {
        push_line!(text, "rescue configuration: saved");
    }
    text
}

/// When, who and how, without the number.
pub(crate) fn commit_line(entry: &CommitEntry) -> String {
    let confirm = entry.confirm_by.map(|at| format!(" commit confirmed, rollback at {}", time(at)));
    // What the daemon did of itself was nobody.
    let by = if entry.user.is_empty() { String::new() } else { format!(" by {}", entry.user) };
    format!("{}{by} via {}{}", time(entry.date_time), entry.client, confirm.unwrap_or_default())
}

/// `show system commit progress`.
pub(crate) fn progress(progress: &CommitProgress) -> String {
    let Some(revision) = progress.revision else {
        return "No renumbering was asked for\n".to_owned();
    };
    let moved = progress.total.saturating_sub(progress.left);
    let percent = moved * 100 / progress.total.max(1);
    let mut text = String::new();
    push_line!(text, "Renumbering of revision {revision}: {}", progress.state);
    push_line!(text, "    {:<26} {}", "Sessions a second", progress.pace);
    push_line!(text, "    {:<26} {}", "Sessions to be moved", progress.total);
    push_line!(text, "    {:<26} {} ({percent}%)", "Moved", moved);
    push_line!(text, "    {:<26} {}", "Asked to move", progress.asked);
    push_line!(text, "    {:<26} {}", "Refused at their renewal", progress.deferred);
    push_line!(text, "    {:<26} {}", "Left", progress.left);
    if !progress.reason.is_empty() {
        push_line!(text, "    {:<26} {}", "Reason", progress.reason);
    }
    text
}

/// `commit`: whom it touches, then what happened.
pub(crate) fn committed(committed: &Committed) -> String {
    let mut text = String::new();
    for warning in &committed.warnings {
        push_line!(text, "warning: {warning}");
    }
    text.push_str(&impact(committed.impact));
    if !committed.sessions.is_empty() {
        push_line!(text, "  IP address        Session Id  Hardware address   Interface        Impact   Reason");
    }
    for session in &committed.sessions {
        push_line!(
            text,
            "  {:<17} {:<11} {:<18} {:<16} {:<8} {}",
            session.allocated_address,
            session.session_id,
            session.mac_address,
            session.interface_name,
            session.impact,
            session.reason
        );
    }
    push_line!(text, "{}", committed.message);
    text
}

/// The live sessions that a commit touches; nothing where there are none at all.
fn impact(impact: Impact) -> String {
    let Impact { kept, changed, moved, dropped, .. } = impact;
    let parts = [
        (kept, "keep all they have"),
        (changed, "get other values at their next renewal"),
        (moved, "move to another address at their next renewal"),
        (dropped, "are dropped"),
        (impact.displaced, "of those that move or are dropped were to do so before"),
        (impact.reconfiguring, "are being reconfigured, and go on by other rules"),
    ];
    let mut text = String::new();
    if kept + changed + moved + dropped == 0 {
        return text;
    }
    push_line!(text, "Live sessions:");
    for (count, what) in parts.into_iter().filter(|(count, what)| *count > 0 || what.starts_with("keep")) {
        push_line!(text, "  {count:>9} {what}");
    }
    text
}

/// `status`, `show system configuration database status`.
pub(crate) fn status(list: &EditingSessionList) -> String {
    if list.sessions.is_empty() {
        return "No users currently editing the configuration\n".to_owned();
    }
    let mut text = String::from("Users currently editing the configuration:\n");
    for session in &list.sessions {
        let terminal = match session.terminal.as_str() {
            "" => String::new(),
            terminal => format!(" terminal {terminal}"),
        };
        let pid = if session.pid == 0 { String::new() } else { format!(" (pid {})", session.pid) };
        push_line!(
            text,
            "  {}{terminal}{pid} on since {}, idle {}",
            session.user,
            time(session.start),
            clock(session.idle)
        );
        let mode = match session.mode {
            Mode::Shared => "",
            Mode::Exclusive => "exclusive ",
            Mode::Private => "private ",
        };
        let gap = if session.path.is_empty() { "" } else { " " };
        let changed = if session.changed { " changed, not committed" } else { "" };
        push_line!(text, "      {mode}[edit{gap}{}]{changed}", session.path);
    }
    text
}

fn clock(secs: u64) -> String {
    format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_api::{EditingSession, ImpactedSession};
    use expect_test::expect;

    #[test]
    fn a_commit_tells_whom_it_touches_first() {
        let all = Committed {
            revision: 7,
            message: "commit complete".into(),
            impact: Impact { kept: 1200, changed: 3, dropped: 1, ..Impact::default() },
            sessions: vec![ImpactedSession {
                session_id: 9,
                allocated_address: "192.0.2.9".into(),
                mac_address: "02:00:00:00:00:09".into(),
                pool_name: "p".into(),
                interface_name: "eth1".into(),
                impact: "dropped".into(),
                reason: "group g is gone".into(),
            }],
            warnings: vec!["the file cannot be written".into()],
            ..Committed::default()
        };
        expect![[r"
            warning: the file cannot be written
            Live sessions:
                   1200 keep all they have
                      3 get other values at their next renewal
                      1 are dropped
              IP address        Session Id  Hardware address   Interface        Impact   Reason
              192.0.2.9         9           02:00:00:00:00:09  eth1             dropped  group g is gone
            commit complete
        "]]
        .assert_eq(&committed(&all));
        let none = Committed { message: "commit complete".into(), ..Committed::default() };
        assert_eq!(committed(&none), "commit complete\n");
    }

    #[test]
    fn progress_of_a_renumbering() {
        assert_eq!(progress(&CommitProgress::default()), "No renumbering was asked for\n");
        let text = progress(&CommitProgress {
            revision: Some(7),
            state: "running".into(),
            pace: 10,
            total: 200,
            asked: 50,
            deferred: 3,
            left: 150,
            reason: String::new(),
        });
        expect![[r"
            Renumbering of revision 7: running
                Sessions a second          10
                Sessions to be moved       200
                Moved                      50 (25%)
                Asked to move              50
                Refused at their renewal   3
                Left                       150
        "]]
        .assert_eq(&text);
    }

    #[test]
    fn who_edits() {
        assert_eq!(status(&EditingSessionList::default()), "No users currently editing the configuration\n");
        let session = EditingSession {
            user: "ann".into(),
            terminal: "pts/3".into(),
            pid: 77,
            mode: Mode::Private,
            idle: 3_725,
            path: "access".into(),
            changed: true,
            ..EditingSession::default()
        };
        let text = status(&EditingSessionList { sessions: vec![session] });
        assert!(text.contains("  ann terminal pts/3 (pid 77) on since 1970-01-01"), "{text}");
        assert!(text.ends_with(", idle 01:02:05\n      private [edit access] changed, not committed\n"), "{text}");
    }

    #[test]
    fn commits_before() {
        let entry = |sequence_number, comment: &str| CommitEntry {
            sequence_number,
            user: "ann".into(),
            client: "cli".into(),
            comment: comment.into(),
            ..CommitEntry::default()
        };
        let text = history(&CommitHistory {
            commits: vec![
                entry(0, ""),
                CommitEntry { confirm_by: Some(60), ..entry(1, "why") },
                CommitEntry { user: String::new(), ..entry(2, "") },
            ],
            pending: None,
            rescue: true,
        });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("0   1970-01-01 ") && lines[0].ends_with(" by ann via cli"), "{text}");
        assert!(
            lines[1].starts_with("1   ") && lines[1].contains("via cli commit confirmed, rollback at 1970"),
            "{text}"
        );
        assert!(lines[3].starts_with("2   1970-01-01 ") && !lines[3].contains(" by "), "{text}");
        assert_eq!([lines[2], lines[4]], ["    why", "rescue configuration: saved"]);
    }
}
