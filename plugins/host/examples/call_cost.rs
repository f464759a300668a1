//! What a call of stage `shape-reply` costs: `cargo run --release -p bindery-plugin-host --example call_cost --
//! COMPONENT [SETTING...]`.
//!
//! A SETTING is `name argument... name=value...` in one word of the shell. With `fixture-behave.wasm` and
//! "behave cost" the guest reads three options and sets four. Beside it stand a chain of five such plugins, and the same
//! work as a policy without a plugin would do it (`built-in`). All take turns, block by block, so that what else the
//! machine does moves them together; the ratio is taken block by block. The time is the thread's own, of the processor.

use std::borrow::Cow;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bindery_engine::policy::edit_refusal;
use bindery_plugin_host::{
    ClientState, Edit, EditRefused, Edits, Host, HostConfig, Outcome, Plugin, PluginSpec, Setting, ShapeExchange,
    ShapeMeta, Source, Stage, Stages, raw_options,
};
use bindery_wire::v4::{OptionCode, OptionList, Packet, ParseRules};
use nix::time::ClockId;

/// Calls of one block; the fastest block is the least disturbed.
const CALLS: u32 = 20_000;
const BLOCKS: usize = 101;
const CHAIN: usize = 5;

/// A REQUEST with twelve options, as a relay hands it on.
fn request() -> Vec<u8> {
    let mut message = vec![1, 1, 6, 1, 0, 0, 0, 1];
    message.resize(240, 0);
    message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    message[236..240].copy_from_slice(&[99, 130, 83, 99]);
    let lengths = [(61, 7), (50, 4), (12, 14), (55, 17), (57, 2), (60, 24), (77, 18), (124, 20), (80, 0), (125, 9)];
    let options = lengths.map(|(code, length)| [vec![code, length], vec![1; usize::from(length)]].concat());
    let relay = [82, 20, 1, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 6, 1, 1, 1, 1, 1, 1];
    message.extend([[53, 1, 3].as_slice(), &options.concat(), &relay, &[255]].concat());
    message
}

/// The reply to it, lent as the daemon lends it.
struct Exchange<'p> {
    request: &'p Packet<'p>,
    reply: OptionList,
    edits: u64,
}

impl<'p> Exchange<'p> {
    fn new(request: &'p Packet<'p>) -> Exchange<'p> {
        let mut reply = OptionList::default();
        for code in [53, 54, 51, 58, 59, 1, 3, 6] {
            reply.set(OptionCode(code), &[0; 4]).expect("eight short options fit");
        }
        Exchange { request, reply, edits: 0 }
    }

    /// What the guest of "behave cost" does.
    fn read_three_set_four(&mut self) {
        for code in [55, 60, 82] {
            black_box(self.request.option(OptionCode(code)));
        }
        self.set_option(15, b"isp.example");
        self.set_option(26, &1400_u16.to_be_bytes());
        self.set_option(42, &[10, 0, 0, 42]);
        self.set_option(43, &[1, 4, 192, 0, 2, 1]);
    }
}

