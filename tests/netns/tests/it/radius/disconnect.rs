//! Disconnect-Requests that name a session as RADIUS knows it.

use super::{OTHERS, Scene, Setup, accept, station, user};
use anyhow::{Result, ensure};
use bindery_netns::simclient::mac;

/// By each name that a server has learned of the session.
#[test]
fn a_session_is_found_by_what_radius_was_told() -> Result<()> {
    let Some(scene) = Scene::new(&[], &Setup::new(&[OTHERS.into()]))? else { return Ok(()) };
    let clients = scene.clients()?;
    let bystander = clients.lease(mac(9), 0x900)?.address;
    for (number, name) in [(1, "User-Name"), (2, "Acct-Session-Id"), (3, "Acct-Multi-Session-Id")] {
        let address = clients.lease(mac(number), number << 8)?.address;
        scene.access.agree(address, mac(number))?;
        let start = scene.record("Start", address)?;
        ensure!(!start.value(name).is_empty(), "{start}");
        let attribute = format!("{name} = \"{}\"", start.value(name));
        let wrong = format!("{name} = \"{}x\"", start.value(name));
        scene.refused("disconnect", &[&wrong], "Session-Context-Not-Found")?;
        // All that is given must match.
        scene.refused("disconnect", &[&attribute, &station(mac(9))], "Session-Context-Not-Found")?;
        scene.access.agree(address, mac(number))?;
        scene.acknowledged("disconnect", &[&attribute, &station(mac(number))])?;
        scene.access.gone(address)?;
        let stop = scene.record("Stop", address)?;
        ensure!(stop.has("Acct-Terminate-Cause", "Admin-Reset"), "{stop}");
        scene.refused("disconnect", &[&attribute], "Session-Context-Not-Found")?;
    }
    scene.access.agree(bystander, mac(9))?;
    scene.acknowledged("disconnect", &[&format!("User-Name = \"{}\"", user(mac(9)))])?;
    scene.access.gone(bystander)?;
    scene.judge()
}

/// Two sessions of one user: nobody guesses which one is meant.
#[test]
fn several_sessions_of_a_user_are_left_alone() -> Result<()> {
    let mut setup = Setup::new(&[accept("home@isp", &[])]);
    setup.username = "user-prefix home; domain-name isp".into();
    let Some(scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let clients = scene.clients()?;
    let (one, two) = (clients.lease(mac(1), 0x100)?.address, clients.lease(mac(2), 0x200)?.address);
    let name = "User-Name = \"home@isp\"";
    scene.refused("disconnect", &[name], "Multiple-Session-Selection-Unsupported")?;
    scene.refused("coa", &[name, "Session-Timeout = 60"], "Multiple-Session-Selection-Unsupported")?;
    scene.access.agree(one, mac(1))?;
    scene.access.agree(two, mac(2))?;
    scene.acknowledged("disconnect", &[name, &station(mac(1))])?;
    scene.access.gone(one)?;
    scene.access.agree(two, mac(2))?;
    // Now the name is enough.
    scene.acknowledged("disconnect", &[name])?;
    scene.access.gone(two)?;
    scene.judge()
}
