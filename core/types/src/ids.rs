//! Identities: small integers that never mean one another.

use core::fmt;

/// Transaction id of a DHCP message: chosen by the client, echoed by the server (RFC 2131 §2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Xid(pub u32);

/// A session's name: unique in the session database for ever, never reused.
///
/// The top 8 bits carry the [`EngineId`] that made it, so that several engines never need to agree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SessionId(pub u64);

impl SessionId {
    /// The `count`th session (from 1) of `engine`.
    pub const fn new(engine: EngineId, count: u64) -> Self {
        Self(((engine.0 as u64) << 56) | (count & 0x00ff_ffff_ffff_ffff))
    }

    /// The engine that made the session.
    pub const fn engine(self) -> EngineId {
        EngineId((self.0 >> 56) as u8)
    }

    /// Its running number within that engine.
    pub const fn count(self) -> u64 {
        self.0 & 0x00ff_ffff_ffff_ffff
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which engine of a daemon; an engine owns whole routing instances.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct EngineId(pub u8);

/// The kernel's interface index; 0 means none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct IfIndex(pub u32);

/// A routing instance. 0 is the default instance (`LS:RI` of Junos); it is persisted in session records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct InstanceId(pub u16);

/// Index of a group in the resolved configuration. Not persisted: records keep the group's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct GroupId(pub u16);

/// Index of a pool in the resolved configuration. Not persisted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PoolId(pub u16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_names_its_engine() {
        let id = SessionId::new(EngineId(3), 77);
        assert_eq!(id.engine(), EngineId(3));
        assert_eq!(id.count(), 77);
    }
}
