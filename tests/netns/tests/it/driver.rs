//! A forwarding-plane driver in C beside the kernel: each route stands in both or in neither.

use crate::access::{Access, Config, SERVER};
use anyhow::{Context, Result, ensure};
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Lab, process};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The sample driver, built.
fn sample(lab: &Lab) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let library = lab.folder().join("plane-c.so");
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-I"]);
    command.arg(root.join("plugins/native/include")).arg(root.join("examples/plugins/plane-c/plane.c"));
    process::capture(command.arg("-o").arg(&library)).context("the sample driver")?;
    Ok(library)
}

fn config(library: &Path, settings: &str) -> Config {
    let rest = format!(
        "routing-options {{ access-internal {{ driver {{ path \"{}\"; settings {{ {settings} }} }} }} }}",
        library.display()
    );
    Config { rest, ..Config::default() }
}

#[test]
fn a_route_that_the_driver_refuses_is_no_lease() -> Result<()> {
    let Some(lab) = Lab::new(&["cc"]) else {
        return Ok(());
    };
    let library = sample(&lab)?;
    let (server, client) = (lab.namespace("srv")?, lab.namespace("cli")?);
    lab.veth((&server, "s0"), (&client, "c0"))?;
    server.address("s0", &format!("{SERVER}/24"))?;
    // In the driver somebody else's route stands where the first client's would.
    let mut access = Access::start(lab, server, client, &config(&library, "foreign \"10.0.0.10\""))?;
    access.daemon.process().wait_line("forwarding-plane driver")?;
    let clients = SimClients::open(&access.client, "c0")?;
    let blocked = clients.lease(mac(1), 0x100);
    ensure!(access.server.route([10, 0, 0, 10].into())?.is_none(), "in the kernel, but not in the driver");
    // The address is passed over: the client asks again, and gets another one.
    let lease = match blocked {
        Ok(lease) => lease,
        Err(_) => clients.lease(mac(1), 0x200)?,
    };
    ensure!(lease.address.octets() != [10, 0, 0, 10], "{}", lease.address);
    access.agree(lease.address, mac(1))?;
    access.capture.judge("udp.srcport == 67")
}

#[test]
fn a_library_that_is_no_driver_is_refused() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else {
        return Ok(());
    };
    let library = access.lab.file("plane.so", "not a library")?;
    let refused = access.daemon.reload(&config(&library, "").text());
    let text = format!("{:#}", refused.err().context("the daemon took it")?);
    ensure!(text.contains("plane.so"), "{text}");
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 0x100)?;
    access.agree(lease.address, mac(1))
}
