//! Runs a command: asks the daemon, prints the answer.

use crate::{
    client::{self, ClientError},
    command::{Command, Level},
    show,
};
use bindery_api::{
    AaaStatistics, BindingList, BindingSummary, CapabilityList, Cleared, PluginList, PoolList, RadiusServerList,
    Reconfigured, Reloaded, RouteList, Statistics, Verb, Version,
};
use std::{
    io::{self, Write},
    path::Path,
};

/// Asks the daemon and prints what it answers, as it is (`json`) or in Junos's layout.
///
/// # Errors
/// [`ClientError`]: no daemon, a refusal, a broken answer.
pub(crate) fn run(socket: &Path, json: bool, command: &Command) -> Result<(), ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut query = command.selector.query();
    if command.refresh {
        query.push(("refresh", "true".to_owned()));
    }
    query.extend(command.pace.map(|pace| ("pace", pace.to_string())));
    query.extend(command.protocol.map(|protocol| ("protocol", protocol.to_owned())));
    if command.withdraw_routes {
        query.push(("withdraw-routes", "true".to_owned()));
    }
    let mut body = Vec::new();
    let mut out = io::stdout().lock();
    let asked = client::ask(socket, command.verb, &query, |data| {
        if json {
            out.write_all(data)
        } else {
            body.extend_from_slice(data);
            Ok(())
        }
    });
    tokio::task::LocalSet::new().block_on(&runtime, asked)?;
    if json {
        return Ok(());
    }
    out.write_all(text(command, &body)?.as_bytes())?;
    Ok(())
}

fn text(command: &Command, body: &[u8]) -> Result<String, ClientError> {
    Ok(match command.verb {
        Verb::Version => show::version(&serde_json::from_slice::<Version>(body)?),
        Verb::Bindings => {
            let list: BindingList = serde_json::from_slice(body)?;
            match command.level {
                Level::Brief => show::bindings(&list),
                Level::Detail => show::bindings_detail(&list),
            }
        }
        Verb::BindingSummary => show::summary(&serde_json::from_slice::<BindingSummary>(body)?),
        Verb::ClearBindings => show::cleared(serde_json::from_slice::<Cleared>(body)?),
        Verb::Statistics => show::statistics(&serde_json::from_slice::<Statistics>(body)?),
        Verb::Routes => show::routes(&serde_json::from_slice::<RouteList>(body)?),
        Verb::Plugins => show::plugins(&serde_json::from_slice::<PluginList>(body)?),
        Verb::Pools => show::pools(&serde_json::from_slice::<PoolList>(body)?),
        Verb::RadiusServers => {
            let list: RadiusServerList = serde_json::from_slice(body)?;
            match command.level {
                Level::Brief => show::radius_servers(&list),
                Level::Detail => show::radius_servers_detail(&list),
            }
        }
        Verb::AaaStatistics => show::aaa_statistics(&serde_json::from_slice::<AaaStatistics>(body)?),
        Verb::Reload => show::reloaded(&serde_json::from_slice::<Reloaded>(body)?),
        Verb::Reconfigure => show::reconfigured(serde_json::from_slice::<Reconfigured>(body)?),
        Verb::ReconfigureCapability => show::capability(&serde_json::from_slice::<CapabilityList>(body)?),
        // Words that do not exist yet lead to the others.
        _ => String::new(),
    })
}
