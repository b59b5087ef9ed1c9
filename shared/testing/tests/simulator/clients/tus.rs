//! Uploads by tus: opened with or without bytes, appended to in pieces, resumed after answers that were lost, ended, put
//! together from partial ones, and appended to by two devices at once.
//!
//! Invariant 14: an upload stands at or behind all that was acknowledged of it, and it is there until somebody ends it.

use std::{cell::Cell, rc::Rc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use sluice_core::{
    ids::Sha256,
    ports::TusUploadRepository,
    tus::{Target, TusUpload},
};
use sluice_testing::simulator::{Fault, Happening, Role};

use super::{Client, File, Gone, Reply, TRIES, jobs::Token};
use crate::{
    functions::tokens,
    ledger::{Granted, How, Meant},
    watch::broken,
};

/// How a client goes about it.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a way of its own")]
pub struct Course {
    /// The length is told with the last bytes.
    pub deferred: bool,
    /// The first bytes come with the creation.
    pub with_bytes: bool,
    /// A second device appends as well.
    pub two_devices: bool,
    /// It is ended on the way.
    pub ends: bool,
    /// It is opened by an upload job's token.
    pub token: Option<Token>,
}

/// What the devices of an upload know of it.
#[derive(Clone)]
struct Upload {
    path: String,
    id: Sha256,
    bytes: Bytes,
    deferred: bool,
    token: bool,
    /// Bytes that were acknowledged.
    acked: Rc<Cell<u64>>,
    /// Somebody asked for its end.
    ended: Rc<Cell<bool>>,
}

/// How an upload went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Went {
    /// All bytes are there.
    Whole,
    /// It isn't taken.
    Refused,
}

/// A request is sent so often until its client gives up.
const ROUNDS: u32 = 30;

impl Client {
    /// Sends a file as one upload.
    pub async fn send_by_tus(&self, file: &File, course: Course) -> Result<(), Gone> {
        self.means(file);
        let bytes = &file.content.bytes;
        let mut metadata = vec![("filename", file.name.clone()), ("filetype", file.media_type.to_owned())];
        if let Some(token) = &course.token {
            metadata.push(("upload_request_id", token.request_id.clone()));
            metadata.push(("token", token.secret.clone()));
        }
        let first = if course.with_bytes { bytes.slice(..self.piece(bytes.len())) } else { Bytes::new() };
        let length = (!course.deferred).then_some(bytes.len());
        let created = self.create(length, &metadata, None, &first, course.token.is_some()).await?;
        let Some((path, offset)) = created else { return Ok(()) };
        let upload = Upload {
            id: id_of(&path),
            path,
            bytes: bytes.clone(),
            deferred: course.deferred,
            token: course.token.is_some(),
            acked: Rc::new(Cell::new(offset)),
            ended: Rc::default(),
        };
        if course.two_devices {
            let (mut other, upload) = (self.clone(), upload.clone());
            other.name = format!("{}/other", self.name);
            self.engine().spawn("another device", Role::Client, async move {
                let _ = other.append_all(&upload).await;
            });
        }
        if course.ends {
            let (other, upload) = (self.clone(), upload.clone());
            let after = self.chance.span(Duration::ZERO, Duration::from_secs(8));
            self.engine().spawn("an end", Role::Client, async move {
                other.engine().sleep(after).await;
                let _ = other.end(&upload).await;
            });
        }
        if self.append_all(&upload).await? == Went::Whole {
            self.note_taken_by_tus(&upload.path, file);
        }
        Ok(())
    }

    /// Sends a file as partial uploads that are put together.
    pub async fn send_in_partials(&self, file: &File, count: usize) -> Result<(), Gone> {
        self.means(file);
        let bytes = &file.content.bytes;
        let mut paths = Vec::new();
        for number in 0..count {
            let piece = bytes.slice(bytes.len() * number / count..bytes.len() * (number + 1) / count);
            let created = self.create(Some(piece.len()), &[], Some("partial"), &Bytes::new(), false).await?;
            let Some((path, _)) = created else { return Ok(()) };
            let upload = Upload {
                id: id_of(&path),
                path: path.clone(),
                bytes: piece,
                deferred: false,
                token: false,
                acked: Rc::default(),
                ended: Rc::default(),
            };
            if self.append_all(&upload).await? == Went::Refused {
                return Ok(());
            }
            paths.push(path);
        }
        self.step().await?;
        let metadata = [("filename", file.name.clone()), ("filetype", file.media_type.to_owned())];
        let concat = format!("final;{}", paths.join(" "));
        let created = self.create(None, &metadata, Some(&concat), &Bytes::new(), false).await?;
        let Some((path, _)) = created else { return Ok(()) };
        self.note_taken_by_tus(&path, file);
        if self.replays() {
            self.step().await?;
            let again = self.create(None, &metadata, Some(&concat), &Bytes::new(), false).await?;
            if again.is_some_and(|(again, _)| again != path) {
                broken(&self.scene, 14, "the same parts become two uploads", file.name.clone());
            }
        }
        Ok(())
    }

