//! systemd-networkd. A read-only /sys tells it that it is in a container, so that it does not wait for udev.

use super::{Place, Recipe, START_BUS};
use anyhow::Result;

pub(super) fn recipe(place: &Place<'_>) -> Result<Recipe> {
    let leases = place.folder.join("netif");
    std::fs::create_dir_all(&leases)?;
    let decline = if place.options.probe { "yes" } else { "no" };
    let network = format!(
        "[Match]\nName={}\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n\
         [DHCPv4]\nSendDecline={decline}\nSendRelease=yes\nUseDNS=no\nUseHostname=no\n",
        place.interface
    );
    let file = place.folder.join("c.network");
    std::fs::write(&file, network)?;
    let prepare = format!(
        "mount -o remount,bind,ro /sys\n\
         mkdir -p /etc/systemd/network /run/systemd/netif\n\
         cp {} /etc/systemd/network/10-c.network\n\
         mount --bind {} /run/systemd/netif\n\
         chown -R systemd-network /run/systemd/netif\n{START_BUS}",
        file.display(),
        leases.display()
    );
    let environment = vec![("SYSTEMD_LOG_LEVEL", "debug".to_string()), ("SYSTEMD_LOG_TARGET", "console".to_string())];
    Ok(Recipe { prepare, command: vec!["/lib/systemd/systemd-networkd".into()], environment })
}
