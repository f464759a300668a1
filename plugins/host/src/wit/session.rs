//! The stages about a session: `bindery:disconnect`, `reconfigure-exhausted`, `leasequery`, `route` and
//! `session-events`, with what they share, `bindery:sessions`; all 0.1.0.

use std::net::IpAddr;

use bindery_engine::policy::{DisconnectCause, QueryKey, Subject};
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};

use super::{Address, Attribute, Context, Mac, State, mac};
use crate::session;

const SESSIONS: &str = "bindery:sessions/sessions@0.1.0";

/// The resource `session`. There is one at a time, so its handle carries nothing.
pub(crate) enum Session {}

/// The handle of the session at hand.
pub(crate) fn session() -> Resource<Session> {
    Resource::new_borrow(0)
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Facts {
    #[component(name = "session-id")]
    session_id: u64,
    address: Address,
    mac: Mac,
}

impl From<&Subject<'_>> for Facts {
    fn from(subject: &Subject<'_>) -> Facts {
        Facts {
            session_id: subject.session.0,
            address: IpAddr::V4(subject.address).into(),
            mac: mac(subject.hw.mac().unwrap_or_default().0),
        }
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Cause {
    #[component(name = "disconnect")]
    Disconnect,
    #[component(name = "change-of-authorization")]
    ChangeOfAuthorization,
}

impl From<DisconnectCause> for Cause {
    fn from(cause: DisconnectCause) -> Cause {
        match cause {
            DisconnectCause::Disconnect => Cause::Disconnect,
            DisconnectCause::ChangeOfAuthorization => Cause::ChangeOfAuthorization,
        }
    }
}

#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
pub(crate) struct DisconnectRequest {
    pub(crate) cause: Cause,
    #[component(name = "can-reconfigure")]
    pub(crate) can_reconfigure: bool,
    pub(crate) attributes: Vec<Attribute>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only guests say it; the host reads it from their memory")]
pub(crate) enum DisconnectVerdict {
    #[component(name = "pass")]
    Pass,
    #[component(name = "clear")]
    Clear,
    #[component(name = "reconfigure")]
    Reconfigure,
    #[component(name = "ignore")]
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only guests say it; the host reads it from their memory")]
pub(crate) enum ExhaustedVerdict {
    #[component(name = "pass")]
    Pass,
    #[component(name = "restore")]
    Restore,
    #[component(name = "clear")]
    Clear,
    #[component(name = "defer")]
    Defer,
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Key {
    #[component(name = "address")]
    Address,
    #[component(name = "mac")]
    Mac,
    #[component(name = "client-id")]
    ClientId,
}

impl From<QueryKey> for Key {
    fn from(key: QueryKey) -> Key {
        match key {
            QueryKey::Address => Key::Address,
            QueryKey::Mac => Key::Mac,
            QueryKey::ClientId => Key::ClientId,
        }
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Query {
    pub(crate) requestor: Address,
    pub(crate) source: Address,
    pub(crate) key: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only guests say it; the host reads it from their memory")]
pub(crate) enum LeasequeryVerdict {
    #[component(name = "answer")]
    Answer,
    #[component(name = "refuse")]
    Refuse,
}

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Prefix {
    pub(crate) address: Address,
    pub(crate) length: u8,
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct RouteChoice {
    pub(crate) metric: Option<u32>,
    pub(crate) table: Option<u32>,
    pub(crate) tag: Option<u32>,
    pub(crate) extra: Vec<Prefix>,
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Event {
    #[component(name = "bound")]
    Bound,
    #[component(name = "renewed")]
    Renewed,
    #[component(name = "released")]
    Released,
    #[component(name = "expired")]
    Expired,
    #[component(name = "cleared")]
    Cleared,
}

impl From<session::Event> for Event {
    fn from(event: session::Event) -> Event {
        match event {
            session::Event::Bound => Event::Bound,
            session::Event::Renewed => Event::Renewed,
            session::Event::Released => Event::Released,
            session::Event::Expired => Event::Expired,
            session::Event::Cleared => Event::Cleared,
        }
    }
}

/// Parameters and result of `decide` of `disconnect`.
pub(crate) type DisconnectParams = (Facts, Resource<Session>, DisconnectRequest);
pub(crate) type DisconnectAnswer = (DisconnectVerdict,);
/// Parameters and result of `decide` of `reconfigure-exhausted`.
pub(crate) type ExhaustedParams = (Facts, Resource<Session>, u8, bool);
pub(crate) type ExhaustedAnswer = (ExhaustedVerdict,);
/// Parameters and result of `decide` of `leasequery`.
pub(crate) type LeasequeryParams = (Facts, Resource<Session>, Query);
pub(crate) type LeasequeryAnswer = (LeasequeryVerdict,);
/// Parameters and result of `choose`.
pub(crate) type RouteParams = (Facts, Resource<Session>);
pub(crate) type RouteAnswer = (Option<RouteChoice>,);
/// Parameters of `observe`.
pub(crate) type ObserveParams = (Event, Facts, Resource<Session>);

type Handle = Resource<Session>;

/// Offers `sessions`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut it = linker.instance(SESSIONS)?;
    it.resource("session", ResourceType::host::<Session>(), |_, _| Ok(()))?;
    it.func_wrap("[method]session.group", |cx: Context<'_>, (_,): (Handle,)| Ok((cx.data().session.group.clone(),)))?;
    it.func_wrap("[method]session.interface-name", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().session.interface.clone(),))
    })?;
    it.func_wrap("[method]session.pool", |cx: Context<'_>, (_,): (Handle,)| Ok((cx.data().session.pool.clone(),)))?;
    it.func_wrap("[method]session.relay-address", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().session.relay.map(|relay| Address::from(IpAddr::V4(relay))),))
    })?;
    let given = |bytes: &Vec<u8>| if bytes.is_empty() { None } else { Some(bytes.clone()) };
    it.func_wrap("[method]session.client-id", move |cx: Context<'_>, (_,): (Handle,)| {
        Ok((given(&cx.data().session.client_id),))
    })?;
    it.func_wrap("[method]session.relay-info", move |cx: Context<'_>, (_,): (Handle,)| {
        Ok((given(&cx.data().session.relay_info),))
    })?;
    it.func_wrap("[method]session.vendor-class", move |cx: Context<'_>, (_,): (Handle,)| {
        Ok((given(&cx.data().session.vendor_class),))
    })?;
    Ok(())
}
