//! Relays that we did not write.

use crate::Namespace;
use crate::process::Process;
use anyhow::Result;
use std::net::Ipv4Addr;

/// `dhcrelay -a`: adds option 82 with the client-side interface's name as circuit-id, and takes it off the answers.
///
/// # Errors
/// When it does not start.
pub fn dhcrelay(namespace: &Namespace, client_side: &str, server_side: &str, server: Ipv4Addr) -> Result<Process> {
    let server = server.to_string();
    let arguments = ["-4", "-d", "-a", "-id", client_side, "-iu", server_side, &server];
    let mut relay = namespace.spawn("dhcrelay", &arguments)?;
    relay.wait_line("Sending on   Socket")?;
    Ok(relay)
}

/// dnsmasq as a relay: sets giaddr, adds no option 82.
///
/// # Errors
/// When it does not start.
pub fn dnsmasq(namespace: &Namespace, address: Ipv4Addr, server: Ipv4Addr) -> Result<Process> {
    let relay = format!("--dhcp-relay={address},{server}");
    let arguments = ["-k", "-d", "-p0", "-C", "/dev/null", "-u", "root", "--pid-file=", "--log-dhcp", &relay];
    let mut relay = namespace.spawn("dnsmasq", &arguments)?;
    relay.wait_line("DHCP relay from")?;
    Ok(relay)
}

/// `dhcrelay -a -U`: gives its address on the server's side as giaddr, and its own address on the client's side as link
/// selection (RFC 3527 §3).
///
/// # Errors
/// When it does not start.
pub fn dhcrelay_link_selection(
    namespace: &Namespace,
    client_side: &str,
    server_side: &str,
    server: Ipv4Addr,
) -> Result<Process> {
    let server = server.to_string();
    // -U requests its interface, too: naming it by -iu as well would open it twice.
    let arguments = ["-4", "-d", "-a", "-U", server_side, "-id", client_side, &server];
    let mut relay = namespace.spawn("dhcrelay", &arguments)?;
    relay.wait_line("Sending on   Socket")?;
    Ok(relay)
}
