//! The hooks of an instance, as far as its component exports them.

use bindery_engine::policy::Stage;
use wasmtime::Store;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Lower, TypedFunc,
};

use crate::error::{Failure, LoadReason};
use crate::plugin::Failed;
use crate::spec::Stages;
use crate::wit::{self, State, session, shape, steer};

/// Where a component has its functions.
pub(crate) struct Indexes {
    pub(crate) configure: Option<ComponentExportIndex>,
    hooks: [Option<ComponentExportIndex>; Stage::ALL.len()],
}

impl Indexes {
    pub(crate) fn find(pre: &InstancePre<State>) -> Indexes {
        let component = pre.component();
        Indexes {
            configure: find(component, wit::CONFIGURATION, "configure"),
            hooks: Stage::ALL.map(|stage| {
                let (interface, function) = wit::hook(stage);
                find(component, interface, function)
            }),
        }
    }

    /// Whether each stage that is exported has its function.
    pub(crate) fn check(&self, stages: Stages) -> Result<(), LoadReason> {
        match stages.iter().find(|stage| self.of(*stage).is_none()) {
            None => Ok(()),
            Some(stage) => Err(LoadReason::Mismatch(format!("its hook has no function \"{}\"", wit::hook(stage).1))),
        }
    }

    fn of(&self, stage: Stage) -> Option<&ComponentExportIndex> {
        self.hooks.get(usize::from(stage as u8)).and_then(Option::as_ref)
    }
}

fn find(component: &Component, interface: &str, function: &str) -> Option<ComponentExportIndex> {
    let instance = component.get_export_index(None, interface)?;
    component.get_export_index(Some(&instance), function)
}

/// A hook that may be there.
pub(crate) struct Hook<P, R>(Option<TypedFunc<P, R>>);

impl<P, R> Hook<P, R>
where
    P: ComponentNamedList + Lower + 'static,
    R: ComponentNamedList + Lift + 'static,
{
    /// Call it, its time already set.
    pub(crate) fn call(&self, store: &mut Store<State>, params: P) -> Result<R, Failed> {
        let Some(hook) = &self.0 else {
            return Err(Failed::new(Failure::Trap, "the instance has no hook"));
        };
        let called = hook.call(&mut *store, params);
        let refused_memory = store.data_mut().limits.take_refused();
        called.map_err(|error| Failed::classify(&error, refused_memory))
    }

    fn of(
        indexes: &Indexes,
        stage: Stage,
        instance: &Instance,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Hook<P, R>> {
        Ok(Hook(indexes.of(stage).map(|index| instance.get_typed_func(store, index)).transpose()?))
    }
}

/// The hooks of an instance.
pub(crate) struct Hooks {
    pub(crate) admit: Hook<steer::AdmitParams, steer::AdmitAnswer>,
    pub(crate) authorize: Hook<steer::AuthorizeParams, steer::AuthorizeAnswer>,
    pub(crate) select: Hook<steer::SelectParams, steer::SelectAnswer>,
    pub(crate) shape: Hook<shape::Params, shape::Answer>,
    pub(crate) disconnect: Hook<session::DisconnectParams, session::DisconnectAnswer>,
    pub(crate) exhausted: Hook<session::ExhaustedParams, session::ExhaustedAnswer>,
    pub(crate) leasequery: Hook<session::LeasequeryParams, session::LeasequeryAnswer>,
    pub(crate) route: Hook<session::RouteParams, session::RouteAnswer>,
    pub(crate) observe: Hook<session::ObserveParams, ()>,
}

impl Hooks {
    /// The hooks of `instance`; an error means that the types differ from those in `wit/`.
    pub(crate) fn find(indexes: &Indexes, instance: &Instance, store: &mut Store<State>) -> wasmtime::Result<Hooks> {
        Ok(Hooks {
            admit: Hook::of(indexes, Stage::Admit, instance, store)?,
            authorize: Hook::of(indexes, Stage::Authorize, instance, store)?,
            select: Hook::of(indexes, Stage::SelectAddress, instance, store)?,
            shape: Hook::of(indexes, Stage::ShapeReply, instance, store)?,
            disconnect: Hook::of(indexes, Stage::Disconnect, instance, store)?,
            exhausted: Hook::of(indexes, Stage::ReconfigureExhausted, instance, store)?,
            leasequery: Hook::of(indexes, Stage::Leasequery, instance, store)?,
            route: Hook::of(indexes, Stage::Route, instance, store)?,
            observe: Hook::of(indexes, Stage::SessionEvents, instance, store)?,
        })
    }
}
