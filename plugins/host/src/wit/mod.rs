//! The interfaces of `wit/` as this host speaks them, and the linker that offers them.
//!
//! Written by hand rather than generated: the getters hand out and take bytes without a copy more than the
//! canonical ABI needs, and a component is bound to the stages that it exports, not to a whole world.

mod host;
pub(crate) mod session;
pub(crate) mod shape;
pub(crate) mod steer;

use std::net::{IpAddr, Ipv4Addr};

use bindery_engine::policy::{self, Stage};
use wasmtime::component::{ComponentType, Lift, Linker, Lower};
use wasmtime::{Engine, StoreContextMut};

use crate::deadline::Deadline;
use crate::edits::{Edits, Refused};
use crate::error::Failure;
use crate::grants::Used;
use crate::limits::Limits;
use crate::plugin::Failed;
use crate::session::SessionView;
use crate::shape as host_shape;
use crate::spec;
use crate::view::View;

/// A WIT package that this host has, and its one version.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Interfaces that the host offers.
    pub(crate) offers: &'static [&'static str],
}

/// Every package of `wit/`.
pub(crate) const PACKAGES: [Package; 12] = [
    Package { name: "bindery:types", version: "1.0.0", offers: &["types"] },
    Package { name: "bindery:shape-reply", version: "1.0.0", offers: &["exchanges"] },
    Package { name: "bindery:admit", version: "1.0.0", offers: &["requests"] },
    Package { name: "bindery:sessions", version: "0.1.0", offers: &["sessions"] },
    Package {
        name: HOST,
        version: "0.1.0",
        offers: &["log", "counters", "kv", "session-lookup", "request-reconfigure"],
    },
    Package { name: "bindery:authorize", version: "0.1.0", offers: &[] },
    Package { name: "bindery:select-address", version: "0.1.0", offers: &[] },
    Package { name: "bindery:disconnect", version: "0.1.0", offers: &[] },
    Package { name: "bindery:reconfigure-exhausted", version: "0.1.0", offers: &[] },
    Package { name: "bindery:leasequery", version: "0.1.0", offers: &[] },
    Package { name: "bindery:route", version: "0.1.0", offers: &[] },
    Package { name: "bindery:session-events", version: "0.1.0", offers: &[] },
];

/// Interfaces that the host offers of a package.
pub(crate) fn offers(package: &str) -> &'static [&'static str] {
    PACKAGES.iter().find(|known| known.name == package).map_or(&[], |package| package.offers)
}

/// The package of which each interface has to be granted.
pub(crate) const HOST: &str = "bindery:host";
const TYPES: &str = "bindery:types/types@1.0.0";
/// How a component gets its settings.
pub(crate) const CONFIGURATION: &str = "bindery:types/configuration@1.0.0";

/// The hook of a stage: interface and function.
pub(crate) const fn hook(stage: Stage) -> (&'static str, &'static str) {
    match stage {
        Stage::Admit => ("bindery:admit/hook@1.0.0", "admit"),
        Stage::Authorize => ("bindery:authorize/hook@0.1.0", "authorize"),
        Stage::SelectAddress => ("bindery:select-address/hook@0.1.0", "select"),
        Stage::ShapeReply => ("bindery:shape-reply/hook@1.0.0", "shape"),
        Stage::Disconnect => ("bindery:disconnect/hook@0.1.0", "decide"),
        Stage::ReconfigureExhausted => ("bindery:reconfigure-exhausted/hook@0.1.0", "decide"),
        Stage::Leasequery => ("bindery:leasequery/hook@0.1.0", "decide"),
        Stage::Route => ("bindery:route/hook@0.1.0", "choose"),
        Stage::SessionEvents => ("bindery:session-events/hook@0.1.0", "observe"),
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lower, Lift)]
#[component(variant)]
pub(crate) enum Address {
    #[component(name = "ipv4")]
    Ipv4(u32),
    #[component(name = "ipv6")]
    Ipv6((u64, u64)),
}

impl Address {
    /// The address, from a guest that was asked about DHCPv4.
    pub(crate) fn v4(self) -> Result<Ipv4Addr, Failed> {
        match self {
            Address::Ipv4(bits) => Ok(Ipv4Addr::from_bits(bits)),
            Address::Ipv6(_) => Err(Failed::new(Failure::BadVerdict, "an IPv6 address where an IPv4 one is due")),
        }
    }
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

impl From<host_shape::ClientState> for ClientState {
    fn from(state: host_shape::ClientState) -> ClientState {
        match state {
            host_shape::ClientState::Init => ClientState::Init,
            host_shape::ClientState::Selecting => ClientState::Selecting,
            host_shape::ClientState::InitReboot => ClientState::InitReboot,
            host_shape::ClientState::Renewing => ClientState::Renewing,
            host_shape::ClientState::Rebinding => ClientState::Rebinding,
            host_shape::ClientState::Informing => ClientState::Informing,
            host_shape::ClientState::Other => ClientState::Other,
        }
    }
}

/// An Ethernet address.
pub(crate) type Mac = (u8, u8, u8, u8, u8, u8);

fn mac([a, b, c, d, e, f]: [u8; 6]) -> Mac {
    (a, b, c, d, e, f)
}

/// A RADIUS attribute, as `authorize` and `disconnect` each have it.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(record)]
pub(crate) struct Attribute {
    pub(crate) vendor: u32,
    pub(crate) code: u8,
    pub(crate) value: Vec<u8>,
}

impl From<&policy::Attribute> for Attribute {
    fn from(attribute: &policy::Attribute) -> Attribute {
        Attribute { vendor: attribute.vendor, code: attribute.code, value: attribute.value.to_vec() }
    }
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
/// What a store holds for its instance.
pub(crate) struct State {
    pub(crate) view: View,
    pub(crate) session: SessionView,
    pub(crate) used: Used,
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

type Context<'a> = StoreContextMut<'a, State>;

/// The linker of every plugin: what is not in it, a plugin does not get.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    // Types only; a component may still name the instance.
    linker.instance(TYPES)?;
    shape::link(&mut linker)?;
    steer::link(&mut linker)?;
    session::link(&mut linker)?;
    host::link(&mut linker)?;
    Ok(linker)
}
