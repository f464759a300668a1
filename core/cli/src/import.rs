//! What other programs leave: their configurations as ours, their leases as sessions.

use crate::{
    client::{Ask, ClientError},
    console::{Console, Failure, raw},
    grammar::{Foreign, Parsed},
    pipe::Pipes,
};
use bindery_api::{IMPORT_MAX, Import, Imported, ImportedBinding, LEASE_INFINITE, Verb};
use bindery_import::{Lease, LeaseState, LeaseTable};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, BufRead, BufReader, IsTerminal},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// Refused leases that are named; the rest is counted.
const NAMED_MAX: usize = 100;

/// Bytes of an Ethernet address.
const ETHERNET: usize = 6;

fn told(path: &Path, error: &io::Error) -> Failure {
    Failure::Local(format!("{}: {error}", path.display()))
}

/// `config import junos|kea FILE [output FILE]`: the KDL to standard output or the file, notes to standard error.
///
/// # Errors
/// A file cannot be read or written, or nothing of it can be taken over.
pub(crate) fn configuration(
    console: &Console,
    foreign: Foreign,
    command: &Parsed,
    pipes: &Pipes,
) -> Result<(), Failure> {
    let path = Path::new(command.value("file").unwrap_or_default());
    let text = fs::read_to_string(path).map_err(|error| told(path, &error))?;
    let name = path.display().to_string();
    let imported = match foreign {
        Foreign::Junos => bindery_import::junos(&name, &text),
        Foreign::Kea => bindery_import::kea(&name, &text),
    };
    let imported = imported.map_err(|refused| Failure::Local(refused.to_string()))?;
    eprint!("{imported}");
    let Some(output) = command.value("output").map(Path::new) else {
        for (file, _) in &imported.files {
            eprintln!("{file}: is named in the configuration; `output FILE` writes it beside FILE");
        }
        return console.print(imported.kdl, pipes);
    };
    let folder = output.parent().unwrap_or(Path::new(""));
    fs::write(output, &imported.kdl).map_err(|error| told(output, &error))?;
    let mut text = format!("Wrote {} lines to '{}'\n", imported.kdl.lines().count(), output.display());
    for (file, content) in &imported.files {
        let path = folder.join(file);
        fs::write(&path, content).map_err(|error| told(&path, &error))?;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "Wrote {} lines to '{}'", content.lines().count(), path.display());
    }
    console.print(text, pipes)
}

/// What became of the leases of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Tally {
    imported: u64,
    ended: u64,
    /// Declined, or in a state of a later version.
    unusable: u64,
    refused: Vec<String>,
    more: u64,
}

impl Tally {
    fn refuse(&mut self, address: impl std::fmt::Display, reason: &str) {
        match self.refused.len() < NAMED_MAX {
            true => self.refused.push(format!("{address}: {reason}")),
            false => self.more += 1,
        }
    }

    fn text(&self) -> String {
        let refused = self.refused.len() as u64 + self.more;
        let Self { imported, ended, unusable, .. } = self;
        format!("{imported} sessions imported, {refused} refused, {ended} had ended, {unusable} are nobody's\n")
    }
}

/// The lease as the API wants it; none where there is nothing to import.
fn binding(lease: &Lease, now: u64, tally: &mut Tally) -> Option<ImportedBinding> {
    match lease.state {
        LeaseState::Default => {}
        LeaseState::ExpiredReclaimed => {
            tally.ended += 1;
            return None;
        }
        LeaseState::Declined | LeaseState::Other(_) => {
            tally.unusable += 1;
            return None;
        }
    }
    let left = match lease.valid_lifetime {
        LEASE_INFINITE => LEASE_INFINITE,
        // The greatest number is for ever: none but an infinite lease has it.
        _ => u32::try_from(lease.expire.saturating_sub(now)).unwrap_or(u32::MAX - 1).min(u32::MAX - 1),
    };
    if left == 0 {
        tally.ended += 1;
        return None;
    }
    if lease.hw.len() != ETHERNET {
        tally.refuse(lease.address, "has no Ethernet address");
        return None;
    }
    let octets: Vec<String> = lease.hw.iter().map(|byte| format!("{byte:02x}")).collect();
    let client_id: String = lease.client_id.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(ImportedBinding {
        allocated_address: lease.address.to_string(),
        mac_address: octets.join(":"),
        lease_expires: left,
        client_id: (!client_id.is_empty()).then_some(client_id),
        host_name: (!lease.hostname.is_empty()).then(|| lease.hostname.to_string()),
        ..ImportedBinding::default()
    })
}

