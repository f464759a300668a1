//! What the daemon gets of RADIUS.

use bindery_config::Loaded;
use bindery_config::model::Spanned;
use bindery_types::GroupId;
use std::fmt::Debug;

fn bare<T: Debug + Clone>(values: &[Spanned<T>]) -> Vec<T> {
    values.iter().map(|value| value.value.clone()).collect()
}

/// All that the model says of servers, profiles and groups, secrets shown, places left out.
pub(crate) fn access(loaded: &Loaded) -> String {
    let model = &loaded.model;
    let mut lines = Vec::new();
    for server in &model.radius_servers {
        lines.push(format!(
            "{} {} {} {} {} {} {} {} {} {:?} {} {:?}",
            server.address.value,
            std::str::from_utf8(server.secret.as_bytes()).unwrap(),
            server.port,
            server.accounting_port,
            server.timeout_secs,
            server.retry,
            server.accounting_timeout_secs,
            server.accounting_retry,
            server.max_outstanding,
            server.source_address.as_ref().map(|address| address.value),
            server.no_message_authenticator,
            server.dynamic_request_port,
        ));
    }
    for profile in &model.access_profiles {
        lines.push(format!(
            "{} {:?} {:?} {:?} {:?} {:?} {} {} {}",
            profile.name.value,
            bare(&profile.authentication_order),
            bare(&profile.authentication_servers),
            bare(&profile.accounting_servers),
            profile.accounting,
            profile.client_session_timeout_minutes,
            profile.asks_radius(),
            profile.takes_without_answer(),
            profile.accounts(),
        ));
    }
    for group in 0..u16::try_from(model.groups().count()).unwrap() {
        lines.push(binding(loaded, GroupId(group)));
    }
    let (clients, port) = model.radius_disconnect();
    lines.extend(
        clients
            .iter()
            .map(|client| format!("{} {}", client.address, std::str::from_utf8(client.secret.as_bytes()).unwrap())),
    );
    lines.push(format!("{port} {:?} {:?}", model.dynamic_request_ports(), model.radius_options));
    lines.join("\n")
}

fn binding(loaded: &Loaded, group: GroupId) -> String {
    let Some(binding) = loaded.model.access_of_group(group) else { return "no profile".to_owned() };
    let mut include = binding.include().cloned();
    if let Some(include) = &mut include {
        include.span = bindery_config::tree::Span::default();
    }
    let password = binding.password().map(|password| std::str::from_utf8(password.as_bytes()).unwrap());
    format!("{} {password:?} {include:?}", binding.profile.name.value)
}
