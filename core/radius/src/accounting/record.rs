//! Accounting records.

use crate::access::{Subscriber, push_text};
use crate::client::{Kind, Request};
use crate::config::NasConfig;
use crate::packet::{AttributeList, TooLong, Type};
use bindery_types::{Ipv4Addr, Wall};
use std::sync::Arc;
use std::time::Duration;

/// Acct-Status-Type (RFC 2866 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Status {
    /// A session starts.
    Start = 1,
    /// A session ends.
    Stop = 2,
    /// What a session has used so far (RFC 2869 §2.1).
    Interim = 3,
    /// The router starts to account.
    On = 7,
    /// The router stops to account.
    Off = 8,
}

impl Status {
    pub(super) fn new(number: u8) -> Option<Self> {
        [Self::Start, Self::Stop, Self::Interim, Self::On, Self::Off].into_iter().find(|s| *s as u8 == number)
    }
}

/// Acct-Terminate-Cause (RFC 2866 §5.10). The configuration may map a cause to any other number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TerminateCause(pub u32);

impl TerminateCause {
    /// The client released its lease.
    pub const USER_REQUEST: Self = Self(1);
    /// The link went down.
    pub const LOST_CARRIER: Self = Self(2);
    /// The lease ran out.
    pub const LOST_SERVICE: Self = Self(3);
    /// Idle-Timeout.
    pub const IDLE_TIMEOUT: Self = Self(4);
    /// Session-Timeout.
    pub const SESSION_TIMEOUT: Self = Self(5);
    /// An operator or a Disconnect-Request ended it.
    pub const ADMIN_RESET: Self = Self(6);
    /// The router is shut down.
    pub const ADMIN_REBOOT: Self = Self(7);
    /// A fault of the router.
    pub const NAS_ERROR: Self = Self(9);
    /// The router ended it, for another reason.
    pub const NAS_REQUEST: Self = Self(10);
    /// The router could not give what was granted.
    pub const SERVICE_UNAVAILABLE: Self = Self(15);
    /// What the user did was wrong: it was rejected.
    pub const USER_ERROR: Self = Self(17);
    /// The router was gone.
    pub const NAS_REBOOT: Self = Self(11);
}

/// What a session is, in every record of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session<'a> {
    /// The subscriber.
    pub subscriber: Subscriber<'a>,
    /// Framed-IP-Address.
    pub address: Option<Ipv4Addr>,
    /// Class of the Access-Accept, unchanged (RFC 2865 §5.25).
    pub classes: &'a [Box<[u8]>],
    /// Acct-Authentic (RFC 2866 §5.6): this router takes everybody here, and has asked no RADIUS server.
    pub local: bool,
}

/// Bytes and packets of a session, seen from the subscriber: input is what came from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Volume {
    /// Bytes from the subscriber.
    pub input_octets: u64,
    /// Bytes to the subscriber.
    pub output_octets: u64,
    /// Packets from the subscriber, modulo 2^32 on the wire.
    pub input_packets: u64,
    /// Packets to the subscriber, modulo 2^32 on the wire.
    pub output_packets: u64,
}

/// What a session has used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Acct-Session-Time, seconds.
    pub seconds: u32,
    /// Where counters are opted in.
    pub volume: Option<Volume>,
}

/// A record that is to reach a server, sooner or later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Kind of record.
    pub status: Status,
    /// Profile whose accounting servers get it.
    pub profile: Arc<str>,
    /// When it happened.
    pub happened: Wall,
    /// All attributes but Acct-Delay-Time.
    pub attributes: AttributeList,
}

impl Record {
    /// A session starts.
    ///
    /// # Errors
    /// A name does not fit an attribute.
    pub fn start(profile: Arc<str>, nas: &NasConfig, session: &Session<'_>, at: Wall) -> Result<Self, TooLong> {
        Self::new(Status::Start, profile, nas, session, at)
    }

    /// What a session has used so far.
    ///
    /// # Errors
    /// A name does not fit an attribute.
    pub fn interim(
        profile: Arc<str>,
        nas: &NasConfig,
        session: &Session<'_>,
        at: Wall,
        usage: &Usage,
    ) -> Result<Self, TooLong> {
        let mut record = Self::new(Status::Interim, profile, nas, session, at)?;
        record.push_usage(usage)?;
        Ok(record)
    }

    /// A session ends.
    ///
    /// # Errors
    /// A name does not fit an attribute.
    pub fn stop(
        profile: Arc<str>,
        nas: &NasConfig,
        session: &Session<'_>,
        at: Wall,
        usage: &Usage,
        cause: TerminateCause,
    ) -> Result<Self, TooLong> {
        let mut record = Self::new(Status::Stop, profile, nas, session, at)?;
        record.push_usage(usage)?;
        record.attributes.push_number(Type::ACCT_TERMINATE_CAUSE, cause.0)?;
        Ok(record)
    }

