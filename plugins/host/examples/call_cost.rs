//! What a call costs: `cargo run --release -p bindery-plugin-host --example call_cost -- COMPONENT [SETTING...]`.
//!
//! A SETTING is `name argument... name=value...` in one word of the shell. With `fixture-behave.wasm` and
//! "behave cost" the guest reads three options and sets four.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bindery_plugin_host::{
    ClientState, Host, HostConfig, Outcome, Plugin, PluginSpec, Setting, ShapeExchange, ShapeMeta, Source, Stage,
    Stages,
};

/// Calls of one block; the fastest block is the least disturbed.
const CALLS: u32 = 20_000;
const BLOCKS: u32 = 33;

/// A request with twelve options, and a reply that keeps what is set in buffers of its own.
struct Exchange {
    request: Vec<(u16, Vec<u8>)>,
    raw: Vec<u8>,
    sets: u64,
}

impl Exchange {
    fn new() -> Exchange {
        let lengths = [(53, 1), (61, 7), (50, 4), (12, 14), (55, 17), (57, 2), (60, 24), (77, 18), (124, 20)];
        let mut request: Vec<(u16, Vec<u8>)> = lengths.iter().map(|(code, length)| (*code, vec![1; *length])).collect();
        request.extend([(82, vec![1, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 6, 1, 1, 1, 1, 1, 1]), (80, vec![])]);
        let raw = request.iter().flat_map(|(_, value)| [&[0, 0], value.as_slice()].concat()).collect();
        Exchange { request, raw, sets: 0 }
    }
}

impl ShapeExchange for Exchange {
    fn meta(&self) -> ShapeMeta {
        ShapeMeta {
            address: Ipv4Addr::new(192, 0, 2, 10),
            relay: None,
            request_type: 3,
            reply_type: 5,
            state: ClientState::Selecting,
            mac: [2, 0, 0, 0, 0, 1],
            xid: 1,
            session: 1,
            lease_seconds: 3600,
        }
    }

    fn group(&self) -> &'static str {
        "residential"
    }

    fn interface_name(&self) -> &'static str {
        "eth0.100"
    }

    fn raw_request_options(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.raw)
    }

    fn visit_request_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        self.request.iter().for_each(|(code, value)| visit(*code, value));
    }

    fn visit_reply_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        for code in [53, 54, 51, 58, 59, 1, 3, 6] {
            visit(code, &[0; 4]);
        }
    }

    fn set_option(&mut self, _: u16, _: &[u8]) {
        self.sets += 1;
    }

    fn remove_option(&mut self, _: u16) {
        self.sets += 1;
    }
}

fn setting(line: &str) -> Setting {
    let mut words = line.split_whitespace();
    let mut setting = Setting { name: words.next().unwrap_or_default().into(), ..Setting::default() };
    for word in words {
        match word.split_once('=') {
            Some((name, value)) => setting.properties.push((name.into(), value.into())),
            None => setting.arguments.push(word.into()),
        }
    }
    setting
}

fn block(plugin: &mut Plugin, exchange: &mut Exchange) -> Duration {
    let started = Instant::now();
    for _ in 0..CALLS {
        let outcome = plugin.shape_reply(exchange);
        assert!(!matches!(outcome, Outcome::Failed(..)), "{outcome:?}: {}", plugin.stats().last_failure);
    }
    started.elapsed() / CALLS
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("usage: call_cost COMPONENT [SETTING...]")?);
    let mut spec = PluginSpec::new("measured", Source::File(path));
    spec.stages = Stages::NONE.with(Stage::ShapeReply);
    // The machine may take the processor away; that is not what is measured here.
    spec.deadline = Duration::from_secs(10);
    spec.settings = arguments.map(|line| setting(&line)).collect();
    let started = Instant::now();
    let mut plugin = Host::new(HostConfig::default())?.load(&spec)?;
    println!("load            {:?} ({:?})", started.elapsed(), plugin.origin());
    let mut exchange = Exchange::new();
    let mut blocks: Vec<Duration> = (0..BLOCKS).map(|_| block(&mut plugin, &mut exchange)).collect();
    blocks.sort();
    let changes = exchange.sets / u64::from(CALLS * BLOCKS);
    let median = blocks.get(blocks.len() / 2).copied().unwrap_or_default();
    println!("call            {:?} fastest block, {median:?} median, {changes} changes", blocks.first());
    let stats = plugin.stats();
    println!("one call        {:?} p50, {:?} p99 (upper bounds)", stats.time_p50, stats.time_p99);
    println!("linear memory   {} KiB", stats.memory_bytes / 1024);
    Ok(())
}
