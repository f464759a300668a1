//! What is granted: `bindery:host@0.1.0`.

use std::net::{IpAddr, Ipv4Addr};

use bindery_engine::policy::{self, Lookup};
use bindery_engine::session::State as State4;
use bindery_types::{MacAddr, SessionId};
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use super::{Address, Context, Mac, State, mac};
use crate::{grants, kv, lookup, requests};

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only guests say it; the host reads it from their memory")]
enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warning")]
    Warning,
    #[component(name = "error")]
    Error,
}

impl From<Level> for grants::Level {
    fn from(level: Level) -> grants::Level {
        match level {
            Level::Debug => grants::Level::Debug,
            Level::Info => grants::Level::Info,
            Level::Warning => grants::Level::Warning,
            Level::Error => grants::Level::Error,
        }
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
enum Refusal {
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "full")]
    Full,
}

impl From<kv::Refusal> for Refusal {
    fn from(refusal: kv::Refusal) -> Refusal {
        match refusal {
            kv::Refusal::TooLarge => Refusal::TooLarge,
            kv::Refusal::Full => Refusal::Full,
        }
    }
}

/// Offers what may be granted. Who may import it is judged when a component is loaded.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut it = linker.instance("bindery:host/log@0.1.0")?;
    it.func_wrap("log", |mut cx: Context<'_>, (level, message): (Level, String)| {
        cx.data_mut().used.log(level.into(), &message);
        Ok(())
    })?;
    let mut it = linker.instance("bindery:host/counters@0.1.0")?;
    it.func_wrap("add", |mut cx: Context<'_>, (name, by): (String, u64)| {
        cx.data_mut().used.count(&name, by);
        Ok(())
    })?;
    let mut it = linker.instance("bindery:host/kv@0.1.0")?;
    it.func_wrap("get", |cx: Context<'_>, (key,): (Vec<u8>,)| Ok((cx.data().used.get(&key),)))?;
    it.func_wrap("set", |mut cx: Context<'_>, (key, value): (Vec<u8>, Vec<u8>)| {
        Ok((cx.data_mut().used.set(key, value).map_err(Refusal::from),))
    })?;
    it.func_wrap("delete", |mut cx: Context<'_>, (key,): (Vec<u8>,)| {
        cx.data_mut().used.delete(key);
        Ok(())
    })?;
    link_sessions(linker)
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
enum Standing {
    #[component(name = "offered")]
    Offered,
    #[component(name = "bound")]
    Bound,
    #[component(name = "released")]
    Released,
    #[component(name = "expired")]
    Expired,
    #[component(name = "cleared")]
    Cleared,
    #[component(name = "declined")]
    Declined,
}

impl From<State4> for Standing {
    fn from(state: State4) -> Standing {
        match state {
            State4::Offered => Standing::Offered,
            State4::Bound => Standing::Bound,
            State4::Released => Standing::Released,
            State4::Expired => Standing::Expired,
            State4::Cleared => Standing::Cleared,
            State4::Declined => Standing::Declined,
        }
    }
}

#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
struct Found {
    #[component(name = "session-id")]
    session_id: u64,
    state: Standing,
    address: Address,
    mac: Mac,
    group: String,
    #[component(name = "interface-name")]
    interface_name: String,
    pool: String,
    #[component(name = "relay-address")]
    relay_address: Option<Address>,
    #[component(name = "client-id")]
    client_id: Option<Vec<u8>>,
}

impl From<policy::Found<'_>> for Found {
    fn from(policy::Found { subject, state }: policy::Found<'_>) -> Found {
        let v4 = |address| Address::from(IpAddr::V4(address));
        Found {
            session_id: subject.session.0,
            state: state.into(),
            address: v4(subject.address),
            mac: mac(subject.hw.mac().unwrap_or_default().0),
            group: subject.group.to_owned(),
            interface_name: subject.interface.to_owned(),
            pool: subject.pool.to_owned(),
            relay_address: (!subject.giaddr.is_unspecified()).then(|| v4(subject.giaddr)),
            client_id: (!subject.client_id.is_empty()).then(|| subject.client_id.to_vec()),
        }
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
enum Away {
    #[component(name = "unavailable")]
    Unavailable,
}

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only guests say it; the host reads it from their memory")]
enum Purpose {
    #[component(name = "renumber")]
    Renumber,
    #[component(name = "refresh")]
    Refresh,
}

impl From<Purpose> for requests::Purpose {
    fn from(purpose: Purpose) -> requests::Purpose {
        match purpose {
            Purpose::Renumber => requests::Purpose::Renumber,
            Purpose::Refresh => requests::Purpose::Refresh,
        }
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
enum NotAsked {
    #[component(name = "full")]
    Full,
}

/// Offers what is about sessions.
fn link_sessions(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut it = linker.instance("bindery:host/session-lookup@0.1.0")?;
    it.func_wrap("by-address", |_: Context<'_>, (address,): (Address,)| {
        let find = |lookup: Lookup<'_>| match address {
            Address::Ipv4(bits) => lookup.by_address(Ipv4Addr::from_bits(bits)).map(Found::from),
            Address::Ipv6(_) => None,
        };
        Ok((lookup::with(find).ok_or(Away::Unavailable),))
    })?;
    it.func_wrap("by-mac", |_: Context<'_>, ((a, b, c, d, e, f),): (Mac,)| {
        let mac = MacAddr([a, b, c, d, e, f]);
        let find = |lookup: Lookup<'_>| lookup.by_hw(&mac.into()).map(Found::from).collect::<Vec<_>>();
        Ok((lookup::with(find).ok_or(Away::Unavailable),))
    })?;
    let mut it = linker.instance("bindery:host/request-reconfigure@0.1.0")?;
    it.func_wrap("request", |mut cx: Context<'_>, (session, purpose): (u64, Purpose)| {
        let request = (SessionId(session), purpose.into());
        Ok((cx.data_mut().used.ask(request).map_err(|requests::Full| NotAsked::Full),))
    })?;
    Ok(())
}
