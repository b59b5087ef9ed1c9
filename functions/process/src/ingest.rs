//! Reading what arrived: its true type, its digest, whether the owner has it already, what it says of itself, and
//! what is to be made of it.
//!
//! The bytes are read once, as a stream. Memory stays constant at any size: only an image small enough for the
//! decoder's limits is held whole, for its metadata and placeholder.

use std::time::Duration;

use sha2::{Digest, Sha256 as Hasher};
use sluice_core::{
    Error, Result, arrival,
    asset::{Asset, Effect, Event, Failure, Ingest, JobName, Need, Stage, Unread, Warning},
    change,
    effects::{free, order_jobs},
    gate::{Found, Gate},
    ids::{AssetId, ObjectVersionId, Sha256, Version},
    names::{ContentType, Kind, ObjectKey},
    ports::{
        AssetRepository, Clock, ContentIndex, GateFunction, JobOrder, JobQueue, MultipartStore, ObjectBody,
        OriginalStore,
    },
    right::is_same_owner,
};
use sluice_lambda::blocking;
use sluice_media::sniff::{self, Probe};

use crate::image;

/// How long a copy waits for the same file, sent at the same time, to be finished. After that both are kept.
const PATIENCE: Duration = Duration::from_secs(30);

/// What content is read with.
pub struct Ingester<T, O, Q, C, G> {
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
    /// What every grant passed: asked here once more, of the content.
    pub gate: Gate<G>,
    /// Whether an asset fails whose derivatives can't be made. It is shown by its original otherwise, with a warning.
    pub required: bool,
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

impl<T, O, Q, C, G> Ingester<T, O, Q, C, G>
where
    T: AssetRepository + ContentIndex,
    O: OriginalStore + MultipartStore,
    Q: JobQueue,
    C: Clock,
    G: GateFunction,
{
    /// S3 says that an object was written.
    pub async fn object_created(&self, key: &str, version_id: Option<ObjectVersionId>) -> Result<()> {
        let Ok(key) = key.parse::<ObjectKey>() else {
            tracing::warn!("an object that no grant names; left alone");
            return Ok(());
        };
        let told =
            arrival::object_created(&self.table, &self.originals, &self.clock, &key, version_id).await?;
        let Some(told) = told else {
            tracing::info!(asset.id = %key.asset_id(), "nothing that was granted lies there");
            return Ok(());
        };
        self.perform(told.asset, told.effects).await
    }

    /// `complete` or the sweeper asks for what is still to be done about an asset: its event may have been lost, or
    /// whoever had it died over it.
    pub async fn ordered(&self, order: &JobOrder) -> Result<()> {
        match self.table.get(order.asset_id).await? {
            Some(asset) => {
                let effects = asset.open_effects();
                self.perform(asset, effects).await
            }
            None => Ok(()),
        }
    }

    /// Does what a transition asks for.
    async fn perform(&self, asset: Asset, effects: Vec<Effect>) -> Result<()> {
        order_jobs(&self.convert, &asset, &effects).await?;
        free(&self.table, &self.originals, &self.clock, &asset, &effects).await?;
        for effect in effects {
            if let Effect::Ingest { version } = effect {
                // an ingest's own effects are jobs and leftovers, never a further ingest: the recursion ends there
                Box::pin(self.ingest(&asset, version)).await?;
            }
        }
        Ok(())
    }

    async fn ingest(&self, asset: &Asset, version: Version) -> Result<()> {
        let Some(unread) = asset.unread(version) else { return Ok(()) };
        let event = match self.read(unread).await? {
            None => failed(version, "original_missing", "the bytes are no longer there"),
            Some(content) if contradicts(unread.announced, content.sha256) => failed(
                version,
                "checksum_mismatch",
                "the bytes don't have the SHA-256 that was announced with them",
            ),
            Some(content) if let Some(refusal) = self.refusal(asset, unread, &content).await? => {
                failed(version, refusal.code(), refusal.message())
            }
            Some(content) => match self.keeper_of_same_content(asset, unread, content.sha256).await? {
                Standing::Keeps(original) => Event::Deduplicated { version, original },
                Standing::Unfinished if self.clock.now() < asset.updated_at().plus(PATIENCE) => {
                    let order = JobOrder { asset_id: asset.id(), version, job: JobName::Ingest };
                    return self.later.enqueue(&order).await;
                }
                Standing::Unfinished | Standing::Lost => {
                    Event::Ingested(Box::new(self.describe(unread, content).await?))
                }
            },
        };
        let told = change::apply_to(&self.table, &self.clock, asset.clone(), &event).await?;
        self.perform(told.asset, told.effects).await
    }

    /// Why the gate doesn't take the content, if it doesn't. That it can't be asked now is an error: it is asked again.
    async fn refusal(&self, asset: &Asset, unread: Unread<'_>, content: &Content) -> Result<Option<Error>> {
        let found = Found {
            owner: asset.owner(),
            folder: asset.folder(),
            filename: unread.filename,
            announced: unread.declared_type,
            content_type: &content.media_type,
            size: unread.object.size,
            message_id: asset.message_id(),
        };
        match self.gate.admit_content(found).await {
            Ok(()) => Ok(None),
            Err(error) if error.kind().is_transient() => Err(error),
            Err(refusal) => Ok(Some(refusal)),
        }
    }

    /// Reads the bytes once: as many as are needed to know the type, all of them where a digest is wanted. What stands
    /// further on and tells more of the type is taken as it passes by, and isn't read for that alone.
    async fn read(&self, unread: Unread<'_>) -> Result<Option<Content>> {
        let object = unread.object;
        let Some(mut body) = self.originals.get(&object.key, object.version_id.as_ref()).await? else {
            return Ok(None);
        };
        let mut hasher = (object.sha256.is_none() && object.size <= self.limits.hash_bytes).then(Hasher::new);
        let mut probe =
            Probe::new(object.size).announced(unread.declared_type.as_str(), unread.filename.as_str());
        let mut held = Vec::new();
        let mut sniffed = None;
        while let Some(chunk) = body.next().await? {
            if let Some(hasher) = &mut hasher {
                hasher.update(&chunk);
            }
            probe.pass(&chunk);
            let wants_more = match sniffed {
                None => true,
                Some(kind) => kind == sniff::Kind::Image && object.size <= self.limits.image_bytes,
            };
            if wants_more {
                held.extend_from_slice(&chunk);
            } else if hasher.is_none() {
                break;
            }
            if sniffed.is_none() && probe.has_head() {
                sniffed = Some(probe.verdict().kind);
            }
        }
        let sniffed = probe.verdict();
        let whole = held.len() as u64 == object.size;
        Ok(Some(Content {
            media_type: sniffed.content_type.parse()?,
            kind: image::kind(sniffed.kind),
            sha256: object.sha256.or_else(|| hasher.map(|hasher| Sha256::new(hasher.finalize().into()))),
            image: (whole && sniffed.kind == sniff::Kind::Image).then_some(held),
        }))
    }

    /// How the owner's other asset stands that keeps these bytes. If there is none, or it lost them, this asset is
    /// their keeper from now on.
    async fn keeper_of_same_content(
        &self,
        asset: &Asset,
        unread: Unread<'_>,
        sha256: Option<Sha256>,
    ) -> Result<Standing> {
        let size = unread.object.size;
        let Some(sha256) = sha256.filter(|_| size > 0) else { return Ok(Standing::Lost) };
        let keeper = self.table.claim(asset.owner(), sha256, asset.id()).await?;
        if keeper == asset.id() {
            return Ok(Standing::Lost);
        }
        let standing = self.standing(keeper, asset, sha256, size).await?;
        if !matches!(standing, Standing::Lost) {
            return Ok(standing);
        }
        let now_keeper = self.table.replace(asset.owner(), sha256, keeper, asset.id()).await?;
        if now_keeper == asset.id() {
            return Ok(Standing::Lost);
        }
        // somebody else took the place in this moment; it has just begun
        Ok(Standing::Unfinished)
    }

    /// How a keeper stands: a copy's bytes go only after the keeper's were checked to be there.
    async fn standing(&self, keeper: AssetId, copy: &Asset, sha256: Sha256, size: u64) -> Result<Standing> {
        let Some(original) = self.table.get(keeper).await? else { return Ok(Standing::Lost) };
        if !is_same_owner(original.owner(), copy.owner()) {
            return Ok(Standing::Lost);
        }
        // It claimed the content before its record says so: what it reads now may be just that.
        if original.awaited_ingest().is_some_and(|version| original.size_of(version) == Some(size)) {
            return Ok(Standing::Unfinished);
        }
        let same =
            original.sha256() == Some(sha256) && original.size() == size && original.duplicate_of().is_none();
        match original.stage() {
            _ if !same || !original.is_ingested() => Ok(Standing::Lost),
            Stage::Done => {
                let Some(object) = original.object() else { return Ok(Standing::Lost) };
                let head = self.originals.head(&object.key, object.version_id.as_ref()).await?;
                let there = head.is_some_and(|head| head.size == size && head.etag == object.etag);
                Ok(if there { Standing::Keeps(Box::new(original)) } else { Standing::Lost })
            }
            Stage::Failed | Stage::Cancelled => Ok(Standing::Lost),
            Stage::Uploading | Stage::Processing => Ok(Standing::Unfinished),
        }
    }

    /// What the record will say of the content.
    async fn describe(&self, unread: Unread<'_>, content: Content) -> Result<Ingest> {
        let mut warnings = Vec::new();
        if let Some(warning) = mismatch(unread.declared_type, &content) {
            warnings.push(warning);
        }
        let need = if self.required { Need::Required } else { Need::Awaited };
        let jobs = if sluice_media::derive::supports(content.media_type.as_str()) {
            vec![(JobName::Image, need)]
        } else {
            Vec::new()
        };
        let mut ingest = Ingest {
            version: unread.version,
            content_type: content.media_type,
            kind: content.kind,
            sha256: content.sha256,
            metadata: serde_json::Map::new(),
            dimensions: None,
            placeholder: None,
            warnings,
            jobs,
        };
        if let Some(bytes) = content.image {
            let limits = self.limits.decode;
            let image = blocking(move || image::describe(&bytes, &limits)).await?;
            ingest.dimensions = image.dimensions;
            ingest.metadata = image.metadata;
            ingest.placeholder = image.placeholder;
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

fn failed(version: Version, code: &str, message: &str) -> Event {
    Event::IngestFailed { version, failure: Failure::permanent(code, message) }
}

fn contradicts(announced: Option<Sha256>, found: Option<Sha256>) -> bool {
    matches!((announced, found), (Some(announced), Some(found)) if announced != found)
}

/// A warning where the content is of another sort than its sender said. `image/jpg` for `image/jpeg` is none, sound in a
/// container that is made for video is none, and what isn't recognised contradicts nothing.
fn mismatch(declared: &ContentType, content: &Content) -> Option<Warning> {
    let sort = |content_type: &ContentType| match content_type.as_str().split_once('/') {
        Some((sort @ ("image" | "video" | "audio"), _)) => Some(sort.to_owned()),
        Some((_, "octet-stream")) | None => None,
        Some(_) => Some("other".to_owned()),
    };
    let (said, found) = (sort(declared)?, sort(&content.media_type)?);
    let container = |content_type: &ContentType| {
        let (sort, name) = content_type.as_str().split_once('/').unwrap_or_default();
        matches!(sort, "video" | "audio").then(|| name.to_owned())
    };
    let same_container = container(declared).is_some_and(|name| Some(name) == container(&content.media_type));
    (said != found && !same_container).then(|| Warning {
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
        assert!(!warns("video/webm", "audio/webm") && !warns("audio/mp4", "video/mp4"));
        assert!(warns("video/mp4", "audio/mpeg") && warns("image/mp4", "video/mp4"));
    }
}
