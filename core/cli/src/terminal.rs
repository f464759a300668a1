//! The terminal: its size, its name, single keys, colour.

use rustix::{
    io::Errno,
    stdio,
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr},
};
use std::io::{self, IsTerminal};

/// Lines and columns of a terminal that does not say.
const SIZE_DEFAULT: (usize, usize) = (24, 80);

/// Lines and columns.
pub(crate) fn size() -> (usize, usize) {
    match tcgetwinsize(stdio::stdout()) {
        Ok(size) if size.ws_row > 1 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
        _ => SIZE_DEFAULT,
    }
}

/// Whether a text may have colour: on a terminal, unless `NO_COLOR` says no.
pub(crate) fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text with the lines of a comparison in colour.
pub(crate) fn painted(text: &str) -> String {
    let mut painted = String::with_capacity(text.len());
    for line in text.lines() {
        let colour = match line.as_bytes().first() {
            Some(b'+') => "\x1b[32m",
            Some(b'-') => "\x1b[31m",
            Some(b'!') => "\x1b[33m",
            _ => "",
        };
        painted.push_str(colour);
        painted.push_str(line);
        painted.push_str(if colour.is_empty() { "\n" } else { "\x1b[0m\n" });
    }
    painted
}

/// The name of the terminal, as `status` shows it; empty where there is none.
pub(crate) fn name() -> String {
    // The name is that of the file behind the descriptor.
    let path = std::fs::read_link("/proc/self/fd/0").unwrap_or_default();
    match io::stdin().is_terminal() {
        true => path.strip_prefix("/dev").unwrap_or(&path).display().to_string(),
        false => String::new(),
    }
}

/// Who sits there.
pub(crate) fn user() -> String {
    let named = ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    named.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "operator".to_owned())
}

/// The name of this machine up to its first dot.
pub(crate) fn host() -> String {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// Single keys, until it is dropped.
#[derive(Debug)]
pub(crate) struct Keys {
    before: Termios,
}

impl Keys {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn take() -> io::Result<Self> {
        let before = tcgetattr(stdio::stdin())?;
        let mut raw = before.clone();
        // Ctrl-C is a key too: it ends the page, not the shell.
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdio::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }

    /// The next key; none when the terminal is gone.
    pub(crate) fn next(&self) -> Option<u8> {
        let mut key = [0];
        loop {
            match rustix::io::read(stdio::stdin(), &mut key) {
                Ok(1..) => return key.first().copied(),
                Err(Errno::INTR) => {}
                _ => return None,
            }
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = tcsetattr(stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_painted_by_line() {
        let text = "[edit access]\n+   a;\n-   b;\n!   c;\n";
        assert_eq!(
            painted(text),
            "[edit access]\n\x1b[32m+   a;\x1b[0m\n\x1b[31m-   b;\x1b[0m\n\x1b[33m!   c;\x1b[0m\n"
        );
    }
}
