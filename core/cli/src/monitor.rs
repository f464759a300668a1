//! `monitor dhcp server`: events as they happen (junos.md has none; the stream is the API's).

use crate::{
    client::{Ask, ClientError},
    console::{Console, Failure},
    grammar::{Mistake, Parsed},
    pipe::{Filter, Pipes},
    show,
};
use bindery_api::{BindingChange, Event, EventKind, EventQuery, Notice, Reset, ResetReason, Verb};
use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// After this a broken stream is taken up again.
const RETRY: Duration = Duration::from_secs(1);

/// Longest message of the stream, bytes.
const MESSAGE_MAX: usize = 1024 * 1024;

/// One message of the stream.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Message {
    event: String,
    data: String,
}

/// Puts messages together from pieces of a stream (server-sent events).
#[derive(Debug, Default)]
struct Stream {
    line: Vec<u8>,
    message: Message,
    /// The last id: from there the stream goes on.
    id: String,
}

impl Stream {
    /// Takes a piece; gives the messages that end in it.
    fn push(&mut self, piece: &[u8]) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        for byte in piece {
            if *byte != b'\n' {
                if self.line.len() + self.message.data.len() >= MESSAGE_MAX {
                    return Err(io::Error::other("an event of the daemon is too long"));
                }
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            messages.extend(self.field(line.trim_end_matches('\r')));
        }
        Ok(messages)
    }

    fn field(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            return (!message.data.is_empty()).then_some(message);
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.message.event),
            "data" => {
                if !self.message.data.is_empty() {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            "id" => value.clone_into(&mut self.id),
            // Comments keep the connection alive.
            _ => {}
        }
        None
    }

    /// Forgets what was begun: the connection is a new one.
    fn restart(&mut self) {
        self.line.clear();
        self.message = Message::default();
    }
}

/// What is shown of the stream.
struct Screen<'a> {
    pipes: &'a Pipes,
    /// Bindings of the full state, until it is told.
    present: u64,
    told: bool,
}

impl Screen<'_> {
    fn show(&mut self, message: &Message, now: u64) -> Result<String, serde_json::Error> {
        let kinds = [EventKind::Binding, EventKind::Ended, EventKind::Synced, EventKind::Reset, EventKind::Notice];
        match kinds.into_iter().find(|kind| kind.name() == message.event) {
            Some(EventKind::Binding | EventKind::Ended) => {
                let event: Event = serde_json::from_str(&message.data)?;
                if event.change == BindingChange::Present {
                    self.present += 1;
                    return Ok(String::new());
                }
                Ok(show::event(&event, now))
            }
            Some(EventKind::Synced) => {
                if self.told {
                    eprintln!("monitor: {} bindings; what happens to them follows, Ctrl-C ends it", self.present);
                }
                self.present = 0;
                Ok(String::new())
            }
            Some(EventKind::Reset) => {
                let reset: Reset = serde_json::from_str(&message.data)?;
                let why = match reset.reason {
                    ResetReason::Lost => "more happened than the daemon remembers",
                    ResetReason::OtherRun => "the daemon was restarted",
                };
                eprintln!("monitor: {why}: events may be missing here");
                Ok(String::new())
            }
            Some(EventKind::Notice) => Ok(show::notice(&serde_json::from_str::<Notice>(&message.data)?)),
            // Kinds of newer daemons.
            None => Ok(String::new()),
        }
    }
}

