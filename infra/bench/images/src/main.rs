//! The engine on one file, for `run.py`; `sharp.mjs` is the same around sharp, to the letter.
//!
//! - `derive-bench serve INPUT THREADS`: reads numbers from its standard input, one a line; for each it does the work
//!   that often and prints `{"wall_ms": [...], "cpu_ms": [...]}`. CPU time is that of all threads of the process.
//! - `derive-bench once INPUT THREADS FOLDER`: does the work once, as a function does that was just started, then tells
//!   `{"peak_kib": ...}`, the most memory that the process ever had resident, then writes the files `NAME.EXTENSION`.
//!
//! The work is the engine's default profile. Files are read before the clock starts, as the peer's are; what
//! the engine reads as a stream it reads from the file, within the clock.

mod engine;

use std::{
    env, fs,
    io::{self, BufRead as _, Write as _},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::engine::Work;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["serve", input, threads] => serve(Path::new(input), threads),
        ["once", input, threads, folder] => once(Path::new(input), threads, Path::new(folder)),
        _ => Err("usage: derive-bench serve INPUT THREADS | once INPUT THREADS FOLDER".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("derive-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn serve(input: &Path, threads: &str) -> Result<(), Failure> {
    let work = Work::read(input, threads.parse()?)?;
    for line in io::stdin().lock().lines() {
        let count: usize = line?.trim().parse()?;
        let (mut wall, mut cpu) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            let (started, cpu_before) = (Instant::now(), cpu_time());
            std::hint::black_box(work.run()?);
            wall.push(milliseconds(started.elapsed()));
            cpu.push(milliseconds(cpu_time().saturating_sub(cpu_before)));
        }
        let mut answer = io::stdout().lock();
        writeln!(answer, "{}", json!({ "wall_ms": wall, "cpu_ms": cpu }))?;
        answer.flush()?;
    }
    Ok(())
}

fn once(input: &Path, threads: &str, folder: &Path) -> Result<(), Failure> {
    let derived = Work::read(input, threads.parse()?)?.run()?;
    println!("{}", json!({ "peak_kib": peak_memory()? }));
    for warning in &derived.warnings {
        eprintln!("derive-bench: {warning:?}");
    }
    for derivative in derived.derivatives {
        let name = format!("{}.{}", derivative.name, derivative.extension);
        fs::write(folder.join(name), derivative.bytes)?;
    }
    Ok(())
}

fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// In KiB. Not `getrusage`: its figure starts with that of the process which spawned this one.
fn peak_memory() -> Result<u32, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let field = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    Ok(field.ok_or("no VmHWM in the process's status")?.trim().parse()?)
}
