//! Benchmarks, side by side with peers. `make bench` runs them on release builds, all but the last, which is `make
//! bench-tus`; none of them fails for being slow, for machines and their load differ: the goals stand beside the figures.
//!
//! | binary | what it measures | goal |
//! |---|---|---|
//! | `sign` | 500 part URLs: ours, the SDK's presigner, boto3; ours are proven equal to the SDK's | < 3 ms of CPU |
//! | `start` | each function from spawn to its first `GET /next`, its peak memory and its size | < 10 ms, < 15 MB zipped |
//! | `ingest` | `process` reading streams of 64 MiB to 1 GiB | constant peak memory |
//! | `throughput` | uploads by tus: ours, `@tus/server` with `@tus/s3-store`, on one emulator from one client | as fast, in less memory, each byte written to S3 at most twice |
//!
//! What one image costs in calls to AWS is counted by a test, `tests/calls_per_asset.rs`, for those don't differ.
//!
//! `throughput` measures a function without the emulator's Lambda: [`front`] is API Gateway and Lambda to it. Both servers
//! reach the emulator through [`proxy`], which counts. `tus/` has the peer, the client, and `run.sh`, which starts it all
//! on an emulator of its own; Node and Python are those of `infra/local/.venv`.
//!
//! Each binary prints a table, and adds a line of JSON for each row to the file that `SLUICE_BENCH_RESULTS` names.

pub mod front;
pub mod measure;
pub mod process;
pub mod proxy;
pub mod report;
