//! What goes over a link: captured by tcpdump, read here, judged by tshark.

use crate::packet::Sent;
use crate::process::{Process, capture};
use crate::{Lab, Namespace, wait};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// A capture that runs until it is dropped.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    _tcpdump: Process,
}

/// DHCP as it is and in any VLAN. The kernel keeps a frame's outer tag beside it and the filter looks behind that one only,
/// so a frame with two tags shows no port.
const FILTER: &str = "udp port 67 or udp port 68 or vlan";

/// Octets of a frame that are kept: all of them, as no link here carries larger ones. Told to tcpdump because it cuts its
/// buffer into slots of this size, whose default is 256 KiB for a link that may merge frames: 32 slots lose frames as soon
/// as a busy machine lets tcpdump wait.
const LONGEST_FRAME: &str = "2048";

/// Length of the file's header and of a packet's header in the pcap format.
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;

impl Capture {
    /// Starts to capture DHCP on an interface; when this returns, it runs.
    ///
    /// # Errors
    /// When tcpdump does not start.
    pub fn start(lab: &Lab, namespace: &Namespace, interface: &str) -> Result<Self> {
        let path = lab.folder().join(format!("{}-{interface}.pcap", namespace.name()));
        let file = path.display().to_string();
        let arguments = ["-i", interface, "-p", "-U", "-n", "-Z", "root", "--immediate-mode", "-B", "8192"];
        let arguments =
            [&arguments[..], &["--time-stamp-precision=nano", "-s", LONGEST_FRAME, "-w", &file, FILTER]].concat();
        let mut tcpdump = namespace.spawn("tcpdump", &arguments)?;
        tcpdump.wait_line("listening on")?;
        Ok(Self { path, _tcpdump: tcpdump })
    }

    /// Every DHCP message so far, in the order of the link.
    ///
    /// # Errors
    /// When the file cannot be read or is no capture.
    pub fn messages(&self) -> Result<Vec<Sent>> {
        let bytes = std::fs::read(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(frames(&bytes)?.into_iter().filter_map(|(at, frame)| Sent::read(frame, at)).collect())
    }

    /// Waits for the first message that `wanted` likes, among those from index `from` on.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn wait(&self, what: &str, from: usize, wanted: impl Fn(&Sent) -> bool) -> Result<Sent> {
        wait::until(what, || self.messages().ok()?.into_iter().skip(from).find(&wanted))
            .with_context(|| self.summary().unwrap_or_default())
    }

    /// How many messages there are so far: the start for [`Capture::wait`].
    ///
    /// # Errors
    /// As [`Capture::messages`].
    pub fn mark(&self) -> Result<usize> {
        Ok(self.messages()?.len())
    }

    /// A line for each message, for a failed test's text.
    ///
    /// # Errors
    /// As [`Capture::messages`].
    pub fn summary(&self) -> Result<String> {
        let lines: Vec<String> = self
            .messages()?
            .iter()
            .map(|sent| {
                let (envelope, message) = (&sent.envelope, &sent.message);
                format!(
                    "kind {} xid {:08x} {}:{} -> {}:{} ciaddr {} yiaddr {} giaddr {} flags {:04x}",
                    message.kind(),
                    message.xid,
                    envelope.from,
                    envelope.from_port,
                    envelope.to,
                    envelope.to_port,
                    message.ciaddr,
                    message.yiaddr,
                    message.giaddr,
                    message.flags
                )
            })
            .collect();
        Ok(lines.join("\n"))
    }

    /// Has tshark judge every packet that the server sent: no malformed one, no warning, no error.
    ///
    /// `sender` is a display filter that chooses them, such as `udp.srcport == 67`.
    ///
    /// # Errors
    /// What tshark found.
    pub fn judge(&self, sender: &str) -> Result<()> {
        let filter = format!("({sender}) && (_ws.malformed || _ws.expert.severity >= 0x600000)");
        let mut command = Command::new("tshark");
        command.env("HOME", "/nonexistent").arg("-r").arg(&self.path).args(["-Y", &filter]);
        command.args(["-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message"]);
        let found = capture(&mut command)?;
        if !found.trim().is_empty() {
            bail!("tshark finds fault with what was sent:\n{found}");
        }
        Ok(())
    }

    /// How many packets tshark's display filter `wanted` likes.
    ///
    /// # Errors
    /// When tshark fails.
    pub fn count(&self, wanted: &str) -> Result<usize> {
        let mut command = Command::new("tshark");
        command.env("HOME", "/nonexistent").arg("-r").arg(&self.path).args(["-Y", wanted]);
        let found = capture(command.args(["-T", "fields", "-e", "frame.number"]))?;
        Ok(found.lines().count())
    }
}

/// Cuts a pcap file into its frames. An unfinished last one is left for the next look.
fn frames(file: &[u8]) -> Result<Vec<(u64, &[u8])>> {
    let word = |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?));
    let scale = match word(0) {
        Some(0xa1b2_3c4d) => 1,
        Some(0xa1b2_c3d4) => 1000,
        // The header is not written yet.
        None => return Ok(Vec::new()),
        Some(magic) => bail!("no capture file: it starts with {magic:08x}"),
    };
    let mut frames = Vec::new();
    let mut at = FILE_HEADER;
    while let (Some(secs), Some(fraction), Some(length)) = (word(at), word(at + 4), word(at + 8)) {
        let start = at + PACKET_HEADER;
        let end = start + length as usize;
        let Some(frame) = file.get(start..end) else {
            break;
        };
        frames.push((u64::from(secs) * 1_000_000_000 + u64::from(fraction) * scale, frame));
        at = end;
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_packet_waits() {
        let mut file = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        file.resize(FILE_HEADER, 0);
        for word in [7_u32, 3, 2, 2] {
            file.extend(word.to_le_bytes());
        }
        file.push(1);
        assert_eq!(frames(&file).expect("a capture"), []);
        file.push(2);
        assert_eq!(frames(&file).expect("a capture"), [(7_000_003_000, &[1, 2][..])]);
        assert!(frames(&[0; 24]).is_err());
    }
}
