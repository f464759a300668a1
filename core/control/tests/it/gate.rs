//! Who may do what, and what a request may hold.

use crate::Served;
use bindery_api::{EditingSession, Method, Permission, Verb};
use bindery_api_check::Daemon;
use bindery_control::Socket;
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
};

const PERMISSIONS: [Option<Permission>; 4] =
    [None, Some(Permission::View), Some(Permission::Clear), Some(Permission::Configure)];

#[tokio::test(start_paused = true)]
async fn every_verb_is_refused_to_whoever_may_not_whatever_the_request_holds() {
    for permission in PERMISSIONS {
        let served = Served::new(permission);
        for verb in Verb::ALL.into_iter().filter(|verb| *verb != Verb::Events) {
            let may = permission.is_some_and(|permission| permission >= verb.permission());
            let path = format!("{}?nonsense=1", verb.path());
            let answer = match verb.method() {
                Method::Get => served.get(&path).await,
                Method::Post => served.post(&path, b"{nonsense").await,
            };
            if may {
                assert_ne!(answer.status, 403, "{verb:?} {permission:?}");
            } else {
                let text = answer.error(403);
                assert!(text.contains(&format!("needs permission {}, which", verb.permission().name())), "{text}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_not_is_refused_before_the_body_is_read() {
    let served = Served::new(Some(Permission::Clear));
    let path = Verb::ConfigurationLoad.path();
    // Larger than any may be, and never sent.
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 99999999\r\n\r\n");
    served.exchange(head.as_bytes()).await.error(403);
    let chunked = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
    served.exchange(chunked.as_bytes()).await.error(403);
}

#[tokio::test(start_paused = true)]
async fn bodies_are_json_without_unknown_fields() {
    let served = Served::new(Some(Permission::Configure));
    let edit = Verb::ConfigurationEdit.path();
    for (body, said) in [
        (&b""[..], "EOF"),
        (b"{", "EOF"),
        (b"[1]", "a list, not an object"),
        (b" [1,\"\",[\"set system\"]]", "a list, not an object"),
        (br#"{"session":1,"commands":[],"sesion":2}"#, "unknown field `sesion`"),
        (br#"{"session":-1,"commands":[]}"#, "invalid value"),
        (br#"{"commands":[]}"#, "missing field `session`"),
        (b"\xff\xfe", "expected value"),
    ] {
        let text = served.post(edit, body).await.error(400);
        assert!(text.contains(said), "{text}");
    }
    served.post(Verb::ConfigurationOpen.path(), b"[]").await.error(400);
    let row = br#"{"bindings":[["10.0.0.1","02:00:00:00:00:01",60,null,null,null,null]]}"#;
    let text = served.post(Verb::ImportBindings.path(), row).await.error(400);
    assert!(text.ends_with("a binding is an object"), "{text}");
    let deep = "[".repeat(100_000);
    served.post(edit, deep.as_bytes()).await.error(400);
    for path in ["/v1/configuration?formt=set", "/v1/configuration?session=x", "/v1/configuration/complete"] {
        served.get(path).await.error(400);
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_configuration_have_their_status() {
    let served = Served::new(Some(Permission::Configure));
    let unknown = served.post(Verb::ConfigurationClose.path(), br#"{"session":9}"#).await.error(404);
    assert_eq!(unknown, "there is no editing session 9");
    let opened = served.post(Verb::ConfigurationOpen.path(), br#"{"mode":"shared","terminal":"pts/1"}"#).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let session: EditingSession = serde_json::from_str(&opened.body).unwrap();
    assert_eq!((session.user.as_str(), session.pid, session.terminal.as_str()), ("1000", 7, "pts/1"));
    served.post(Verb::ConfigurationOpen.path(), br#"{"mode":"exclusive"}"#).await.error(409);
    let edit = |command: &str| format!(r#"{{"session":{},"commands":["{command}"]}}"#, session.session);
    served.post(Verb::ConfigurationEdit.path(), edit("make it so").as_bytes()).await.error(422);
    let edited = served.post(Verb::ConfigurationEdit.path(), edit("set system").as_bytes()).await;
    assert_eq!((edited.status, edited.body.as_str()), (200, r#"{"changed":1}"#));
}

#[tokio::test(start_paused = true)]
async fn bodies_have_bounds() {
    let served = Served::new(Some(Permission::Configure));
    let load = |bytes: usize| {
        let text = "x".repeat(bytes);
        format!(r#"{{"session":1,"text":"{text}"}}"#).into_bytes()
    };
    assert_eq!(served.post(Verb::ConfigurationOpen.path(), b"{}").await.status, 200);
    assert_eq!(served.post(Verb::ConfigurationLoad.path(), &load((16 << 20) - 100)).await.status, 200);
    let text = served.post(Verb::ConfigurationLoad.path(), &load(16 << 20)).await.error(413);
    assert_eq!(text, "the body is too large: at most 16777216 bytes");
    for verb in [Verb::Reload, Verb::Shutdown, Verb::ClearStatistics] {
        assert_ne!(served.post(verb.path(), &[b' '; 4_096]).await.status, 413, "{verb:?}");
        served.post(verb.path(), &[b' '; 4_097]).await.error(413);
    }
    // One that does not say its length.
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4_096)).repeat(2);
    let path = Verb::Reload.path();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
    served.exchange(format!("{head}{chunk}0\r\n\r\n").as_bytes()).await.error(413);
}

#[tokio::test(start_paused = true)]
async fn other_methods_and_paths_are_refused() {
    let served = Served::new(Some(Permission::Configure));
    for verb in Verb::ALL {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
            let request = format!("{method} {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", verb.path());
            let answer = served.exchange(request.as_bytes()).await;
            answer.error(405);
            let allowed = if verb.method() == Method::Get { "allow: get" } else { "allow: post" };
            assert!(answer.head.contains(allowed), "{answer:?}");
        }
    }
    let wrong = match Verb::Reload.method() {
        Method::Get => served.post(Verb::Reload.path(), b"").await,
        Method::Post => served.get(Verb::Reload.path()).await,
    };
    wrong.error(405);
    for path in ["/", "/v1", "/v1/version/", "/v1//version", "/v2/version", "/v1/%ff", "/v1/configuration/..", "*"] {
        served.get(path).await.error(404);
    }
}

#[tokio::test]
async fn a_unix_socket_tells_who_asks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let socket = Socket::open(&path).unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let daemon = Daemon::new(Some(Permission::Configure));
    let serving = tokio::spawn(bindery_control::serve(socket, Arc::clone(&daemon) as _, async {
        let _ = ended.await;
    }));
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request = "POST /v1/configuration/sessions/open HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
        content-length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1;
    let session: EditingSession = serde_json::from_str(body).unwrap();
    assert_eq!(u32::try_from(session.pid).unwrap(), std::process::id());
    drop(end);
    serving.await.unwrap().unwrap();
}
