//! Junos configurations.

use crate::expectations::check;
use bindery_import::junos;

#[test]
fn texts_come_over_as_expected() {
    check("junos", junos);
}

/// The same configuration in both forms makes the same.
#[test]
fn braces_and_commands_make_the_same() {
    let braces = "
        groups { g { access { address-assignment { pool <res-*> { family inet { dhcp-attributes { t1-percentage 40; } } } } } } }
        apply-groups g;
        system { services { dhcp-local-server {
            pool-match-order { ip-address-first; external-authority; }
            group a { interface ge-0/0/0.0 { overrides { no-arp; } } inactive: interface ge-0/0/1.0; }
        } } }
        access { address-assignment { pool res-a { family inet {
            network 10.0.0.0/24; range r { low 10.0.0.10; high 10.0.0.20; }
            dhcp-attributes { name-server { 10.0.0.1; 10.0.0.2; } option 43 hex-string 0102; option 60 { array { byte [ 1 2 ]; } } }
        } } } }";
    let commands = "
        set groups g access address-assignment pool <res-*> family inet dhcp-attributes t1-percentage 40
        set apply-groups g
        set system services dhcp-local-server pool-match-order ip-address-first
        set system services dhcp-local-server pool-match-order external-authority
        set system services dhcp-local-server group a interface ge-0/0/0.0 overrides no-arp
        set system services dhcp-local-server group a interface ge-0/0/1.0
        deactivate system services dhcp-local-server group a interface ge-0/0/1.0
        set access address-assignment pool res-a family inet network 10.0.0.0/24
        set access address-assignment pool res-a family inet range r low 10.0.0.10
        set access address-assignment pool res-a family inet range r high 10.0.0.20
        set access address-assignment pool res-a family inet dhcp-attributes name-server 10.0.0.1
        set access address-assignment pool res-a family inet dhcp-attributes name-server 10.0.0.2
        set access address-assignment pool res-a family inet dhcp-attributes option 43 hex-string 0102
        set access address-assignment pool res-a family inet dhcp-attributes option 60 array byte [ 1 2 ]";
    let (braces, commands) = (junos("b", braces).unwrap(), junos("c", commands).unwrap());
    assert_eq!(braces.kdl, commands.kdl);
    let told = |imported: &bindery_import::Imported| -> Vec<String> {
        imported.notes.iter().map(|note| format!("{}: {}", note.path, note.text)).collect()
    };
    assert_eq!(told(&braces), told(&commands));
    assert!(braces.kdl.contains("(inactive)interface ge-0-0-1.0"), "{}", braces.kdl);
}

/// No secret is in a note, nor in what is refused.
#[test]
fn secrets_are_not_told() {
    let text = "access { radius-server 192.0.2.1 { secret hunter2; secret hunter2 x; port 99999; preauthentication-secret hunter2; }
        radius-server 192.0.2.2 { secret \"hunter2\n\"; wrong hunter2; } radius-disconnect 192.0.2.3 { secret \"\"; } }";
    let imported = junos("f", text).unwrap();
    assert!(!imported.to_string().contains("hunter2"), "{imported}");
    assert!(imported.notes.len() >= 4, "{imported}");
}

/// A router with many hosts is taken over in no time that anybody would notice.
#[test]
fn many_hosts_are_taken_over() {
    let mut text = "access { address-assignment { pool p { family inet { network 10.0.0.0/16;\n".to_owned();
    for at in 0..5000 {
        let (high, low) = (at / 250, at % 250 + 1);
        text += &format!(
            "host h{at} {{ hardware-address 02:00:00:00:{high:02x}:{low:02x}; ip-address 10.0.{high}.{low}; }}\n"
        );
    }
    text += "} } } }";
    let imported = junos("f", &text).unwrap();
    assert!(imported.notes.is_empty(), "{imported}");
    assert_eq!(imported.kdl.matches("hardware-address").count(), 5000);
}

/// Faults by the thousand are told one by one as far as that goes; then the pool goes as a whole.
#[test]
fn many_faults_end() {
    let pool = |host: fn(u32) -> String| {
        let hosts: String = (0..1800).map(host).collect();
        format!("access {{ address-assignment {{ pool p {{ family inet {{ network 10.0.0.0/16; {hosts} }} }} }} }}")
    };
    let nowhere = junos("f", &pool(|at| format!("host h{at} {{ user-name u{at}; }}\n"))).unwrap();
    assert_eq!(nowhere.kdl.matches("(inactive)host").count(), 1800);
    assert!(nowhere.kdl.contains("\n        pool p"), "{}", nowhere.notes.len());
    let alike = |at| format!("host h{at} {{ ip-address 10.0.0.5; hardware-address 02:00:00:00:00:01; }}\n");
    let alike = junos("f", &pool(alike)).unwrap();
    assert!(alike.kdl.contains("(inactive)pool p"), "{}", alike.notes.len());
}

#[test]
fn braces_are_not_read_deeper_than_they_go() {
    let deep = |levels: usize| format!("{}x;{}", "a {".repeat(levels), "}".repeat(levels));
    assert!(junos("f", &deep(20)).is_ok());
    let refused = junos("f", &deep(100_000)).unwrap_err();
    assert!(refused.to_string().contains("levels of braces"), "{refused}");
}