    fn means(&self, file: &File) {
        let meant = Meant { content: file.content.clone(), lies: false };
        self.scene.ledger.borrow_mut().means(&file.name, meant);
        self.scene.doors.borrow_mut().files.insert(file.name.clone());
    }

    /// How many bytes go next.
    fn piece(&self, left: usize) -> usize {
        match self.chance.below(4) {
            0 => left,
            1 => left.min(1 + self.chance.index(8)),
            _ => left.min(1 + self.chance.index(left.max(1))),
        }
    }

    /// Opens an upload; where it is, and how far.
    async fn create(
        &self,
        length: Option<usize>,
        metadata: &[(&str, String)],
        concat: Option<&str>,
        body: &Bytes,
        token: bool,
    ) -> Result<Option<(String, u64)>, Gone> {
        let told: Vec<_> =
            metadata.iter().map(|(name, value)| format!("{name} {}", STANDARD.encode(value))).collect();
        let mut headers = Map::new();
        match (length, concat) {
            (Some(length), _) => drop(headers.insert("upload-length".to_owned(), length.to_string().into())),
            (None, Some(_)) => {}
            (None, None) => drop(headers.insert("upload-defer-length".to_owned(), "1".into())),
        }
        if let Some(concat) = concat {
            headers.insert("upload-concat".to_owned(), concat.into());
        }
        headers.insert("upload-metadata".to_owned(), told.join(",").into());
        for _ in 0..TRIES {
            if let Some(reply) = self.tus("POST", "/files", headers.clone(), body, token).await {
                if reply.status == 201 {
                    let location = reply.headers["location"].as_str().unwrap();
                    if !token {
                        self.is_at(format!("/{location}"));
                    }
                    return Ok(Some((format!("/{location}"), offset_of(&reply).unwrap_or_default())));
                }
                if reply.status < 500 && !matches!(reply.status, 423 | 429) {
                    return Ok(None);
                }
            }
            self.engine().sleep(self.chance.span(Duration::from_secs(1), Duration::from_secs(12))).await;
        }
        Err(Gone)
    }

    /// Appends until all bytes are there.
    async fn append_all(&self, upload: &Upload) -> Result<Went, Gone> {
        let mut offset = upload.acked.get();
        let length = upload.bytes.len();
        for _ in 0..ROUNDS {
            let at = usize::try_from(offset).unwrap();
            // one that was whole already is asked about, in case the last of it was never stitched
            let piece = upload.bytes.slice(at..at + self.piece(length - at));
            let mut headers = Map::new();
            headers.insert("upload-offset".to_owned(), offset.to_string().into());
            if upload.deferred && at + piece.len() == length {
                headers.insert("upload-length".to_owned(), length.to_string().into());
            }
            let acked = upload.acked.get();
            let reply = self.tus("PATCH", &upload.path, headers, &piece, upload.token).await;
            let taken = reply.as_ref().filter(|reply| reply.status == 204);
            let reply = match taken.and_then(offset_of) {
                Some(now) => {
                    if now < offset + piece.len() as u64 {
                        let seen = format!("{} stands at {now}", upload.path);
                        broken(&self.scene, 14, "an append is acknowledged that isn't counted", seen);
                    }
                    offset = now;
                    upload.acked.set(upload.acked.get().max(now));
                    if now == length as u64 && !upload.deferred || at + piece.len() == length {
                        return Ok(Went::Whole);
                    }
                    self.step().await?;
                    continue;
                }
                None => reply,
            };
            if let Some(reply) = reply {
                match reply.status {
                    404 | 410 => return Ok(self.is_gone(upload, acked, &reply)),
                    400 | 403 | 413 => return Ok(Went::Refused),
                    _ => {}
                }
            }
            self.engine().sleep(self.chance.span(Duration::from_millis(500), Duration::from_secs(9))).await;
            match self.stands_at(upload).await? {
                Some(now) => offset = now,
                None => return Ok(Went::Refused),
            }
        }
        Ok(Went::Refused)
    }

