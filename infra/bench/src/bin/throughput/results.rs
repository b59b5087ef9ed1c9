//! What runs took, and the tables of it.

use std::{collections::BTreeMap, io};

use serde::Serialize;
use serde_json::json;
use sluice_bench::{
    measure::Summary,
    process::mebibytes,
    proxy::{Calls, sum},
    report::Report,
};

use crate::server::Side;

/// Bytes written to S3 for each one uploaded.
const WRITTEN_GOAL: f64 = 2.0;

/// One run, as it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    /// Uploaded, of all uploads.
    pub(crate) bytes: u64,
    /// From the client's first request to its last answer.
    pub(crate) seconds: f64,
    /// Of the server's processes.
    pub(crate) cpu_seconds: f64,
    /// Of each process the most it ever had, summed up.
    pub(crate) peak_memory_kib: u32,
    pub(crate) processes: usize,
    /// Of the proxy and, for ours, of what stands for API Gateway and Lambda.
    pub(crate) harness_cpu_seconds: f64,
    /// Requests that the client sent again.
    pub(crate) retries: u32,
    pub(crate) calls: Calls,
}

impl Run {
    pub(crate) fn speed(&self) -> f64 {
        megabytes(self.bytes) / self.seconds
    }

    fn calls_per_megabyte(&self, service: &str) -> f64 {
        number(sum(&self.calls, service).calls) / megabytes(self.bytes)
    }

    /// Bytes sent to S3 for each one uploaded.
    fn written(&self) -> f64 {
        number(sum(&self.calls, "S3").sent_bytes) / number(self.bytes)
    }

    /// Bytes received from S3 for each one uploaded.
    fn read(&self) -> f64 {
        number(sum(&self.calls, "S3").received_bytes) / number(self.bytes)
    }
}

/// One server with so many uploads at once.
pub(crate) struct Case {
    pub(crate) side: Side,
    pub(crate) at_once: u32,
    pub(crate) runs: Vec<Run>,
}

impl Case {
    pub(crate) const fn new(side: Side, at_once: u32) -> Self {
        Self { side, at_once, runs: Vec::new() }
    }

    pub(crate) fn name(&self) -> String {
        format!("{} at once, {}", self.at_once, self.side.name())
    }

    fn summary(&self, of: impl Fn(&Run) -> f64) -> Summary {
        Summary::of_values(self.runs.iter().map(of))
    }
}

/// Prints both tables. There is at least one run of each case.
pub(crate) fn report(cases: &[Case], bytes: u32) -> io::Result<()> {
    let title = format!(
        "tus, {} MB an upload in chunks of 4 MiB, both in turns; median (min–max); bytes for each one uploaded",
        megabytes(bytes.into())
    );
    let columns = [
        "uploads",
        "MB/s",
        "CPU, s",
        "peak memory, MiB",
        "S3 calls/MB",
        "DynamoDB calls/MB",
        "written to S3",
        "read",
    ];
    let mut report = Report::new("tus", title, &columns);
    for case in cases {
        let (speed, cpu) = (case.summary(Run::speed), case.summary(|run| run.cpu_seconds));
        let memory = case.runs.iter().map(|run| run.peak_memory_kib).max().unwrap_or_default();
        let s3 = case.summary(|run| run.calls_per_megabyte("S3")).median;
        let dynamodb = case.summary(|run| run.calls_per_megabyte("DynamoDB")).median;
        let (written, read) = (case.summary(Run::written).median, case.summary(Run::read).median);
        let small = [s3, dynamodb, written, read].map(|figure| format!("{figure:.2}"));
        report.row(
            [case.name(), speed.cell(), cpu.cell(), mebibytes(memory)].into_iter().chain(small).collect(),
            json!({ "server": case.side.name(), "at_once": case.at_once, "megabytes_per_second": speed,
                "cpu_seconds": cpu, "peak_memory_kib": memory, "s3_calls_per_megabyte": s3,
                "dynamodb_calls_per_megabyte": dynamodb, "written": written, "read": read, "runs": case.runs }),
        );
    }
    report.note("Memory is the sum over processes: ours has one for each request at a time, as on Lambda.");
    for ours in cases.iter().filter(|case| case.side == Side::Ours) {
        let peer = cases.iter().find(|case| case.side == Side::Peer && case.at_once == ours.at_once);
        if let Some(peer) = peer {
            report.note(verdict(peer, ours));
        }
    }
    let retries: u32 = cases.iter().flat_map(|case| &case.runs).map(|run| run.retries).sum();
    if retries > 0 {
        report.note(format!("{retries} requests were sent again."));
    }
    report.finish()?;
    calls_by_kind(cases).finish()
}

