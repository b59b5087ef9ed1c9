//! `process` reading what arrived, from a stream that is made up as it goes: memory must not grow with the file.
//!
//! Each case runs in a process of its own, so that its peak is its own: `ingest` starts itself as `ingest KIND MIB`.
//! An image within the limits (an eighth of the function's memory) is held whole, for its metadata and placeholder;
//! larger ones aren't.

use std::{env, error::Error, process::Command};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_bench::{
    measure::{Stopwatch, Summary},
    process::{mebibytes, memory, peak_memory},
    report::Report,
};
use sluice_core::{
    Result,
    asset::Grant,
    gate::{Gate, GatePolicy},
    ids::{ETag, ObjectVersionId, UploadId, Version},
    names::{ContentType, ObjectKey},
    ports::{IdGenerator, MultipartStore, NewObject, ObjectBody, ObjectHead, OriginalStore, Stitched},
    upload::{PartTag, SizeRange, UploadedPart},
};
use sluice_media::limits::Limits;
use sluice_process::ingest::{Ingester, ReadLimits};
use sluice_testing::{CountingIds, FixedClock, MemoryGate, MemoryQueue, MemoryTable, build};

/// `process`'s `MemorySize`.
const FUNCTION_MEMORY: u64 = 1769 << 20;
/// The largest image that it holds.
const HELD: u64 = FUNCTION_MEMORY / 8;
/// Name and first bytes.
const KINDS: &[(&str, &[u8])] = &[
    ("video/mp4", b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2"),
    ("image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0"),
];
const MEBIBYTES: &[u32] = &[64, 256, 1024];
/// About what a response's body comes in.
const CHUNK: usize = 64 * 1024;

/// What a case's own process tells.
#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    wall_ms: f64,
    cpu_ms: f64,
    /// KiB.
    before: u32,
    /// KiB.
    peak: u32,
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [kind, mebibytes] = arguments.as_slice() {
        let head = KINDS.iter().find(|(name, _)| name == kind).map(|(_, head)| *head);
        let outcome = run(head.ok_or("no such kind")?, mebibytes.parse()?)?;
        println!("{}", serde_json::to_string(&outcome)?);
        return Ok(());
    }

    let title = "Ingest of a streamed body: type, SHA-256, record; memory in MiB, milliseconds";
    let columns = ["content", "MiB", "memory before", "peak", "CPU", "wall", "MB/s"];
    let mut report = Report::new("ingest", title, &columns);
    for (kind, _) in KINDS {
        for size in MEBIBYTES {
            let outcome = in_own_process(kind, *size)?;
            let speed = f64::from(*size) * 1.048_576 / outcome.wall_ms * 1000.0;
            report.row(
                vec![
                    (*kind).to_owned(),
                    size.to_string(),
                    mebibytes(outcome.before),
                    mebibytes(outcome.peak),
                    format!("{:.0}", outcome.cpu_ms),
                    format!("{:.0}", outcome.wall_ms),
                    format!("{speed:.0}"),
                ],
                json!({ "content": kind, "mebibytes": size, "memory_before_kib": outcome.before,
                    "peak_memory_kib": outcome.peak, "cpu_ms": outcome.cpu_ms, "wall_ms": outcome.wall_ms }),
            );
        }
    }
    report.note(format!(
        "Images up to {} MiB, an eighth of the function's memory, are held whole; nothing else is.",
        HELD >> 20
    ));
    report.finish()?;
    Ok(())
}