impl ShapeExchange for Exchange<'_> {
    fn meta(&self) -> ShapeMeta {
        ShapeMeta {
            address: Ipv4Addr::new(192, 0, 2, 10),
            relay: None,
            request_type: 3,
            reply_type: 5,
            state: ClientState::Selecting,
            mac: [2, 0, 0, 0, 0, 1],
            xid: self.request.xid().0,
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
        raw_options(self.request)
    }

    fn visit_request_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        self.request.options().for_each(|(code, value)| visit(u16::from(code.0), &value));
    }

    fn visit_reply_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        self.reply.iter().for_each(|(code, value)| visit(u16::from(code.0), value));
    }

    fn check(&self, edits: &Edits) -> Result<(), EditRefused> {
        for edit in edits.iter() {
            let (Edit::Set(code, _) | Edit::Remove(code)) = edit;
            let code = u8::try_from(code).map_err(|_| EditRefused(Cow::Borrowed("no DHCPv4 option")))?;
            edit_refusal(self.request, OptionCode(code)).map_err(|_| EditRefused(Cow::Borrowed("refused")))?;
        }
        Ok(())
    }

    fn set_option(&mut self, code: u16, value: &[u8]) {
        let code = OptionCode(u8::try_from(code).expect("checked"));
        if edit_refusal(self.request, code).is_ok() && self.reply.set(code, value).is_ok() {
            self.edits += 1;
        }
    }

    fn remove_option(&mut self, code: u16) {
        self.reply.remove(OptionCode(u8::try_from(code).expect("checked")));
        self.edits += 1;
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

/// Processor time of this thread, nanoseconds.
fn spent() -> f64 {
    let now = ClockId::CLOCK_THREAD_CPUTIME_ID.now().expect("every Linux has this clock");
    Duration::from(now).as_nanos() as f64
}

/// Nanoseconds of a call of all of `chain`.
fn block(chain: &mut [Plugin], exchange: &mut Exchange<'_>) -> f64 {
    let started = spent();
    for _ in 0..CALLS {
        for plugin in &mut *chain {
            let outcome = plugin.shape_reply(exchange);
            assert!(!matches!(outcome, Outcome::Failed(..)), "{outcome:?}: {}", plugin.stats().last_failure);
        }
    }
    (spent() - started) / f64::from(CALLS)
}

fn built_in_block<'p>(exchange: &mut Exchange<'p>) -> f64 {
    // What the engine calls is known at run time only.
    let call: fn(&mut Exchange<'p>) = black_box(Exchange::read_three_set_four);
    let started = spent();
    for _ in 0..CALLS {
        call(black_box(exchange));
    }
    (spent() - started) / f64::from(CALLS)
}

fn row(name: &str, mut values: Vec<f64>, digits: usize) {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    println!("| {name} | {:.digits$} | {:.digits$} | {:.digits$} |", at(values.len() / 2), at(0), at(values.len() - 1));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("usage: call_cost COMPONENT [SETTING...]")?);
    let mut spec = PluginSpec::new("measured", Source::File(path));
    spec.stages = Stages::NONE.with(Stage::ShapeReply);
    // The machine may take the processor away; that is not what is measured here.
    spec.deadline = Duration::from_secs(10);
    spec.settings = arguments.map(|line| setting(&line)).collect();
    let host = Host::new(HostConfig::default())?;
    let started = Instant::now();
    let mut one = [host.load(&spec)?];
    let loaded = started.elapsed();
    let mut five = (0..CHAIN).map(|_| host.load(&spec)).collect::<Result<Vec<_>, _>>()?;

    let message = request();
    let packet = Packet::parse(&message, ParseRules::default())?;
    let mut exchange = Exchange::new(&packet);
    let (mut single, mut chained, mut built_in) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..BLOCKS {
        single.push(block(&mut one, &mut exchange));
        chained.push(block(&mut five, &mut exchange));
        built_in.push(built_in_block(&mut exchange));
    }
    let ratios = chained.iter().zip(&single).map(|(chain, one)| chain / (one * CHAIN as f64)).collect();
    println!("| ns a call | median | least | most |\n|---|---|---|---|");
    row("wasm", single, 0);
    row("wasm, chain of 5", chained, 0);
    row("built-in", built_in, 1);
    row("chain of 5 / 5 x wasm", ratios, 3);
    let [stats] = one.each_ref().map(Plugin::stats);
    let calls = (BLOCKS * CALLS as usize) as u64;
    println!();
    println!("edits of a call: {}", exchange.edits / (calls * (2 + CHAIN as u64)));
    println!("load: {loaded:?}; linear memory: {} KiB", stats.memory_bytes / 1024);
    println!("one call: {:?} p50, {:?} p99 (upper bounds)", stats.time_p50, stats.time_p99);
    Ok(())
}
