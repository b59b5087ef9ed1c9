//! Reading what arrived: its true type, its digest, whether the owner has it already, what it says of itself, and
//! what is to be made of it.
//!
//! The bytes are read once, as a stream. Memory stays constant at any size: only an image small enough for the
//! decoder's limits is held whole, for its metadata and placeholder.

use std::time::Duration;

use sha2::{Digest, Sha256 as Hasher};
use sluice_core::{
    Error, Result,
    asset::{
        Asset, Effect, Event, Failure, Ingest, JobName, Placeholder, Stage, StoredObject, Transition, Warning,
    },
    change,
    gate::GatePolicy,
    ids::{AssetId, ObjectVersionId, Sha256},
    names::{ContentType, Kind, ObjectKey},
    ports::{AssetRepository, Clock, ContentIndex, JobOrder, JobQueue, ObjectBody, OriginalStore},
};
use sluice_lambda::blocking;

use crate::image;

/// How long a copy waits for the same file, sent at the same time, to be finished. After that both are kept.
const PATIENCE: Duration = Duration::from_secs(30);

/// What content is read with.
pub struct Ingester<T, O, Q, C> {
    /// The state table: assets and who keeps which content.
    pub table: T,
    /// The bucket of originals.
    pub originals: O,
    /// The queue of conversion jobs.
    pub convert: Q,
    /// The ingest queue, for a copy that looks again a moment later.
    pub later: Q,
    /// The time.
    pub clock: C,
    /// What is read how far.
    pub limits: ReadLimits,
    /// Which types are taken: asked here once more, of the content.
    pub gate: GatePolicy,
}

/// What is read how far.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Larger files aren't hashed, so not deduplicated: reading them would outlast a function's 15 minutes.
    pub hash_bytes: u64,
    /// Larger images aren't held in memory: they get neither metadata nor placeholder.
    pub image_bytes: u64,
    /// What a decoder may use.
    pub decode: sluice_media::limits::Limits,
}

/// What one reading of the bytes gave.
struct Content {
    media_type: ContentType,
    kind: Kind,
    sha256: Option<Sha256>,
    /// The whole bytes, of an image that is small enough.
    image: Option<Vec<u8>>,
}