fn in_own_process(kind: &str, mebibytes: u32) -> std::result::Result<Outcome, Box<dyn Error>> {
    let output = Command::new(env::current_exe()?).args([kind, &mebibytes.to_string()]).output()?;
    if !output.status.success() {
        return Err(format!("{kind}, {mebibytes} MiB: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[tokio::main(flavor = "current_thread")]
async fn run(head: &'static [u8], mebibytes: u32) -> std::result::Result<Outcome, Box<dyn Error>> {
    let clock = FixedClock::default();
    let now = sluice_core::ports::Clock::now(&clock);
    let size = u64::from(mebibytes) << 20;
    let asset = build::asset(
        CountingIds::default().asset_id(),
        "alice",
        Grant { size: SizeRange::exactly(size), ..build::grant(now) },
        now,
    );
    let table = MemoryTable::default();
    table.put(&asset);
    let ingester = Ingester {
        table: table.clone(),
        originals: Generated { head, size },
        convert: MemoryQueue::default(),
        later: MemoryQueue::default(),
        clock,
        limits: ReadLimits {
            hash_bytes: u64::MAX,
            image_bytes: HELD,
            decode: Limits::for_memory(FUNCTION_MEMORY),
        },
        gate: Gate { policy: GatePolicy::default(), function: None::<MemoryGate> },
        required: false,
    };

    let before = memory("self")?;
    let watch = Stopwatch::new();
    ingester.object_created(asset.key().as_str(), None).await?;
    let sample = watch.read();
    if table.asset(asset.id()).sha256().is_none() {
        return Err("the asset wasn't read".into());
    }
    let (wall, cpu) = (Summary::of([sample.wall]), Summary::of([sample.cpu]));
    Ok(Outcome { wall_ms: wall.median, cpu_ms: cpu.median, before, peak: peak_memory("self")? })
}

/// A bucket with one object, whose bytes are made when they are read.
struct Generated {
    head: &'static [u8],
    size: u64,
}

struct GeneratedBody {
    head: &'static [u8],
    left: u64,
}

impl ObjectBody for GeneratedBody {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let length = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
        if length == 0 {
            return Ok(None);
        }
        self.left -= length as u64;
        // each chunk is memory of its own, as a connection's is
        let mut chunk = vec![0x5a; length];
        let head = std::mem::take(&mut self.head);
        chunk[..head.len()].copy_from_slice(head);
        Ok(Some(chunk.into()))
    }
}

impl OriginalStore for Generated {
    type Body = GeneratedBody;

    async fn head(&self, _: &ObjectKey, _: Option<&ObjectVersionId>) -> Result<Option<ObjectHead>> {
        Ok(Some(ObjectHead {
            size: self.size,
            etag: "d41d8cd98f00b204e9800998ecf8427e".parse()?,
            version_id: None,
            version: Some(Version::FIRST),
            sha256: None,
        }))
    }

    async fn get(&self, _: &ObjectKey, _: Option<&ObjectVersionId>) -> Result<Option<GeneratedBody>> {
        Ok(Some(GeneratedBody { head: self.head, left: self.size }))
    }

    async fn put(&self, _: &ObjectKey, _: NewObject) -> Result<Option<ObjectHead>> {
        Ok(None)
    }

    async fn delete(&self, _: &ObjectKey, _: Option<&ObjectVersionId>) -> Result<()> {
        Ok(())
    }
}

/// No upload in parts is ever open here.
impl MultipartStore for Generated {
    async fn create(&self, _: &ObjectKey, _: &ContentType, _: Version) -> Result<UploadId> {
        Err(sluice_core::Error::internal("nothing is uploaded in parts"))
    }

    async fn upload_part(&self, _: &ObjectKey, _: &UploadId, _: u16, _: Bytes) -> Result<Option<ETag>> {
        Ok(None)
    }

    async fn list_parts(&self, _: &ObjectKey, _: &UploadId) -> Result<Option<Vec<UploadedPart>>> {
        Ok(None)
    }

    async fn complete(
        &self,
        _: &ObjectKey,
        _: &UploadId,
        _: &[PartTag],
        _: Option<&ETag>,
    ) -> Result<Stitched> {
        Ok(Stitched::NoSuchUpload)
    }

    async fn abort(&self, _: &ObjectKey, _: &UploadId) -> Result<()> {
        Ok(())
    }
}
