//! Configurations of Kea.

use crate::expectations::check;
use bindery_import::kea;

#[test]
fn texts_come_over_as_expected() {
    check("kea", kea);
}

/// Many reservations go into a file, with each of them once.
#[test]
fn many_reservations_are_a_file() {
    let mut list = String::new();
    for at in 0..1500 {
        let (high, low) = (at / 250, at % 250 + 1);
        list += &format!(
            "{{ \"hw-address\": \"02:00:00:00:{high:02x}:{low:02x}\", \"ip-address\": \"10.0.{high}.{low}\" }},\n"
        );
    }
    let text = format!(
        "{{ \"Dhcp4\": {{ \"subnet4\": [ {{ \"id\": 9, \"subnet\": \"10.0.0.0/16\", \"reservations\": [ {list} ] }} ] }} }}"
    );
    let imported = kea("f", &text).unwrap();
    let [(name, content)] = imported.files.as_slice() else { panic!("{}", imported.files.len()) };
    assert_eq!((name.as_str(), content.lines().count()), ("hosts-subnet-9.csv", 1501));
    assert!(imported.kdl.contains("host-table hosts-subnet-9.csv") && !imported.kdl.contains("hardware-address"));
    assert!(content.contains("02:00:00:00:05:fa,10.0.5.250,host-0200000005fa\n"), "{content}");
}

#[test]
fn braces_are_not_read_deeper_than_they_go() {
    for (open, close) in [("[", "]"), ("{ \"a\": ", "}")] {
        let text = format!("{{ \"Dhcp4\": {}1{} }}", open.repeat(100_000), close.repeat(100_000));
        let refused = kea("f", &text).unwrap_err();
        assert!(refused.to_string().contains("levels of braces"), "{refused}");
    }
}

/// Kea 2.2.0 has put these bytes on the wire for these data.
#[test]
fn options_have_the_bytes_that_kea_sends() {
    let text = r#"{ "Dhcp4": { "option-def": [
            { "name": "magic", "code": 222, "type": "uint32", "array": true },
            { "name": "mixed", "code": 223, "type": "record", "record-types": "uint8, boolean, fqdn" } ],
        "option-data": [
            { "name": "domain-search", "data": "isp.example, example.net" },
            { "name": "time-offset", "data": "-3600" },
            { "name": "ip-forwarding", "data": "false" },
            { "name": "magic", "data": "1, 0xffffffff" },
            { "name": "mixed", "data": "7, true, a.example" },
            { "name": "domain-name", "data": "old-town.isp.example" },
            { "name": "boot-file-name", "data": "efi\\,x.bin" },
            { "code": 43, "csv-format": false, "data": "01 04 C0 00 02 01" },
            { "code": 230, "csv-format": false, "data": "'plain text'" } ],
        "subnet4": [ { "subnet": "10.77.0.0/24" } ] } }"#;
    let want = [
        (2, "fffff1f0"),
        (15, "6f6c642d746f776e2e6973702e6578616d706c65"),
        (19, "00"),
        (43, "0104c0000201"),
        (67, "6566692c782e62696e"),
        (119, "03697370076578616d706c6500076578616d706c65036e657400"),
        (222, "00000001ffffffff"),
        (223, "07010161076578616d706c6500"),
        (230, "706c61696e2074657874"),
    ];
    let loaded = bindery_config::load("f", &kea("f", text).unwrap().kdl).unwrap();
    let mut sent: Vec<(u8, String)> = loaded.model.default_instance.pools[0]
        .attributes
        .options
        .iter()
        .map(|option| {
            let bytes = option.value.as_ref().unwrap().iter();
            (option.code.0, bytes.map(|byte| format!("{byte:02x}")).collect())
        })
        .collect();
    sent.sort_unstable();
    assert_eq!(sent, want.map(|(code, bytes)| (code, bytes.to_owned())));
}