    /// How far an upload is; none if it is gone.
    async fn stands_at(&self, upload: &Upload) -> Result<Option<u64>, Gone> {
        for _ in 0..ROUNDS {
            let acked = upload.acked.get();
            if let Some(reply) = self.tus("HEAD", &upload.path, Map::new(), &Bytes::new(), upload.token).await
            {
                if let Some(now) = offset_of(&reply).filter(|_| reply.status == 200) {
                    if now < acked {
                        let seen = format!("{} stands at {now}, {acked} were acknowledged", upload.path);
                        broken(&self.scene, 14, "an upload goes back", seen);
                    }
                    return Ok(Some(now));
                }
                if matches!(reply.status, 404 | 410) {
                    self.is_gone(upload, acked, &reply);
                    return Ok(None);
                }
            }
            self.engine().sleep(self.chance.span(Duration::from_secs(1), Duration::from_secs(6))).await;
        }
        Err(Gone)
    }

    fn is_gone(&self, upload: &Upload, acked: u64, reply: &Reply) -> Went {
        // a job's upload is called off by another that its token opens, as long as it has no byte
        let may_be = upload.ended.get()
            || self.scene.doors.borrow().ended.contains(&upload.id)
            || upload.token && (acked == 0 || self.scene.doors.borrow().any_cancelled());
        if !may_be {
            let seen = format!("{} with {acked} bytes is answered {}", upload.path, reply.status);
            broken(&self.scene, 14, "an upload is gone that nobody ended", seen);
        }
        Went::Refused
    }

    /// Ends an upload.
    async fn end(&self, upload: &Upload) -> Result<(), Gone> {
        upload.ended.set(true);
        self.scene.doors.borrow_mut().ended.insert(upload.id);
        if let Some(target) = target_of(self, &upload.id) {
            self.scene.ledger.borrow_mut().cancelled.insert(target.asset_id);
        }
        for _ in 0..TRIES {
            let reply = self.tus("DELETE", &upload.path, Map::new(), &Bytes::new(), upload.token).await;
            if reply.is_some_and(|reply| reply.status < 500 && reply.status != 423) {
                return Ok(());
            }
            self.engine().sleep(self.chance.span(Duration::from_secs(1), Duration::from_secs(10))).await;
        }
        Err(Gone)
    }

    /// All bytes of an upload were acknowledged.
    fn note_taken_by_tus(&self, path: &str, file: &File) {
        let Some(target) = target_of(self, &id_of(path)) else { return };
        let granted = Granted {
            asset: target.asset_id,
            version: target.version.to_string().parse().unwrap(),
            filename: file.name.clone(),
        };
        self.tell(|| format!("has sent {} by tus", file.name));
        let mut ledger = self.scene.ledger.borrow_mut();
        ledger.stored.push(granted.clone());
        ledger.acknowledged.push((granted, How::Complete));
    }

    /// Sends a request by tus; none if its answer was lost.
    pub async fn tus(
        &self,
        method: &str,
        path: &str,
        mut headers: Map<String, Value>,
        body: &Bytes,
        token: bool,
    ) -> Option<Reply> {
        let engine = self.engine();
        engine.tally.came(Happening::TusRequest);
        headers.insert("tus-resumable".to_owned(), "1.0.0".into());
        if !token {
            headers.insert("authorization".to_owned(), tokens::token_of(&self.owner, self.roots).into());
        }
        if method == "PATCH" || !body.is_empty() {
            headers.insert("content-type".to_owned(), "application/offset+octet-stream".into());
        }
        let at = headers.get("upload-offset").map(ToString::to_string).unwrap_or_default();
        let mut event = self.request(method, path, "", None);
        event["headers"] = Value::Object(headers);
        event["body"] = json!(STANDARD.encode(body));
        event["isBase64Encoded"] = true.into();
        let reply = self.call(&self.scene.functions.tus, event).await;
        self.check_told(&reply, &format_args!("{method} {path}"));
        let lost = reply.status == 502 || engine.faults.strikes(Fault::ApiAnswerLost);
        self.tell(|| {
            let heard = if lost { " (lost)" } else { "" };
            let (length, status, code) = (body.len(), reply.status, reply.code());
            format!(
                "{method} {path} {length} bytes at {at}: {status} {code} {}{heard}",
                reply.headers["upload-offset"]
            )
        });
        (!lost).then_some(reply)
    }
}

fn offset_of(reply: &Reply) -> Option<u64> {
    reply.headers["upload-offset"].as_str()?.parse().ok()
}

/// What an upload is found by.
fn id_of(path: &str) -> Sha256 {
    Sha256::of(path.rsplit('/').next().unwrap_or_default().as_bytes())
}

/// The record of an upload, looked up past all faults.
fn record_of(client: &Client, id: &Sha256) -> Option<TusUpload> {
    (*client.engine().world.tus).get(*id).now_or_never()?.ok()?
}

fn target_of(client: &Client, id: &Sha256) -> Option<Target> {
    record_of(client, id)?.target().cloned()
}
