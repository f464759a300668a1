//! FreeRADIUS and radclient: a RADIUS server and a client for dynamic requests that we did not write.

use crate::process::{Process, capture};
use crate::{Lab, Namespace, wait};
use anyhow::{Context, Result, bail};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The programs that a test with RADIUS needs.
pub const PROGRAMS: [&str; 2] = ["freeradius", "radclient"];

/// The secret that everybody shares here.
pub const SECRET: &str = "testing123";

/// All that the server needs, and nothing of the system's own configuration. It wants a Message-Authenticator, and sends one.
const CONFIG: &str = "name = freeradius
confdir = @FOLDER@
logdir = @FOLDER@
run_dir = @FOLDER@
libdir = /usr/lib/freeradius
pidfile = @FOLDER@/pid
max_request_time = 30
cleanup_delay = 5
max_requests = 16384
hostname_lookups = no
log {
	destination = stdout
	auth = yes
}
security {
	max_attributes = 200
	reject_delay = 0
	status_server = no
}
thread pool {
	start_servers = 1
	max_servers = 2
	min_spare_servers = 1
	max_spare_servers = 2
}
modules {
	files {
		usersfile = @FOLDER@/users
	}
	pap {
	}
	detail {
		filename = @FOLDER@/accounting
	}
	detail asked {
		filename = @FOLDER@/access
	}
}
client all {
	ipaddr = 0.0.0.0/0
	secret = @SECRET@
	require_message_authenticator = yes
}
server default {
	listen {
		type = auth
		ipaddr = @ADDRESS@
		port = 1812
	}
	listen {
		type = acct
		ipaddr = @ADDRESS@
		port = 1813
	}
	authorize {
		asked
		files
		pap
	}
	authenticate {
		pap
	}
	accounting {
		detail
	}
	post-auth {
		update reply {
			Message-Authenticator := 0x00
		}
		Post-Auth-Type REJECT {
			update reply {
				Message-Authenticator := 0x00
			}
		}
	}
}
";

/// A server with its files, which outlive it: it can be stopped and started again.
#[derive(Debug)]
pub struct FreeRadius {
    folder: PathBuf,
    process: Option<Process>,
}

impl FreeRadius {
    /// Starts it on ports 1812 and 1813 of `address` and waits until it is ready. `users` is the text of its users file.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(lab: &Lab, namespace: &Namespace, address: Ipv4Addr, users: &str) -> Result<Self> {
        let mut server = Self::stopped(lab, namespace, address, users)?;
        server.restart(namespace)?;
        Ok(server)
    }

    /// As [`FreeRadius::start`], but it does not run until [`FreeRadius::restart`].
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn stopped(lab: &Lab, namespace: &Namespace, address: Ipv4Addr, users: &str) -> Result<Self> {
        let folder = lab.folder().join(format!("radius-{}-{address}", namespace.name()));
        std::fs::create_dir_all(&folder)?;
        let config = CONFIG.replace("@FOLDER@", &folder.display().to_string());
        let config = config.replace("@ADDRESS@", &address.to_string()).replace("@SECRET@", SECRET);
        std::fs::write(folder.join("radiusd.conf"), config)?;
        std::fs::write(folder.join("users"), users)?;
        Ok(Self { folder, process: None })
    }

    /// Ends it as a crash would: whatever it is asked now has no answer.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it (again) on the same files.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn restart(&mut self, namespace: &Namespace) -> Result<()> {
        self.stop();
        let folder = self.folder.display().to_string();
        let mut process = namespace.spawn("freeradius", &["-f", "-l", "stdout", "-n", "radiusd", "-d", &folder])?;
        process.wait_line("Ready to process requests")?;
        self.process = Some(process);
        Ok(())
    }

    /// Changes the configuration of a server; it holds from the next [`FreeRadius::restart`] on.
    ///
    /// # Errors
    /// When `from` is not in it, or its file cannot be changed.
    pub fn edit(&self, from: &str, to: &str) -> Result<()> {
        let path = self.folder.join("radiusd.conf");
        let config = std::fs::read_to_string(&path)?;
        if !config.contains(from) {
            bail!("radiusd.conf has no {from}");
        }
        std::fs::write(&path, config.replace(from, to)).context("radiusd.conf")
    }

    /// Access-Requests that were heard, in order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn asked(&self) -> Result<Vec<Packet>> {
        packets(&self.folder.join("access"))
    }

    /// Accounting-Requests that were written down, in order. A record that came twice stands twice.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn accounted(&self) -> Result<Vec<Packet>> {
        packets(&self.folder.join("accounting"))
    }

    /// Waits for the first Access-Request that `wanted` likes.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn wait_asked(&self, what: &str, wanted: impl Fn(&Packet) -> bool) -> Result<Packet> {
        wait::until(what, || self.asked().ok()?.into_iter().find(&wanted)).with_context(|| text(&self.asked()))
    }

    /// Waits for the first accounting record that `wanted` likes.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn wait_accounted(&self, what: &str, wanted: impl Fn(&Packet) -> bool) -> Result<Packet> {
        wait::until(what, || self.accounted().ok()?.into_iter().find(&wanted)).with_context(|| text(&self.accounted()))
    }
}

