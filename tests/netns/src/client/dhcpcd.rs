//! dhcpcd. Its lease file is in `/var/lib/dhcpcd`, which the client's folder stands in for.

use super::{Place, Recipe};
use anyhow::Result;

pub(super) fn recipe(place: &Place<'_>) -> Result<Recipe> {
    let state = place.folder.join("dhcpcd");
    std::fs::create_dir_all(&state)?;
    let config = place.folder.join("dhcpcd.conf");
    let probe = if place.options.probe { "" } else { "noarp\n" };
    let lines = place.options.lines;
    std::fs::write(
        &config,
        format!(
            "noipv6\nnoipv4ll\nnohook resolv.conf, hostname\noption subnet_mask, routers, vendor_encapsulated_options\n{probe}{lines}\n"
        ),
    )?;
    let prepare = format!("mkdir -p /var/lib/dhcpcd\nmount --bind {} /var/lib/dhcpcd\n", state.display());
    let config = config.display().to_string();
    let command = ["dhcpcd", "-B", "-d", "-f", &config, place.interface].map(String::from).to_vec();
    Ok(Recipe { prepare, command, environment: Vec::new() })
}
