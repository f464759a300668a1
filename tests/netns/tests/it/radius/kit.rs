//! FreeRADIUS and radclient with each other: if this fails, no other test of RADIUS means anything.

use super::{CLASS, FIRST, accept};
use anyhow::{Result, ensure};
use bindery_netns::freeradius::{PROGRAMS, SECRET, Wire, radclient};
use bindery_netns::{FreeRadius, Lab};

#[test]
fn freeradius_answers_radclient() -> Result<()> {
    let Some(lab) = Lab::new(&PROGRAMS) else { return Ok(()) };
    let server = lab.namespace("srv")?;
    let wire = Wire::start(&lab, &server)?;
    let mut radius = FreeRadius::start(&lab, &server, FIRST, &accept("alice", &["Framed-Pool = \"gold\"", CLASS]))?;
    let ask = |kind, name: &str, password, secret| {
        let packet = format!("User-Name = \"{name}\"\n{password}\nMessage-Authenticator = 0x00\n");
        radclient(&lab, &server, &["-t", "1", "-r", "1"], (kind, &packet), secret)
    };
    let right = "User-Password = \"s3cret\"";
    let text = ask("auth", "alice", right, SECRET)?;
    ensure!(text.contains("Received Access-Accept") && text.contains("Framed-Pool = \"gold\""), "{text}");
    let text = ask("auth", "alice", "User-Password = \"other\"", SECRET)?;
    ensure!(text.contains("Received Access-Reject"), "{text}");
    let text = ask("auth", "bob", right, SECRET)?;
    ensure!(text.contains("Received Access-Reject"), "{text}");
    let asked: Vec<String> = radius.asked()?.iter().map(|packet| packet.value("User-Name").into()).collect();
    ensure!(asked == ["alice", "alice", "bob"], "{asked:?}");

    let text = ask("acct", "alice", "Acct-Status-Type = Start\nAcct-Session-Id = \"7\"", SECRET)?;
    ensure!(text.contains("Received Accounting-Response"), "{text}");
    radius.wait_accounted("a Start", |packet| {
        packet.has("Acct-Status-Type", "Start") && packet.has("Acct-Session-Id", "7")
    })?;
    radius.stop();
    let text = ask("auth", "alice", right, SECRET)?;
    ensure!(text.contains("No reply from server"), "{text}");
    radius.restart(&server)?;
    let text = ask("auth", "alice", right, SECRET)?;
    ensure!(text.contains("Received Access-Accept"), "{text}");
    wire.judge()?;
    ensure!(wire.wait(2, "radius.code == 2")?.iter().all(|packet| packet.starts_with(&[2])), "no Access-Accept");

    // The judge sees a wrong secret.
    radius.stop();
    radius.edit(SECRET, "another")?;
    radius.restart(&server)?;
    ask("acct", "alice", "Acct-Status-Type = Stop\nAcct-Session-Id = \"7\"", "another")?;
    ensure!(wire.judge().is_err(), "a wrong authenticator was not seen");
    Ok(())
}