fn verdict(peer: &Case, ours: &Case) -> String {
    let ratio = |of: fn(&Run) -> f64| ours.summary(of).median / peer.summary(of).median;
    let (speed, cpu) = (ratio(Run::speed), ratio(|run| run.cpu_seconds));
    let memory = ratio(|run| run.peak_memory_kib.into());
    let reached = speed >= 1.0 && memory < 1.0 && ours.summary(Run::written).max <= WRITTEN_GOAL;
    format!(
        "{} at once, ours by the peer's: speed {speed:.2}, CPU {cpu:.2}, memory {memory:.2}. \
         Goal, as fast, in less memory, each byte written at most {WRITTEN_GOAL} times: {}.",
        ours.at_once,
        if reached { "reached" } else { "missed" }
    )
}

/// Of each server's last run with one upload.
fn calls_by_kind(cases: &[Case]) -> Report {
    let alone: Vec<(Side, &Calls)> = cases
        .iter()
        .filter(|case| case.at_once == 1)
        .filter_map(|case| Some((case.side, &case.runs.last()?.calls)))
        .collect();
    let columns: Vec<&str> = ["call"].into_iter().chain(alone.iter().map(|(side, _)| side.name())).collect();
    let mut report = Report::new(
        "tus-calls",
        "Calls of one such upload (the MB that go with them); milliseconds for each",
        &columns,
    );
    let mut kinds: Vec<(&String, &String)> = alone
        .iter()
        .flat_map(|(_, calls)| calls.iter())
        .flat_map(|(service, operations)| operations.keys().map(move |operation| (service, operation)))
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    for (service, operation) in kinds {
        let count = |calls: &Calls| {
            let count = calls.get(service).and_then(|operations| operations.get(operation));
            count.copied().unwrap_or_default()
        };
        let counts: Vec<_> = alone.iter().map(|(side, calls)| (side.name(), count(calls))).collect();
        let cells = counts.iter().map(|(_, count)| {
            if count.calls == 0 {
                return "0".to_owned();
            }
            let moved = megabytes(count.sent_bytes + count.received_bytes);
            let moved = if moved < 0.1 { String::new() } else { format!(" ({moved:.1})") };
            format!("{}{moved}; {:.1}", count.calls, count.milliseconds / number(count.calls))
        });
        report.row(
            [format!("{service} {operation}")].into_iter().chain(cells).collect(),
            json!({ "service": service, "operation": operation, "by": BTreeMap::from_iter(counts.clone()) }),
        );
    }
    report
}

/// As AWS counts them: of a million bytes.
fn megabytes(bytes: u64) -> f64 {
    number(bytes) / 1e6
}

/// Exact up to four thousand million, which no run reaches.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use sluice_bench::proxy::Count;

    use super::*;

    fn run() -> Run {
        let count = |calls, sent_bytes, received_bytes| Count {
            calls,
            sent_bytes,
            received_bytes,
            milliseconds: 1.0,
        };
        let s3 = BTreeMap::from([
            ("GetObject".to_owned(), count(2, 0, 1_000_000)),
            ("PutObject".to_owned(), count(4, 3_000_000, 100)),
        ]);
        let dynamodb = BTreeMap::from([("PutItem".to_owned(), count(1, 500, 2))]);
        Run {
            bytes: 2_000_000,
            seconds: 0.5,
            cpu_seconds: 0.1,
            peak_memory_kib: 1024,
            processes: 1,
            harness_cpu_seconds: 0.1,
            retries: 0,
            calls: BTreeMap::from([("S3".to_owned(), s3), ("DynamoDB".to_owned(), dynamodb)]),
        }
    }

    #[test]
    fn figures_are_by_what_was_uploaded() {
        let run = run();
        let figures =
            [run.speed(), run.calls_per_megabyte("S3"), run.calls_per_megabyte("DynamoDB"), run.written()];
        assert_eq!(figures.map(|figure| format!("{figure:.2}")), ["4.00", "3.00", "0.50", "1.50"]);
        assert_eq!(format!("{:.4}", run.read()), "0.5000");
    }

    #[test]
    fn the_goal_is_speed_and_memory_and_bytes() {
        let case = |side, change: fn(&mut Run)| {
            let mut case = Case::new(side, 1);
            case.runs.push(run());
            change(&mut case.runs[0]);
            case
        };
        let peer = case(Side::Peer, |_| ());
        let reached = |change| verdict(&peer, &case(Side::Ours, change)).ends_with("reached.");
        assert!(reached(|run| run.peak_memory_kib = 1023));
        assert!(!reached(|_| ()));
        assert!(!reached(|run| (run.peak_memory_kib, run.seconds) = (512, 0.6)));
        assert!(!reached(|run| (run.peak_memory_kib, run.bytes) = (512, 1_000_000)));
    }
}
