//! The stages that steer a request: `bindery:admit@1.0.0`, `bindery:authorize@0.1.0`,
//! `bindery:select-address@0.1.0`.

use std::net::IpAddr;

use bindery_engine::policy::{Phase, Steer};
use bindery_wire::v4::Packet;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};

use super::{Address, Attribute, ClientState, Context, Mac, State, mac};
use crate::request;
use crate::v4;

const REQUESTS: &str = "bindery:admit/requests@1.0.0";

/// The resource `request`. There is one at a time, so its handle carries nothing.
pub(crate) enum Request {}

/// The handle of the request at hand.
pub(crate) fn request() -> Resource<Request> {
    Resource::new_borrow(0)
}

#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
struct Choices {
    group: Option<String>,
    pool: Option<String>,
    class: Option<String>,
    address: Option<Address>,
    #[component(name = "lease-seconds")]
    lease_seconds: Option<u32>,
}

impl From<&Steer> for Choices {
    fn from(steer: &Steer) -> Choices {
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        Choices {
            group: text(&steer.group),
            pool: text(&steer.pool),
            class: text(&steer.class),
            address: steer.address.map(|address| IpAddr::V4(address).into()),
            lease_seconds: steer.lease_secs,
        }
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct AdmitMeta {
    address: Address,
    #[component(name = "request-type")]
    request_type: u8,
    state: ClientState,
    mac: Mac,
    #[component(name = "transaction-id")]
    transaction_id: u32,
}

impl AdmitMeta {
    pub(crate) fn new(packet: &Packet<'_>, unicast: bool) -> AdmitMeta {
        AdmitMeta {
            address: IpAddr::V4(packet.ciaddr()).into(),
            request_type: packet.message_type().map_or(0, |kind| kind as u8),
            state: request::client_state(packet, unicast).into(),
            mac: mac(packet.hw_addr().mac().unwrap_or_default().0),
            transaction_id: packet.xid().0,
        }
    }
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct AdmitChoice {
    pub(crate) group: Option<String>,
    pub(crate) pool: Option<String>,
    pub(crate) class: Option<String>,
}

/// What becomes of a request, with the choices of a stage.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum AdmitVerdict {
    #[component(name = "continue")]
    Continue,
    #[component(name = "choose")]
    Choose(AdmitChoice),
    #[component(name = "drop")]
    Drop,
}

/// Parameters and result of `admit`.
pub(crate) type AdmitParams = (AdmitMeta, Resource<Request>);
pub(crate) type AdmitAnswer = (AdmitVerdict,);

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum WhichPhase {
    #[component(name = "before")]
    Before,
    #[component(name = "after")]
    After,
}

impl From<Phase> for WhichPhase {
    fn from(phase: Phase) -> WhichPhase {
        match phase {
            Phase::Before => WhichPhase::Before,
            Phase::After => WhichPhase::After,
        }
    }
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct AuthorizeChoice {
    pub(crate) username: Option<String>,
    pub(crate) attributes: Option<Vec<Attribute>>,
    pub(crate) group: Option<String>,
    pub(crate) pool: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) address: Option<Address>,
    #[component(name = "lease-seconds")]
    pub(crate) lease_seconds: Option<u32>,
}

/// What becomes of a newcomer.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum AuthorizeVerdict {
    #[component(name = "continue")]
    Continue,
    #[component(name = "choose")]
    Choose(AuthorizeChoice),
    #[component(name = "drop")]
    Drop,
}

/// Parameters and result of `authorize`.
pub(crate) type AuthorizeParams = (WhichPhase, Resource<Request>, String, Vec<Attribute>);
pub(crate) type AuthorizeAnswer = (AuthorizeVerdict,);

#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Proposal {
    pub(crate) pool: String,
    pub(crate) address: Option<Address>,
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct SelectChoice {
    pub(crate) pool: Option<String>,
    pub(crate) address: Option<Address>,
    #[component(name = "lease-seconds")]
    pub(crate) lease_seconds: Option<u32>,
}

/// What becomes of a client that is about to get an address.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum SelectVerdict {
    #[component(name = "continue")]
    Continue,
    #[component(name = "choose")]
    Choose(SelectChoice),
    #[component(name = "drop")]
    Drop,
}

/// Parameters and result of `select`.
pub(crate) type SelectParams = (Proposal, Resource<Request>);
pub(crate) type SelectAnswer = (SelectVerdict,);

type Handle = Resource<Request>;

/// Offers `requests`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut it = linker.instance(REQUESTS)?;
    it.resource("request", ResourceType::host::<Request>(), |_, _| Ok(()))?;
    it.func_wrap("[method]request.request-option", |cx: Context<'_>, (_, code): (Handle, u16)| {
        Ok((cx.data().view.request_option(code),))
    })?;
    it.func_wrap("[method]request.raw-request-options", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().view.raw_request.clone(),))
    })?;
    it.func_wrap("[method]request.group", |cx: Context<'_>, (_,): (Handle,)| Ok((cx.data().view.group.clone(),)))?;
    it.func_wrap("[method]request.interface-name", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().view.interface.clone(),))
    })?;
    it.func_wrap("[method]request.relay-address", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().view.relay.map(|relay| Address::from(IpAddr::V4(relay))),))
    })?;
    it.func_wrap("[method]request.circuit-id", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().view.suboption(v4::CIRCUIT_ID),))
    })?;
    it.func_wrap("[method]request.remote-id", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((cx.data().view.suboption(v4::REMOTE_ID),))
    })?;
    it.func_wrap("[method]request.chosen", |cx: Context<'_>, (_,): (Handle,)| {
        Ok((Choices::from(&cx.data().view.steer),))
    })?;
    Ok(())
}
