//! A commit that waits for its time, and the rescue configuration: a file each.

use crate::Database;
use crate::error::{EditError, OpenError};
use crate::record::{line, plain};
use crate::storage::Storage;
use bindery_config::hash;
use std::fmt;
use std::io;

/// The file of the scheduled commit.
const SCHEDULED: &str = "scheduled";

/// The file of the rescue configuration.
pub(crate) const RESCUE: &str = "rescue.kdl";

/// A commit that waits for its time: checked when it was asked for, and again when it is done.
#[derive(Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// When, seconds since 1970.
    pub at: u64,
    /// Who.
    pub user: String,
    /// Why.
    pub comment: String,
    /// The configuration.
    pub text: String,
    /// Also where live sessions lose their address or their server.
    pub force: bool,
    /// Also then, and those sessions are moved: so many a second.
    pub renumber: Option<u32>,
}

impl fmt::Debug for Scheduled {
    /// Without the text, which has secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduled").field("at", &self.at).field("user", &self.user).finish_non_exhaustive()
    }
}

impl Scheduled {
    /// A head of lines, an empty line, the text.
    fn print(&self) -> String {
        let renumber = self.renumber.unwrap_or(0);
        let (user, comment) = (line(&self.user), line(&self.comment));
        let head = format!("at {}\nuser {user}\ncomment {comment}\nforce {}\nrenumber {renumber}", self.at, self.force);
        let body = format!("{head}\n\n{}", self.text);
        format!("check {}\n{body}", hash(&body))
    }

    fn parse(text: &str) -> Option<Self> {
        let (check, body) = text.strip_prefix("check ")?.split_once('\n')?;
        if check != hash(body).to_string() {
            return None;
        }
        let (head, text) = body.split_once("\n\n")?;
        let mut lines = head.lines();
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let at = value("at")?.parse().ok()?;
        let (user, comment) = (plain(value("user")?), plain(value("comment")?));
        let force = value("force")?.parse().ok()?;
        let renumber = Some(value("renumber")?.parse().ok()?).filter(|pace| *pace > 0);
        Some(Self { at, user, comment, text: text.to_owned(), force, renumber })
    }

    /// The one that is on storage.
    pub(crate) fn open(storage: &dyn Storage) -> Result<Option<Self>, OpenError> {
        let Some(bytes) = storage.read(SCHEDULED)? else { return Ok(None) };
        let scheduled = String::from_utf8(bytes).ok().and_then(|text| Self::parse(&text));
        let damaged = || OpenError::Damaged {
            place: storage.place(SCHEDULED),
            reason: "its checksum is another".to_owned(),
            help: "remove it: the commit that waits for its time is gone then".to_owned(),
        };
        scheduled.ok_or_else(damaged).map(Some)
    }
}

impl Database {
    /// Keeps a commit for later, in the place of one that waits; it is on stable storage when this returns.
    ///
    /// # Errors
    /// The storage's.
    pub fn schedule(&mut self, scheduled: Scheduled) -> io::Result<()> {
        if let Err(error) = self.ring.storage.write(SCHEDULED, scheduled.print().as_bytes()) {
            // Nobody was told that it waits, unless one did before.
            if self.scheduled.is_none() {
                let _ = self.ring.storage.remove(SCHEDULED);
            }
            return Err(error);
        }
        self.scheduled = Some(scheduled);
        Ok(())
    }

    /// The commit that waits for its time.
    pub fn scheduled(&self) -> Option<&Scheduled> {
        self.scheduled.as_ref()
    }

    /// Forgets it; whether there was one.
    ///
    /// # Errors
    /// The storage's: it still waits.
    pub fn unschedule(&mut self) -> io::Result<bool> {
        if self.scheduled.is_some() {
            self.ring.storage.remove(SCHEDULED)?;
        }
        Ok(self.scheduled.take().is_some())
    }

    /// Makes the active configuration the rescue configuration.
    ///
    /// # Errors
    /// The storage's.
    pub fn rescue_save(&mut self) -> io::Result<()> {
        let active = self.active().clone();
        self.ring.storage.write(RESCUE, active.text().as_bytes())?;
        self.rescue = true;
        Ok(())
    }

    /// Removes the rescue configuration; whether there was one.
    ///
    /// # Errors
    /// The storage's: it may still be there.
    pub fn rescue_delete(&mut self) -> io::Result<bool> {
        if self.rescue {
            self.ring.storage.remove(RESCUE)?;
        }
        Ok(std::mem::take(&mut self.rescue))
    }

    /// The text of the rescue configuration; none where there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn rescue_text(&self) -> Result<Option<String>, EditError> {
        let Some(bytes) = self.ring.storage.read(RESCUE)? else { return Ok(None) };
        let place = || format!("{} is damaged: save the rescue configuration again", self.ring.storage.place(RESCUE));
        String::from_utf8(bytes).map(Some).map_err(|_| EditError::Refused(place()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheduled_commit_says_again_what_it_was_given() {
        let one = Scheduled {
            at: 17,
            user: "admin".to_owned(),
            comment: "two\n\nlines".to_owned(),
            text: "policy {\n\n}\n".to_owned(),
            force: true,
            renumber: Some(5),
        };
        let other = Scheduled { force: false, renumber: None, text: String::new(), ..one.clone() };
        for scheduled in [one, other] {
            let text = scheduled.print();
            assert_eq!(Scheduled::parse(&text).as_ref(), Some(&scheduled));
            for at in 0..text.len() {
                assert!(Scheduled::parse(&text[..at]).is_none());
            }
            assert!(!format!("{scheduled:?}").contains("policy"));
        }
    }
}
