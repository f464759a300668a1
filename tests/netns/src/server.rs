//! ISC dhcpd as a server: not for tests of ours, but to prove that the kit's clients work against a server that is known
//! good.

use crate::process::Process;
use crate::{Lab, Namespace};
use anyhow::Result;

/// Starts dhcpd on `interface` with `10.77.0.100` to `10.77.0.150`; the interface has `10.77.0.1/24`.
///
/// # Errors
/// When it does not start.
pub fn dhcpd(lab: &Lab, namespace: &Namespace, interface: &str, lease_secs: u32) -> Result<Process> {
    let config = format!(
        "authoritative; ping-check off; default-lease-time {lease_secs}; max-lease-time {lease_secs};\n\
         min-lease-time {lease_secs};\n\
         subnet 10.77.0.0 netmask 255.255.255.0 {{ range 10.77.0.100 10.77.0.150; option routers 10.77.0.1; }}\n"
    );
    let config = lab.file("dhcpd.conf", &config)?.display().to_string();
    let leases = lab.file("dhcpd.leases", "")?.display().to_string();
    let pid = lab.folder().join("dhcpd.pid").display().to_string();
    let arguments = ["-4", "-f", "-d", "-user", "root", "-group", "root", "-cf", &config, "-lf", &leases, "-pf", &pid];
    let mut server = namespace.spawn("dhcpd", &[&arguments[..], &[interface]].concat())?;
    server.wait_line("Server starting service")?;
    Ok(server)
}
