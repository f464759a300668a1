//! Requests of clients to other servers that the router does not forward.

use crate::{
    error::Error,
    message::{Batch, dropped},
    socket::NftSocket,
};
use bindery_types::IfIndex;
use nix::errno::Errno;
use std::collections::BTreeSet;

/// Interfaces in one transaction: its messages fit into the default send buffer.
const AT_ONCE: usize = 4_096;

/// Drops BOOTREQUESTs (UDP to port 67, RFC 2131 §2) that come in on some interfaces and that the kernel would forward,
/// by a table of its own; there is none while there are no such interfaces. What is for this router, broadcasts and
/// answers of servers are not concerned. Every call blocks until the kernel has answered.
///
/// ```text
/// table ip bindery-snooped {
///     set interfaces { type iface_index; }
///     chain forward {
///         type filter hook forward priority filter - 5; policy accept;
///         meta l4proto udp udp dport 67 @th,64,8 1 iif @interfaces counter drop
///     }
/// }
/// ```
pub struct SnoopedFilter {
    table: &'static str,
    socket: Option<NftSocket>,
    /// Where it drops, as far as the kernel was told.
    told: BTreeSet<IfIndex>,
    /// Whether the kernel has exactly that.
    sound: bool,
}

impl Default for SnoopedFilter {
    fn default() -> Self {
        Self { table: "bindery-snooped", socket: None, told: BTreeSet::new(), sound: false }
    }
}

impl SnoopedFilter {
    /// Drops on exactly these interfaces from now on. What a run before has left is taken away by the first call. A
    /// call after an error makes all anew.
    ///
    /// # Errors
    /// [`Error`]: no privilege, no nf_tables, or others change the table.
    pub fn set(&mut self, wanted: &BTreeSet<IfIndex>) -> Result<(), Error> {
        if self.sound && *wanted == self.told {
            return Ok(());
        }
        if self.sound && !wanted.is_empty() && !self.told.is_empty() {
            match self.change(wanted) {
                // Somebody else has changed it.
                Ok(Err(Errno::ENOENT)) => {}
                other => return other?.map_err(Error::from),
            }
        }
        self.anew(wanted)
    }

    /// How many packets were dropped since the table was made; `None` where its rule is not there, which [`Self::set`]
    /// makes anew then.
    ///
    /// # Errors
    /// [`Error`].
    pub fn dropped(&mut self) -> Result<Option<u64>, Error> {
        if self.told.is_empty() {
            return Ok(Some(0));
        }
        let mut batch = Batch::questions();
        batch.snooped_rule(self.table);
        let mut packets = None;
        let answered = self.socket()?.dump(batch, |message| packets = packets.or_else(|| dropped(message)));
        if let Err(error) = answered {
            self.lost();
            return Err(error);
        }
        self.sound = packets.is_some();
        Ok(packets)
    }

    fn change(&mut self, wanted: &BTreeSet<IfIndex>) -> Result<Result<(), Errno>, Error> {
        let table = self.table;
        let gone: Vec<IfIndex> = self.told.difference(wanted).copied().collect();
        let come: Vec<IfIndex> = wanted.difference(&self.told).copied().collect();
        for part in gone.chunks(AT_ONCE) {
            if let Err(errno) = self.transact(|batch| batch.pass_on(table, part))? {
                return Ok(Err(errno));
            }
        }
        for part in come.chunks(AT_ONCE) {
            if let Err(errno) = self.transact(|batch| batch.drop_on(table, part))? {
                return Ok(Err(errno));
            }
        }
        self.told.clone_from(wanted);
        Ok(Ok(()))
    }

    fn anew(&mut self, wanted: &BTreeSet<IfIndex>) -> Result<(), Error> {
        let (table, interfaces): (_, Vec<IfIndex>) = (self.table, wanted.iter().copied().collect());
        let (first, rest) = interfaces.split_at(interfaces.len().min(AT_ONCE));
        let unsupported = |errno| if errno == Errno::ENOENT { Error::Unsupported } else { Error::from(errno) };
        self.transact(|batch| match first {
            [] => batch.no_table(table),
            _ => {
                batch.snooped_table(table);
                batch.drop_on(table, first);
            }
        })?
        .map_err(unsupported)?;
        for part in rest.chunks(AT_ONCE) {
            self.transact(|batch| batch.drop_on(table, part))?.map_err(Error::from)?;
        }
        self.told.clone_from(wanted);
        self.sound = true;
        Ok(())
    }

    /// Carries out a transaction; after a fault or a refusal nothing is known until one succeeds.
    fn transact(&mut self, fill: impl FnOnce(&mut Batch)) -> Result<Result<(), Errno>, Error> {
        let mut batch = Batch::transaction();
        fill(&mut batch);
        let result = self.socket().and_then(|socket| socket.transact(batch, |_| {}));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.sound = false,
            Err(_) => self.lost(),
        }
        result
    }

    fn lost(&mut self) {
        self.sound = false;
        self.socket = None;
    }

    fn socket(&mut self) -> Result<&mut NftSocket, Error> {
        if self.socket.is_none() {
            self.socket = Some(NftSocket::open()?);
        }
        self.socket.as_mut().ok_or(Error::Silent)
    }
}
