//! Signing the 500 part URLs of one answer of `POST /prepare`: ours against the SDK's own presigner, in turns in one
//! process, and against boto3 if a Python that has it is named. `sign [ROUNDS] [PYTHON]`
//!
//! Credentials and region come from the environment, as in the function; nothing is called. Before anything is timed,
//! and after every round, each URL of ours must be equal to the SDK's, byte for byte.

use std::{
    env,
    error::Error,
    process::Command,
    time::{Duration, SystemTime},
};

use aws_config::BehaviorVersion;
use aws_sdk_s3::{
    Client,
    config::{RequestChecksumCalculation, ResponseChecksumValidation},
    presigning::PresigningConfig,
};
use serde::Deserialize;
use serde_json::json;
use sluice_aws::{Clients, S3UploadSigner, SystemClock};
use sluice_bench::{
    measure::{Sample, Stopwatch, Summary},
    report::Report,
};
use sluice_core::{
    ids::UploadId,
    names::ObjectKey,
    ports::{Clock, UploadSigner},
    time::Timestamp,
};

/// A window of parts as `PART_BATCH` has it.
const PARTS: u16 = 500;
/// `GRANT_TTL_SECONDS`
const TTL: Duration = Duration::from_hours(1);
const BUCKET: &str = "sluice-originals-111122223333-us-east-1";
const KEY: &str = "users/alice/01997b2e-5f3c-7d4a-9c1b-2a3b4c5d6e7f.mp4";
/// As long as S3's own are.
const UPLOAD_ID: &str = "Vn6Rk3tq8sY1mZp0dXcJw5LbE7uHfG4aTiOyKxQrMvNzSjWlBhPgCeUoDIA9F_Qk3tq8sY1mZp0dXcJw5LbE7uHfG4aTiOyKxQrMvNzSjWlBhPgCeUoDIA9F_x";
/// Milliseconds of CPU.
const GOAL: f64 = 3.0;

const BOTO3: &str = include_str!("../sign_boto3.py");

/// What all three sign.
struct Work {
    key: ObjectKey,
    upload_id: UploadId,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(50), |text| text.parse())?;
    let python = arguments.next();
    if env::var_os("AWS_ACCESS_KEY_ID").is_none() || env::var_os("AWS_REGION").is_none() {
        return Err(
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION must be set; any values do".into()
        );
    }

    let work = Work { key: KEY.parse()?, upload_id: UPLOAD_ID.parse()? };
    let signer = S3UploadSigner::new(&Clients::load().await, BUCKET);
    let sdk = sdk_client().await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // the first round isn't counted: it resolves the credentials
    for round in 0..=rounds {
        let now = SystemClock.now();
        let (urls, sample) = work.sign_ours(&signer, now).await?;
        let (expected, peer) = work.sign_by_sdk(&sdk, now).await?;
        if let Some((url, expected)) = urls.iter().zip(&expected).find(|(url, expected)| url != expected) {
            return Err(format!("a URL differs from the SDK's:\n{url}\n{expected}").into());
        }
        if urls.len() != usize::from(PARTS) || expected.len() != urls.len() {
            return Err(format!("{} and {} URLs in place of {PARTS}", urls.len(), expected.len()).into());
        }
        if round > 0 {
            ours.push(sample);
            theirs.push(peer);
        }
    }

    let title =
        format!("Signing {PARTS} part URLs, {rounds} rounds in turns; median (min–max), milliseconds");
    let mut report = Report::new("sign", title, &["signer", "CPU", "wall", "CPU, times ours"]);
    let cpu = Summary::of(ours.iter().map(|sample| sample.cpu)).median;
    add(&mut report, "sluice", &ours, cpu);
    add(&mut report, "aws-sdk-s3", &theirs, cpu);
    if let Some(python) = python {
        add(&mut report, "boto3", &work.sign_by_boto3(&python, rounds)?, cpu);
    }
    let verdict = if cpu < GOAL { "reached" } else { "missed" };
    report.note(format!("All URLs are equal to the SDK's. Goal, under {GOAL} ms of CPU: {verdict}."));
    report.finish()?;
    Ok(())
}

/// Configured as the adapters are where it shows in a URL.
async fn sdk_client() -> Client {
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .load()
        .await;
    Client::new(&config)
}

fn add(report: &mut Report, name: &str, samples: &[Sample], ours: f64) {
    let cpu = Summary::of(samples.iter().map(|sample| sample.cpu));
    let wall = Summary::of(samples.iter().map(|sample| sample.wall));
    let ratio = cpu.median / ours;
    report.row(
        vec![name.to_owned(), cpu.cell(), wall.cell(), format!("{ratio:.1}")],
        json!({ "signer": name, "parts": PARTS, "cpu_ms": cpu, "wall_ms": wall, "cpu_ratio": ratio }),
    );
}

impl Work {
    async fn sign_ours(
        &self,
        signer: &S3UploadSigner,
        now: Timestamp,
    ) -> Result<(Vec<String>, Sample), Box<dyn Error>> {
        let watch = Stopwatch::new();
        let (parts, _) = signer.sign_parts(&self.key, &self.upload_id, 1..=PARTS, now, TTL).await?;
        let sample = watch.read();
        Ok((parts.into_iter().map(|part| part.url).collect(), sample))
    }

    async fn sign_by_sdk(
        &self,
        client: &Client,
        now: Timestamp,
    ) -> Result<(Vec<String>, Sample), Box<dyn Error>> {
        let start = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now.as_millis())?);
        let config = PresigningConfig::builder().start_time(start).expires_in(TTL).build()?;
        let watch = Stopwatch::new();
        let mut urls = Vec::with_capacity(usize::from(PARTS));
        for number in 1..=PARTS {
            let request = client
                .upload_part()
                .bucket(BUCKET)
                .key(self.key.as_str())
                .upload_id(self.upload_id.as_str())
                .part_number(i32::from(number))
                .presigned(config.clone())
                .await?;
            urls.push(request.uri().to_owned());
        }
        Ok((urls, watch.read()))
    }

    fn sign_by_boto3(&self, python: &str, rounds: usize) -> Result<Vec<Sample>, Box<dyn Error>> {
        #[derive(Deserialize)]
        struct Nanoseconds {
            wall: Vec<u64>,
            cpu: Vec<u64>,
        }

        let numbers = [rounds.to_string(), PARTS.to_string()];
        let output = Command::new(python)
            .args(["-c", BOTO3])
            .args(numbers)
            .args([BUCKET, self.key.as_str(), self.upload_id.as_str(), &TTL.as_secs().to_string()])
            .output()?;
        if !output.status.success() {
            return Err(format!("boto3: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let times: Nanoseconds = serde_json::from_slice(&output.stdout)?;
        let pairs = times.wall.into_iter().zip(times.cpu);
        let sample =
            |(wall, cpu)| Sample { wall: Duration::from_nanos(wall), cpu: Duration::from_nanos(cpu) };
        Ok(pairs.map(sample).collect())
    }
}
