//! Whom an address is kept for: `host`s and tables.

use super::Pools;
use alloc::boxed::Box;
use bindery_types::{InstanceId, Ipv4Addr, MacAddr, PoolId};

/// What a client is known by, where pools are concerned. The default is known by nothing: no reservation is its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Client<'a> {
    /// Its Ethernet address.
    pub mac: Option<MacAddr>,
    /// Option 61 as sent, empty for none.
    pub client_id: &'a [u8],
    /// What its authority calls it, empty for nothing.
    pub user_name: &'a str,
}

impl From<Option<MacAddr>> for Client<'_> {
    fn from(mac: Option<MacAddr>) -> Self {
        Self { mac, ..Self::default() }
    }
}

impl From<MacAddr> for Client<'_> {
    fn from(mac: MacAddr) -> Self {
        Some(mac).into()
    }
}

/// Whom a `host` keeps its address for: whoever fits in any of what is given.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) mac: Option<MacAddr>,
    pub(super) client_id: Box<[u8]>,
    pub(super) user_name: Box<str>,
}

impl Keeper {
    fn is(&self, client: Client<'_>) -> bool {
        (self.mac.is_some() && self.mac == client.mac)
            || (!self.client_id.is_empty() && *self.client_id == *client.client_id)
            || (!self.user_name.is_empty() && *self.user_name == *client.user_name)
    }
}

/// Whom a special address is kept for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kept {
    /// Nobody.
    No,
    /// The one of this number among the keepers.
    Host(u32),
    /// An entry of a table.
    Table(MacAddr),
}

impl Pools {
    /// The reservation of a client in `pool` or those linked to it, in the order in which they are tried: within a
    /// pool by `client-identifier`, then by hardware address (`host`s before the `host-table`), then by `user-name`. It
    /// still has to be taken.
    pub fn reservation<'a>(&self, pool: PoolId, client: impl Into<Client<'a>>) -> Option<(PoolId, Ipv4Addr)> {
        let client = client.into();
        self.reserving(pool).find_map(|id| Some((id, self.reservation_in(id, client)?)))
    }

    fn reservation_in(&self, id: PoolId, client: Client<'_>) -> Option<Ipv4Addr> {
        let pool = self.pool(id)?;
        let by_id = || pool.client_ids.get(client.client_id).copied();
        let by_mac = || {
            let mac = client.mac?;
            self.hosts.get(&(id, mac)).copied().or_else(|| pool.table.as_ref()?.address_of(mac))
        };
        by_id().or_else(by_mac).or_else(|| pool.user_names.get(client.user_name).copied())
    }

    pub(super) fn kept(&self, instance: InstanceId, address: Ipv4Addr) -> Kept {
        match self.specials.get(&(instance, address)) {
            Some(special) => special.kept,
            None => self.kept_in_table(instance, address).map_or(Kept::No, Kept::Table),
        }
    }

    /// Whether a `host` or a `host-table` keeps `address`.
    pub fn is_reserved(&self, instance: InstanceId, address: Ipv4Addr) -> bool {
        self.kept(instance, address) != Kept::No
    }

    /// Whether a `host` or a `host-table` keeps `address` for somebody else than `client`.
    pub fn is_reserved_from<'a>(&self, instance: InstanceId, address: Ipv4Addr, client: impl Into<Client<'a>>) -> bool {
        let client = client.into();
        match self.kept(instance, address) {
            Kept::No => false,
            Kept::Table(mac) => client.mac != Some(mac),
            Kept::Host(number) => !self.keepers.get(number as usize).is_some_and(|keeper| keeper.is(client)),
        }
    }
}
