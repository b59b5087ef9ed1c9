//! tus: ours against `@tus/server` with `@tus/s3-store`, on one emulator, from one client. `tus/run.sh` starts it.
//! `throughput SETTINGS FOLDER NODE [FUNCTION [ROUNDS]]`; without a function the peer runs alone.
//!
//! Both take turns, each run with processes of its own that a short upload has warmed up. Ours is a function behind what
//! API Gateway and Lambda do, as [`front`](sluice_bench::front) has it: requests become events in base64, one process
//! for each request at a time. Both reach the emulator by a proxy that counts. After each run what was stored is read
//! back and must be what was sent; then it is deleted.

mod results;
mod server;
mod setup;

use std::{
    error::Error,
    process::{Command, Stdio},
};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::{Client, config::Credentials};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use sluice_bench::{measure::Stopwatch, proxy::CountingProxy};

use crate::{
    results::{Case, Run, report},
    server::{Server, Side},
    setup::{Settings, Setup},
};

const ROUNDS: usize = 3;
/// Of one upload.
const BYTES: u32 = 100_000_000;
/// Three chunks: enough for each step of an upload.
const WARM_UP_BYTES: u32 = 9_000_000;
const AT_ONCE: [u32; 2] = [1, 4];

struct Bench {
    setup: Setup,
    proxy: CountingProxy,
    s3: Client,
    digest: Vec<u8>,
}

/// What `client.mjs` prints.
#[derive(Deserialize)]
struct Uploaded {
    seconds: f64,
    retries: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let bench = Bench::of(Setup::from_arguments(ROUNDS)?).await?;
    let rounds = bench.setup.rounds;
    let sides = if bench.setup.function.is_some() { &[Side::Peer, Side::Ours][..] } else { &[Side::Peer] };
    let mut cases: Vec<Case> =
        AT_ONCE.iter().flat_map(|&at_once| sides.iter().map(move |&side| Case::new(side, at_once))).collect();
    for round in 1..=rounds {
        for case in &mut cases {
            let run = bench.run(case.side, case.at_once).await?;
            eprintln!("round {round} of {rounds}: {}: {:.1} MB/s", case.name(), run.speed());
            case.runs.push(run);
        }
    }
    report(&cases, BYTES)?;
    Ok(())
}

impl Bench {
    async fn of(setup: Setup) -> Result<Self, Box<dyn Error>> {
        let settings = &setup.settings;
        let [key, secret] =
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| settings.credential(name));
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&settings.endpoint)
            .region(Region::new(settings.credential("AWS_REGION")))
            .credentials_provider(Credentials::new(key, secret, None, None, "fixed"))
            .load()
            .await;
        let upstream = settings.endpoint.strip_prefix("http://").ok_or("the endpoint isn't HTTP")?;
        let proxy = CountingProxy::start(upstream.parse()?).await?;
        let digest = setup.write_content(BYTES)?;
        Ok(Self { setup, proxy, s3: Client::new(&config), digest })
    }

    /// Some uploads at once, through processes of their own.
    async fn run(&self, side: Side, at_once: u32) -> Result<Run, Box<dyn Error>> {
        let server = Server::start(side, &self.setup, &format!("http://{}", self.proxy.address())).await?;
        self.upload(side, &server, WARM_UP_BYTES, at_once).await?;
        self.proxy.take();
        let cpu_before = server.cpu_time()?;
        let harness = Stopwatch::new();

        let uploaded = self.upload(side, &server, BYTES, at_once).await?;

        let run = Run {
            bytes: u64::from(BYTES) * u64::from(at_once),
            seconds: uploaded.seconds,
            cpu_seconds: server.cpu_time()?.saturating_sub(cpu_before).as_secs_f64(),
            peak_memory_kib: server.peak_memory()?,
            processes: server.processes().len(),
            harness_cpu_seconds: harness.read().cpu.as_secs_f64(),
            retries: uploaded.retries,
            calls: self.proxy.take(),
        };
        drop(server);
        self.verify(side, at_once).await?;
        self.wipe().await?;
        Ok(run)
    }

    async fn upload(
        &self,
        side: Side,
        server: &Server,
        bytes: u32,
        at_once: u32,
    ) -> Result<Uploaded, Box<dyn Error>> {
        let mut client = Command::new(&self.setup.node);
        client
            .arg(self.setup.folder.join("client.mjs"))
            .arg(server.endpoint())
            .arg(self.setup.content())
            .args([bytes.to_string(), at_once.to_string()])
            .env_clear()
            .stdin(Stdio::null());
        if side == Side::Ours {
            client.env("TOKEN", &self.setup.settings.token);
        }
        let output = tokio::task::spawn_blocking(move || client.output()).await??;
        if !output.status.success() {
            let (words, log) = (String::from_utf8_lossy(&output.stderr), side.log(&self.setup));
            return Err(format!("an upload failed, see also {}:\n{words}", log.display()).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Each upload is there once, byte for byte.
    async fn verify(&self, side: Side, at_once: u32) -> Result<(), Box<dyn Error>> {
        let bucket = match side {
            Side::Peer => &self.setup.settings.peer_bucket,
            Side::Ours => &self.setup.settings.originals_bucket,
        };
        let mut found = 0;
        for object in self.s3.list_objects_v2().bucket(bucket).send().await?.contents() {
            if object.size() != Some(BYTES.into()) {
                continue;
            }
            let key = object.key().unwrap_or_default();
            let mut body = self.s3.get_object().bucket(bucket).key(key).send().await?.body;
            let mut digest = Sha256::new();
            while let Some(bytes) = body.try_next().await? {
                digest.update(&bytes);
            }
            if digest.finalize().as_slice() != self.digest {
                return Err(format!("{} stored something else than was sent", side.name()).into());
            }
            found += 1;
        }
        if found == at_once {
            Ok(())
        } else {
            Err(format!("{} stored {found} of {at_once} uploads", side.name()).into())
        }
    }

    /// The emulator has all of it in memory.
    async fn wipe(&self) -> Result<(), Box<dyn Error>> {
        let Settings { originals_bucket, staging_bucket, peer_bucket, .. } = &self.setup.settings;
        for bucket in [originals_bucket, staging_bucket, peer_bucket] {
            let listed = self.s3.list_object_versions().bucket(bucket).send().await?;
            let versions = listed.versions().iter().map(|version| (version.key(), version.version_id()));
            let markers = listed.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
            for (key, version) in versions.chain(markers) {
                let deletion = self.s3.delete_object().bucket(bucket).key(key.unwrap_or_default());
                deletion.set_version_id(version.map(ToOwned::to_owned)).send().await?;
            }
        }
        Ok(())
    }
}
