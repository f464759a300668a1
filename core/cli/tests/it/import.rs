//! What other programs leave.

use crate::fake::{Fake, configuring};

#[test]
fn leases_are_sent_in_pages_and_refusals_are_named() {
    let fake = Fake::new(|request| {
        let rows = request.body.matches("allocated-address").count();
        let refused = if rows == 256 { "" } else { r#"{"index":1,"reason":"no pool has it"}"# };
        (200, format!(r#"{{"imported":{},"refused":[{refused}]}}"#, rows - usize::from(rows != 256)))
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kea-leases4.csv");
    let mut text = String::from(
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n",
    );
    for n in 0..300 {
        let (high, low) = (n / 200, n % 200);
        text += &format!("192.0.{high}.{low},02:00:00:00:{high:02x}:{low:02x},,3600,99999999999,1,0,0,,0,\n");
    }
    std::fs::write(&file, &text).unwrap();
    let ended = fake.run(&["sessions", "import", "kea", &file.display().to_string()], "");
    assert_eq!(
        ended.shown(),
        "299 sessions imported, 1 refused, 0 had ended, 0 are nobody's\n-- stderr\n192.0.1.57: no pool has it\n\
         bindery: some leases were not imported\n-- status 1\n"
    );
    let asked = fake.asked();
    let pages: Vec<usize> = asked.lines().map(|line| line.matches("allocated-address").count()).collect();
    assert_eq!(pages, [256, 44]);
    assert!(asked.starts_with("POST /v1/dhcp/server/bindings/import {"), "{asked}");
}

#[test]
fn a_configuration_needs_no_daemon() {
    let fake = configuring();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("junos.conf");
    let text = "access {\n    address-assignment {\n        pool p {\n            family inet {\n                \
        network 192.0.2.0/24;\n            }\n        }\n    }\n}\n";
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let ended = fake.run(&["config", "import", "junos", &file], "");
    assert_eq!(ended.status, 0, "{}", ended.shown());
    assert!(ended.out.contains("192.0.2.0/24"), "{}", ended.out);
    let output = dir.path().join("out.kdl").display().to_string();
    let written = fake.run(&["config", "import", "junos", &file, "output", &output], "");
    assert!(written.out.starts_with("Wrote "), "{}", written.shown());
    assert_eq!(std::fs::read_to_string(output).unwrap(), ended.out);
    assert_eq!(fake.asked(), "");
    let ended = fake.run(&["config", "import", "kea", "/nonexistent/file"], "");
    assert_eq!(ended.status, 1);
}
