//! DHCP clients without a machine: they send the frames that a test asks for and check what comes back.

use crate::Namespace;
use crate::packet::{Envelope, Message, Sent, kind, option};
use crate::raw::RawSocket;
use crate::wait::{self, DEADLINE};
use anyhow::{Context, Result, bail};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// How long an answer may take before the message is sent again.
const RETRANSMIT: Duration = Duration::from_secs(2);

/// A lease as the server granted it.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Option 54 of the ACK.
    pub server: Ipv4Addr,
    /// The whole ACK.
    pub ack: Sent,
}

/// A segment's end at which any number of made-up clients live.
#[derive(Debug)]
pub struct SimClients {
    socket: RawSocket,
}

impl SimClients {
    /// Opens the clients' end.
    ///
    /// # Errors
    /// As [`RawSocket::open`].
    pub fn open(namespace: &Namespace, interface: &str) -> Result<Self> {
        Ok(Self { socket: RawSocket::open(namespace, interface)? })
    }

    /// The socket, for frames of a test's own.
    #[must_use]
    pub fn socket(&self) -> &RawSocket {
        &self.socket
    }

    /// Sends a client's broadcast and waits for the server's answer to its xid, sending again as clients do.
    ///
    /// # Errors
    /// When no answer comes in time.
    pub fn exchange(&self, message: &Message) -> Result<Sent> {
        let end = Instant::now() + DEADLINE;
        let frame = Envelope::client_broadcast(message.chaddr).frame(&message.encode());
        while Instant::now() < end {
            self.socket.send(&frame)?;
            let answer = |sent: &Sent| sent.message.op == 2 && sent.message.xid == message.xid;
            if let Some(sent) = self.socket.wait(RETRANSMIT, answer)? {
                return Ok(sent);
            }
        }
        wait::gave_up();
        bail!("no answer to message type {} of xid {:08x}", message.kind(), message.xid)
    }

    /// DISCOVER, OFFER, REQUEST, ACK; `decorate` may add to both messages.
    ///
    /// # Errors
    /// When an answer is missing or is not what the exchange needs.
    pub fn lease_with(&self, mac: [u8; 6], xid: u32, decorate: impl Fn(Message) -> Message) -> Result<Lease> {
        let discover = decorate(Message::request(kind::DISCOVER, mac, xid).with(option::PARAMETERS, &[1, 3, 51, 54]));
        let offer = self.exchange(&discover).context("DISCOVER")?;
        if offer.message.kind() != kind::OFFER {
            bail!("DISCOVER was answered by type {}", offer.message.kind());
        }
        let server = offer.message.address_option(option::SERVER).context("the OFFER has no option 54")?;
        let request = Message::request(kind::REQUEST, mac, xid.wrapping_add(1))
            .with(option::REQUESTED, &offer.message.yiaddr.octets())
            .with(option::SERVER, &server.octets())
            .with(option::PARAMETERS, &[1, 3, 51, 54]);
        let ack = self.exchange(&decorate(request)).context("REQUEST")?;
        if ack.message.kind() != kind::ACK || ack.message.yiaddr != offer.message.yiaddr {
            bail!("the REQUEST for {} was answered by {:?}", offer.message.yiaddr, ack.message);
        }
        Ok(Lease { address: ack.message.yiaddr, server, ack })
    }

    /// [`SimClients::lease_with`] with plain messages.
    ///
    /// # Errors
    /// As [`SimClients::lease_with`].
    pub fn lease(&self, mac: [u8; 6], xid: u32) -> Result<Lease> {
        self.lease_with(mac, xid, |message| message)
    }
}

/// The hardware address of made-up client number `number`.
#[must_use]
pub fn mac(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [0x02, 0x0c, a, b, c, d]
}
