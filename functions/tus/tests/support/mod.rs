//! A server on ports in memory, and requests to it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use sluice_core::{
    Result,
    asset::Asset,
    finish::Finisher,
    gate::{Gate, GatePolicy, Principal, Roots, Wish},
    ids::Sha256,
    intake::Intake,
    job::{NewUploadJob, UploadJob},
    ports::{Clock, SecretSource, UploadJobRepository},
    upload::MAX_OBJECT_SIZE,
    usage::Quota,
};
use sluice_lambda::{
    bearer::{Bearer, Expected, SecretKey},
    http::{Method, Request, Response},
};
use sluice_testing::{
    CountingIds, FixedClock, MemoryGate, MemoryJobs, MemoryKeys, MemoryOriginals, MemoryQueue, MemoryStaging,
    MemoryTable, MemoryUploads, Probe, World, build,
};
use sluice_tus::handler::{Ports, Tus};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub struct Vault;

impl SecretSource for Vault {
    async fn fetch(&self) -> Result<String> {
        Ok(SECRET.to_owned())
    }
}

pub struct Memory;

impl Ports for Memory {
    type Table = Probe<MemoryTable>;
    type Jobs = Probe<MemoryJobs>;
    type Uploads = Probe<MemoryUploads>;
    type Originals = Probe<MemoryOriginals>;
    type Partials = Probe<MemoryOriginals>;
    type Staging = Probe<MemoryStaging>;
    type Queue = Probe<MemoryQueue>;
    type Clock = FixedClock;
    type Ids = CountingIds;
    type Records = Probe<MemoryKeys>;
    type Gate = MemoryGate;
    type Keys = SecretKey<Vault>;
}

pub struct Server {
    pub world: World,
    pub tus: Tus<Memory>,
}

/// A job that was announced.
pub struct Job {
    token: String,
}

impl Job {
    pub fn metadata(&self, id: &str) -> String {
        format!("upload_request_id {},token {}", base64(id.as_bytes()), base64(self.token.as_bytes()))
    }
}

impl Server {
    pub fn new() -> Self {
        let world = World::new();
        let (table, originals, clock) = (world.table.clone(), world.originals.clone(), world.clock.clone());
        let intake = Intake {
            table: table.clone(),
            originals: originals.clone(),
            clock: clock.clone(),
            ids: world.ids.clone(),
        };
        let tus = Tus {
            intake,
            finisher: Finisher { table, originals, ingest: world.queue.clone(), clock },
            jobs: world.jobs.clone(),
            uploads: world.tus.clone(),
            records: world.keys.clone(),
            partials: world.partials.clone(),
            staging: world.staging.clone(),
            gate: Gate {
                policy: GatePolicy::new("{}", MAX_OBJECT_SIZE, Quota::UNLIMITED).unwrap(),
                function: None,
            },
            bearer: Bearer { keys: SecretKey::new(Vault), expected: Expected::default() },
        };
        Self { world, tus }
    }

