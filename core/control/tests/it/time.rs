//! Nobody waits for ever, and nobody for those who make others wait.

use crate::{Served, read_answer};
use bindery_api::{Permission, Verb};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

/// As `bindery-control` has them.
const CONNECTIONS_MAX: usize = 64;
const HEAD_SECS: u64 = 10;
const BODY_SECS: u64 = 30;
const REQUEST_SECS: u64 = 300;

#[tokio::test(start_paused = true)]
async fn a_head_that_stalls_is_cut_off() {
    let served = Served::new(Some(Permission::View));
    for sent in ["", "GET /v1/ver", "GET /v1/version HTTP/1.1\r\nhost: x\r\n"] {
        let began = Instant::now();
        let mut stream = served.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(read_answer(stream).await.body, "");
        assert_eq!(began.elapsed().as_secs(), HEAD_SECS, "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_is_cut_off() {
    let served = Served::new(Some(Permission::View));
    let (began, mut stream) = (Instant::now(), served.connect().await);
    stream.write_all(b"GET /v1/version HTTP/1.1\r\nx: ").await.unwrap();
    while stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(began.elapsed().as_secs() <= HEAD_SECS + 1);
    }
    assert!(began.elapsed().as_secs() >= HEAD_SECS);
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_more_is_asked_is_closed() {
    let served = Served::new(Some(Permission::View));
    let mut stream = served.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET /v1/dhcp/server/bindings/summary HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(HEAD_SECS - 1)).await;
    }
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap().matches("200 OK").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_cut_off() {
    let served = Served::new(Some(Permission::Configure));
    for verb in [Verb::ConfigurationEdit, Verb::Reload, Verb::ImportBindings] {
        let began = Instant::now();
        let mut stream = served.connect().await;
        let head = format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{{", verb.path());
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_answer(stream).await;
        assert_eq!(answer.error(408), "the body was not there within 30 s", "{verb:?}");
        assert_eq!(began.elapsed().as_secs(), BODY_SECS, "{verb:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_cut_off() {
    let served = Served::new(Some(Permission::Configure));
    served.daemon.hang();
    for verb in [Verb::Version, Verb::Pools, Verb::ConfigurationShow, Verb::AaaStatistics] {
        let began = Instant::now();
        served.get(verb.path()).await.error(503);
        assert_eq!(began.elapsed().as_secs(), REQUEST_SECS, "{verb:?}");
    }
    let began = Instant::now();
    served.post(&format!("{}?all=true", Verb::ClearBindings.path()), b"").await.error(503);
    assert_eq!(began.elapsed().as_secs(), REQUEST_SECS);
    // A list has begun already: it has no end.
    let answer = served.get(Verb::Bindings.path()).await;
    assert!(answer.status == 200 && !answer.body.contains("]}"), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn all_places_held_by_slow_ones_are_free_again_soon() {
    let served = Served::new(Some(Permission::View));
    let began = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = served.connect().await;
        stream.write_all(b"GET /v1/version HTTP/1.1\r\n").await.unwrap();
        slow.push(stream);
    }
    assert_eq!(served.get(Verb::Version.path()).await.status, 200);
    assert_eq!(began.elapsed().as_secs(), HEAD_SECS);
}

#[tokio::test(start_paused = true)]
async fn slow_ones_delay_nobody_while_there_is_a_place() {
    let served = Served::new(Some(Permission::Configure));
    let began = Instant::now();
    let mut slow = Vec::new();
    for at in 0..CONNECTIONS_MAX - 1 {
        let mut stream = served.connect().await;
        let sent: &[u8] = match at % 3 {
            0 => b"GET /v1/version HTTP/1.1\r\n",
            1 => b"POST /v1/configuration/load HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n{",
            // Its answer is more than the connection holds, and is not taken.
            _ => b"GET /v1/dhcp/server/bindings HTTP/1.1\r\nhost: x\r\n\r\n",
        };
        stream.write_all(sent).await.unwrap();
        slow.push(stream);
    }
    for _ in 0..100 {
        assert_eq!(served.get(Verb::Version.path()).await.status, 200);
    }
    assert_eq!(began.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_under_way_are_answered_at_the_end() {
    let served = Served::new(Some(Permission::Configure));
    let mut idle = served.connect().await;
    let mut posting = served.connect().await;
    let head = "POST /v1/configuration/sessions/open HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{";
    posting.write_all(head.as_bytes()).await.unwrap();
    // Both are being served.
    assert_eq!(served.get(Verb::Version.path()).await.status, 200);
    served.end.send(()).unwrap();
    assert_eq!(idle.read(&mut [0; 9]).await.unwrap(), 0);
    posting.write_all(b"}").await.unwrap();
    assert_eq!(read_answer(posting).await.status, 200);
    served.serving.await.unwrap().unwrap();
}
