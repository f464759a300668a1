//! `authentication` and `access-profile` of the local server and its groups.

use super::radius::AccessProfile;
use super::read::At;
use super::{Group, Model, Secret, Server};
use crate::tree::Span;
use crate::value::Typed;
use bindery_types::GroupId;

/// `authentication`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// `password`, 1 to 64 bytes.
    pub password: Option<Secret>,
    /// `username-include`; without a part where it is not written.
    pub include: UsernameInclude,
    /// Its place.
    pub span: Span,
}

/// `username-include`: what the user name is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsernameInclude {
    /// `user-prefix`, 1 to 64 bytes.
    pub user_prefix: Option<String>,
    /// `mac-address`.
    pub mac_address: bool,
    /// `logical-system-name`.
    pub logical_system_name: bool,
    /// `routing-instance-name`.
    pub routing_instance_name: bool,
    /// `option-60`.
    pub option_60: bool,
    /// `option-82`.
    pub option_82: Option<IncludeOption82>,
    /// `client-id`.
    pub client_id: Option<IncludeClientId>,
    /// `interface-name`.
    pub interface_name: bool,
    /// `interface-description logical`.
    pub interface_description: bool,
    /// `circuit-type`.
    pub circuit_type: bool,
    /// `vlan-tags`.
    pub vlan_tags: bool,
    /// `domain-name`, 1 to 64 bytes.
    pub domain_name: Option<String>,
    /// `delimiter`: one printable ASCII character, not a semicolon.
    pub delimiter: char,
    /// Place of `username-include`; of `authentication` where it is not written.
    pub span: Span,
}

/// `option-82` of a user name: the whole option where neither is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct IncludeOption82 {
    /// `circuit-id`.
    pub circuit_id: bool,
    /// `remote-id`.
    pub remote_id: bool,
}

/// `client-id` of a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct IncludeClientId {
    /// `exclude-headers`.
    pub exclude_headers: bool,
    /// `use-automatic-ascii-hex-encoding`.
    pub automatic: bool,
}

impl UsernameInclude {
    const DELIMITER: char = '.';

    fn none(span: Span) -> Self {
        Self {
            user_prefix: None,
            mac_address: false,
            logical_system_name: false,
            routing_instance_name: false,
            option_60: false,
            option_82: None,
            client_id: None,
            interface_name: false,
            interface_description: false,
            circuit_type: false,
            vlan_tags: false,
            domain_name: None,
            delimiter: Self::DELIMITER,
            span,
        }
    }

    /// Whether a user name can be made: a domain name alone is none.
    pub fn has_parts(&self) -> bool {
        self.user_prefix.is_some()
            || self.mac_address
            || self.logical_system_name
            || self.routing_instance_name
            || self.option_60
            || self.option_82.is_some()
            || self.client_id.is_some()
            || self.interface_name
            || self.interface_description
            || self.circuit_type
            || self.vlan_tags
    }
}

/// How the clients of a group are authenticated and accounted, inheritance applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessBinding<'a> {
    /// `access-profile`: the group's own, else the server's.
    pub profile: &'a AccessProfile,
    /// `authentication`: the group's own, else the server's. Without one requests have neither user name nor password.
    pub authentication: Option<&'a Authentication>,
}

impl<'a> AccessBinding<'a> {
    /// `password` of `authentication`.
    pub fn password(&self) -> Option<&'a Secret> {
        self.authentication?.password.as_ref()
    }

    /// `username-include` of `authentication`, if a user name can be made of it.
    pub fn include(&self) -> Option<&'a UsernameInclude> {
        self.authentication.map(|authentication| &authentication.include).filter(|include| include.has_parts())
    }
}

impl Model {
    /// How the clients of `group` are authenticated and accounted; `None` where nobody is asked and nothing accounted.
    pub fn access_of_group(&self, group: GroupId) -> Option<AccessBinding<'_>> {
        let (instance, group) = self.groups().nth(usize::from(group.0))?;
        self.access_binding(&instance.server, group)
    }

    /// As [`Model::access_of_group`], of a group of `server`.
    pub fn access_binding<'a>(&'a self, server: &'a Server, group: &'a Group) -> Option<AccessBinding<'a>> {
        let name = group.access_profile.as_ref().or(server.access_profile.as_ref())?;
        Some(AccessBinding {
            profile: self.profile_named(&name.value)?,
            authentication: group.authentication.as_ref().or(server.authentication.as_ref()),
        })
    }
}