    /// A request of alice's by tus.
    pub fn to(&self, method: Method, url: &str) -> Sender<'_> {
        self.bare(method, url).header("tus-resumable", "1.0.0").of("alice")
    }

    /// A request of alice's by the draft.
    pub fn draft(&self, method: Method, url: &str) -> Sender<'_> {
        self.bare(method, url).of("alice")
    }

    pub fn bare(&self, method: Method, url: &str) -> Sender<'_> {
        let seconds = self.world.clock.now().as_seconds();
        Sender { server: self, method, url: url.to_owned(), headers: Vec::new(), body: None, seconds }
    }

    /// What API Gateway hands on, with alice's token.
    pub async fn event(&self, text: &str) -> Response {
        let token = self.bare(Method::GET, "/").of("alice").headers.remove(0).1;
        let request: Request = serde_json::from_str(&text.replace("Bearer token-of-alice", &token)).unwrap();
        self.tus.handle(&request).await
    }

    pub async fn create(&self, length: usize) -> String {
        let created = self.to(Method::POST, "/files").header("upload-length", length).send().await;
        assert_eq!(created.status().as_u16(), 201, "{}", created.body());
        format!("/{}", created.headers()["location"].to_str().unwrap())
    }

    pub async fn append(&self, url: &str, at: u64, body: &[u8]) -> Response {
        self.to(Method::PATCH, url).header("upload-offset", at).body(body).offset_type().send().await
    }

    pub async fn head(&self, url: &str) -> Response {
        self.to(Method::HEAD, url).send().await
    }

    pub async fn delete(&self, url: &str) -> Response {
        self.to(Method::DELETE, url).send().await
    }

    /// A partial upload with all of its bytes.
    pub async fn partial(&self, content: &[u8]) -> String {
        let post = self.to(Method::POST, "/files").header("upload-length", content.len());
        let created = post.header("upload-concat", "partial").send().await;
        assert_eq!(created.status().as_u16(), 201, "{}", created.body());
        let url = format!("/{}", created.headers()["location"].to_str().unwrap());
        let mut at = 0;
        for chunk in content.chunks(4 << 20) {
            assert_eq!(self.append(&url, at, chunk).await.status().as_u16(), 204);
            at += chunk.len() as u64;
        }
        url
    }

    /// A job of alice's for a file of so many bytes.
    pub async fn job(&self, id: &str, size: u64) -> Job {
        let principal = Principal { owner: build::owner("alice"), roots: Roots::default() };
        let wish = Wish {
            filename: Some("a.txt".to_owned()),
            size: Some(size),
            upload_job: Some(id.parse().unwrap()),
            ..Wish::default()
        };
        let token = format!("token of {id}");
        let new = NewUploadJob {
            owner: principal.owner.clone(),
            request_id: id.parse().unwrap(),
            terms: self.tus.gate.admit(&principal, &wish).await.unwrap(),
            metadata: serde_json::Map::new(),
            token: digest(token.as_bytes()),
        };
        let job = UploadJob::create(new, None, self.world.clock.now()).unwrap();
        self.world.jobs.create(&job, None).await.unwrap();
        Job { token }
    }

    pub fn only_asset(&self) -> Asset {
        let assets = self.world.table.assets();
        let [asset] = &assets[..] else { panic!("{} assets", assets.len()) };
        asset.clone()
    }

    pub fn bytes_of(&self, asset: &Asset) -> Vec<u8> {
        let object = asset.object().expect("the bytes are there");
        self.world.originals.read(object.key.as_str(), object.version_id.as_ref()).unwrap().bytes.to_vec()
    }

    /// What lies in the staging bucket.
    pub fn staged(&self) -> Vec<String> {
        self.world.partials.keys()
    }
}

/// A request that is being put together.
pub struct Sender<'a> {
    server: &'a Server,
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    seconds: i64,
}

impl Sender<'_> {
    pub fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn body(mut self, bytes: &[u8]) -> Self {
        self.body = Some(bytes.to_vec());
        self
    }

    pub fn offset_type(self) -> Self {
        self.header("content-type", "application/offset+octet-stream")
    }

    pub fn token(mut self, token: &str) -> Self {
        self.headers.retain(|(name, _)| name != "authorization");
        if token.is_empty() { self } else { self.header("authorization", format!("Bearer {token}")) }
    }

    pub fn of(self, owner: &str) -> Self {
        let claims = json!({"sub": owner, "exp": self.seconds + 3600});
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
        self.token(&token)
    }

    /// As API Gateway hands it on.
    pub async fn send(self) -> Response {
        let headers: serde_json::Map<_, _> =
            self.headers.into_iter().map(|(name, value)| (name, value.into())).collect();
        let event = json!({
            "rawPath": self.url, "headers": headers, "isBase64Encoded": self.body.is_some(),
            "body": self.body.map(|bytes| base64(&bytes)),
            "requestContext": {"stage": "$default", "requestId": "test", "routeKey": "ANY /files",
                               "http": {"method": self.method.as_str()}},
        });
        let request: Request = serde_json::from_value(event).unwrap();
        self.server.tus.handle(&request).await
    }
}

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub fn digest(bytes: &[u8]) -> Sha256 {
    build::digest(bytes)
}

/// Bytes that repeat nowhere, the same in every run.
pub fn noise(seed: u64, len: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(usize::try_from(len).unwrap());
    bytes
}