fn text(packets: &Result<Vec<Packet>>) -> String {
    match packets {
        Ok(packets) => packets.iter().map(|packet| format!("{packet}\n")).collect(),
        Err(error) => format!("{error:#}"),
    }
}

/// A packet as FreeRADIUS wrote it down: names and values in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    attributes: Vec<(String, String)>,
}

impl Packet {
    /// The first value of an attribute, without quotes; empty for none.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Whether an attribute has this value.
    #[must_use]
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.attributes.iter().any(|(found, content)| found == name && content == value)
    }

    /// All values of an attribute.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.attributes.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }
}

impl std::fmt::Display for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.attributes {
            write!(f, "{name} = {value}; ")?;
        }
        Ok(())
    }
}

fn packets(path: &Path) -> Result<Vec<Packet>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(read(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Reads a detail file: a line with the time, a line `\tNAME = VALUE` for each attribute, an empty line. What is not whole
/// yet is left for the next look.
fn read(text: &str) -> Vec<Packet> {
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    let blocks = whole.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks
        .map(|block| {
            let lines = block.lines().filter_map(|line| line.strip_prefix('\t')?.split_once(" = "));
            let attributes = lines.map(|(name, value)| (name.to_string(), value.trim_matches('"').to_string()));
            Packet { attributes: attributes.collect() }
        })
        .collect()
}

/// Runs radclient in a namespace and returns all that it says, also where it got no answer.
///
/// `words` go before the server's address; `kind` is `auth`, `acct`, `coa` or `disconnect` and says to which port of
/// 127.0.0.1; `packets` has an attribute on each line and an empty line between packets.
///
/// # Errors
/// When it cannot be started.
pub fn radclient(
    lab: &Lab,
    namespace: &Namespace,
    words: &[&str],
    (kind, packets): (&str, &str),
    secret: &str,
) -> Result<String> {
    static FILES: AtomicU32 = AtomicU32::new(0);
    let file = lab.file(&format!("radclient-{}", FILES.fetch_add(1, Ordering::Relaxed)), packets)?;
    let port = match kind {
        "auth" => 1812,
        "acct" => 1813,
        _ => 3799,
    };
    let mut command = namespace.command("radclient");
    command.arg("-x").args(words).arg("-f").arg(file).args([&format!("127.0.0.1:{port}"), kind, secret]);
    let output = command.output().context("radclient")?;
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// A capture of all RADIUS packets on a namespace's loopback.
#[derive(Debug)]
pub struct Wire {
    path: PathBuf,
    _tcpdump: Process,
}

impl Wire {
    /// Starts it; when this returns, it runs.
    ///
    /// # Errors
    /// When tcpdump does not start.
    pub fn start(lab: &Lab, namespace: &Namespace) -> Result<Self> {
        let path = lab.folder().join(format!("{}-radius.pcap", namespace.name()));
        let file = path.display().to_string();
        let filter = "udp port 1812 or udp port 1813 or udp port 3799";
        // No packet is longer, and the buffer has room for as many as it has snapshots: a flood must fit.
        let words = ["-i", "lo", "-s", "4200", "-U", "-n", "-Z", "root", "--immediate-mode", "-B", "8192"];
        let words = [&words[..], &["-w", &file, filter]].concat();
        let mut tcpdump = namespace.spawn("tcpdump", &words)?;
        tcpdump.wait_line("listening on")?;
        Ok(Self { path, _tcpdump: tcpdump })
    }

    /// The fields that tshark prints of each packet that `filter` likes.
    fn fields(&self, filter: &str, fields: &[&str]) -> Result<Vec<String>> {
        let mut command = Command::new("tshark");
        command.env("HOME", "/nonexistent").arg("-r").arg(&self.path).args(["-Y", filter, "-T", "fields"]);
        command.args(["-o", &format!("radius.shared_secret:{SECRET}"), "-o", "radius.validate_authenticator:TRUE"]);
        for field in fields {
            command.args(["-e", field]);
        }
        Ok(capture(&mut command)?.lines().map(String::from).collect())
    }

    /// UDP content of the packets that `filter` likes, as it went over the wire.
    ///
    /// # Errors
    /// When tshark fails or prints what this does not understand.
    pub fn payloads(&self, filter: &str) -> Result<Vec<Vec<u8>>> {
        let lines = self.fields(filter, &["udp.payload"])?;
        lines.iter().map(|line| bytes(line).with_context(|| format!("no bytes: {line}"))).collect()
    }

    /// Waits until there are `count` packets that `filter` likes, and returns their UDP content.
    ///
    /// # Errors
    /// When they do not come in time.
    pub fn wait(&self, count: usize, filter: &str) -> Result<Vec<Vec<u8>>> {
        wait::until(&format!("{count} packets: {filter}"), || {
            // A file whose last packet is not whole yet makes tshark fail.
            self.payloads(filter).ok().filter(|found| found.len() >= count)
        })
    }

    /// Has tshark judge every packet: none is malformed, and no authenticator that it can check is wrong.
    ///
    /// # Errors
    /// What tshark found.
    pub fn judge(&self) -> Result<()> {
        let filter = "_ws.malformed || radius.authenticator.invalid == 1 || _ws.expert.severity >= 0x600000";
        let mut last = None;
        let found = wait::until("a whole capture", || {
            // tshark fails as long as the last packet is not whole.
            let found = self.fields(filter, &["frame.number", "radius.code", "_ws.expert.message"]);
            found.map_err(|error| last = Some(error)).ok()
        })
        .with_context(|| format!("{last:?}"))?;
        if !found.is_empty() {
            bail!("tshark finds fault with RADIUS:\n{}", found.join("\n"));
        }
        Ok(())
    }
}

fn bytes(line: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = line.chars().filter_map(|c| c.to_digit(16)?.try_into().ok()).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_file_is_read_up_to_what_is_whole() {
        let text = "Sat Nov 28 14:06:46 2026\n\tUser-Name = \"alice\"\n\tClass = 0x01\n\tClass = 0x02\n\n\
                    Sat Nov 28 14:06:47 2026\n\tUser-Name = \"bo";
        let packets = read(text);
        assert_eq!(packets.len(), 1);
        assert_eq!(packets[0].value("User-Name"), "alice");
        assert_eq!(packets[0].values("Class"), ["0x01", "0x02"]);
        assert!(packets[0].has("Class", "0x02") && !packets[0].has("Class", "0x03"));
        assert_eq!(packets[0].value("Framed-Pool"), "");
        assert_eq!(read(&format!("{text}b\"\n\n")).len(), 2);
    }

    #[test]
    fn hexadecimal_digits_are_bytes() {
        assert_eq!(bytes("2b:00fF"), Some(vec![0x2b, 0, 0xff]));
        assert_eq!(bytes("2b0"), None);
    }
}
