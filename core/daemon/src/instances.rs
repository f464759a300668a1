//! Routing instances in the kernel: the tables of their routes, for the route thread, and the sockets of their VRFs.

use bindery_engine::{config::Config, output::InstanceTable};
use bindery_net::Sockets;
use bindery_netlink::{RouteHandle, TABLE_MAIN};
use bindery_types::{IfIndex, InstanceId, Mono};
use std::{collections::BTreeMap, time::Duration};

/// How often the sockets of VRFs that could not be opened are tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What the packet thread knows of routing instances beside the default one.
#[derive(Default)]
pub(crate) struct Instances {
    tables: Vec<InstanceTable>,
    /// Sockets are missing; when they are tried again.
    retry: Option<Mono>,
    /// What is out of order, as it was told: a lasting fault is told once. Empty for nothing.
    faults: String,
}

impl Instances {
    /// Takes what the engine says of them.
    pub(crate) fn set(&mut self, tables: Vec<InstanceTable>) {
        self.tables = tables;
    }

    /// Tells a route thread, before its first route and at each change.
    pub(crate) fn tell(&self, routes: &RouteHandle) {
        let others = self.tables.iter().filter_map(|of| Some((of.instance, of.table?.get())));
        let tables: BTreeMap<InstanceId, u32> = [(InstanceId(0), TABLE_MAIN)].into_iter().chain(others).collect();
        routes.set_tables(tables);
    }

    /// When sockets are to be tried again.
    pub(crate) const fn retry(&self) -> Option<Mono> {
        self.retry
    }

    /// Opens the sockets of VRF devices that are there, and closes those of others. What cannot be opened is tried
    /// again.
    pub(crate) fn serve(&mut self, now: Mono, config: &Config, sockets: &mut Sockets) {
        let mut devices: Vec<(IfIndex, &str)> = Vec::new();
        let mut faults: Vec<String> = Vec::new();
        for of in &self.tables {
            let Some(name) = config.instance(of.instance).and_then(|instance| instance.vrf.as_deref()) else {
                continue;
            };
            match of.device {
                Some(device) => devices.push((device, name)),
                None => faults.push(format!("there is no VRF device {name}")),
            }
        }
        let refused = sockets.serve_vrfs(&devices);
        self.retry = (!refused.is_empty()).then(|| now.plus(RETRY));
        faults.extend(refused.iter().map(|(name, error)| format!("VRF device {name}: {error}")));
        let faults = faults.join("; ");
        if faults.is_empty() && !self.faults.is_empty() {
            tracing::info!("routing instances: every VRF device is served");
        } else if faults != self.faults {
            tracing::warn!("alarm: routing instances: {faults}");
        }
        self.faults = faults;
    }
}