/// `sessions import kea FILE`.
///
/// # Errors
/// The file cannot be read, the daemon does not answer, or some leases are refused.
pub(crate) fn sessions(console: &Console, command: &Parsed) -> Result<(), Failure> {
    let path = Path::new(command.value("file").unwrap_or_default());
    let file = File::open(path).map_err(|error| told(path, &error))?;
    let mut table = LeaseTable::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|error| told(path, &error))?;
        table.push(&String::from_utf8_lossy(&line));
    }
    let (leases, faults, more) = table.finish();
    for fault in &faults {
        eprintln!("{}:{fault}", path.display());
    }
    if more > 0 {
        eprintln!("{}: {more} more lines cannot be read", path.display());
    }
    if leases.is_empty() && !faults.is_empty() {
        return Err(Failure::Local(format!("{}: no leases", path.display())));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut tally = Tally::default();
    let bindings: Vec<ImportedBinding> = leases.iter().filter_map(|lease| binding(lease, now, &mut tally)).collect();
    let shown = io::stderr().is_terminal();
    console.client.set_quiet(shown);
    let done = send(console, &bindings, &mut tally, shown);
    console.client.set_quiet(false);
    if shown {
        eprint!("\r\x1b[K");
    }
    tally.refused.iter().for_each(|refused| eprintln!("{refused}"));
    if tally.more > 0 {
        eprintln!("{} more were refused", tally.more);
    }
    if !console.json {
        console.print(tally.text(), &Pipes::default())?;
    }
    done?;
    match (tally.refused.is_empty(), faults.is_empty()) {
        (true, true) => Ok(()),
        _ => Err(Failure::Local("some leases were not imported".to_owned())),
    }
}

/// Sends the leases in pages.
fn send(console: &Console, bindings: &[ImportedBinding], tally: &mut Tally, shown: bool) -> Result<(), Failure> {
    for (page, rows) in bindings.chunks(IMPORT_MAX).enumerate() {
        if shown {
            let done = page * IMPORT_MAX;
            eprint!("\rimporting: {done} of {} ({}%) ", bindings.len(), done * 100 / bindings.len().max(1));
        }
        let ask = Ask::of(Verb::ImportBindings).body(&Import { bindings: rows.to_vec() })?;
        let body = console.client.bytes(&ask)?;
        let reply: Imported = serde_json::from_slice(&body).map_err(ClientError::from)?;
        if console.json {
            console.print(raw(&body), &Pipes::default())?;
        }
        tally.imported += reply.imported;
        for refused in reply.refused {
            let row = usize::try_from(refused.index).ok().and_then(|index| rows.get(index));
            tally.refuse(row.map_or("?", |row| &row.allocated_address), &refused.reason);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leases(rows: &str) -> (Vec<ImportedBinding>, Tally) {
        let head = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state";
        let (leases, faults) = bindery_import::kea_leases(&format!("{head}\n{rows}"));
        assert_eq!(faults, []);
        let mut tally = Tally::default();
        let bindings = leases.iter().filter_map(|lease| binding(lease, 1_000, &mut tally)).collect();
        (bindings, tally)
    }

    #[test]
    fn leases_become_bindings() {
        let (bindings, tally) = leases(
            "192.0.2.1,02:00:00:00:00:01,01:02:00:00:00:00:01,3600,1060,1,0,0,pc,0\n\
             192.0.2.2,02:00:00:00:00:02,,4294967295,0,1,0,0,,0\n\
             192.0.2.3,02:00:00:00:00:03,,3600,1000,1,0,0,,0\n\
             192.0.2.4,02:00:00:00:00:04,,3600,9000,1,0,0,,1\n\
             192.0.2.5,,ff:01,3600,9000,1,0,0,,0\n\
             192.0.2.6,02:00:00:00:00:06,,3600,9000,1,0,0,,2\n",
        );
        let first = ImportedBinding {
            allocated_address: "192.0.2.1".into(),
            mac_address: "02:00:00:00:00:01".into(),
            lease_expires: 60,
            client_id: Some("01020000000001".into()),
            host_name: Some("pc".into()),
            ..ImportedBinding::default()
        };
        assert_eq!(bindings.first(), Some(&first));
        assert_eq!(bindings.iter().map(|b| b.lease_expires).collect::<Vec<_>>(), [60, LEASE_INFINITE]);
        assert_eq!(tally.text(), "0 sessions imported, 1 refused, 2 had ended, 1 are nobody's\n");
    }
}
