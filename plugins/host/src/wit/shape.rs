//! Stage `shape-reply`: `bindery:shape-reply@1.0.0`.

use std::net::IpAddr;

use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType, WasmList};

use super::{Address, ClientState, Context, OutputExceeded, State, mac};
use crate::edits::Edit;
use crate::shape::ShapeMeta;
use crate::v4;

const EXCHANGES: &str = "bindery:shape-reply/exchanges@1.0.0";

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Meta {
    address: Address,
    #[component(name = "request-type")]
    request_type: u8,
    #[component(name = "reply-type")]
    reply_type: u8,
    state: ClientState,
    mac: super::Mac,
    #[component(name = "transaction-id")]
    transaction_id: u32,
    #[component(name = "session-id")]
    session_id: u64,
    #[component(name = "lease-seconds")]
    lease_seconds: u32,
}

impl From<&ShapeMeta> for Meta {
    fn from(meta: &ShapeMeta) -> Meta {
        Meta {
            address: IpAddr::V4(meta.address).into(),
            request_type: meta.request_type,
            reply_type: meta.reply_type,
            state: meta.state.into(),
            mac: mac(meta.mac),
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

/// Parameters and result of `shape`.
pub(crate) type Params = (Meta, Resource<Exchange>);
pub(crate) type Answer = (Verdict,);

/// The resource `exchange`. There is one at a time, so its handle carries nothing.
pub(crate) enum Exchange {}

/// The handle of the exchange at hand.
pub(crate) fn exchange() -> Resource<Exchange> {
    Resource::new_borrow(0)
}

type Handle = Resource<Exchange>;

/// Offers `exchanges`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
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
    Ok(())
}

fn set_option(mut cx: Context<'_>, (_, code, value): (Handle, u16, WasmList<u8>)) -> wasmtime::Result<()> {
    // The value is read where it lies, in the guest's memory, which borrows the whole store: so the
    // buffer is taken out of it meanwhile.
    let mut edits = std::mem::take(&mut cx.data_mut().edits);
    let noted = edits.set(code, value.as_le_slice(&cx));
    cx.data_mut().edits = edits;
    Ok(noted.map_err(OutputExceeded::from)?)
}