    /// The router starts (`on`) or stops to account: a server closes what it still has open of it.
    ///
    /// # Errors
    /// The router's name does not fit an attribute.
    pub fn router(profile: Arc<str>, nas: &NasConfig, on: bool, id: &str, at: Wall) -> Result<Self, TooLong> {
        let mut attributes = AttributeList::new();
        let status = if on { Status::On } else { Status::Off };
        attributes.push_number(Type::ACCT_STATUS_TYPE, status as u32)?;
        push_text(&mut attributes, Type::NAS_IDENTIFIER, &nas.identifier)?;
        if let Some(address) = nas.address {
            attributes.push_address(Type::NAS_IP_ADDRESS, address)?;
        }
        push_text(&mut attributes, Type::ACCT_SESSION_ID, id)?;
        push_time(&mut attributes, at)?;
        Ok(Self { status, profile, happened: at, attributes })
    }

    fn new(
        status: Status,
        profile: Arc<str>,
        nas: &NasConfig,
        session: &Session<'_>,
        at: Wall,
    ) -> Result<Self, TooLong> {
        let mut attributes = AttributeList::new();
        attributes.push_number(Type::ACCT_STATUS_TYPE, status as u32)?;
        attributes.extend(session.subscriber.attributes(nas)?.iter())?;
        // RFC 2866 §5.6: 1, authenticated by RADIUS; 2, by the router.
        attributes.push_number(Type::ACCT_AUTHENTIC, if session.local { 2 } else { 1 })?;
        if let Some(address) = session.address {
            attributes.push_address(Type::FRAMED_IP_ADDRESS, address)?;
        }
        for class in session.classes {
            attributes.push(Type::CLASS, class)?;
        }
        push_time(&mut attributes, at)?;
        Ok(Self { status, profile, happened: at, attributes })
    }

    fn push_usage(&mut self, usage: &Usage) -> Result<(), TooLong> {
        let list = &mut self.attributes;
        list.push_number(Type::ACCT_SESSION_TIME, usage.seconds)?;
        let Some(volume) = usage.volume else { return Ok(()) };
        for (octets, low, high) in [
            (volume.input_octets, Type::ACCT_INPUT_OCTETS, Type::ACCT_INPUT_GIGAWORDS),
            (volume.output_octets, Type::ACCT_OUTPUT_OCTETS, Type::ACCT_OUTPUT_GIGAWORDS),
        ] {
            list.push_number(low, octets as u32)?;
            if octets > u32::MAX.into() {
                // RFC 2869 §5.1: how often the counter has wrapped.
                list.push_number(high, (octets >> 32) as u32)?;
            }
        }
        list.push_number(Type::ACCT_INPUT_PACKETS, volume.input_packets as u32)?;
        list.push_number(Type::ACCT_OUTPUT_PACKETS, volume.output_packets as u32)
    }

    /// Acct-Session-Id: records of one session keep their order.
    pub fn session(&self) -> &[u8] {
        self.attributes.first(Type::ACCT_SESSION_ID).unwrap_or_default()
    }

    /// The request that brings it to a server. `now` tells how late it is.
    pub fn request(&self, now: Wall) -> Request {
        Request {
            kind: if self.status == Status::Interim { Kind::Interim } else { Kind::Accounting },
            profile: self.profile.clone(),
            attributes: self.attributes.clone(),
            password: None,
            age: Duration::from_secs(now.0.saturating_sub(self.happened.0)),
            patience: None,
        }
    }

    /// As bytes of a file: status, time, length and text of the profile, attributes.
    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        to.push(self.status as u8);
        to.extend_from_slice(&self.happened.0.to_be_bytes());
        // Profiles have at most 63 bytes; a longer one could not have been configured.
        let profile = self.profile.as_bytes().get(..255).unwrap_or(self.profile.as_bytes());
        to.push(profile.len() as u8);
        to.extend_from_slice(profile);
        to.extend_from_slice(self.attributes.as_bytes());
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[status], rest) = bytes.split_first_chunk::<1>()?;
        let (happened, rest) = rest.split_first_chunk::<8>()?;
        let (&[length], rest) = rest.split_first_chunk::<1>()?;
        let (profile, attributes) = rest.split_at_checked(length.into())?;
        Some(Self {
            status: Status::new(status)?,
            profile: std::str::from_utf8(profile).ok()?.into(),
            happened: Wall(u64::from_be_bytes(*happened)),
            attributes: AttributeList::from_bytes(attributes)?,
        })
    }
}

fn push_time(list: &mut AttributeList, at: Wall) -> Result<(), TooLong> {
    list.push_number(Type::EVENT_TIMESTAMP, u32::try_from(at.0).unwrap_or(u32::MAX))
}
