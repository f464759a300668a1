//! What stands in the way of opening the sockets.

use super::{Namespace, Pair};
use crate::{OpenError, Settings, Sockets};
use std::{
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

#[test]
fn a_taken_port_names_its_owner() {
    let Some(server) = Namespace::new("a_taken_port_names_its_owner") else { return };
    let (_other, opened) = server.run(|| {
        let other = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 67)).unwrap();
        (other, Sockets::open(&Settings::default()).err())
    });
    let Some(OpenError::PortInUse { port: 67, owner: Some(owner) }) = opened else { panic!("{opened:?}") };
    assert_eq!(owner.pid, std::process::id());
}

#[test]
fn a_second_daemon_does_not_open() {
    let Some(server) = Namespace::new("a_second_daemon_does_not_open") else { return };
    let opened = server.run(|| {
        let first = Sockets::open(&Settings::default()).unwrap();
        let second = Sockets::open(&Settings::default()).err();
        drop(first);
        (second, super::open_patiently().err())
    });
    assert!(matches!(opened, (Some(OpenError::PortInUse { .. }), None)), "{opened:?}");
}

#[test]
fn a_wake_ends_a_poll_and_is_not_lost() {
    let Some(pair) = Pair::new("a_wake_ends_a_poll_and_is_not_lost") else { return };
    let mut sockets = pair.open();
    let waker = sockets.waker();
    waker.wake();
    waker.wake();
    assert!(sockets.poll(None).unwrap().woken);
    assert!(!sockets.poll(Some(Duration::ZERO)).unwrap().woken);
    let thread = std::thread::spawn(move || waker.wake());
    assert!(sockets.poll(None).unwrap().woken);
    thread.join().unwrap();
}
