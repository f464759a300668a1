//! `bindery plugin test`: replays exchanges against a component, without daemon and without root.
//!
//! The component runs in the host that the daemon has, with the same limits and the same judgement of what it says.

mod capture;
mod exchange;
mod expect;
mod read;
mod recorded;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bindery_engine::policy::{Admit, Lookup, Steer, Token};
use bindery_plugin_host::{Host, HostConfig, LoadReason, Outcome, Plugin, PluginSpec, Setting, Source, Stage, Stages};
use bindery_types::Ipv4Addr;
use bindery_wire::v4::{MessageType, OptionCode, OptionList, Packet, ParseRules};

use crate::grants;
use exchange::Lent;
use expect::{Expectation, Seen, Verdict};

/// What to replay against what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The component.
    pub(crate) component: PathBuf,
    /// The exchanges.
    pub(crate) from: From,
    /// A file of settings, in place of those among the exchanges.
    pub(crate) settings: Option<PathBuf>,
    /// A file of expectations.
    pub(crate) expect: Option<PathBuf>,
    /// `deadline-ms` of the configuration.
    pub(crate) deadline_ms: Option<u64>,
    /// `memory-max` of the configuration, in MiB.
    pub(crate) memory_mib: Option<usize>,
}

/// Where the exchanges come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// A capture in pcap or pcapng format.
    Capture(PathBuf),
    /// A file of recorded exchanges.
    Recorded(PathBuf),
}

/// One request, the reply that the server would send, and what is expected of the plugin.
pub(crate) struct Case {
    pub(crate) name: String,
    /// The UDP payload.
    pub(crate) request: Vec<u8>,
    pub(crate) reply: Option<Reply>,
    pub(crate) group: String,
    pub(crate) interface: String,
    /// Whether the request came to the server's own address.
    pub(crate) unicast: bool,
    pub(crate) expect: Vec<Expectation>,
}

/// A reply before the plugin.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) message: MessageType,
    pub(crate) address: Ipv4Addr,
    pub(crate) lease_seconds: u32,
    pub(crate) session: u64,
    pub(crate) options: OptionList,
}

/// Replay everything; whether all expectations hold and no call failed.
pub(crate) fn run(request: &Request) -> Result<bool> {
    let (mut cases, own_settings) = match &request.from {
        From::Capture(path) => (capture::cases(path)?, Vec::new()),
        From::Recorded(path) => recorded::cases(path)?,
    };
    if cases.is_empty() {
        bail!("there is no DHCPv4 request to replay");
    }
    if let Some(path) = &request.expect {
        recorded::expectations(path, &mut cases)?;
    }
    let settings = match &request.settings {
        Some(path) => recorded::settings(path)?,
        None => own_settings,
    };
    let mut plugin = load(request, settings)?;
    let mut failed = 0;
    let mut judged = 0;
    for (index, case) in cases.iter().enumerate() {
        let outcome = replay(&mut plugin, index + 1, case)?;
        judged += usize::from(!case.expect.is_empty());
        failed += usize::from(!outcome);
    }
    println!("{}", summary(&plugin, cases.len(), judged, failed));
    Ok(failed == 0)
}

