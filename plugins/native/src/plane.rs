//! A driver's instance as a forwarding plane.
#![allow(unsafe_code)]

use crate::{Fault, context::Context, convert};
use bindery_engine::route::{Counters, Destination, Driver, ForwardingPlane, Route, RouteFailure, RouteOp};
use bindery_plane_abi as abi;
use std::{
    ffi::CString,
    ptr::{self, NonNull},
};

/// Entries that one call of `dump` may tell. A call is the shortest time that what is urgent waits.
const DUMP_MAX: usize = 1024;

type Create = unsafe extern "C" fn(*const abi::Setting, usize, *const abi::Host, *mut *mut abi::Instance) -> i32;
type Apply = unsafe extern "C" fn(*mut abi::Instance, *const abi::Op, usize, *mut i32) -> i32;
type ReadCounters = unsafe extern "C" fn(*mut abi::Instance, *const abi::Key, usize, *mut abi::Counters) -> i32;
type Dump = unsafe extern "C" fn(*mut abi::Instance, *mut u64, *mut abi::Entry, usize, *mut usize) -> i32;

/// A driver's functions; those that must be there are.
#[derive(Clone, Copy)]
pub(crate) struct Calls {
    create: Create,
    destroy: unsafe extern "C" fn(*mut abi::Instance),
    apply: Apply,
    dump: Dump,
    read_counters: Option<ReadCounters>,
    health: Option<unsafe extern "C" fn(*mut abi::Instance) -> i32>,
}

impl Calls {
    pub(crate) fn of(driver: &abi::Driver) -> Option<Self> {
        Some(Self {
            create: driver.create?,
            destroy: driver.destroy?,
            apply: driver.apply?,
            dump: driver.dump?,
            read_counters: driver.read_counters,
            health: driver.health,
        })
    }
}

/// What an instance is made with, each time anew.
pub(crate) struct Maker {
    pub(crate) settings: Vec<(CString, CString)>,
    pub(crate) host: &'static abi::Host,
}

/// A forwarding plane in a shared library. Every call may take as long as the driver likes, so it belongs on the route
/// thread. Dropping it ends the instance; what stands stays, and the library stays loaded.
pub struct NativePlane {
    calls: Calls,
    name: String,
    context: &'static Context,
    maker: Maker,
    instance: Option<NonNull<abi::Instance>>,
    /// The instance has lost its own track: it is not asked any more, only ended.
    broken: bool,
    ops: Vec<abi::Op>,
    results: Vec<i32>,
    entries: Vec<abi::Entry>,
    keys: Vec<abi::Key>,
    counters: Vec<abi::Counters>,
}

// SAFETY: the contract lets the host call an instance from any thread, one call at a time, which `&mut self` sees to.
unsafe impl Send for NativePlane {}

impl NativePlane {
    pub(crate) fn make(calls: Calls, name: String, context: &'static Context, maker: Maker) -> Result<Self, Fault> {
        let mut plane = Self {
            calls,
            name,
            context,
            maker,
            instance: None,
            broken: false,
            ops: Vec::new(),
            results: Vec::new(),
            entries: Vec::new(),
            keys: Vec::new(),
            counters: Vec::new(),
        };
        plane.create()?;
        Ok(plane)
    }

    /// The driver's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the driver says that it works.
    ///
    /// # Errors
    /// What it says, or [`Fault::Absent`].
    pub fn health(&mut self) -> Result<(), Fault> {
        let instance = self.instance()?;
        let Some(health) = self.calls.health else { return Ok(()) };
        // SAFETY: the instance is one of this driver that has not ended, and no other call is under way.
        let status = unsafe { health(instance.as_ptr()) };
        self.check("health", status)
    }

    fn create(&mut self) -> Result<(), Fault> {
        let settings: Vec<_> = self
            .maker
            .settings
            .iter()
            .map(|(key, value)| abi::Setting { key: key.as_ptr(), value: value.as_ptr() })
            .collect();
        let mut instance = ptr::null_mut();
        // SAFETY: the settings live through the call, the host table for ever.
        let status =
            unsafe { (self.calls.create)(settings.as_ptr(), settings.len(), self.maker.host, &raw mut instance) };
        self.check("create", status)?;
        self.instance = Some(NonNull::new(instance).ok_or_else(|| self.breach("create", "it made no instance"))?);
        self.broken = false;
        Ok(())
    }

    fn destroy(&mut self) {
        if let Some(instance) = self.instance.take() {
            // SAFETY: it is an instance of this driver, and taken away, so nothing is called with it any more.
            unsafe { (self.calls.destroy)(instance.as_ptr()) }
        }
    }