impl<T, O, Q, C> Ingester<T, O, Q, C>
where
    T: AssetRepository + ContentIndex,
    O: OriginalStore,
    Q: JobQueue,
    C: Clock,
{
    /// S3 says that an object was written.
    pub async fn object_created(&self, key: &str, version_id: Option<ObjectVersionId>) -> Result<()> {
        let Ok(key) = key.parse::<ObjectKey>() else {
            tracing::warn!("an object that no grant names; left alone");
            return Ok(());
        };
        let id = key.asset_id();
        let Some(head) = self.originals.head(&key, version_id.as_ref()).await? else {
            tracing::info!(asset.id = %id, "the object is gone already");
            return Ok(());
        };
        let (Some(asset), Some(version)) = (self.table.get(id).await?, head.version) else {
            tracing::warn!(asset.id = %id, "an object that no grant names; left alone");
            return Ok(());
        };
        if *asset.key() != key {
            tracing::warn!(asset.id = %id, "an object under a key that isn't the asset's; left alone");
            return Ok(());
        }
        let granted = asset.grant().filter(|grant| grant.version == version);
        let object = StoredObject {
            upload_id: granted.and_then(|grant| grant.upload_id()).cloned(),
            key,
            size: head.size,
            etag: head.etag,
            version_id: version_id.or(head.version_id),
            version,
            sha256: head.sha256,
        };
        let event = Event::UploadArrived(Box::new(object));
        let transition = change::apply_to(&self.table, &self.clock, asset, &event).await?;
        self.perform(transition).await
    }

    /// `complete` or the sweeper asks for the reading of an asset whose event may have been lost.
    pub async fn ordered(&self, order: &JobOrder) -> Result<()> {
        match self.table.get(order.asset_id).await? {
            Some(asset) if asset.awaits_ingest(order.version) => self.ingest(asset).await,
            _ => Ok(()),
        }
    }

    /// Does what a transition asks for.
    async fn perform(&self, transition: Transition) -> Result<()> {
        let asset = transition.asset;
        for effect in transition.effects {
            match effect {
                // an ingest's own effects are jobs and strays, never a further ingest: the recursion ends there
                Effect::Ingest { .. } => Box::pin(self.ingest(asset.clone())).await?,
                Effect::Enqueue { job, version } => {
                    self.convert.enqueue(&JobOrder { asset_id: asset.id(), version, job }).await?;
                }
                Effect::DiscardObject { key, version_id } => {
                    tracing::info!(asset.id = %asset.id(), "discarding bytes that are kept elsewhere or not wanted");
                    self.originals.delete(&key, version_id.as_ref()).await?;
                }
                Effect::AbortUpload { .. } => {}
            }
        }
        Ok(())
    }

    async fn ingest(&self, asset: Asset) -> Result<()> {
        let version = asset.version();
        let object =
            asset.object().cloned().ok_or_else(|| Error::internal("an asset to be read without bytes"))?;
        let event = match self.read(&object).await? {
            None => failed(version, "original_missing", "the bytes are no longer there"),
            Some(content) if contradicts(asset.sha256(), content.sha256) => failed(
                version,
                "checksum_mismatch",
                "the bytes don't have the SHA-256 that was announced with them",
            ),
            Some(content) if let Err(refusal) = self.admit(&asset, &content) => {
                failed(version, refusal.code(), refusal.message())
            }
            Some(content) => match self.keeper_of_same_content(&asset, content.sha256).await? {
                Standing::Keeps(original) => Event::Deduplicated { version, original },
                Standing::Unfinished if self.clock.now() < asset.updated_at().plus(PATIENCE) => {
                    let order = JobOrder { asset_id: asset.id(), version, job: JobName::Ingest };
                    return self.later.enqueue(&order).await;
                }
                Standing::Unfinished | Standing::Lost => {
                    Event::Ingested(Box::new(self.describe(&asset, content).await?))
                }
            },
        };
        let transition = change::apply_to(&self.table, &self.clock, asset, &event).await?;
        self.perform(transition).await
    }

    /// What the client said passed the gate before the grant. Content of another sort, or of a client that said nothing,
    /// passes it now.
    fn admit(&self, asset: &Asset, content: &Content) -> Result<()> {
        let unsaid = *asset.declared_type() == ContentType::octet_stream();
        if unsaid || mismatch(asset.declared_type(), content).is_some() {
            self.gate.check_type(&content.media_type, asset.filename())?;
        }
        Ok(())
    }

    /// Reads the bytes once: as many as are needed to know the type, all of them where a digest is wanted.
    async fn read(&self, object: &StoredObject) -> Result<Option<Content>> {
        let Some(mut body) = self.originals.get(&object.key, object.version_id.as_ref()).await? else {
            return Ok(None);
        };
        let mut hasher = (object.sha256.is_none() && object.size <= self.limits.hash_bytes).then(Hasher::new);
        let mut held = Vec::new();
        let mut sniffed = None;
        while let Some(chunk) = body.next().await? {
            if let Some(hasher) = &mut hasher {
                hasher.update(&chunk);
            }
            let wants_more = match sniffed {
                None => true,
                Some(kind) => {
                    kind == sluice_media::sniff::Kind::Image && object.size <= self.limits.image_bytes
                }
            };
            if wants_more {
                held.extend_from_slice(&chunk);
            } else if hasher.is_none() {
                break;
            }
            if sniffed.is_none() && held.len() >= sluice_media::sniff::HEAD_BYTES {
                sniffed = Some(sluice_media::sniff::sniff(&held).kind);
            }
        }
        let sniffed = sluice_media::sniff::sniff(&held);
        let whole = held.len() as u64 == object.size;
        Ok(Some(Content {
            media_type: sniffed.content_type.parse()?,
            kind: image::kind(sniffed.kind),
            sha256: object.sha256.or_else(|| hasher.map(|hasher| Sha256::new(hasher.finalize().into()))),
            image: (whole && sniffed.kind == sluice_media::sniff::Kind::Image).then_some(held),
        }))
    }

    /// How the owner's other asset stands that keeps these bytes. If there is none, or it lost them, this asset is
    /// their keeper from now on.
    async fn keeper_of_same_content(&self, asset: &Asset, sha256: Option<Sha256>) -> Result<Standing> {
        let Some(sha256) = sha256.filter(|_| asset.size() > 0) else { return Ok(Standing::Lost) };
        let keeper = self.table.claim(asset.owner(), sha256, asset.id()).await?;
        if keeper == asset.id() {
            return Ok(Standing::Lost);
        }
        let standing = self.standing(keeper, asset, sha256).await?;
        if matches!(standing, Standing::Lost) {
            self.table.replace(asset.owner(), sha256, keeper, asset.id()).await?;
        }
        Ok(standing)
    }

    /// How a keeper stands: a copy's bytes go only after the keeper's were checked to be there.
    async fn standing(&self, keeper: AssetId, copy: &Asset, sha256: Sha256) -> Result<Standing> {
        let Some(original) = self.table.get(keeper).await? else { return Ok(Standing::Lost) };
        let same = original.owner() == copy.owner()
            && original.sha256() == Some(sha256)
            && original.size() == copy.size()
            && original.duplicate_of().is_none();
        if !same || original.stage() == Stage::Failed {
            return Ok(Standing::Lost);
        }
        if original.stage() != Stage::Done {
            return Ok(Standing::Unfinished);
        }
        let Some(object) = original.object() else { return Ok(Standing::Lost) };
        let head = self.originals.head(&object.key, object.version_id.as_ref()).await?;
        let there = head.is_some_and(|head| head.size == copy.size() && head.etag == object.etag);
        Ok(if there { Standing::Keeps(Box::new(original)) } else { Standing::Lost })
    }

    /// What the record will say of the content.
    async fn describe(&self, asset: &Asset, content: Content) -> Result<Ingest> {
        let mut warnings = Vec::new();
        if let Some(warning) = mismatch(asset.declared_type(), &content) {
            warnings.push(warning);
        }
        let jobs =
            image::derivatives(&content.media_type).map(|need| (JobName::Image, need)).into_iter().collect();
        let mut ingest = Ingest {
            version: asset.version(),
            content_type: content.media_type,
            kind: content.kind,
            sha256: content.sha256,
            metadata: serde_json::Map::new(),
            placeholder: None,
            warnings,
            jobs,
        };
        if let Some(bytes) = content.image {
            let limits = self.limits.decode;
            let (metadata, placeholder) = blocking(move || image::describe(&bytes, &limits)).await?;
            ingest.metadata = metadata;
            ingest.placeholder = placeholder.map(|made| Placeholder {
                thumbhash: made.thumbhash,
                width: made.width,
                height: made.height,
            });
        }
        Ok(ingest)
    }
}

