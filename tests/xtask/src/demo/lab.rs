//! The demo's namespaces, folder and processes.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Names are this, the process id of the demo, and a role: so an old one is known by its dead owner.
const PREFIX: &str = "bindery-demo-";

/// The two namespaces and the folder. Dropping it ends every process in them and removes them.
#[derive(Debug)]
pub(crate) struct Lab {
    folder: PathBuf,
}

impl Lab {
    /// Removes what dead demos left, then makes a new lab.
    ///
    /// # Errors
    /// When the kernel or the file system refuses.
    pub(crate) fn new() -> Result<Self> {
        sweep();
        let folder = std::env::temp_dir().join(own_name(""));
        fs::create_dir_all(folder.join("state")).with_context(|| format!("cannot make {}", folder.display()))?;
        // From here on the drop cleans up, also when a namespace is refused.
        let lab = Self { folder };
        for role in ["server", "client"] {
            let name = own_name(role);
            shell::capture(&mut ip(&["netns", "add", &name])).context("the kernel refuses a network namespace")?;
            shell::capture(&mut ip(&["-n", &name, "link", "set", "lo", "up"]))?;
        }
        Ok(lab)
    }

    /// Where files go.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Connects the two namespaces by a pair of links.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn connect(&self, server: &str, client: &str) -> Result<()> {
        let (server_space, client_space) = (own_name("server"), own_name("client"));
        let one = ["link", "add", "name", server, "netns", &server_space, "type", "veth"];
        let two = ["peer", "name", client, "netns", &client_space];
        shell::capture(&mut ip(&[&one[..], &two[..]].concat()))?;
        shell::capture(&mut ip(&["-n", &server_space, "link", "set", server, "up"]))?;
        shell::capture(&mut ip(&["-n", &client_space, "link", "set", client, "up"]))?;
        println!("    {server_space}:{server} <--> {client_space}:{client}");
        Ok(())
    }

    /// Gives the server's interface its address.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn address_server(&self, interface: &str, address: &str) -> Result<()> {
        shell::capture(&mut ip(&["-n", &own_name("server"), "address", "add", address, "dev", interface])).map(drop)
    }

    /// A command in the server's namespace.
    pub(crate) fn server_command(&self, program: &Path) -> Command {
        let mut command = ip(&["netns", "exec", &own_name("server")]);
        command.arg(program);
        command
    }

    /// A command in the client's namespace.
    pub(crate) fn client_command(&self, program: &str) -> Command {
        ip(&["netns", "exec", &own_name("client"), program])
    }

    /// The address that the client has set.
    ///
    /// # Errors
    /// When `ip` fails.
    pub(crate) fn client_address(&self, interface: &str) -> Result<Option<Ipv4Addr>> {
        let arguments = ["-n", &own_name("client"), "-4", "-o", "address", "show", "dev", interface, "scope", "global"];
        let text = shell::capture(&mut ip(&arguments))?;
        let mut words = text.split_whitespace().skip_while(|word| *word != "inet").skip(1);
        Ok(words.next().and_then(|word| word.split('/').next()).and_then(|word| word.parse().ok()))
    }

    /// The kernel's host route to the client.
    ///
    /// # Errors
    /// When `ip` fails.
    pub(crate) fn server_route(&self, address: Ipv4Addr) -> Result<String> {
        shell::capture(&mut ip(&["-n", &own_name("server"), "-4", "route", "show", &format!("{address}/32")]))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for role in ["client", "server"] {
            remove(&own_name(role));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn own_name(role: &str) -> String {
    format!("{PREFIX}{}{}{role}", std::process::id(), if role.is_empty() { "" } else { "-" })
}

fn ip(arguments: &[&str]) -> Command {
    let mut command = Command::new(shell::which("ip").unwrap_or_else(|| "ip".into()));
    command.args(arguments);
    command
}

/// Ends what runs in a namespace of ours and deletes it.
fn remove(name: &str) {
    if let Ok(pids) = shell::capture(&mut ip(&["netns", "pids", name])) {
        let pids: Vec<&str> = pids.split_whitespace().collect();
        if !pids.is_empty() {
            let _ = shell::capture(Command::new("kill").arg("-KILL").args(pids));
        }
    }
    let _ = shell::capture(&mut ip(&["netns", "delete", name]));
}

/// Removes the namespaces and folders of demos that no longer run.
fn sweep() {
    let dead = |name: &str| {
        let owner = name.strip_prefix(PREFIX).map(|rest| rest.split('-').next().unwrap_or(rest).to_string());
        owner.is_some_and(|owner| owner.parse::<u32>().is_ok() && !Path::new("/proc").join(owner).exists())
    };
    let spaces = shell::capture(&mut ip(&["netns", "list"])).unwrap_or_default();
    for name in spaces.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| dead(name)) {
        println!("    removing {name}, left by an earlier demo");
        remove(name);
    }
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(dead) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A process of the demo, its output kept. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let text = shell::shown(command);
        let name =
            text.split_whitespace().nth(4).and_then(|word| word.rsplit('/').next()).unwrap_or("program").to_string();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("could not start: {text}"))?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        if let Some(stream) = child.stdout.take() {
            collect(stream, &lines);
        }
        if let Some(stream) = child.stderr.take() {
            collect(stream, &lines);
        }
        Ok(Self { name, child, lines })
    }

    /// Whether it printed a line with this word.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn said(&mut self, word: &str) -> Result<Option<()>> {
        let said = self.kept().iter().any(|line| line.split_whitespace().any(|found| found == word));
        if !said && let Some(status) = self.child.try_wait()? {
            bail!("{} ended ({status})", self.name);
        }
        Ok(said.then_some(()))
    }

    /// Prints the end of its output, for an error.
    pub(crate) fn print_last(&self, count: usize) {
        let lines = self.kept();
        println!("    the last lines of {}:", self.name);
        for line in lines.iter().skip(lines.len().saturating_sub(count)) {
            println!("    | {line}");
        }
    }

    /// Ends it by SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn kept(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn collect(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
}
