//! Against FreeRADIUS, started on loopback ports with a configuration of its own.

use crate::support::{DEADLINE, LOOPBACK, Radius, SECRET, config, free_ports, interim, start, stop, user};
use bindery_radius::access::Grant;
use bindery_radius::accounting::{Usage, Volume};
use bindery_radius::client::{Answer, Request};
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const USERS: &str = r#"
alice Auth-Type := Accept
	Framed-IP-Address = 10.7.0.5,
	Framed-Pool = "gold",
	Class = 0x676f6c64,
	Session-Timeout = 600,
	Acct-Interim-Interval = 900,
	Framed-Route = "10.9.0.0/24 0.0.0.0 1",
	Delegated-IPv6-Prefix = 2001:db8:77::/48

bob Cleartext-Password := "a password of more than sixteen bytes"
	Reply-Message = "hello"

DEFAULT Auth-Type := Reject
"#;

const RADIUSD_CONF: &str = r#"
name = freeradius
confdir = @FOLDER@
logdir = @FOLDER@
run_dir = @FOLDER@
libdir = /usr/lib/freeradius
pidfile = @FOLDER@/pid
max_request_time = 30
cleanup_delay = 5
max_requests = 16384
hostname_lookups = no
log {
	destination = stdout
}
security {
	max_attributes = 200
	reject_delay = 0
	status_server = no
}
thread pool {
	start_servers = 1
	max_servers = 2
	min_spare_servers = 1
	max_spare_servers = 2
}
modules {
	files {
		usersfile = @FOLDER@/users
	}
	pap {
	}
	detail {
		filename = @FOLDER@/detail
	}
}
client loopback {
	ipaddr = @LOOPBACK@
	secret = @SECRET@
	require_message_authenticator = yes
}
server default {
	listen {
		type = auth
		ipaddr = @LOOPBACK@
		port = @PORT@
	}
	listen {
		type = acct
		ipaddr = @LOOPBACK@
		port = @ACCOUNTING_PORT@
	}
	authorize {
		files
		pap
	}
	authenticate {
		pap
	}
	accounting {
		detail
	}
	post-auth {
		update reply {
			Message-Authenticator := 0x00
		}
		Post-Auth-Type REJECT {
			update reply {
				Message-Authenticator := 0x00
			}
		}
	}
}
"#;

fn radiusd_conf(folder: &Path, port: u16, accounting_port: u16) -> String {
    RADIUSD_CONF
        .replace("@FOLDER@", &folder.display().to_string())
        .replace("@LOOPBACK@", &LOOPBACK.to_string())
        .replace("@SECRET@", SECRET)
        .replace("@PORT@", &port.to_string())
        .replace("@ACCOUNTING_PORT@", &accounting_port.to_string())
}

/// Starts the server and waits until it says that it is ready; `None` where it is not installed.
async fn server(folder: &Path, port: u16, accounting_port: u16) -> Option<Child> {
    std::fs::write(folder.join("radiusd.conf"), radiusd_conf(folder, port, accounting_port)).unwrap();
    std::fs::write(folder.join("users"), USERS).unwrap();
    let mut command = Command::new("freeradius");
    command.args(["-f", "-l", "stdout", "-n", "radiusd", "-d"]).arg(folder);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
    let Ok(mut child) = child else {
        println!("SKIP radius-freeradius: freeradius is not installed");
        return None;
    };
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("Ready to process requests") {
                return;
            }
            println!("{line}");
        }
        panic!("freeradius ended: {:?}", child.wait().await);
    };
    tokio::time::timeout(DEADLINE, ready).await.expect("freeradius is ready in time");
    // It must be able to write on.
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            println!("{line}")
        }
    });
    Some(child)
}

#[tokio::test]
async fn freeradius_accepts_rejects_and_keeps_accounting() {
    let folder = tempfile::tempdir().unwrap();
    let (port, accounting_port) = free_ports().await;
    let Some(mut child) = server(folder.path(), port, accounting_port).await else { return };
    let mut settings = config(port, accounting_port);
    // A record that is sent again is another packet, which the server would write down twice.
    settings.servers[0].timeout = 30;
    let mut radius = Radius::start(settings, Some(folder.path().join("accounting")));
    let ask = |tag, name: &str, password: Option<&str>| {
        let password = password.map(|password| password.as_bytes().into());
        radius.handle.access(tag, Request { password, ..Request::access("p".into(), user(name)) }).unwrap();
    };
    ask(1, "alice", None);
    ask(2, "bob", Some("a password of more than sixteen bytes"));
    ask(3, "bob", Some("another password"));
    ask(4, "mallory", Some("x"));
    let mut answers = std::collections::HashMap::new();
    for _ in 0..4 {
        let (tag, answer) = radius.access().await;
        answers.insert(tag, answer);
    }
    let Answer::Accept(list) = &answers[&1] else { panic!("{answers:?}") };
    let grant = Grant::read(list);
    assert_eq!(grant.address, Some([10, 7, 0, 5].into()));
    assert_eq!(grant.pool.as_deref(), Some("gold"));
    assert_eq!(grant.classes, [Box::from(*b"gold")]);
    assert_eq!((grant.session_timeout, grant.interim_interval), (Some(600), Some(900)));
    assert_eq!(grant.routes, [Box::from("10.9.0.0/24 0.0.0.0 1")]);
    let delegated = grant.delegated_prefix.unwrap();
    assert_eq!((delegated.network, delegated.len), ("2001:db8:77::".parse().unwrap(), 48));
    assert!(grant.malformed.is_empty());
    assert!(matches!(answers[&2], Answer::Accept(_)), "the password is hidden as RFC 2865 §5.2 wants it");
    assert!(matches!(answers[&3], Answer::Reject(_)) && matches!(answers[&4], Answer::Reject(_)));

    let volume = Volume { input_octets: 5_000_000_000, output_octets: 7, input_packets: 3, output_packets: 4 };
    let usage = Usage { seconds: 60, volume: Some(volume) };
    for record in [start("s1"), interim("s1", usage), stop("s1", usage)] {
        radius.handle.account(record).unwrap();
    }
    radius.until("all delivered", |status| status.accounting.delivered == 3).await;
    radius.handle.stop().await;
    let detail = std::fs::read_to_string(folder.path().join("detail")).unwrap();
    let lines: Vec<&str> = detail.lines().map(str::trim).collect();
    let statuses: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("Acct-Status-Type = ")).collect();
    assert_eq!(statuses, ["Start", "Interim-Update", "Stop"]);
    for wanted in [
        "Acct-Input-Gigawords = 1",
        "Acct-Input-Octets = 705032704",
        "Acct-Terminate-Cause = User-Request",
        "Acct-Session-Time = 60",
        "Framed-IP-Address = 10.0.0.1",
        "NAS-Port-Id = \"eth1\"",
        "Acct-Delay-Time = 0",
    ] {
        assert!(lines.contains(&wanted), "{wanted} is not in\n{detail}");
    }
    child.kill().await.unwrap();
}
