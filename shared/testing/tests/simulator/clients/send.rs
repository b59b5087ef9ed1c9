//! Sending a file: `/prepare`, then one PUT or parts, then `/complete`; with cancels that race it.

use std::rc::Rc;

use bytes::Bytes;
use serde_json::{Value, json};
use sluice_core::ids::AssetId;
use sluice_testing::build;

use super::{Client, File, Gone, Hint};
use crate::{
    ledger::{Granted, How, Meant, short},
    rules::may_write,
    watch::broken,
};

/// How a client goes about it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// It never says that it is done.
    pub leaves_it_to_s3: bool,
    /// It cancels at some point.
    pub cancels: bool,
}

/// What `/prepare` granted.
#[derive(Debug, Clone)]
struct Ticket {
    granted: Granted,
    object_key: String,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Direct { url: String, headers: Vec<(String, String)> },
    Parts { upload_id: String, part_size: usize, num_parts: u16, signed: Vec<(u16, String)> },
}

impl Client {
    /// Sends a file as a new asset, or as a further version of one. Answers which asset it is, once that is known.
    pub async fn send(
        &self,
        file: &File,
        of: Option<AssetId>,
        manner: Manner,
    ) -> Result<Option<AssetId>, Gone> {
        let Some(ticket) = self.prepare(file, of).await? else { return Ok(None) };
        let asset = ticket.granted.asset;
        self.step().await?;
        if manner.cancels {
            match self.chance.below(3) {
                // at once
                0 => {
                    self.cancel_ticket(&ticket).await?;
                    if self.chance.one_in(2) {
                        return Ok(Some(asset));
                    }
                }
                // beside the rest
                1 => {
                    let (other, ticket) = (self.clone(), ticket.clone());
                    self.engine().spawn("a cancel", sluice_testing::simulator::Role::Client, async move {
                        let _ = other.step().await;
                        let _ = other.cancel_ticket(&ticket).await;
                    });
                }
                _ => {}
            }
        }
        let bytes = &file.content.bytes;
        let parts = match &ticket.way {
            Way::Direct { url, headers } => {
                if !self.put_whole(&ticket, url, headers, bytes).await? {
                    return Ok(Some(asset));
                }
                None
            }
            Way::Parts { .. } => match self.put_parts(&ticket, bytes).await? {
                Some(parts) => Some(parts),
                None => return Ok(Some(asset)),
            },
        };
        self.step().await?;
        if !manner.leaves_it_to_s3 || parts.is_some() {
            self.complete(&ticket, parts.as_ref()).await?;
            if self.replays() {
                self.step().await?;
                self.complete(&ticket, parts.as_ref()).await?;
            }
        }
        if let Way::Direct { url, headers } = &ticket.way
            && self.replays()
        {
            self.step().await?;
            self.put_whole(&ticket, url, headers, bytes).await?;
        }
        if manner.cancels {
            self.step().await?;
            self.cancel_ticket(&ticket).await?;
        }
        Ok(Some(asset))
    }

    async fn cancel_ticket(&self, ticket: &Ticket) -> Result<(), Gone> {
        let by_upload = match &ticket.way {
            Way::Parts { upload_id, .. } => Some((upload_id.as_str(), ticket.object_key.as_str())),
            Way::Direct { .. } => None,
        };
        self.cancel(&ticket.granted, by_upload).await
    }

    /// Asks for leave; none if it was refused, or if nothing need be sent.
    async fn prepare(&self, file: &File, of: Option<AssetId>) -> Result<Option<Ticket>, Gone> {
        let meant = Meant { content: file.content.clone(), lies: file.hint == Hint::False };
        self.scene.ledger.borrow_mut().means(&file.name, meant);
        let digest = match file.hint {
            Hint::None => None,
            Hint::True => Some(build::digest(&file.content.bytes)),
            Hint::False => Some(build::digest(b"another file")),
        };
        let body = json!({
            "filename": file.name, "file_size": file.size,
            "content_type": file.media_type, "sha256": digest, "asset_id": of,
            "folder": file.folder,
        });
        let reply = self.ask(&self.scene.functions.presign, "POST", "/prepare", Some(&body)).await?;
        if reply.status != 201 {
            return Ok(None);
        }
        let text = |name: &str| reply.body[name].as_str().unwrap_or_default().to_owned();
        self.check_root(&text("object_key"));
        let way = match reply.body["mode"].as_str() {
            Some("direct") => Way::Direct { url: text("url"), headers: headers(&reply.body["headers"]) },
            Some("multipart") => Way::Parts {
                upload_id: text("upload_id"),
                part_size: number(&reply.body["part_size"]).try_into().unwrap(),
                num_parts: number(&reply.body["num_parts"]).try_into().unwrap(),
                signed: signed(&reply.body),
            },
            _ => {
                self.tell(|| format!("need not send {}", file.name));
                if of.is_none()
                    && reply.status == 201
                    && reply.body["asset"]["filename"] != file.name.as_str()
                {
                    let seen = format!(
                        "{} sends {} and is told {}",
                        self.name, file.name, reply.body["asset"]["filename"]
                    );
                    broken(&self.scene, 11, "the asset that exists has another name", seen);
                }
                return Ok(None);
            }
        };
        let granted = Granted {
            asset: text("asset_id").parse().unwrap(),
            version: version(&reply.body["version"]),
            filename: file.name.clone(),
        };
        self.tell(|| format!("is granted {} v{} for {}", short(granted.asset), granted.version, file.name));
        Ok(Some(Ticket { granted, object_key: text("object_key"), way }))
    }

