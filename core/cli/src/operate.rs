//! Operational commands that ask one verb and show its answer.

use crate::{
    client::{Ask, ClientError},
    console::{Console, Failure},
    grammar::{Mistake, Parsed, Value},
    pipe::Pipes,
    show,
};
use bindery_api::{
    AaaStatistics, BindingList, BindingSummary, CapabilityList, Cleared, CommitHistory, CommitProgress,
    EditingSessionList, Empty, Format, HistoryList, HistoryQuery, LockoutList, PluginList, PoolList, RadiusServerList,
    Reconfigured, Reloaded, Rescue, RescueAction, RogueServerList, RouteList, Selector, ShowQuery, Statistics, Text,
    Verb, Version, VlanDeviceList,
};

impl Console {
    /// A command that is one verb.
    pub(crate) fn ask(&self, verb: Verb, command: &Parsed, pipes: &Pipes) -> Result<(), Failure> {
        let verb = if verb == Verb::Bindings && command.has("summary") { Verb::BindingSummary } else { verb };
        if verb == Verb::BindingSummary && selector(command)? != Selector::default() {
            let text = "the summary is of all clients: leave the selection out";
            return Err(Mistake::Pipe(text.to_owned()).into());
        }
        let ask = Ask::of(verb).with(query(verb, command)?);
        if self.is_json(pipes) {
            return self.raw_reply(&ask, pipes);
        }
        let body = self.client.bytes(&ask)?;
        let text = text(verb, command, &body)?;
        self.print(text, pipes)
    }

    /// `show configuration`.
    pub(crate) fn show_configuration(&self, command: &Parsed, pipes: &Pipes) -> Result<(), Failure> {
        self.show_text(ShowQuery { path: command.tail.clone(), ..ShowQuery::default() }, pipes)
    }

    /// `show system rollback`.
    pub(crate) fn show_rollback(&self, command: &Parsed, pipes: &Pipes) -> Result<(), Failure> {
        let value = |name| command.value(name).map(str::to_owned);
        let query = ShowQuery { rollback: value("rollback"), compare: value("compare"), ..ShowQuery::default() };
        self.show_text(query, pipes)
    }

    /// `show system configuration rescue`.
    pub(crate) fn show_rescue(&self, pipes: &Pipes) -> Result<(), Failure> {
        self.show_text(ShowQuery { rollback: Some("rescue".to_owned()), ..ShowQuery::default() }, pipes)
    }

    /// A configuration in the form that the pipes ask for.
    pub(crate) fn show_text(&self, query: ShowQuery, pipes: &Pipes) -> Result<(), Failure> {
        let compare = pipes.form.compare.clone().or(query.compare);
        let query = ShowQuery { format: pipes.form.format.unwrap_or_default(), compare, ..query };
        let mut pipes = pipes.clone();
        // A comparison is painted wherever it comes from.
        pipes.form.compare.clone_from(&query.compare);
        self.reply(&Ask::of(Verb::ConfigurationShow).query(&query)?, &pipes, |reply: &Text| reply.text.clone())?;
        Ok(())
    }

    /// `status`.
    pub(crate) fn status(&self, pipes: &Pipes) -> Result<(), Failure> {
        let ask = Ask::of(Verb::ConfigurationSessions);
        if pipes.form.format == Some(Format::Json) {
            return self.raw_reply(&ask, pipes);
        }
        self.reply(&ask, pipes, |list: &EditingSessionList| show::status(list))?;
        Ok(())
    }

    /// `request system configuration rescue`.
    pub(crate) fn rescue(&self, action: RescueAction, pipes: &Pipes) -> Result<(), Failure> {
        let ask = Ask::of(Verb::Rescue).body(&Rescue { action })?;
        self.reply(&ask, pipes, |_: &Empty| match action {
            RescueAction::Save => "rescue configuration saved\n".to_owned(),
            RescueAction::Delete => "rescue configuration deleted\n".to_owned(),
        })?;
        Ok(())
    }
}

/// The parameters that go with a verb.
fn query(verb: Verb, command: &Parsed) -> Result<Vec<(&'static str, String)>, Mistake> {
    let mut query = Vec::new();
    match verb {
        Verb::Bindings | Verb::ClearBindings => query = selector(command)?.query(),
        Verb::Reconfigure => {
            query = selector(command)?.query();
            if command.has("refresh") {
                query.push(("refresh", "true".to_owned()));
            }
            query.extend(command.number::<u32>("pace")?.map(|pace| ("pace", pace.to_string())));
        }
        Verb::DhcpStatistics | Verb::ClearDhcpStatistics => {
            query.extend(command.value("interface").map(|name| ("interface", name.to_owned())));
        }
        Verb::Lockouts | Verb::ClearLockouts => {
            query.extend(command.number::<u32>("index")?.map(|index| ("index", index.to_string())));
            if command.has("all") {
                query.push(("all", "true".to_owned()));
            }
        }
        Verb::History => {
            let Selector { address, mac, session, .. } = selector(command)?;
            let client_id = command.value("client-id").map(str::to_owned);
            query = HistoryQuery { address, mac, session, client_id }.query();
        }
        Verb::Routes => {
            let protocols = ["access-internal", "access"].into_iter().filter(|name| command.has(name));
            query.extend(protocols.map(|name| ("protocol", name.to_owned())));
            if command.has("protocol") && query.is_empty() {
                let expected = "access-internal or access".to_owned();
                return Err(Mistake::Incomplete { before: "show route protocol".to_owned(), expected });
            }
        }
        Verb::Reload if command.has("force") => query.push(("force", "true".to_owned())),
        Verb::Shutdown if command.has("withdraw-routes") => query.push(("withdraw-routes", "true".to_owned())),
        _ => {}
    }
    Ok(query)
}