/// How the asset stands that keeps some content.
enum Standing {
    /// It is finished and its bytes are there.
    Keeps(Box<Asset>),
    /// It is on its way: whether it will keep them isn't known yet.
    Unfinished,
    /// There is none that has them.
    Lost,
}

fn failed(version: sluice_core::ids::Version, code: &str, message: &str) -> Event {
    Event::IngestFailed { version, failure: Failure::permanent(code, message) }
}

fn contradicts(announced: Option<Sha256>, found: Option<Sha256>) -> bool {
    matches!((announced, found), (Some(announced), Some(found)) if announced != found)
}

/// A warning where the content is of another sort than its sender said. `image/jpg` for `image/jpeg` is none, and
/// what isn't recognised contradicts nothing.
fn mismatch(declared: &ContentType, content: &Content) -> Option<Warning> {
    let sort = |content_type: &ContentType| match content_type.as_str().split_once('/') {
        Some((sort @ ("image" | "video" | "audio"), _)) => Some(sort.to_owned()),
        Some((_, "octet-stream")) | None => None,
        Some(_) => Some("other".to_owned()),
    };
    let (said, found) = (sort(declared)?, sort(&content.media_type)?);
    (said != found).then(|| Warning {
        code: "type_mismatch".to_owned(),
        message: format!("announced as {declared}, but the content is {}", content.media_type),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_sort_of_content_is_a_mismatch() {
        let warns = |declared: &str, found: &str| {
            let content =
                Content { media_type: found.parse().unwrap(), kind: Kind::Other, sha256: None, image: None };
            mismatch(&declared.parse().unwrap(), &content).is_some()
        };
        assert!(warns("image/jpeg", "application/pdf"));
        assert!(warns("text/plain", "image/png"));
        assert!(!warns("image/jpg", "image/jpeg"));
        assert!(!warns("application/octet-stream", "image/png"));
        assert!(!warns("image/x-raw", "application/octet-stream"));
        assert!(!warns("text/csv", "text/plain"));
    }
}