    /// PUTs a whole file; whether it may be there then.
    async fn put_whole(
        &self,
        ticket: &Ticket,
        url: &str,
        headers: &[(String, String)],
        bytes: &Bytes,
    ) -> Result<bool, Gone> {
        let mut unsure = false;
        for _ in 0..3 {
            let (answer, heard) = self.put(url, headers, bytes).await;
            if answer.status == 200 {
                let mut ledger = self.scene.ledger.borrow_mut();
                ledger.stored.push(ticket.granted.clone());
                if heard {
                    ledger.acknowledged.push((ticket.granted.clone(), How::Put));
                }
            }
            if heard {
                // what was refused now may have been taken before
                return Ok(answer.status == 200 || unsure);
            }
            unsure = true;
            self.step().await?;
        }
        Ok(unsure)
    }

    /// PUTs all parts, in any order; their list, or none if S3 refused one.
    async fn put_parts(&self, ticket: &Ticket, bytes: &Bytes) -> Result<Option<Value>, Gone> {
        let Way::Parts { upload_id, part_size, num_parts, signed: first } = &ticket.way else {
            return Ok(None);
        };
        let mut window = first.clone();
        let mut tags = Vec::new();
        while !window.is_empty() {
            self.chance.shuffle(&mut window);
            let last = window.iter().map(|(number, _)| *number).max().unwrap_or_default();
            for (number, url) in &window {
                let from = usize::from(number - 1) * part_size;
                let part = bytes.slice(from..bytes.len().min(from + part_size));
                let mut answer = None;
                while answer.is_none() {
                    let (given, heard) = self.put(url, &[], &part).await;
                    answer = heard.then_some(given);
                    self.step().await?;
                }
                let Some(answer) = answer.filter(|answer| answer.status == 200) else { return Ok(None) };
                tags.push((*number, answer.etag().quoted()));
            }
            window = if last < *num_parts {
                let body = json!({
                    "upload_id": upload_id, "object_key": ticket.object_key, "start_part": last + 1,
                });
                let reply = self.ask(&self.scene.functions.presign, "POST", "/prepare", Some(&body)).await?;
                if reply.status != 200 {
                    return Ok(None);
                }
                signed(&reply.body)
            } else {
                Vec::new()
            };
        }
        tags.sort_unstable();
        Ok(Some(tags.iter().map(|(number, etag)| json!({ "PartNumber": number, "ETag": etag })).collect()))
    }

    /// Says that all bytes are there.
    async fn complete(&self, ticket: &Ticket, parts: Option<&Value>) -> Result<(), Gone> {
        let mut body = json!({ "object_key": ticket.object_key, "version": ticket.granted.version });
        if let (Way::Parts { upload_id, .. }, Some(parts)) = (&ticket.way, parts) {
            body["upload_id"] = upload_id.as_str().into();
            body["parts"] = parts.clone();
        }
        let key = body["object_key"].take();
        // S3's id of the upload is enough, as soon as the index shows it
        if parts.is_none() || self.chance.one_in(2) {
            body["object_key"] = key.clone();
        }
        let mut reply = self.ask(&self.scene.functions.complete, "POST", "/complete", Some(&body)).await?;
        if reply.status == 404 && body["object_key"].is_null() {
            body["object_key"] = key;
            reply = self.ask(&self.scene.functions.complete, "POST", "/complete", Some(&body)).await?;
        }
        if reply.status != 200 {
            return Ok(());
        }
        // the version that is shown, or the one that is being read to be shown
        let update = &reply.body["update"]["version"];
        let shown = version(&reply.body["version"]);
        let told = if update.is_null() { shown } else { shown.max(version(update)) };
        let granted = &ticket.granted;
        if told < granted.version {
            let seen = format!(
                "{} was granted v{} of {} and told v{told}",
                self.name,
                granted.version,
                short(granted.asset)
            );
            broken(&self.scene, 5, "complete answers 200 with an older version", seen);
            return Ok(());
        }
        let mut ledger = self.scene.ledger.borrow_mut();
        let stored = parts.is_some() || ledger.stored.contains(granted);
        if stored {
            ledger.stored.push(granted.clone());
            ledger.acknowledged.push((granted.clone(), How::Complete));
        }
        Ok(())
    }

    /// Invariant 10: nobody is granted anything below a root that the token doesn't name.
    pub fn check_root(&self, object_key: &str) {
        if !may_write(self.roots, object_key) {
            broken(&self.scene, 10, "granted where the token may not write", object_key.to_owned());
        }
    }

    /// Does something as a task of its own.
    pub fn go<F>(self, what: impl FnOnce(Self) -> F)
    where
        F: Future<Output = Result<(), Gone>> + 'static,
    {
        let engine: Rc<_> = self.engine().clone();
        let doing = what(self);
        engine.spawn("a client", sluice_testing::simulator::Role::Client, async move {
            let _ = doing.await;
        });
    }
}

fn headers(value: &Value) -> Vec<(String, String)> {
    let pair =
        |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap_or_default().to_owned());
    value.as_object().into_iter().flatten().map(pair).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// A version, as a number or as text.
fn version(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

fn signed(body: &Value) -> Vec<(u16, String)> {
    let part = |item: &Value| {
        (
            number(&item["part_number"]).try_into().unwrap(),
            item["url"].as_str().unwrap_or_default().to_owned(),
        )
    };
    body["batch"]["items"].as_array().into_iter().flatten().map(part).collect()
}