fn load(request: &Request, settings: Vec<Setting>) -> Result<Plugin> {
    let name = request.component.file_stem().and_then(|name| name.to_str()).unwrap_or("plugin");
    let mut spec = PluginSpec::new(name, Source::File(request.component.clone()));
    spec.settings = settings;
    spec.grants = grants::all(grants::shown());
    if let Some(milliseconds) = request.deadline_ms {
        spec.deadline = Duration::from_millis(milliseconds);
    }
    if let Some(mib) = request.memory_mib {
        spec.memory_max_bytes = mib.saturating_mul(1 << 20);
    }
    // A component with a language runtime compiles for seconds: once is enough.
    let large = fs::metadata(&request.component).is_ok_and(|file| file.len() > 1 << 20);
    let cache_dir = if large { Some(crate::build::tools()?.join("compiled")) } else { None };
    if let Some(folder) = cache_dir.as_deref().and_then(|dir| dir.parent()) {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let host = Host::new(HostConfig { cache_dir, ..HostConfig::default() })?;
    let plugin = host.load(&spec).map_err(|error| explain(error.reason, &spec.settings))?;
    let replayed = Stages::NONE.with(Stage::Admit).with(Stage::ShapeReply);
    let others: Vec<&str> =
        plugin.stages().iter().filter(|stage| !replayed.contains(*stage)).map(Stage::name).collect();
    if !others.is_empty() {
        println!("not replayed, for they are about sessions or RADIUS: {}", others.join(", "));
    }
    if !plugin.stages().iter().any(|stage| replayed.contains(stage)) {
        bail!("the component has neither stage admit nor stage shape-reply: there is nothing to replay");
    }
    Ok(plugin)
}

/// Why the component was not loaded; for a setting, which one.
fn explain(reason: LoadReason, settings: &[Setting]) -> anyhow::Error {
    if let LoadReason::Settings { setting: Some(index), message } = &reason
        && let Some(setting) = settings.get(*index)
    {
        return anyhow::anyhow!("settings: {} {}: {message}", setting.name, setting.arguments.join(" "));
    }
    anyhow::Error::new(reason)
}

/// Replay one exchange and print what came of it; whether it is as expected.
fn replay(plugin: &mut Plugin, number: usize, case: &Case) -> Result<bool> {
    let rules = ParseRules { allow_no_end_option: true };
    let packet = Packet::parse(&case.request, rules)
        .map_err(|error| anyhow::anyhow!("exchange {number}, {}: no DHCPv4 request: {error}", case.name))?;
    let mut text = format!("exchange {number}");
    if !case.name.is_empty() {
        let _ = write!(text, " \"{}\"", case.name);
    }
    println!("{text}: {}", headline(&packet, case));
    let mut seen = Seen { reply: case.reply.as_ref().map(|reply| reply.options.clone()), ..Seen::default() };
    if plugin.stages().contains(Stage::Admit) {
        admit(plugin, &packet, case, &mut seen);
    }
    if plugin.stages().contains(Stage::ShapeReply) && seen.admit != Some(Verdict::Drop) {
        match &case.reply {
            Some(reply) => shape(plugin, &packet, case, reply, &mut seen),
            None => println!("    shape-reply  not called: the request has no reply here"),
        }
    }
    grants::show_requests(plugin);
    let mut good = true;
    if [&seen.admit, &seen.shape].into_iter().flatten().any(|verdict| *verdict == Verdict::Failed) {
        println!("    why          {}", plugin.stats().last_failure);
        good = case.expect.iter().any(Expectation::wants_failure);
    }
    let differences: Vec<String> = case.expect.iter().filter_map(|expectation| expectation.judge(&seen)).collect();
    for difference in &differences {
        println!("    FAILED       {difference}");
    }
    if differences.is_empty() && !case.expect.is_empty() {
        println!("    ok           {} as expected", case.expect.len());
    }
    Ok(good && differences.is_empty())
}

fn headline(packet: &Packet<'_>, case: &Case) -> String {
    let kind = packet.message_type().map_or("no message type", MessageType::name);
    let client = packet.hw_addr().mac().map_or_else(|| "no MAC".to_owned(), |mac| mac.to_string());
    let mut text = format!("{kind} from {client}");
    if !packet.giaddr().is_unspecified() {
        let _ = write!(text, " by relay {}", packet.giaddr());
    }
    if let Some(reply) = &case.reply {
        let _ = write!(text, ", {}", reply.message.name());
        if !reply.address.is_unspecified() {
            let _ = write!(text, " of {}", reply.address);
        }
    }
    text
}

fn admit(plugin: &mut Plugin, packet: &Packet<'_>, case: &Case, seen: &mut Seen) {
    let mut question = Admit {
        request: packet,
        unicast: case.unicast,
        group: &case.group,
        interface: &case.interface,
        token: Token { engine: 0, slot: 0, generation: 0 },
        sessions: Lookup::NONE,
        steer: Steer::default(),
    };
    let outcome = plugin.admit(&mut question);
    let steer = question.steer;
    let mut text = format!("    admit        {}", note(outcome, &mut seen.admit));
    for (name, value) in [("group", &steer.group), ("pool", &steer.pool), ("class", &steer.class)] {
        if let Some(value) = value {
            let _ = write!(text, ", {name} {value}");
        }
    }
    println!("{text}");
    seen.steer = steer;
}

fn shape(plugin: &mut Plugin, packet: &Packet<'_>, case: &Case, reply: &Reply, seen: &mut Seen) {
    // What admit has chosen is what serves the client from then on.
    let group = seen.steer.group.as_deref().unwrap_or(&case.group).to_owned();
    let mut lent = Lent::new(packet, case, reply, &group);
    let outcome = plugin.shape_reply(&mut lent);
    println!("    shape-reply  {}", note(outcome, &mut seen.shape));
    for (code, value) in &lent.edits {
        match value {
            Some(value) => println!("    {:<12} {}", "set", expect::option(*code, value)),
            None => println!("    {:<12} {}", "remove", expect::code(*code)),
        }
    }
    seen.edits = lent.edits.len();
    seen.reply = Some(lent.options);
}

fn note(outcome: Outcome, verdict: &mut Option<Verdict>) -> String {
    let (found, text) = match outcome {
        Outcome::Continue => (Verdict::Continue, "continue".to_owned()),
        Outcome::Drop => (Verdict::Drop, "drop".to_owned()),
        Outcome::Failed(failure, _) => (Verdict::Failed, format!("FAILED: it {failure}")),
    };
    *verdict = Some(found);
    text
}

fn summary(plugin: &Plugin, cases: usize, judged: usize, failed: usize) -> String {
    let stats = plugin.stats();
    let mut text = format!(
        "{cases} exchanges, {} calls, half of them within {:?}, {} KiB of memory",
        stats.calls,
        stats.time_p50,
        stats.memory_bytes / 1024
    );
    let _ = match (judged, failed) {
        (0, 0) => write!(text, "; nothing was expected"),
        (judged, 0) => write!(text, "; {judged} as expected"),
        (_, failed) => write!(text, "; {failed} FAILED"),
    };
    text
}

/// The options of a captured reply that a plugin sees.
pub(crate) fn options(packet: &Packet<'_>) -> OptionList {
    let mut list = OptionList::new();
    for (code, value) in packet.options() {
        if code != OptionCode::OPTION_OVERLOAD {
            // The packet has been parsed, so it is far from the list's bounds.
            let _ = list.set(code, &value);
        }
    }
    list
}
