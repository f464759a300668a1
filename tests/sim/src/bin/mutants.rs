//! Plants bugs in copies of the engine and sees whether the simulator finds them within the CI's seeds.
//!
//! `cargo run -p bindery-sim --bin mutants [-- NAME... | K/N]`. A mutant is a patch in `tests/sim/mutants`; its first line
//! says in words what it breaks. `K/N` runs every Nth one from the Kth (from 0) on, and sees whether the others still fit. The crates that the simulator needs are copied to a temporary directory and built
//! there, so that no line of a mutant is ever in what ships. Exit status 1: a mutant survived, or a patch no longer
//! fits the engine.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

/// What the CI runs (`tests/it/main.rs`).
const SEEDS: &str = "5000";

/// Mutants at a time, each in a copy of its own.
const LABS: usize = 2;

/// What is copied.
const CRATES: [&str; 4] = ["core/types", "core/wire", "core/engine", "tests/sim"];

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    match run(&wanted) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(survivors) => {
            println!("{survivors} mutants survived or no longer apply");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Which mutants are to be run.
enum Wanted {
    All,
    Named(Vec<String>),
    Share { first: usize, step: usize },
}

impl Wanted {
    fn read(arguments: &[String]) -> Result<Self, Failure> {
        let [share] = arguments else {
            return Ok(if arguments.is_empty() { Self::All } else { Self::Named(arguments.to_vec()) });
        };
        let Some((first, step)) = share.split_once('/') else { return Ok(Self::Named(arguments.to_vec())) };
        let (first, step) = (first.parse()?, step.parse()?);
        if first >= step { Err(format!("no such share: {share}").into()) } else { Ok(Self::Share { first, step }) }
    }

    fn has(&self, index: usize, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|named| named == name),
            Self::Share { first, step } => index % step == *first,
        }
    }
}

/// Runs the wanted mutants; how many were not caught.
fn run(arguments: &[String]) -> Result<usize, Failure> {
    let wanted = Wanted::read(arguments)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let mut patches: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(root.join("tests/sim/mutants"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "patch") {
            patches.push(path);
        }
    }
    patches.sort();
    let (patches, others): (Vec<_>, Vec<_>) =
        patches.into_iter().enumerate().partition(|(index, patch)| wanted.has(*index, &name(patch)));
    let others: Vec<PathBuf> = others.into_iter().map(|(_, patch)| patch).collect();
    let patches: Vec<PathBuf> = patches.into_iter().map(|(_, patch)| patch).collect();
    let unfit = if matches!(wanted, Wanted::Share { .. }) { unfit(&root, &others)? } else { 0 };
    let (next, missed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = |number| -> Result<(), String> {
        let lab = Lab::new(&root, number).map_err(|why| why.to_string())?;
        lab.build().map_err(|why| format!("the copy without a mutant does not build: {why}"))?;
        while let Some(patch) = patches.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            let name = name(patch);
            let verdict = lab.judge(&root, patch).map_err(|why| why.to_string())?;
            missed.fetch_add(usize::from(!matches!(verdict, Verdict::Caught(_))), Ordering::Relaxed);
            println!("{name:<32} {verdict} ({:.0?})", began.elapsed());
        }
        Ok(())
    };
    let work = &work;
    thread::scope(|scope| -> Result<(), Failure> {
        let labs: Vec<_> = (0..LABS.min(patches.len())).map(|number| scope.spawn(move || work(number))).collect();
        for lab in labs {
            lab.join().map_err(|_| "a thread ended")??;
        }
        Ok(())
    })?;
    let missed = missed.into_inner();
    println!(
        "{} mutants, {missed} not caught; {} not run, of which {unfit} no longer apply",
        patches.len(),
        others.len()
    );
    Ok(missed + unfit)
}