pub(super) fn authentication(at: At<'_>) -> Option<Authentication> {
    let at = at.child("authentication")?;
    let include = at.child("username-include");
    Some(Authentication {
        password: at.secret("password"),
        include: include.map_or_else(|| UsernameInclude::none(at.span()), username_include),
        span: at.span(),
    })
}

fn username_include(at: At<'_>) -> UsernameInclude {
    let text = |name| at.leaf(name).and_then(|leaf| leaf.value.text());
    UsernameInclude {
        user_prefix: text("user-prefix"),
        mac_address: at.has("mac-address"),
        logical_system_name: at.has("logical-system-name"),
        routing_instance_name: at.has("routing-instance-name"),
        option_60: at.has("option-60"),
        option_82: at
            .child("option-82")
            .map(|at| IncludeOption82 { circuit_id: at.has("circuit-id"), remote_id: at.has("remote-id") }),
        client_id: at.child("client-id").map(|at| IncludeClientId {
            exclude_headers: at.has("exclude-headers"),
            automatic: at.has("use-automatic-ascii-hex-encoding"),
        }),
        interface_name: at.has("interface-name"),
        interface_description: at.has("interface-description"),
        circuit_type: at.has("circuit-type"),
        vlan_tags: at.has("vlan-tags"),
        domain_name: text("domain-name"),
        delimiter: at
            .leaf_or_default("delimiter")
            .and_then(Typed::text)
            .and_then(|text| text.chars().next())
            .unwrap_or(UsernameInclude::DELIMITER),
        span: at.span(),
    }
}

#[cfg(test)]
mod tests {
    use crate::load;
    use bindery_types::GroupId;

    const ACCESS: &str = r#"
access {
    radius-server "192.0.2.1" { secret s3cret }
    profile one { radius { authentication-server "192.0.2.1" } }
    profile two { authentication-order none; radius { accounting-server "192.0.2.1" } }
}
"#;

    /// Profile, password, user prefix of groups a and b of a server that says `server`; a dash for what is absent.
    fn bound(server: &str, a: &str, b: &str) -> [String; 2] {
        let text = format!(
            "system {{ services {{ dhcp-local-server {{ {server}; group a {{ {a} }}; group b {{ {b} }} }} }} }} {ACCESS}"
        );
        let loaded = load("f.kdl", &text).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(loaded.model.access_of_group(GroupId(2)), None);
        [0, 1].map(|id| {
            let Some(binding) = loaded.model.access_of_group(GroupId(id)) else { return "nobody".to_owned() };
            let password = binding.password().map_or("-", |password| std::str::from_utf8(password.as_bytes()).unwrap());
            let prefix = binding.include().and_then(|include| include.user_prefix.as_deref()).unwrap_or("-");
            format!("{} {password} {prefix}", binding.profile.name.value)
        })
    }

    #[test]
    fn a_group_inherits_profile_and_authentication_apart() {
        let server = "access-profile one; authentication { password p; username-include { user-prefix u } }";
        assert_eq!(bound(server, "access-profile two", ""), ["two p u", "one p u"]);
    }

    #[test]
    fn the_authentication_of_a_group_takes_the_place_of_the_servers_as_a_whole() {
        let server = "access-profile one; authentication { password p; username-include { user-prefix u } }";
        let own = "authentication { username-include { user-prefix own } }";
        assert_eq!(bound(server, own, "authentication"), ["one - own", "one - -"]);
    }

    #[test]
    fn a_group_without_profile_asks_nobody() {
        assert_eq!(bound("pool-match-order ip-address-first", "access-profile one", ""), ["one - -", "nobody"]);
    }
    #[test]
    fn the_engine_is_told_whom_it_waits_for_and_what_is_accounted() {
        let text = format!(
            "system {{ services {{ dhcp-local-server {{ group a {{ access-profile one }}; group b {{ access-profile two }}
             group c }} }} }} {ACCESS}"
        );
        let groups = &load("f.kdl", &text).unwrap_or_else(|errors| panic!("{errors}")).engine.groups;
        let flags: Vec<_> = groups.iter().map(|group| (group.authenticate, group.account)).collect();
        assert_eq!(flags, [(true, false), (false, true), (false, false)]);
    }
}