/// Shows events until Ctrl-C.
///
/// # Errors
/// The daemon refuses, or is not there at the beginning.
pub(crate) fn run(console: &Console, command: &Parsed, pipes: &Pipes) -> Result<(), Failure> {
    let fits =
        |filter: &Filter| matches!(filter, Filter::Match(_) | Filter::Except(_) | Filter::Trim(_) | Filter::NoMore);
    if !pipes.filters.iter().all(fits) {
        return Err(Mistake::Pipe("a stream has no end: only match, except and trim go with it".to_owned()).into());
    }
    let value = |name| command.value(name).map(str::to_owned);
    let query = EventQuery {
        address: value("address"),
        mac: value("mac"),
        interface: value("interface"),
        pool: value("pool"),
        routing_instance: value("routing-instance"),
        ..EventQuery::default()
    };
    let mut stream = Stream::default();
    let mut screen = Screen { pipes, present: 0, told: io::stderr().is_terminal() };
    let mut begun = false;
    loop {
        let mut ask = Ask::of(Verb::Events).query(&query)?;
        if !stream.id.is_empty() {
            ask = ask.header("last-event-id", stream.id.clone());
        }
        stream.restart();
        let done = console.client.follow(&ask, |piece| {
            begun = true;
            take(console.json, &mut stream, &mut screen, piece).map(|()| true)
        });
        match done {
            Err(ClientError::Interrupted) => return Ok(()),
            Err(ClientError::Connect { .. } | ClientError::Late(_)) if begun => {}
            Ok(()) | Err(ClientError::Broken(_)) => eprintln!("monitor: the stream broke off; taking it up again"),
            Err(other) => return Err(other.into()),
        }
        match console.client.pause(RETRY) {
            Err(ClientError::Interrupted) => return Ok(()),
            other => other?,
        }
    }
}

/// Prints what a piece of the stream tells.
fn take(json: bool, stream: &mut Stream, screen: &mut Screen<'_>, piece: &[u8]) -> io::Result<()> {
    let messages = stream.push(piece)?;
    let mut out = io::stdout().lock();
    if json {
        out.write_all(piece)?;
        return out.flush();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for message in messages {
        let line = screen.show(&message, now).map_err(io::Error::other)?;
        let line = screen.pipes.apply(line, usize::MAX)?;
        out.write_all(line.as_bytes())?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_put_together_from_pieces() {
        let text = ": hello\n\nid: 1-7\nevent: binding\ndata: {\"a\":\ndata: 1}\n\nevent: synced\r\ndata:{}\r\n\r\nid: 1-8\nda";
        for size in [1, 3, text.len()] {
            let mut stream = Stream::default();
            let messages: Vec<Message> =
                text.as_bytes().chunks(size).flat_map(|piece| stream.push(piece).unwrap()).collect();
            let message = |event: &str, data: &str| Message { event: event.into(), data: data.into() };
            assert_eq!(messages, [message("binding", "{\"a\":\n1}"), message("synced", "{}")], "{size}");
            assert_eq!(stream.id, "1-8");
        }
    }

    #[test]
    fn an_endless_message_is_refused() {
        let mut stream = Stream::default();
        assert!(stream.push(&vec![b'x'; MESSAGE_MAX + 1]).is_err());
    }

    #[test]
    fn the_full_state_is_counted_not_shown() {
        let binding = serde_json::to_string(&crate::show::tests::binding()).unwrap();
        let message = |event: &str, change: &str| Message {
            event: event.into(),
            data: format!("{{\"change\":\"{change}\",\"binding\":{binding}}}"),
        };
        let pipes = Pipes::default();
        let mut screen = Screen { pipes: &pipes, present: 0, told: false };
        assert_eq!(screen.show(&message("binding", "present"), 0).unwrap(), "");
        assert_eq!(screen.present, 1);
        assert!(screen.show(&message("binding", "bound"), 0).unwrap().contains(" BOUND "));
        assert!(screen.show(&message("ended", "expired"), 0).unwrap().contains(" EXPIRED "));
        assert_eq!(screen.show(&message("later", "x"), 0).unwrap(), "");
        let data = r#"{"sequence":1,"time":0,"name":"rogue-server","severity":"alarm","message":"a foreign one"}"#;
        let notice = Message { event: "notice".into(), data: data.into() };
        assert!(screen.show(&notice, 0).unwrap().ends_with(" ALARM       rogue-server: a foreign one\n"));
    }
}
