//! Access profiles that stand elsewhere on Junos than here.

use crate::build::{Built, plain};
use crate::junos::place::LATER;
use crate::note::Notes;

/// Moves what has the same meaning to where it stands here.
pub(super) fn adapt(root: &mut Built, notes: &mut Notes) {
    servers(root, notes);
    default_profile(root, notes);
}

/// Servers of one profile are servers of all, where no other one has their address.
fn servers(root: &mut Built, notes: &mut Notes) {
    let Some(access) = root.find("access", None) else { return };
    let mut moved = Vec::new();
    for profile in access.children.iter_mut().filter(|child| child.name == "profile") {
        let name = profile.key();
        for server in profile.children.iter_mut().filter(|child| child.name == "radius-server") {
            let told = notes.withdraw(&format!("access profile {name} radius-server {}", server.key()), LATER);
            // One that was inactive on Junos was not told.
            if told {
                moved.push((name.clone(), std::mem::take(server)));
            }
        }
        profile.retain(|child| !child.name.is_empty());
    }
    for (profile, mut server) in moved {
        let path = format!("access profile {profile} radius-server {}", server.key());
        let line = server.line;
        let Some((key, _)) = server.values.first().cloned() else { continue };
        if access.find("radius-server", Some(&key)).is_some() {
            notes.add(line, path, "there is one with this address for all profiles: left out");
            continue;
        }
        notes.add(line, path, "stands as `access radius-server`, for all profiles");
        server.inactive = false;
        let (made, _) = access.child("radius-server", Some(&key), line);
        *made = server;
    }
}

/// The profile at the top is that of the server, where it is not said otherwise.
fn default_profile(root: &mut Built, notes: &mut Notes) {
    let Some(default) = root.find("access-profile", None) else { return };
    let Some((profile, line)) = default.values.first().cloned() else { return };
    if !notes.withdraw("access-profile", LATER) {
        return;
    }
    let server = root.find("system", None).and_then(|it| it.find("services", None));
    let Some(server) = server.and_then(|it| it.find("dhcp-local-server", None)) else {
        return notes.add(line, "access-profile", LATER);
    };
    if server.find("access-profile", None).is_some() {
        return notes.add(line, "access-profile", LATER);
    }
    let text = format!("stands as `system services dhcp-local-server access-profile {}`", plain(&profile));
    notes.add(line, "access-profile", text);
    server.leaf("access-profile", [profile], line);
    root.retain(|child| child.name != "access-profile");
}
