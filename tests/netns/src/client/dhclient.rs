//! ISC dhclient, with a script that sets addresses and nothing else (the stock one rewrites the host's resolver).

use super::{Place, Recipe};
use anyhow::Result;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Exit status other than 0 after a lease makes dhclient decline it.
const SCRIPT: &str = r#"#!/bin/sh
bits() {
  n=0
  for octet in $(echo "$1" | tr . ' '); do
    while [ "$octet" -gt 0 ]; do n=$((n + octet % 2)); octet=$((octet / 2)); done
  done
  echo $n
}
case "$reason" in
  PREINIT) ip link set "$interface" up ;;
  BOUND|RENEW|REBIND|REBOOT)
    if [ -n "$PROBE" ] && [ "$reason" = BOUND ]; then
      busybox arping -D -q -c 2 -w 3 -I "$interface" "$new_ip_address" || exit 1
    fi
    if [ -n "$old_ip_address" ] && [ "$old_ip_address" != "$new_ip_address" ]; then ip -4 address flush dev "$interface"; fi
    ip address replace "$new_ip_address/$(bits "$new_subnet_mask")" dev "$interface"
    for router in $new_routers; do ip route replace default via "$router" dev "$interface" onlink; done
    env | grep '^new_' | sort >"$FOLDER/lease.env" ;;
  EXPIRE|FAIL|RELEASE|STOP) ip -4 address flush dev "$interface" ;;
esac
exit 0
"#;

/// A second dhclient sends the RELEASE for the lease in the file and ends the first.
pub(super) fn release(folder: &Path, interface: &str) -> Vec<String> {
    let mut command = vec!["dhclient".to_string(), "-r".into()];
    command.extend(files(folder));
    command.push(interface.to_string());
    command
}

fn files(folder: &Path) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    let script = file("script");
    let (config, leases) = (file("dhclient.conf"), file("dhclient.leases"));
    // dhclient gives its script a clean environment except for what -e names.
    let folder = format!("FOLDER={}", folder.display());
    let words = ["-v", "-4", "-sf", &script, "-cf", &config, "-lf", &leases, "-pf", "/run/dhclient.pid", "-e", &folder];
    words.map(String::from).to_vec()
}

pub(super) fn recipe(place: &Place<'_>) -> Result<Recipe> {
    let script = place.folder.join("script");
    std::fs::write(&script, SCRIPT)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    let config = place.folder.join("dhclient.conf");
    std::fs::write(
        &config,
        "initial-interval 1; timeout 30; retry 2; reboot 3; backoff-cutoff 4;\n\
         request subnet-mask, routers, vendor-encapsulated-options, dhcp-lease-time, dhcp-server-identifier,\n\
         dhcp-renewal-time, dhcp-rebinding-time;\n",
    )?;
    let mut command = vec!["dhclient".to_string(), "-d".into()];
    command.extend(files(place.folder));
    if place.options.probe {
        command.extend(["-e".into(), "PROBE=1".into()]);
    }
    command.push(place.interface.to_string());
    Ok(Recipe { prepare: String::new(), command, environment: Vec::new() })
}
