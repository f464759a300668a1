//! What more engines on more cores bring: DORA/s of one engine and of two, each with the configuration of its own routing
//! instance, on a thread and a CPU of its own. `cargo run --release -p bindery-store --example engines [CPUS CPUS]
//! [SECONDS] [DIRECTORY]`
//!
//! No packet leaves the process: the clients are on the engine's thread, and each reply is looked at. In the rows without
//! `stored` a write is durable and a route set as soon as it is asked for, so that nothing is left but engines. In the
//! others each engine has a session database of its own below DIRECTORY with a store thread on the engine's CPU; routes
//! are still set at once. Each row is measured in processes of its own, begun together:
//!
//! - `1-engine`: first on one CPU, then on the other, as much work together as of two.
//! - `2-engines`: two threads of one process. They share the process: its address space and its allocator.
//! - `2-processes`: one engine in each of two processes. What is slower in one process is something that two threads
//!   share; what is slower in both is the machine.
//! - `2-engines-1-cpu`: both on one CPU: what a second engine brings without a second CPU.
//! - `2-engines-1-config`: both hold the same configuration object, so each packet counts in one cache line.
//! - `1-engine-64-instances`: one engine for 64 routing instances, whose clients take turns.
//!
//! `waits` is how often an engine's thread gave its CPU away by itself, which a thread that meets a lock must do;
//! `preempted` how often it was taken: other work on that CPU, which makes the rate worthless and leaves `cpu_us` good.

mod clients;
mod worker;

use std::{
    env,
    error::Error,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use worker::{Order, Outcome};

pub(crate) type Anything<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Anything<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some(("worker", words)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return worker::run(&Order::read(words)?);
    }
    let word = |at: usize, usual: &str| arguments.get(at).cloned().unwrap_or_else(|| usual.to_owned());
    let cpus = [word(0, "0"), word(1, "1")];
    let seconds: f64 = word(2, "2").parse()?;
    let directory = word(3, &env::temp_dir().display().to_string());
    println!(
        "| row | rate | cpu_us | process_cpu_us | waits | preempted | told | bound |\n|---|---|---|---|---|---|---|---|"
    );
    for stored in [false, true] {
        let order = |cpus: &[&String]| Order {
            cpus: cpus.iter().map(|&cpus| cpus.clone()).collect(),
            seconds: Duration::from_secs_f64(seconds),
            directory: stored.then(|| Path::new(&directory).into()),
            ..Order::default()
        };
        let [one, other] = &cpus;
        let suffix = if stored { "-stored" } else { "" };
        // One after the other: together they are as much work as two engines do at once.
        let single = [together(&[order(&[one])])?, together(&[order(&[other])])?];
        print(&format!("1-engine{suffix}"), Outcome::in_turn(single));
        print(&format!("2-engines{suffix}"), together(&[order(&[one, other])])?);
        print(&format!("2-processes{suffix}"), together(&[order(&[one]), order(&[other])])?);
        if !stored {
            print("2-engines-1-cpu", together(&[order(&[one, one])])?);
            print("2-engines-1-config", together(&[Order { one_config: true, ..order(&[one, other]) }])?);
            let many = |cpus: &String| together(&[Order { instances: 64, ..order(&[cpus]) }]);
            print("1-engine-64-instances", Outcome::in_turn([many(one)?, many(other)?]));
        }
    }
    Ok(())
}

fn print(row: &str, outcome: Outcome) {
    let Outcome { rate, told, bound, waits, preempted, .. } = outcome;
    let (cpu, process) = (outcome.cpu_us(), outcome.process_cpu_us());
    println!("| {row} | {rate:.0} | {cpu:.3} | {process:.3} | {waits} | {preempted} | {told} | {bound} |");
}

/// Runs a process for each order, all at the same time, and adds up what they did.
fn together(orders: &[Order]) -> Anything<Outcome> {
    let mut processes = orders.iter().map(start).collect::<Anything<Vec<_>>>()?;
    for process in &mut processes {
        process.line()?;
    }
    for process in &mut processes {
        process.child.stdin.take().ok_or("a worker has no standard input")?.write_all(b"go\n")?;
    }
    let mut sum = Outcome::default();
    for mut process in processes {
        sum = sum.beside(process.line()?.trim().parse()?);
        let status = process.child.wait()?;
        if !status.success() {
            return Err(format!("a worker ended with {status}").into());
        }
    }
    Ok(sum)
}

/// A worker, which says a line when it is ready, begins at a line, and says what it did.
struct Process {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

fn start(order: &Order) -> Anything<Process> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("worker").args(order.words()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let out = BufReader::new(child.stdout.take().ok_or("a worker has no standard output")?);
    Ok(Process { child, out })
}

impl Process {
    fn line(&mut self) -> Anything<String> {
        let mut line = String::new();
        match self.out.read_line(&mut line)? {
            0 => Err("a worker has ended".into()),
            _ => Ok(line),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended stays ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
