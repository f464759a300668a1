//! What a daemon starts with (design §6).

use crate::Database;
use crate::error::EditError;
use bindery_config::hash;
use std::fmt;

/// What boots.
#[derive(Clone, PartialEq, Eq)]
pub enum Boot {
    /// The newest revision.
    Revision {
        /// Its number.
        number: u64,
        /// Its text.
        text: String,
        /// What the operator should know, a sentence each.
        warnings: Vec<String>,
    },
    /// The configuration file: it was changed since the newest revision, or there is none.
    File {
        /// Its text.
        text: String,
        /// What the operator should know, a sentence each.
        warnings: Vec<String>,
    },
    /// Nobody confirmed the newest revision in time: an older one comes back, as a new revision.
    Expired {
        /// The newest one.
        from: u64,
        /// The one that comes back.
        to: u64,
        /// Its text.
        text: String,
        /// What the operator should know, a sentence each.
        warnings: Vec<String>,
    },
    /// There is neither a revision nor a file.
    Nothing,
}

impl fmt::Debug for Boot {
    /// Without the text, which has secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revision { number, .. } => write!(f, "Revision({number})"),
            Self::File { .. } => f.write_str("File"),
            Self::Expired { from, to, .. } => write!(f, "Expired({from} to {to})"),
            Self::Nothing => f.write_str("Nothing"),
        }
    }
}

impl Database {
    /// The newest revision as what boots, whatever the file says and however long it has waited to be confirmed.
    ///
    /// # Errors
    /// The recorded text is gone or damaged, or cannot be read.
    pub fn boot_newest(&self) -> Result<Boot, EditError> {
        let Some(newest) = self.ring.newest() else { return Ok(Boot::Nothing) };
        let (number, text) = (newest.number, self.ring.text(newest.number)?);
        Ok(Boot::Revision { number, text, warnings: Vec::new() })
    }

    /// What boots at `wall`, where the configuration file holds `file`; none where it cannot be read.
    ///
    /// The newest revision does while the file says what it said when that was recorded, or what the daemon wrote into
    /// it then. Another text was written by hand and boots as a new revision, except while a commit waits to be
    /// confirmed.
    ///
    /// # Errors
    /// The recorded text is gone or damaged, or cannot be read; never because of the file.
    pub fn boot(&self, file: Option<&str>, wall: u64) -> Result<Boot, EditError> {
        let mut warnings = Vec::new();
        let Some(newest) = self.ring.newest() else {
            return Ok(file.map_or(Boot::Nothing, |file| Boot::File { text: file.to_owned(), warnings }));
        };
        let changed = file.filter(|file| !self.file_hashes().contains(&hash(file)));
        let Some(window) = newest.window else {
            return match changed {
                Some(file) => Ok(Boot::File { text: file.to_owned(), warnings }),
                None => Ok(Boot::Revision { number: newest.number, text: self.ring.text(newest.number)?, warnings }),
            };
        };
        let (number, left) = (newest.number, window.remaining(wall));
        if changed.is_some() {
            warnings.push(format!(
                "the configuration file was changed while revision {number} waited to be confirmed: it is not loaded"
            ));
        }
        if left > 0 {
            warnings.push(format!(
                "revision {number} waits to be confirmed: in {left} s revision {} comes back",
                window.fallback
            ));
            return Ok(Boot::Revision { number, text: self.ring.text(number)?, warnings });
        }
        let to = window.fallback;
        warnings.push(format!("nobody confirmed revision {number}: revision {to} comes back"));
        Ok(Boot::Expired { from: number, to, text: self.ring.text(to)?, warnings })
    }
}