    fn instance(&self) -> Result<NonNull<abi::Instance>, Fault> {
        self.instance.filter(|_| !self.broken).ok_or_else(|| Fault::Absent { driver: self.name.clone() })
    }

    fn check(&mut self, call: &'static str, status: i32) -> Result<(), Fault> {
        if status == abi::OK {
            return Ok(());
        }
        // Whoever caught a panic does not know what it left half done. An errno leaves the instance to `health`.
        self.broken |= status < 0;
        Err(Fault::Failed { driver: self.name.clone(), call, status })
    }

    fn breach(&mut self, call: &'static str, what: &'static str) -> Fault {
        self.broken = true;
        Fault::Breach { driver: self.name.clone(), call, what }
    }
}

impl ForwardingPlane for NativePlane {
    type Fault = Fault;

    fn apply(&mut self, ops: &[RouteOp], failed: &mut Vec<RouteFailure>) -> Result<(), Fault> {
        if ops.is_empty() {
            return Ok(());
        }
        let instance = self.instance()?;
        self.ops.clear();
        self.ops.extend(ops.iter().map(convert::op));
        self.results.clear();
        self.results.resize(ops.len(), abi::UNANSWERED);
        // SAFETY: the instance has not ended and no other call is under way; there are as many operations and results
        // as said.
        let status = unsafe {
            (self.calls.apply)(instance.as_ptr(), self.ops.as_ptr(), self.ops.len(), self.results.as_mut_ptr())
        };
        self.check("apply", status)?;
        let before = failed.len();
        for (op, result) in ops.iter().zip(&self.results) {
            match convert::result(*result) {
                Some(Ok(())) => {}
                Some(Err(error)) => failed.push(RouteFailure { seq: op.seq, error }),
                None => {
                    failed.truncate(before);
                    return Err(self.breach("apply", "an operation has no result, or one that does not exist"));
                }
            }
        }
        Ok(())
    }
}

impl Driver for NativePlane {
    /// Keeps an instance that says that it works, and makes a new one otherwise.
    fn recover(&mut self) -> Result<(), Fault> {
        if self.health().is_ok() {
            return Ok(());
        }
        self.destroy();
        self.create()
    }

    fn dump(&mut self, cursor: &mut u64, found: &mut Vec<Route>) -> Result<bool, Fault> {
        let instance = self.instance()?;
        self.entries.resize(DUMP_MAX, abi::Entry::default());
        let mut count = 0;
        // SAFETY: the instance has not ended and no other call is under way; there is room for as many entries as said.
        let status = unsafe {
            (self.calls.dump)(instance.as_ptr(), cursor, self.entries.as_mut_ptr(), self.entries.len(), &raw mut count)
        };
        self.check("dump", status)?;
        if count == 0 && *cursor != 0 {
            return Err(self.breach("dump", "it tells nothing and has not ended"));
        }
        let Some(told) = self.entries.get(..count) else {
            return Err(self.breach("dump", "it tells more than there is room for"));
        };
        let before = found.len();
        found.extend(told.iter().map_while(convert::route));
        if found.len() - before != count {
            found.truncate(before);
            return Err(self.breach("dump", "it tells an entry that nobody can have set"));
        }
        Ok(*cursor != 0)
    }

    fn read_counters(&mut self, of: &[Destination], into: &mut Vec<Option<Counters>>) -> Result<(), Fault> {
        let instance = self.instance()?;
        let Some(read_counters) = self.calls.read_counters.filter(|_| !of.is_empty()) else {
            into.extend(of.iter().map(|_| None));
            return Ok(());
        };
        self.keys.clear();
        self.keys.extend(of.iter().map(convert::key));
        self.counters.clear();
        self.counters.resize(of.len(), abi::Counters::default());
        // SAFETY: the instance has not ended and no other call is under way; there are as many keys and counters as
        // said.
        let status = unsafe {
            read_counters(instance.as_ptr(), self.keys.as_ptr(), self.keys.len(), self.counters.as_mut_ptr())
        };
        self.check("read_counters", status)?;
        into.extend(self.counters.iter().map(|counted| {
            (counted.flags & abi::COUNTED != 0).then_some(Counters {
                packets_in: counted.packets_in,
                octets_in: counted.octets_in,
                packets_out: counted.packets_out,
                octets_out: counted.octets_out,
            })
        }));
        Ok(())
    }
}

impl Drop for NativePlane {
    fn drop(&mut self) {
        self.destroy();
        self.context.close();
    }
}
