//! Each function from its spawn to its first `GET /next`, with a Lambda Runtime API of our own on the loopback
//! interface, then its peak memory and its size. `start BINARY…`
//!
//! All binaries take turns, round by round, so that the machine's moods hit all of them. Nothing but the runtime API is
//! called at init, so dummy settings do.

use std::{
    env,
    error::Error,
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use flate2::{Compression, write::DeflateEncoder};
use serde_json::json;
use sluice_bench::{
    measure::Summary,
    process::{cpu_time, mebibytes, peak_memory},
    report::Report,
};

const ROUNDS: usize = 20;
/// They bring the binaries into the page cache.
const WARM_UPS: usize = 2;
/// After that a function isn't slow but broken.
const PATIENCE: Duration = Duration::from_secs(10);
/// Milliseconds of wall time, and MB zipped.
const GOAL: (f64, f64) = (10.0, 15.0);

/// What every function awaits of a runtime
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).
const REQUEST_LINE: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1";

/// What Lambda sets, and what `template.yaml` sets for one function or another.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("AWS_REGION", "us-east-1"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("AWS_SESSION_TOKEN", "token"),
    ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
    ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
    ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
    ("LAMBDA_TASK_ROOT", "/var/task"),
    ("LANG", "en_US.UTF-8"),
    ("TZ", ":UTC"),
    ("STATE_TABLE", "bench"),
    ("ORIGINALS_BUCKET", "bench-originals"),
    ("DERIVED_BUCKET", "bench-derived"),
    ("STAGING_BUCKET", "bench-staging"),
    ("CONVERT_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/111122223333/convert"),
    ("INGEST_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/111122223333/ingest"),
    ("POISON_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/111122223333/poison"),
    ("WEBSOCKET_ENDPOINT", "https://bench.execute-api.us-east-1.amazonaws.com/live"),
    ("JWT_ISSUER", "bench"),
    ("JWT_AUDIENCE", "bench"),
];
/// What checks bearer tokens itself, `authorize` and `tus`, has one of these; the other functions none.
const SHARED_SECRET: (&str, &str) =
    ("JWT_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:111122223333:secret:bench");
const PUBLISHED_KEYS: (&str, &str) = ("JWT_JWKS_URL", "https://id.example.com/.well-known/jwks.json");

/// A binary in one of its settings.
struct Case {
    name: String,
    binary: PathBuf,
    setting: Option<(&'static str, &'static str)>,
    starts: Vec<Start>,
}

/// What one start took.
struct Start {
    wall: Duration,
    cpu: Duration,
    /// KiB.
    peak_memory: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut cases: Vec<Case> =
        env::args_os().skip(1).flat_map(|binary| Case::of(Path::new(&binary))).collect();
    if cases.is_empty() {
        return Err("name the binaries to start".into());
    }
    for round in 0..WARM_UPS + ROUNDS {
        for case in &mut cases {
            let start = case.start().map_err(|error| format!("{}: {error}", case.name))?;
            if round >= WARM_UPS {
                case.starts.push(start);
            }
        }
    }

    let title = format!(
        "Spawn to first GET /next, {ROUNDS} rounds in turns; median (min–max), milliseconds, MiB of memory, MB of size"
    );
    let mut report =
        Report::new("start", title, &["function", "wall", "CPU", "peak memory", "binary", "zipped"]);
    let mut missed = Vec::new();
    for case in &cases {
        let wall = Summary::of(case.starts.iter().map(|start| start.wall));
        let cpu = Summary::of(case.starts.iter().map(|start| start.cpu));
        let peak = case.starts.iter().map(|start| start.peak_memory).max().unwrap_or_default();
        let content = fs::read(&case.binary)?;
        let (size, zipped) = (content.len(), zipped_size(&content)?);
        if wall.median >= GOAL.0 || megabytes(zipped) >= GOAL.1 {
            missed.push(case.name.as_str());
        }
        report.row(
            vec![
                case.name.clone(),
                wall.cell(),
                cpu.cell(),
                mebibytes(peak),
                format!("{:.1}", megabytes(size)),
                format!("{:.1}", megabytes(zipped)),
            ],
            json!({ "function": case.name, "wall_ms": wall, "cpu_ms": cpu, "peak_memory_kib": peak,
                "binary_bytes": size, "zipped_bytes": zipped }),
        );
    }
    let verdict = if missed.is_empty() {
        "reached by all".to_owned()
    } else {
        format!("missed by {}", missed.join(", "))
    };
    report.note("`bare` is a function that does nothing: what the runtime alone costs.");
    report.note(format!("Goal, under {} ms and {} MB zipped: {verdict}.", GOAL.0, GOAL.1));
    report.finish()?;
    Ok(())
}

impl Case {
    fn of(binary: &Path) -> Vec<Self> {
        let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let case = |name: &str, setting| Self {
            name: name.to_owned(),
            binary: binary.to_owned(),
            setting,
            starts: Vec::new(),
        };
        match name.as_str() {
            name @ ("authorize" | "tus") => vec![
                case(&format!("{name}, secret"), Some(SHARED_SECRET)),
                case(&format!("{name}, JWKS"), Some(PUBLISHED_KEYS)),
            ],
            name => vec![case(name, None)],
        }
    }

    fn start(&self) -> Result<Start, Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .envs(ENVIRONMENT.iter().copied())
            .envs(self.setting)
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(first_request(&listener)));

        let spawned_at = Instant::now();
        let mut child = command.spawn()?;
        let arrival = receiver.recv_timeout(PATIENCE);
        let id = child.id().to_string();
        let measured = peak_memory(&id).and_then(|peak| Ok((peak, cpu_time(&id)?)));
        child.kill()?;
        let Ok(arrival) = arrival else {
            return Err(format!("no request within {PATIENCE:?}; it said:\n{}", last_words(child)?).into());
        };
        let (arrived_at, line, _connection) = arrival?;
        child.wait()?;
        if line.trim_end() != REQUEST_LINE {
            return Err(format!("the first request was {line:?}").into());
        }
        let (peak_memory, cpu) = measured?;
        Ok(Start { wall: arrived_at.duration_since(spawned_at), cpu, peak_memory })
    }
}

/// When the first request's first line was there. The connection stays open as long as it is held.
fn first_request(listener: &TcpListener) -> io::Result<(Instant, String, TcpStream)> {
    let (connection, _) = listener.accept()?;
    let mut line = String::new();
    BufReader::new(&connection).read_line(&mut line)?;
    Ok((Instant::now(), line, connection))
}

fn last_words(child: Child) -> io::Result<String> {
    let output = child.wait_with_output()?;
    let words = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&words).into_owned())
}

/// A zip archive's entry, without the hundred bytes around it; at the level that packagers use.
fn zipped_size(content: &[u8]) -> io::Result<usize> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content)?;
    Ok(encoder.finish()?.len())
}

/// As AWS counts them: of a million bytes.
fn megabytes(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e6
}
