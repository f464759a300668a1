//! CPU time per packet of a thread that sends and of one that receives, in full batches, over a veth between two network namespaces of its own:
//! `cargo run --release -p bindery-net --example packet_rates`.
//!
//! On a veth the receiver's network stack runs in the sender's time: the figures of a sender hold both.

use anyhow::{Context, Result, ensure};
use bindery_engine::output::{Destination, Transmit};
use bindery_net::{Settings, Sockets};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr};
use bindery_wire::v4::MessageType;
use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, unshare},
    time::{ClockId, clock_gettime},
};
use std::{process::Command, sync::mpsc, thread, time::Duration};

/// Packets that the receiver's buffer holds.
const ROUND: usize = 8_192;
const ROUNDS: usize = 40;

fn main() -> Result<()> {
    let (to_receiver, from_sender) = mpsc::channel::<usize>();
    let (to_sender, from_receiver) = mpsc::channel::<i32>();
    let receiver = thread::spawn(move || -> Result<()> {
        unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace; run as root")?;
        to_sender.send(nix::unistd::gettid().as_raw())?;
        from_sender.recv()?;
        sh("ip link set r0 up; ip addr add 10.0.0.2/24 dev r0")?;
        // The sender's frames go to the port of clients.
        let mut sockets = Sockets::open(&Settings { port: 68, ..Settings::default() })?;
        to_sender.send(0)?;
        for _ in 0..2 {
            from_sender.recv()?;
            receive(&mut sockets, &from_sender, &to_sender)?;
        }
        Ok(())
    });
    unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace; run as root")?;
    let peer = from_receiver.recv()?;
    sh(&format!(
        "ip link add s0 type veth peer name r0; ip link set r0 netns {peer}; ip link set s0 up
        ip addr add 10.0.0.1/24 dev s0"
    ))?;
    to_receiver.send(0)?;
    from_receiver.recv()?;
    let mut sockets = Sockets::open(&Settings::default())?;
    let link = IfIndex(if_nametoindex("s0")?);
    let src = Ipv4Addr::new(10, 0, 0, 1);
    let frame = Destination::Frame { link, mac: MacAddr::BROADCAST, src, dst: Ipv4Addr::BROADCAST };
    let datagram = Destination::Udp { link, src, dst: Ipv4Addr::new(10, 0, 0, 2), port: 68 };
    for (what, to) in [("by packet socket", frame), ("by UDP socket", datagram)] {
        to_receiver.send(0)?;
        println!("{what}:");
        send(&mut sockets, to, &to_receiver, &from_receiver)?;
    }
    receiver.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))?
}

/// Sends round after round, each when the receiver has emptied its buffer.
fn send(
    sockets: &mut Sockets,
    to: Destination,
    receiver: &mpsc::Sender<usize>,
    acks: &mpsc::Receiver<i32>,
) -> Result<()> {
    let mut batch = Vec::new();
    let mut pool: Vec<Vec<u8>> = Vec::new();
    let mut spent = Duration::ZERO;
    for _ in 0..ROUNDS {
        let before = cpu()?;
        for _ in 0..ROUND / 64 {
            while batch.len() < 64 {
                let payload = pool.pop().unwrap_or_else(|| vec![7; 300]);
                batch.push(Transmit { to, message: MessageType::Ack, payload });
            }
            sockets.transmit(&mut batch, |payload| pool.push(payload));
        }
        spent += cpu()? - before;
        receiver.send(ROUND)?;
        acks.recv()?;
    }
    ensure!(sockets.counters().send_errors_total() == 0);
    report("send", spent);
    Ok(())
}

fn receive(sockets: &mut Sockets, sender: &mpsc::Receiver<usize>, acks: &mpsc::Sender<i32>) -> Result<()> {
    let mut spent = Duration::ZERO;
    for _ in 0..ROUNDS {
        let mut left = sender.recv()?;
        let before = cpu()?;
        while left > 0 {
            let ready = sockets.poll(Some(Duration::from_secs(10)))?;
            let count = sockets.receive(ready, |_, _| {});
            ensure!(count > 0, "{left} packets are missing: {:?}", sockets.kernel_drops());
            left = left.saturating_sub(count);
        }
        spent += cpu()? - before;
        acks.send(0)?;
    }
    report("receive", spent);
    Ok(())
}

fn report(what: &str, spent: Duration) {
    println!("  {:>6.2} us  {what}", spent.as_secs_f64() / (ROUND * ROUNDS) as f64 * 1e6);
}

fn cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

fn sh(lines: &str) -> Result<()> {
    ensure!(Command::new("sh").args(["-ec", lines]).status()?.success(), "{lines}");
    Ok(())
}
