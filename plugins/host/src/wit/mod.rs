//! The interfaces of `wit/` as this host speaks them, and the linker that offers them.
//!
//! Written by hand rather than generated: the getters hand out and take bytes without a copy more than the
//! canonical ABI needs, and a component is bound to the stages that it exports, not to a whole world.

use std::net::IpAddr;

use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType, WasmList};
use wasmtime::{Engine, StoreContextMut};

use crate::deadline::Deadline;
use crate::edits::{Edit, Edits, Refused};
use crate::limits::Limits;
use crate::shape::{self, ShapeMeta};
use crate::spec;
use crate::v4;
use crate::view::View;

/// A WIT package that this host has, and its one version.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Interfaces that the host offers.
    pub(crate) offers: &'static [&'static str],
}

/// Every package of `wit/`.
pub(crate) const PACKAGES: [Package; 2] = [
    Package { name: "bindery:types", version: "1.0.0", offers: &["types"] },
    Package { name: "bindery:shape-reply", version: "1.0.0", offers: &["exchanges"] },
];

const TYPES: &str = "bindery:types/types@1.0.0";
const EXCHANGES: &str = "bindery:shape-reply/exchanges@1.0.0";
/// How a component gets its settings.
pub(crate) const CONFIGURATION: &str = "bindery:types/configuration@1.0.0";
/// The hook of stage `shape-reply`.
pub(crate) const SHAPE_REPLY: &str = "bindery:shape-reply/hook@1.0.0";

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(variant)]
pub(crate) enum Address {
    #[component(name = "ipv4")]
    Ipv4(u32),
    #[component(name = "ipv6")]
    Ipv6((u64, u64)),
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Address {
        match address {
            IpAddr::V4(address) => Address::Ipv4(address.to_bits()),
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                Address::Ipv6(((bits >> 64) as u64, bits as u64))
            }
        }
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum ClientState {
    #[component(name = "init")]
    Init,
    #[component(name = "selecting")]
    Selecting,
    #[component(name = "init-reboot")]
    InitReboot,
    #[component(name = "renewing")]
    Renewing,
    #[component(name = "rebinding")]
    Rebinding,
    #[component(name = "informing")]
    Informing,
    #[component(name = "other")]
    Other,
}

impl From<shape::ClientState> for ClientState {
    fn from(state: shape::ClientState) -> ClientState {
        match state {
            shape::ClientState::Init => ClientState::Init,
            shape::ClientState::Selecting => ClientState::Selecting,
            shape::ClientState::InitReboot => ClientState::InitReboot,
            shape::ClientState::Renewing => ClientState::Renewing,
            shape::ClientState::Rebinding => ClientState::Rebinding,
            shape::ClientState::Informing => ClientState::Informing,
            shape::ClientState::Other => ClientState::Other,
        }
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Meta {
    address: Address,
    #[component(name = "request-type")]
    request_type: u8,
    #[component(name = "reply-type")]
    reply_type: u8,
    state: ClientState,
    mac: (u8, u8, u8, u8, u8, u8),
    #[component(name = "transaction-id")]
    transaction_id: u32,
    #[component(name = "session-id")]
    session_id: u64,
    #[component(name = "lease-seconds")]
    lease_seconds: u32,
}

impl From<&ShapeMeta> for Meta {
    fn from(meta: &ShapeMeta) -> Meta {
        let [a, b, c, d, e, f] = meta.mac;
        Meta {
            address: IpAddr::V4(meta.address).into(),
            request_type: meta.request_type,
            reply_type: meta.reply_type,
            state: meta.state.into(),
            mac: (a, b, c, d, e, f),
            transaction_id: meta.xid,
            session_id: meta.session,
            lease_seconds: meta.lease_seconds,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Verdict {
    #[component(name = "continue")]
    Continue,
    #[component(name = "drop")]
    #[expect(dead_code, reason = "only guests say it; the host reads it from their memory")]
    Drop,
}

#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Setting {
    parent: Option<u32>,
    name: String,
    arguments: Vec<String>,
    properties: Vec<(String, String)>,
}

impl From<&spec::Setting> for Setting {
    fn from(setting: &spec::Setting) -> Setting {
        Setting {
            parent: setting.parent,
            name: setting.name.clone(),
            arguments: setting.arguments.clone(),
            properties: setting.properties.clone(),
        }
    }
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct SettingError {
    pub(crate) setting: Option<u32>,
    pub(crate) message: String,
}

/// Parameters and result of `configure`.
pub(crate) type ConfigureParams<'a> = (&'a [Setting],);
pub(crate) type ConfigureResult = (Result<(), SettingError>,);
/// Parameters and result of `shape`.
pub(crate) type ShapeParams = (Meta, Resource<Exchange>);
pub(crate) type ShapeResult = (Verdict,);

/// The resource `exchange`. There is one at a time, so its handle carries nothing.
pub(crate) enum Exchange {}

/// The handle of the exchange at hand.
pub(crate) fn exchange() -> Resource<Exchange> {
    Resource::new_borrow(0)
}

/// What a store holds for its instance.
pub(crate) struct State {
    pub(crate) view: View,
    pub(crate) edits: Edits,
    pub(crate) limits: Limits,
    pub(crate) deadline: Deadline,
}

/// The guest gave more than it may; it is stopped by this error.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("more options or option bytes than one call may give")]
pub(crate) struct OutputExceeded;

impl From<Refused> for OutputExceeded {
    fn from(Refused::TooMuch: Refused) -> OutputExceeded {
        OutputExceeded
    }
}

type Handle = Resource<Exchange>;
type Context<'a> = StoreContextMut<'a, State>;

/// The linker of every plugin: what is not in it, a plugin does not get.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    // Types only; a component may still name the instance.
    linker.instance(TYPES)?;
    let mut it = linker.instance(EXCHANGES)?;
    it.resource("exchange", ResourceType::host::<Exchange>(), |_, _| Ok(()))?;
    it.func_wrap("[method]exchange.request-option", |cx: Context<'_>, (_, code): (Handle, u16)| {
        Ok((cx.data().view.request_option(code),))
    })?;
    it.func_wrap("[method]exchange.raw-request-options", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().view.raw_request.clone(),))
    })?;
    it.func_wrap("[method]exchange.reply-option", |cx: Context<'_>, (_, code): (Handle, u16)| {
        let state = cx.data();
        Ok((match state.edits.latest(code) {
            Some(Edit::Set(_, value)) => Some(value.to_vec()),
            Some(Edit::Remove(_)) => None,
            None => state.view.reply_option(code),
        },))
    })?;
    it.func_wrap("[method]exchange.group", |cx: Context<'_>, (_,): (Handle,)| Ok((cx.data().view.group.clone(),)))?;
    it.func_wrap("[method]exchange.interface-name", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().view.interface.clone(),))
    })?;
    it.func_wrap("[method]exchange.relay-address", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().view.relay.map(|relay| Address::from(IpAddr::V4(relay))),))
    })?;
    it.func_wrap("[method]exchange.circuit-id", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().view.suboption(v4::CIRCUIT_ID),))
    })?;
    it.func_wrap("[method]exchange.remote-id", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().view.suboption(v4::REMOTE_ID),))
    })?;
    it.func_wrap("[method]exchange.set-option", set_option)?;
    it.func_wrap("[method]exchange.remove-option", |mut cx: Context<'_>, (_, code): (Handle, u16)| {
        Ok(cx.data_mut().edits.remove(code).map_err(OutputExceeded::from)?)
    })?;
    Ok(linker)
}

fn set_option(mut cx: Context<'_>, (_, code, value): (Handle, u16, WasmList<u8>)) -> wasmtime::Result<()> {
    // The value is read where it lies, in the guest's memory, which borrows the whole store: so the
    // buffer is taken out of it meanwhile.
    let mut edits = std::mem::take(&mut cx.data_mut().edits);
    let noted = edits.set(code, value.as_le_slice(&cx));
    cx.data_mut().edits = edits;
    Ok(noted.map_err(OutputExceeded::from)?)
}
