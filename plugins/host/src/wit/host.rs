//! What is granted: `bindery:host@0.1.0`.

use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use super::{Context, State};
use crate::grants;
use crate::kv;

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
    Ok(())
}
