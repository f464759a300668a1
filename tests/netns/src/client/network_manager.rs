//! NetworkManager with its internal client. A read-only /sys keeps it from waiting for udev.

use super::{Place, Recipe, START_BUS};
use anyhow::Result;
use std::os::unix::fs::PermissionsExt;

pub(super) fn recipe(place: &Place<'_>) -> Result<Recipe> {
    let state = place.folder.join("nm");
    std::fs::create_dir_all(&state)?;
    let config = place.folder.join("NetworkManager.conf");
    std::fs::write(
        &config,
        "[main]\nplugins=keyfile\ndhcp=internal\ndns=none\nno-auto-default=*\nconfigure-and-quit=no\n[logging]\nlevel=DEBUG\n\
         [connectivity]\nenabled=false\n",
    )?;
    let probe = if place.options.probe { "dad-timeout=1000\n" } else { "dad-timeout=0\n" };
    let connection = place.folder.join("c.nmconnection");
    std::fs::write(
        &connection,
        format!(
            "[connection]\nid=c\nuuid=6a3c5b1e-38c1-4b50-8d0a-5c2f1e6d7a01\ntype=ethernet\ninterface-name={}\n\
             [ethernet]\n[ipv4]\nmethod=auto\n{probe}dhcp-timeout=120\n[ipv6]\nmethod=disabled\n",
            place.interface
        ),
    )?;
    std::fs::set_permissions(&connection, std::fs::Permissions::from_mode(0o600))?;
    let prepare = format!(
        "mount -o remount,bind,ro /sys\n\
         mkdir -p /etc/NetworkManager/system-connections /var/lib/NetworkManager\n\
         cp {} /etc/NetworkManager/NetworkManager.conf\n\
         cp -p {} /etc/NetworkManager/system-connections/c.nmconnection\n\
         mount --bind {} /var/lib/NetworkManager\n{START_BUS}",
        config.display(),
        connection.display(),
        state.display()
    );
    let command = ["NetworkManager", "--no-daemon", "--debug"].map(String::from).to_vec();
    Ok(Recipe { prepare, command, environment: Vec::new() })
}
