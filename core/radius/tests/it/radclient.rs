//! radclient against the dynamic server.

use crate::support::{LOOPBACK, Radius, SECRET, config, wall};
use bindery_radius::config::DisconnectClient;
use bindery_radius::dynamic::{ErrorCause, Kind};
use bindery_radius::shell::Event;
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs radclient: its exit code and what it said. `None` where it is not installed.
async fn radclient(server: SocketAddr, kind: &str, secret: &str, attributes: &str) -> Option<(i32, String)> {
    let mut command = Command::new("radclient");
    command.args(["-x", "-t", "1", "-r", "2", &server.to_string(), kind, secret]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let Ok(mut child) = command.spawn() else {
        println!("SKIP radius-radclient: radclient is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(attributes.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some((output.status.code().unwrap_or(-1), text))
}

#[tokio::test]
async fn radclient_gets_ack_nak_and_silence() {
    let mut settings = config(1, 2);
    settings.clients.push(DisconnectClient { address: LOOPBACK, secret: SECRET.into() });
    settings.listen.push(SocketAddr::new(LOOPBACK, 0));
    let mut radius = Radius::start(settings, None);
    let (handle, listening) = (radius.handle.clone(), radius.handle.listening()[0]);
    // Knows session s1 only.
    let (seen, mut orders) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Event::Dynamic { request, order }) = radius.events.recv().await {
            let known = order.selector.session_id.as_deref() == Some("s1");
            let _ = seen.send((request.kind, order));
            let result = if known { Ok(()) } else { Err(ErrorCause::SessionContextNotFound) };
            radius.handle.answer(request.reply, result).unwrap();
        }
    });
    let now = wall().0;
    let session = format!("Acct-Session-Id = \"s1\"\nUser-Name = \"alice\"\nEvent-Timestamp = {now}\n");
    let Some((exit, text)) = radclient(listening, "disconnect", SECRET, &session).await else { return };
    assert!(exit == 0 && text.contains("Received Disconnect-ACK"), "{exit}: {text}");
    let signed = format!("{session}Message-Authenticator = 0x00\nProxy-State = 0x0102\n");
    let (exit, text) = radclient(listening, "disconnect", SECRET, &signed).await.unwrap();
    assert!(exit == 0 && text.contains("Proxy-State = 0x0102"), "{exit}: {text}");
    let change = format!("{session}Session-Timeout = 60\nFramed-Pool = \"gold\"\n");
    let (exit, text) = radclient(listening, "coa", SECRET, &change).await.unwrap();
    assert!(exit == 0 && text.contains("Received CoA-ACK"), "{exit}: {text}");
    let (exit, text) = radclient(listening, "disconnect", SECRET, "Acct-Session-Id = \"s2\"\n").await.unwrap();
    assert!(exit == 1 && text.contains("Error-Cause = Session-Context-Not-Found"), "{exit}: {text}");
    let unsupported = format!("{session}Filter-Id = \"f\"\n");
    let (exit, text) = radclient(listening, "coa", SECRET, &unsupported).await.unwrap();
    assert!(exit == 1 && text.contains("Error-Cause = Unsupported-Attribute"), "{exit}: {text}");
    let (exit, text) = radclient(listening, "disconnect", "wrong", &session).await.unwrap();
    assert!(exit == 1 && text.contains("No reply from server"), "{exit}: {text}");
    let old = format!("Acct-Session-Id = \"s1\"\nEvent-Timestamp = {}\n", now - 3600);
    let (exit, text) = radclient(listening, "disconnect", SECRET, &old).await.unwrap();
    assert!(exit == 1 && text.contains("No reply from server"), "{exit}: {text}");

    let counters = handle.status().await.unwrap().dynamic;
    assert_eq!((counters.disconnects, counters.coas, counters.acks, counters.naks), (3, 2, 3, 2));
    assert_eq!((counters.bad_authenticators, counters.stale), (2, 2), "each was sent twice");
    let mut kinds = Vec::new();
    while let Ok((kind, order)) = orders.try_recv() {
        if kind == Kind::Coa {
            let change = order.change.unwrap();
            assert_eq!((change.session_timeout, change.pool.as_deref()), (Some(60), Some("gold")));
        }
        kinds.push(kind);
    }
    assert_eq!(kinds, [Kind::Disconnect, Kind::Disconnect, Kind::Coa, Kind::Disconnect]);
}