fn name(patch: &Path) -> String {
    patch.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// How many of the patches no longer fit the engine.
fn unfit(root: &Path, patches: &[PathBuf]) -> Result<usize, Failure> {
    let lab = Lab::new(root, LABS)?;
    let mut unfit = 0;
    for patch in patches {
        if let Err(why) = lab.apply(patch, &["--check"]) {
            println!("{:<32} {}", name(patch), Verdict::NoLongerApplies(why));
            unfit += 1;
        }
    }
    Ok(unfit)
}

/// What became of a mutant.
enum Verdict {
    Caught(String),
    Survived,
    NoLongerApplies(String),
    DoesNotBuild(String),
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Caught(by) => write!(f, "caught: {by}"),
            Self::Survived => write!(f, "SURVIVED {SEEDS} seeds"),
            Self::NoLongerApplies(why) => write!(f, "NO LONGER APPLIES: {why}"),
            Self::DoesNotBuild(why) => write!(f, "DOES NOT BUILD: {why}"),
        }
    }
}

/// A copy of the crates; it goes when dropped.
struct Lab {
    directory: PathBuf,
}

impl Drop for Lab {
    fn drop(&mut self) {
        // What cannot be removed lies in the temporary directory.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Lab {
    fn new(root: &Path, number: usize) -> Result<Self, Failure> {
        let directory = std::env::temp_dir().join(format!("bindery-mutants-{}-{number}", std::process::id()));
        fs::create_dir(&directory)?;
        let lab = Self { directory };
        lab.copy_engine(root)?;
        for of in CRATES {
            copy(&root.join(of), &lab.directory.join(of))?;
        }
        fs::copy(root.join("Cargo.lock"), lab.directory.join("Cargo.lock"))?;
        fs::write(lab.directory.join("Cargo.toml"), workspace(&fs::read_to_string(root.join("Cargo.toml"))?))?;
        Ok(lab)
    }

    /// The engine as it is, in place of a mutant.
    fn copy_engine(&self, root: &Path) -> io::Result<()> {
        let to = self.directory.join("core/engine/src");
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        copy(&root.join("core/engine/src"), &to)
    }

    fn build(&self) -> Result<(), String> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "bindery-sim", "--bin", "bindery-sim"]);
        cargo.current_dir(&self.directory).env("CARGO_TARGET_DIR", self.directory.join("target"));
        // Nobody debugs a mutant, and without the lines it builds in half the time.
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
        succeed(cargo.output())
    }

    /// Applies a patch to the copy.
    fn apply(&self, patch: &Path, options: &[&str]) -> Result<(), String> {
        let mut git = Command::new("git");
        git.args(["apply", "-C1", "--whitespace=nowarn"]).args(options).arg(patch).current_dir(&self.directory);
        // Not inside a repository, whatever lies above the temporary directory.
        git.env("GIT_DIR", self.directory.join("none"));
        succeed(git.output())
    }

    fn judge(&self, root: &Path, patch: &Path) -> Result<Verdict, Failure> {
        self.copy_engine(root)?;
        if let Err(why) = self.apply(patch, &[]) {
            return Ok(Verdict::NoLongerApplies(why));
        }
        if let Err(why) = self.build() {
            return Ok(Verdict::DoesNotBuild(why));
        }
        let simulator = self.directory.join("target/debug/bindery-sim");
        let output = Command::new(simulator).args(["--seeds", SEEDS, "--stop"]).output()?;
        if output.status.success() {
            return Ok(Verdict::Survived);
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Verdict::Caught(text.lines().next().unwrap_or_default().chars().take(160).collect()))
    }
}

/// The last lines of a command that failed.
fn succeed(output: io::Result<Output>) -> Result<(), String> {
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error")).take(3).collect();
    Err(errors.join("; "))
}

/// The workspace's manifest with no members but the copied.
fn workspace(manifest: &str) -> String {
    let members = CRATES.map(|of| format!("\"{of}\"")).join(", ");
    let (mut out, mut skipping) = (String::new(), false);
    for line in manifest.lines() {
        if line.starts_with("members = [") {
            out.push_str(&format!("members = [{members}]\n"));
            skipping = !line.ends_with(']');
        } else if line.starts_with("exclude = [") {
            skipping = !line.ends_with(']');
        } else if skipping {
            skipping = line != "]";
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
