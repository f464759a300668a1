//! The operator's shell as a person sees it: keys are typed into a terminal, and the screen is read back.

use crate::access::{Access, Config};
use anyhow::{Context, Result, ensure};
use bindery_netns::daemon::program;
use bindery_netns::packet::{Envelope, Message, kind, mac_text, option};
use bindery_netns::process::capture;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::until;
use bindery_netns::wait::until_within;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Who sits at the terminals, as far as the prompt says.
const USER: &str = "tester";

/// The pool's attributes, as words of a statement.
const ATTRIBUTES: &str = "access address-assignment pool p1 family inet dhcp-attributes";

/// The time to confirm, a minute, and a busy machine's own.
const CONFIRM: Duration = Duration::from_secs(240);

/// Lines of the terminal.
const ROWS: usize = 50;

/// A terminal of 160 columns with the shell in it: a server of tmux with a socket of its own.
#[derive(Debug)]
struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Opens a terminal and waits for the prompt.
    fn open(access: &Access, name: &str) -> Result<Self> {
        let terminal = Self { socket: access.lab.folder().join(format!("tmux-{name}")) };
        let home = access.lab.folder().join(format!("home-{name}"));
        std::fs::create_dir_all(&home)?;
        let mut command = terminal.tmux(&["new-session", "-d", "-x", "160", "-y", &ROWS.to_string()]);
        // What it finds here is the shell's too: its own history, and no other user's taste.
        command.env("HOME", home).env("USER", USER).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
        command.env_remove("XDG_STATE_HOME").env_remove("TMUX");
        command.arg(program("bindery")?).arg("--control").arg(access.daemon.folder().join("control.sock"));
        capture(&mut command)?;
        terminal.wait("the first prompt", waits)?;
        Ok(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-u", "-f", "/dev/null", "-S"]).arg(&self.socket).args(arguments);
        command
    }

    /// Types a text.
    fn text(&self, text: &str) -> Result<()> {
        capture(&mut self.tmux(&["send-keys", "-l", "--", text])).map(drop)
    }

    /// Presses a key, by its name in tmux.
    fn key(&self, key: &str) -> Result<()> {
        capture(&mut self.tmux(&["send-keys", key])).map(drop)
    }

    /// The lines of the screen that are not empty, without blanks at their ends.
    fn screen(&self) -> Result<Vec<String>> {
        let text = capture(&mut self.tmux(&["capture-pane", "-p", "-J"]))?;
        Ok(text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect())
    }

    /// Waits until the screen is as `wanted` likes it; the text of the screen.
    fn wait(&self, what: &str, wanted: impl Fn(&[String]) -> bool) -> Result<String> {
        self.wait_within(what, bindery_netns::DEADLINE, wanted)
    }

    fn wait_within(&self, what: &str, deadline: Duration, wanted: impl Fn(&[String]) -> bool) -> Result<String> {
        let mut last = Vec::new();
        let found = until_within(what, deadline, || {
            last = self.screen().ok()?;
            wanted(&last).then(|| last.join("\n"))
        });
        found.with_context(|| format!("the screen:\n{}", last.join("\n")))
    }

    /// Waits until the line of the prompt has this text, and the cursor is there.
    fn wait_line(&self, text: &str) -> Result<String> {
        self.wait(text, |screen| screen.last().is_some_and(|line| typed(line) == Some(text)))
    }

    /// Empties the screen, but for the prompt.
    fn clear(&self) -> Result<()> {
        self.key("C-l")?;
        self.wait("an empty screen", |screen| matches!(screen, [only] if is_prompt(only))).map(drop)
    }

    /// Runs a command on an empty screen, and waits for the next prompt; the screen.
    fn run(&self, command: &str) -> Result<String> {
        self.clear()?;
        self.text(command)?;
        self.key("Enter")?;
        let begins = |line: &String| typed(line).is_some_and(|typed| typed == command);
        self.wait(command, |screen| screen.iter().any(begins) && waits(screen))
    }

    /// Runs a command at whose end something else than a prompt stands.
    fn run_until(&self, command: &str, end: &str) -> Result<String> {
        self.clear()?;
        self.text(command)?;
        self.key("Enter")?;
        self.wait(end, |screen| screen.last().is_some_and(|line| line.contains(end)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = capture(&mut self.tmux(&["kill-server"]));
    }
}

/// What is typed behind the prompt of a line; `None` for a line without one.
fn typed(line: &str) -> Option<&str> {
    let rest = line.strip_prefix(USER)?.strip_prefix('@')?;
    let (_host, rest) = rest.split_once(['>', '#'])?;
    Some(rest.trim_start())
}

fn is_prompt(line: &str) -> bool {
    typed(line) == Some("")
}

/// Whether the screen ends with a prompt that waits for a command.
fn waits(screen: &[String]) -> bool {
    screen.last().is_some_and(|line| is_prompt(line))
}

/// The sign of the prompt in the last line of a screen: `>` or `#`.
fn sign(screen: &str) -> Option<char> {
    screen.lines().last()?.chars().find(|sign| ['>', '#'].contains(sign))
}

/// The lease time that a new client is given.
fn granted(clients: &SimClients, number: u32) -> Result<u32> {
    let lease = clients.lease(mac(number), number * 16)?;
    let secs = lease.ack.message.option(option::LEASE_TIME).context("no lease time")?;
    Ok(u32::from_be_bytes(secs.try_into()?))
}

#[test]
fn keys_complete_and_help_with_what_is_live() -> Result<()> {
    let Some(access) = Access::new(&["tmux"], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    access.daemon.wait_bound(lease.address)?;
    let terminal = Terminal::open(&access, "a")?;

    // `?` helps and gives the line back.
    terminal.text("show dhcp server bin?")?;
    let screen = terminal.wait("help", |screen| {
        screen.iter().any(|line| line.contains("Possible completions"))
            && screen.last().is_some_and(|line| typed(line) == Some("show dhcp server bin"))
    })?;
    ensure!(screen.contains("  binding  "), "{screen}");
    ensure!(!screen.contains("  statistics  "), "it does not begin so: {screen}");
    terminal.key("Tab")?;
    terminal.wait_line("show dhcp server binding")?;
    // A session's hardware address.
    terminal.text("02:")?;
    terminal.key("Tab")?;
    terminal.wait_line(&format!("show dhcp server binding {}", mac_text(mac(1))))?;
    terminal.key("Enter")?;
    let screen = terminal.wait("the binding", waits)?;
    ensure!(screen.contains(&lease.address.to_string()) && screen.contains("BOUND"), "{screen}");
    // A pool's name, behind words of which each is shortened.
    terminal.clear()?;
    terminal.text("sh net addr pool p")?;
    terminal.key("Tab")?;
    terminal.wait_line("show network-access address-assignment pool p1")?;
    terminal.key("Enter")?;
    let screen = terminal.wait("the pool", waits)?;
    ensure!(screen.lines().any(|line| line == "Pool name: p1"), "{screen}");

    // What was typed comes back.
    terminal.clear()?;
    terminal.key("Up")?;
    terminal.wait_line("show network-access address-assignment pool p1")?;
    terminal.key("Up")?;
    terminal.wait_line(&format!("show dhcp server binding {}", mac_text(mac(1))))?;
    terminal.key("C-u")?;
    terminal.wait("an empty line", waits)?;

    // Pipes.
    let screen = terminal.run("show dhcp server binding | match BOUND | count")?;
    ensure!(screen.contains("Count: 1 line"), "{screen}");
    let screen = terminal.run(&format!("show dhcp server binding | match {}", lease.address))?;
    ensure!(screen.contains("BOUND") && !screen.contains("Hardware address"), "{screen}");
    let screen = terminal.run("show dhcp server bindung")?;
    ensure!(screen.contains("error:") && screen.contains("bindung"), "{screen}");

    // More than a page.
    let screen = terminal.run_until("help", "---(more")?;
    ensure!(screen.lines().count() > ROWS / 2, "{screen}");
    terminal.key("q")?;
    terminal.wait("the prompt after q", waits)?;
    terminal.run_until("help", "---(more")?;
    terminal.key("G")?;
    terminal.wait("the prompt after the rest", waits)?;

    // The end.
    terminal.clear()?;
    terminal.text("exit")?;
    terminal.key("Enter")?;
    until("the end of the shell", || terminal.screen().is_err().then_some(()))
}

#[test]
fn events_are_watched_until_ctrl_c() -> Result<()> {
    let config = Config::default().range("10.0.0.10", "10.0.0.11");
    let Some(access) = Access::new(&["tmux"], &config)? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let first = clients.lease(mac(1), 1)?;
    access.daemon.wait_bound(first.address)?;
    let terminal = Terminal::open(&access, "a")?;
    let screen = terminal.run_until("monitor dhcp server", "Ctrl-C ends it")?;
    ensure!(screen.contains("1 bindings"), "{screen}");
    let second = clients.lease(mac(2), 2)?;
    let event = format!("{} {}", second.address, mac_text(mac(2)));
    let shown = |screen: &[String]| screen.iter().any(|line| line.contains("BOUND") && line.contains(&event));
    let screen = terminal.wait("the second client", shown)?;
    ensure!(!screen.contains(&format!("BOUND       {}", first.address)), "the first one was there: {screen}");
    // For a third one there is no address, which changes no binding.
    let third = Message::request(kind::DISCOVER, mac(3), 3);
    clients.socket().send(&Envelope::client_broadcast(mac(3)).frame(&third.encode()))?;
    let noticed = |line: &String| line.contains("WARNING     pool-exhausted: ");
    terminal.wait("the notice", |screen| screen.iter().any(noticed))?;
    access.daemon.cli(&["clear", "dhcp", "server", "binding", &second.address.to_string()])?;
    terminal.wait("its end", |screen| screen.iter().any(|line| line.contains("CLEARED") && line.contains(&event)))?;
    terminal.key("C-c")?;
    terminal.wait("the prompt", waits)?;
    let screen = terminal.run("show dhcp server binding | count")?;
    ensure!(screen.contains("Count: 2 lines"), "a head and one client: {screen}");
    Ok(())
}

#[test]
fn configuration_mode_edits_compares_commits_and_asks() -> Result<()> {
    let Some(access) = Access::new(&["tmux"], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    ensure!(granted(&clients, 1)? == 600, "the lease time of the file");
    let terminal = Terminal::open(&access, "a")?;
    let screen = terminal.run("configure")?;
    ensure!(screen.contains("Entering configuration mode") && screen.contains("\n[edit]\n"), "{screen}");
    ensure!(sign(&screen) == Some('#'), "{screen}");

    // Words of statements, and names of the candidate.
    terminal.clear()?;
    terminal.text("edit acc")?;
    terminal.key("Tab")?;
    terminal.wait_line("edit access")?;
    terminal.text("address-assignment pool p")?;
    terminal.key("Tab")?;
    terminal.wait_line("edit access address-assignment pool p1")?;
    terminal.text(" family inet dhcp-attributes")?;
    terminal.key("Enter")?;
    let screen = terminal.wait("the new level", waits)?;
    ensure!(screen.contains(&format!("\n[edit {ATTRIBUTES}]\n")), "{screen}");
    terminal.text("set maximum?")?;
    let screen = terminal.wait("help", |screen| {
        screen.iter().any(|line| line.contains("maximum-lease-time "))
            && screen.last().is_some_and(|line| typed(line) == Some("set maximum"))
    })?;
    ensure!(screen.contains("lease time"), "{screen}");
    terminal.key("C-u")?;
    terminal.run("set maximum-lease-time 1200")?;
    let screen = terminal.run("set maximum-lease-time never")?;
    ensure!(screen.contains("error") && screen.contains("never"), "{screen}");
    let screen = terminal.run("show | compare")?;
    ensure!(screen.contains("-  ") && screen.contains("maximum-lease-time 600;"), "{screen}");
    ensure!(screen.contains("+  ") && screen.contains("maximum-lease-time 1200;"), "{screen}");
    let screen = terminal.run("top")?;
    ensure!(screen.contains("\n[edit]\n"), "{screen}");
    let screen = terminal.run("commit check")?;
    ensure!(screen.contains("configuration check succeeds"), "{screen}");
    ensure!(granted(&clients, 2)? == 600, "a check changes nothing");

    // Leaving with changes asks; no stays, yes leaves them for the next one.
    terminal.run_until("exit", "Exit with uncommitted changes? [yes,no] (yes)")?;
    terminal.text("no")?;
    terminal.key("Enter")?;
    let prompt = |wanted: char| move |screen: &[String]| waits(screen) && sign(&screen.join("\n")) == Some(wanted);
    terminal.wait("configuration mode", prompt('#'))?;
    terminal.run_until("exit", "Exit with uncommitted changes? [yes,no] (yes)")?;
    terminal.key("Enter")?;
    terminal.wait("operational mode", prompt('>'))?;
    let screen = terminal.run("configure")?;
    ensure!(screen.contains("changed but not committed"), "{screen}");

    // A minute to confirm.
    let screen = terminal.run("commit confirmed 1")?;
    ensure!(screen.contains("automatically rolled back in 1 minutes unless confirmed"), "{screen}");
    ensure!(granted(&clients, 3)? == 1200, "the new lease time");
    let screen = terminal.run("exit")?;
    ensure!(sign(&screen) == Some('>'), "nothing is left to ask about: {screen}");
    let screen = terminal.run("show system commit")?;
    ensure!(screen.contains("root via cli") && screen.contains("confirm"), "{screen}");
    until_within("the configuration before it to come back", CONFIRM, || {
        let screen = terminal.run("show system commit | match \"^0 \"").ok()?;
        screen.lines().any(|line| line.starts_with("0 ") && line.contains("confirm-expired")).then_some(())
    })?;
    ensure!(granted(&clients, 4)? == 600, "the lease time of before");
    let screen = terminal.run("show configuration | match maximum-lease-time")?;
    ensure!(screen.contains("maximum-lease-time 600;"), "{screen}");
    Ok(())
}

#[test]
fn private_and_exclusive_editors_meet() -> Result<()> {
    let Some(access) = Access::new(&["tmux"], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let (one, two) = (Terminal::open(&access, "a")?, Terminal::open(&access, "b")?);
    // One edits alone.
    one.run("configure exclusive")?;
    two.run("configure")?;
    let screen = two.run(&format!("set {ATTRIBUTES} maximum-lease-time 900"))?;
    ensure!(screen.contains("configuration database locked by root") && screen.contains("exclusively"), "{screen}");
    two.run("exit")?;
    one.run(&format!("set {ATTRIBUTES} maximum-lease-time 900"))?;
    one.run_until("exit", "Discard uncommitted changes? [yes,no] (yes)")?;
    one.text("yes")?;
    one.key("Enter")?;
    one.wait("operational mode", |screen| sign(&screen.join("\n")) == Some('>') && waits(screen))?;

    // Each commits what is one's own.
    one.run("configure private")?;
    let screen = two.run("configure private")?;
    ensure!(screen.contains("edits too"), "{screen}");
    one.run(&format!("set {ATTRIBUTES} maximum-lease-time 900"))?;
    two.run(&format!("set {ATTRIBUTES} domain-name two.example"))?;
    let screen = one.run("commit")?;
    ensure!(screen.contains("commit complete"), "{screen}");
    two.run("update")?;
    let screen = two.run("show | compare")?;
    ensure!(screen.contains("domain-name") && !screen.contains("maximum-lease-time"), "{screen}");
    let screen = two.run("commit")?;
    ensure!(screen.contains("commit complete"), "{screen}");
    let lease = clients.lease_with(mac(1), 1, |message| message.with(option::PARAMETERS, &[1, 3, 15, 51]))?;
    let offered = lease.ack.message;
    ensure!(offered.option(option::LEASE_TIME) == Some(900_u32.to_be_bytes().as_slice()), "{offered:?}");
    ensure!(offered.option(15).is_some_and(|name| name.starts_with(b"two.example")), "{offered:?}");

    // The same leaf, twice: who comes second is told where.
    one.run(&format!("set {ATTRIBUTES} maximum-lease-time 1000"))?;
    two.run(&format!("set {ATTRIBUTES} maximum-lease-time 1100"))?;
    one.run("commit")?;
    let screen = two.run("commit")?;
    ensure!(screen.contains(&format!("{ATTRIBUTES} maximum-lease-time")) && !screen.contains("complete"), "{screen}");
    two.run("rollback 0")?;
    let screen = two.run("show | match maximum-lease-time")?;
    ensure!(screen.contains("maximum-lease-time 1000;"), "{screen}");
    ensure!(granted(&clients, 2)? == 1000, "the second one's lease time");
    Ok(())
}

/// An operator whose terminal is gone holds nobody up, and leaves nothing behind that was edited alone.
#[test]
fn a_lost_terminal_ends_what_it_edited() -> Result<()> {
    let Some(access) = Access::new(&["tmux"], &Config::default())? else { return Ok(()) };
    let (one, two) = (Terminal::open(&access, "a")?, Terminal::open(&access, "b")?);
    one.run("configure exclusive")?;
    one.run("set access address-assignment pool p2 family inet network 10.9.0.0/24")?;
    let screen = one.run("show | compare")?;
    ensure!(screen.contains("+    pool p2 {") && screen.contains("network 10.9.0.0/24;"), "{screen}");
    let screen = two.run("configure exclusive")?;
    ensure!(screen.contains("locked by root") && sign(&screen) == Some('>'), "{screen}");
    drop(one);
    until("the lock to be free", || {
        let screen = two.run("configure exclusive").ok()?;
        screen.contains("Entering configuration mode").then_some(())
    })?;
    let screen = two.run("show | compare")?;
    ensure!(!screen.contains("pool p2"), "what was edited alone is gone: {screen}");
    Ok(())
}

/// The shell stays when the daemon goes, says what is lost, and works with the next one.
#[test]
fn the_shell_outlives_the_daemon() -> Result<()> {
    let Some(mut access) = Access::new(&["tmux"], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let (editor, watcher) = (Terminal::open(&access, "a")?, Terminal::open(&access, "b")?);
    editor.run("configure")?;
    editor.run(&format!("set {ATTRIBUTES} maximum-lease-time 900"))?;
    watcher.run_until("monitor dhcp server", "Ctrl-C ends it")?;
    access.daemon.kill();
    watcher
        .wait("what the watcher is told", |screen| screen.iter().any(|line| line.contains("the stream broke off")))?;
    let screen = editor.run("show | compare")?;
    ensure!(screen.contains("is binderyd running?") && sign(&screen) == Some('#'), "{screen}");
    access.daemon.restart(&access.server)?;
    watcher.wait("the stream to go on", |screen| {
        screen.iter().any(|line| line.contains("the daemon was restarted"))
            && screen.iter().filter(|line| line.contains("Ctrl-C ends it")).count() == 2
    })?;
    let lease = clients.lease(mac(1), 1)?;
    watcher.wait("the client of the new daemon", |screen| {
        screen.iter().any(|line| line.contains("BOUND") && line.contains(&lease.address.to_string()))
    })?;
    watcher.key("C-c")?;
    watcher.wait("the prompt", waits)?;

    let screen = editor.run("commit")?;
    ensure!(screen.contains("error: editing session") && screen.contains("is over"), "{screen}");
    let screen = editor.run("exit")?;
    ensure!(sign(&screen) == Some('>'), "{screen}");
    let screen = editor.run("configure")?;
    ensure!(screen.contains("Entering configuration mode"), "{screen}");
    editor.run(&format!("set {ATTRIBUTES} maximum-lease-time 800"))?;
    let screen = editor.run("commit")?;
    ensure!(screen.contains("commit complete"), "{screen}");
    ensure!(granted(&clients, 2)? == 800, "the new lease time");
    Ok(())
}

/// A secret that is typed is on no screen afterwards, and in no history.
#[test]
fn a_typed_secret_is_not_kept() -> Result<()> {
    let Some(access) = Access::new(&["tmux"], &Config::default())? else { return Ok(()) };
    let terminal = Terminal::open(&access, "a")?;
    terminal.run("configure")?;
    terminal.run("set system services dhcp-local-server reconfigure token green-frog-13")?;
    let screen = terminal.run("show system services dhcp-local-server reconfigure")?;
    ensure!(screen.contains("token <hidden>;") && !screen.contains("green-frog-13"), "{screen}");
    terminal.clear()?;
    terminal.key("Up")?;
    terminal.wait_line("show system services dhcp-local-server reconfigure")?;
    terminal.key("Up")?;
    terminal.wait_line("configure")?;
    terminal.key("C-u")?;
    terminal.wait("an empty line", waits)?;
    let screen = terminal.run("commit")?;
    ensure!(screen.contains("commit complete"), "{screen}");
    let history = access.lab.folder().join("home-a/.local/state/bindery/history");
    let history = std::fs::read_to_string(history)?;
    ensure!(history.starts_with("configure\n") && !history.contains("green-frog-13"), "{history}");
    Ok(())
}

/// Programs type a whole text at once and wait for nothing.
#[test]
fn what_is_typed_ahead_is_not_lost() -> Result<()> {
    let Some(access) = Access::new(&["tmux"], &Config::default())? else { return Ok(()) };
    let terminal = Terminal::open(&access, "a")?;
    let text = "access { address-assignment { pool p2 { family inet { network \"10.9.0.0/24\"; } } } }";
    let keys = ["configure", "Enter", "load merge terminal", "Enter", text, "Enter", "C-d"];
    capture(&mut terminal.tmux(&[&["send-keys"], keys.as_slice()].concat()))?;
    terminal.wait("the text's end", |screen| screen.iter().any(|line| line == "load complete") && waits(screen))?;
    let screen = terminal.run("show access address-assignment pool p2")?;
    ensure!(screen.contains("network 10.9.0.0/24;"), "{screen}");
    Ok(())
}
