//! Benchmarks, side by side with peers. `make bench` runs them all on release builds; none of them fails for being
//! slow, for machines and their load differ: the goals stand beside the figures.
//!
//! | binary | what it measures | goal |
//! |---|---|---|
//! | `sign` | 500 part URLs: ours, the SDK's presigner, boto3; ours are proven equal to the SDK's | < 3 ms of CPU |
//! | `start` | each function from spawn to its first `GET /next`, its peak memory and its size | < 10 ms, < 15 MB zipped |
//! | `ingest` | `process` reading streams of 64 MiB to 1 GiB | constant peak memory |
//!
//! What one image costs in calls to AWS is counted by a test, `tests/calls_per_asset.rs`, for those don't differ.
//!
//! Each binary prints a table, and adds a line of JSON for each row to the file that `SLUICE_BENCH_RESULTS` names.

pub mod measure;
pub mod process;
pub mod report;
