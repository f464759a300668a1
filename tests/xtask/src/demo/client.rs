//! The DHCP clients that the demo can run, in namespaces that hide them from the host's files.

use super::lab::{Lab, Program};
use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A DHCP client of the distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// ISC dhclient.
    Dhclient,
    /// dhcpcd.
    Dhcpcd,
    /// busybox's udhcpc.
    Udhcpc,
}

/// Sets the address and writes down what the client learnt; serves dhclient (`$reason`) and udhcpc (`$1`).
const SCRIPT: &str = r#"#!/bin/sh
bits() {
  n=0
  for octet in $(echo "$1" | tr . ' '); do
    while [ "$octet" -gt 0 ]; do n=$((n + octet % 2)); octet=$((octet / 2)); done
  done
  echo $n
}
case "${reason:-$1}" in
  PREINIT|deconfig) ip link set "$interface" up ;;
  BOUND|RENEW|REBIND|REBOOT|bound|renew)
    env | grep -E '^(new_|ip=|mask=|router=|lease=|serverid=|domain=|dns=|opt)' | sort >FOLDER/lease
    ip address replace "${new_ip_address:-$ip}/${mask:-$(bits "$new_subnet_mask")}" dev "$interface" ;;
esac
exit 0
"#;

/// The client's files stay in a mount namespace of its own; its resolver file too.
const ISOLATE: &str = "set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
for d in /var/lib/dhcp /var/lib/dhcpcd; do if [ -d $d ]; then mount -t tmpfs tmpfs $d; fi; done
: >/run/resolv.conf
if [ -e /etc/resolv.conf ]; then mount --bind /run/resolv.conf /etc/resolv.conf; fi
exec \"$@\"
";

impl Client {
    const ALL: [Self; 3] = [Self::Dhclient, Self::Dhcpcd, Self::Udhcpc];

    /// The client of this name, or the first that is installed.
    ///
    /// # Errors
    /// When it is not installed, or the name is none of the three.
    pub(crate) fn choose(name: Option<&str>) -> Result<Self> {
        let installed = |client: &Self| shell::which(client.program()).is_some();
        match name {
            None => {
                Self::ALL.into_iter().find(installed).context("no DHCP client is installed; run: cargo xtask setup")
            }
            Some(name) => match Self::ALL.into_iter().find(|client| client.name() == name) {
                Some(client) if installed(&client) => Ok(client),
                Some(_) => bail!("{name} is not installed; run: cargo xtask setup"),
                None => bail!("there is no client '{name}'; choose dhclient, dhcpcd or udhcpc"),
            },
        }
    }

    /// Its usual name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dhclient => "dhclient",
            Self::Dhcpcd => "dhcpcd",
            Self::Udhcpc => "udhcpc",
        }
    }

    fn program(self) -> &'static str {
        if self == Self::Udhcpc { "busybox" } else { self.name() }
    }

    /// Starts it on the interface of the client's namespace.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(self, lab: &Lab, interface: &str) -> Result<Program> {
        let folder = lab.folder().display();
        let script = lab.folder().join("script");
        fs::write(&script, SCRIPT.replace("FOLDER", &folder.to_string()))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        let config = lab.folder().join("client.conf");
        fs::write(&config, self.config())?;
        let (script, config) = (script.display().to_string(), config.display().to_string());
        let lease = lab.folder().join("leases").display().to_string();
        let words: Vec<&str> = match self {
            Self::Dhclient => {
                let words = ["dhclient", "-d", "-v", "-4", "-sf", &script, "-cf", &config, "-lf", &lease];
                [&words[..], &["-pf", "/run/dhclient.pid", interface]].concat()
            }
            Self::Dhcpcd => vec!["dhcpcd", "-B", "-d", "-f", &config, "-c", &script, interface],
            Self::Udhcpc => vec!["busybox", "udhcpc", "-f", "-i", interface, "-s", &script, "-O", "43"],
        };
        println!("    $ {}", words.join(" "));
        let mut command = lab.client_command("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", ISOLATE, "sh"]);
        Program::start(command.args(words))
    }

    fn config(self) -> &'static str {
        match self {
            Self::Dhclient => {
                "initial-interval 1;\n\
                 request subnet-mask, routers, domain-name, domain-name-servers, vendor-encapsulated-options;\n"
            }
            Self::Dhcpcd => {
                "noipv6\nnoarp\nnoipv4ll\n\
                 option subnet_mask, routers, domain_name, domain_name_servers, vendor_encapsulated_options\n"
            }
            Self::Udhcpc => "",
        }
    }

    /// Prints the lease as the client wrote it down.
    ///
    /// # Errors
    /// When the client wrote none.
    pub(crate) fn print_lease(self, lab: &Lab) -> Result<()> {
        let file = lab.folder().join(if self == Self::Dhclient { "leases" } else { "lease" });
        let text = fs::read_to_string(&file).with_context(|| format!("{} wrote no lease", self.name()))?;
        println!("{}", super::indented(&text));
        Ok(())
    }
}
