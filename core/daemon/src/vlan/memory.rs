//! Which devices we have made, for the time after a reboot: the kernel has forgotten them then, the sessions on them live.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// A device that was made: its name, the name of the one under it, tag protocol and VLAN.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) under: String,
    pub(super) protocol: u16,
    pub(super) id: u16,
}

impl Made {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (name, under) = (words.next()?.to_owned(), words.next()?.to_owned());
        let protocol = u16::from_str_radix(words.next()?, 16).ok()?;
        let made = Self { name, under, protocol, id: words.next()?.parse().ok()? };
        words.next().is_none().then_some(made)
    }
}

/// A file with a line for each. It is no promise: what is lost with it is made again on the next packet of its client.
pub(super) struct Memory {
    path: PathBuf,
    written: Vec<Made>,
}

impl Memory {
    /// In the state directory.
    pub(super) fn of(state_dir: &Path) -> Self {
        Self { path: state_dir.join("vlan-devices"), written: Vec::new() }
    }

    /// What was written last; lines that are none are passed over.
    pub(super) fn read(&mut self) -> Vec<Made> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        self.written = text.lines().filter_map(Made::read).collect();
        self.written.clone()
    }

    /// Writes `made` where it differs from what was written last.
    ///
    /// # Errors
    /// The file cannot be written; it is tried again with the next change.
    pub(super) fn write(&mut self, mut made: Vec<Made>) -> io::Result<()> {
        made.sort();
        if made == self.written {
            return Ok(());
        }
        let mut text = String::new();
        for Made { name, under, protocol, id } in &made {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name} {under} {protocol:04x} {id}");
        }
        let beside = self.path.with_extension("new");
        fs::write(&beside, text)?;
        fs::rename(&beside, &self.path)?;
        self.written = made;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let made =
            |name: &str, under: &str, protocol, id| Made { name: name.into(), under: under.into(), protocol, id };
        let devices = vec![made("eth1.100", "eth1", 0x8100, 100), made("eth1.200.7", "eth1.200", 0x8100, 7)];
        let mut memory = Memory::of(folder.path());
        assert_eq!(memory.read(), []);
        memory.write(devices.clone()).unwrap();
        assert_eq!(Memory::of(folder.path()).read(), devices);
        fs::write(folder.path().join("vlan-devices"), "x\n\neth1.1 eth1 88a8 1 2\neth1.2 eth1 88a8 2\n").unwrap();
        assert_eq!(Memory::of(folder.path()).read(), [made("eth1.2", "eth1", 0x88a8, 2)]);
    }
}
