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