/// Which bindings: an address has dots, a MAC address colons, a session id digits only.
fn selector(command: &Parsed) -> Result<Selector, Mistake> {
    let value = |name| command.value(name).map(str::to_owned);
    let mut selector =
        Selector { interface: value("interface"), pool: value("pool"), all: command.has("all"), ..Selector::default() };
    selector.lease_time_violation = command.has("lease-time-violation");
    selector.routing_instance = value("routing-instance");
    match command.value("key") {
        Some(key) if Value::Address.accepts(key) => selector.address = Some(key.to_owned()),
        Some(key) if Value::Mac.accepts(key) => selector.mac = Some(key.to_owned()),
        _ => selector.session = command.number("key")?,
    }
    Ok(selector)
}

fn text(verb: Verb, command: &Parsed, body: &[u8]) -> Result<String, ClientError> {
    let detail = command.has("detail");
    Ok(match verb {
        Verb::Version => show::version(&serde_json::from_slice::<Version>(body)?),
        Verb::Bindings => {
            let list: BindingList = serde_json::from_slice(body)?;
            if detail { show::bindings_detail(&list) } else { show::bindings(&list) }
        }
        Verb::BindingSummary => show::summary(&serde_json::from_slice::<BindingSummary>(body)?),
        Verb::ClearBindings => show::cleared(serde_json::from_slice::<Cleared>(body)?),
        Verb::Statistics | Verb::DhcpStatistics => {
            let statistics: Statistics = serde_json::from_slice(body)?;
            if command.has("summary") { show::statistics_summary(&statistics) } else { show::statistics(&statistics) }
        }
        Verb::History => show::subscriber_history(&serde_json::from_slice::<HistoryList>(body)?),
        Verb::Metrics => String::from_utf8_lossy(body).into_owned(),
        Verb::Routes => show::routes(&serde_json::from_slice::<RouteList>(body)?),
        Verb::Plugins => {
            let mut list: PluginList = serde_json::from_slice(body)?;
            list.plugins.retain(|plugin| command.value("plugin").is_none_or(|name| name == plugin.name));
            show::plugins(&list)
        }
        Verb::Pools => {
            let mut list: PoolList = serde_json::from_slice(body)?;
            list.pools.retain(|pool| command.value("pool").is_none_or(|name| name == pool.pool_name));
            match list.pools.as_slice() {
                // More than one: routing instances have pools of their own.
                found @ [_, ..] if command.value("pool").is_some() => found.iter().map(show::pool).collect(),
                _ => show::pools(&list),
            }
        }
        Verb::Lockouts => {
            let list: LockoutList = serde_json::from_slice(body)?;
            if command.has("all") { show::lockouts(&list) } else { show::lockouts_detail(&list) }
        }
        Verb::ClearLockouts => show::cleared_lockouts(serde_json::from_slice::<Cleared>(body)?),
        Verb::RogueServers => show::rogue_servers(&serde_json::from_slice::<RogueServerList>(body)?),
        Verb::Liveness => show::liveness(&serde_json::from_slice::<BindingList>(body)?),
        Verb::VlanDevices => show::vlan_devices(&serde_json::from_slice::<VlanDeviceList>(body)?),
        Verb::RadiusServers => {
            let list: RadiusServerList = serde_json::from_slice(body)?;
            if detail { show::radius_servers_detail(&list) } else { show::radius_servers(&list) }
        }
        Verb::AaaStatistics => show::aaa_statistics(&serde_json::from_slice::<AaaStatistics>(body)?),
        Verb::Reload => show::reloaded(&serde_json::from_slice::<Reloaded>(body)?),
        Verb::Reconfigure => show::reconfigured(serde_json::from_slice::<Reconfigured>(body)?),
        Verb::ReconfigureCapability => show::capability(&serde_json::from_slice::<CapabilityList>(body)?),
        Verb::CommitHistory => show::history(&serde_json::from_slice::<CommitHistory>(body)?),
        Verb::CommitProgress | Verb::CommitStop => show::progress(&serde_json::from_slice::<CommitProgress>(body)?),
        // Their answers say only that it is done.
        _ => String::new(),
    })
}
