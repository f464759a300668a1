//! busybox's udhcpc, with a script that sets addresses.

use super::{Place, Recipe};
use anyhow::Result;
use std::os::unix::fs::PermissionsExt;

const SCRIPT: &str = r#"#!/bin/sh
case "$1" in
  deconfig) ip -4 address flush dev "$interface"; ip link set "$interface" up ;;
  bound|renew)
    current=$(ip -4 -o address show dev "$interface" | awk '{print $4}')
    [ "$current" = "$ip/$mask" ] || { ip -4 address flush dev "$interface"; ip address add "$ip/$mask" dev "$interface"; }
    for hop in $router; do ip route replace default via "$hop" dev "$interface" onlink; done
    env | sort >"$FOLDER/lease.env" ;;
esac
exit 0
"#;

pub(super) fn recipe(place: &Place<'_>) -> Result<Recipe> {
    let script = place.folder.join("script");
    std::fs::write(&script, SCRIPT)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    let script = script.display().to_string();
    let words = ["busybox", "udhcpc", "-f", "-i", place.interface, "-s", &script];
    let mut command = words.map(String::from).to_vec();
    command.extend(["-t", "5", "-T", "2", "-A", "2", "-O", "43"].map(String::from));
    if place.options.probe {
        command.push("-a1000".into());
    }
    let folder = place.folder.display().to_string();
    Ok(Recipe { prepare: String::new(), command, environment: vec![("FOLDER", folder)] })
}
