//! The asset document: what HTTP answers, WebSocket messages and events say of an asset, all in this one form.

use serde::Serialize;

use crate::{
    asset::{
        Asset, Cover, Dimensions, Failure, Grant, GrantMode, MessageStatus, Placeholder, ProcessingStatus,
        Stage, Update, Warning,
    },
    error::Result,
    ids::{AssetId, MessageId, OwnerId, RequestId, Sha256, UploadId, Version},
    names::{ContentType, Filename, Folder, Kind, ObjectKey},
    ports::{Disposition, Link, LinkSigner, OriginalLink},
    time::Timestamp,
};

/// How long a client waits before it asks again, while an asset isn't terminal.
pub const POLL: Poll = Poll { after_seconds: 2 };

/// An asset as clients see it. Field names are the wire's (JSON, snake case).
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields are the asset's own, documented there; those that differ say how"
)]
pub struct AssetDocument {
    pub asset_id: AssetId,
    pub owner: OwnerId,
    pub folder: Folder,
    pub filename: Filename,
    /// By content once it was read, until then as the type says that the client told: a client shows what comes.
    pub kind: Kind,
    /// By content once it was read, until then as the client said.
    pub content_type: ContentType,
    pub size: u64,
    pub sha256: Option<Sha256>,
    pub object_key: ObjectKey,
    pub version: Version,
    pub revision: u64,
    pub message_id: Option<MessageId>,
    /// The upload job that it came by.
    pub upload_job: Option<RequestId>,
    pub message_status: MessageStatus,
    pub processing_status: ProcessingStatus,
    pub stage: Stage,
    pub progress: u8,
    /// The asset whose bytes this one shares, if its content was there before.
    pub duplicate_of: Option<AssetId>,
    /// Of its picture as it is shown, in pixels: turned as its orientation says.
    pub width: Option<u32>,
    /// Of its picture as it is shown, in pixels.
    pub height: Option<u32>,
    /// Whether there is a picture to show in its place.
    pub cover: Cover,
    pub placeholder: Option<Placeholder>,
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// What its client told beside the file when it announced the upload job that it came by.
    pub custom: serde_json::Map<String, serde_json::Value>,
    pub derivatives: Vec<DerivativeDocument>,
    /// A short-lived link to the original, as soon as its bytes are there: what is shown where there is no preview.
    pub media_url: Option<String>,
    /// Until when that link can be followed.
    pub expires_at: Option<Timestamp>,
    pub warnings: Vec<Warning>,
    pub failure: Option<Failure>,
    /// A further version on its way, or why the last one didn't come to be shown. Until it is taken everything else in the
    /// document is the present version's.
    pub update: Option<UpdateDocument>,
    /// The first version's upload in planned parts, while that is under way: what another device needs to go on with it.
    pub upload: Option<UploadDocument>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When to ask again; none when nothing more will come.
    pub poll: Option<Poll>,
    /// Set where the metadata was left out to fit a frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial: Option<bool>,
}

/// A derivative as clients see it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `asset::Derivative`")]
pub struct DerivativeDocument {
    pub name: String,
    /// A short-lived link.
    pub url: String,
    /// Until when it can be followed.
    pub expires_at: Timestamp,
    pub content_type: ContentType,
    pub width: u32,
    pub height: u32,
    pub bytes: u64,
    pub version: Version,
}

/// A further version on its way, as clients see it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `asset::Update`")]
pub struct UpdateDocument {
    pub version: Version,
    pub stage: Stage,
    pub progress: u8,
    pub failure: Option<Failure>,
    /// Its upload in planned parts, while that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadDocument>,
}

impl UpdateDocument {
    fn of(update: &Update, upload: Option<UploadDocument>) -> Self {
        let Update { stage, progress, failure, .. } = update;
        let (version, stage, progress) = (update.version(), *stage, *progress);
        Self { version, stage, progress, failure: failure.clone(), upload }
    }
}

/// An upload in planned parts that is under way, as clients see it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the grant, as `POST /prepare` answers them")]
pub struct UploadDocument {
    pub upload_id: UploadId,
    /// In bytes.
    pub part_size: u64,
    pub num_parts: u16,
    /// Until when it can be gone on with.
    pub expires_at: Timestamp,
}

impl UploadDocument {
    fn of(grant: &Grant) -> Option<Self> {
        let GrantMode::Multipart { upload_id, part_size, num_parts } = &grant.mode else { return None };
        Some(Self {
            upload_id: upload_id.clone(),
            part_size: *part_size,
            num_parts: *num_parts,
            expires_at: grant.expires_at,
        })
    }
}

/// When to ask again.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Poll {
    /// In whole seconds.
    pub after_seconds: u64,
}

impl AssetDocument {
    /// The document of an asset, with links signed now.
    pub async fn render(asset: &Asset, links: &impl LinkSigner) -> Result<Self> {
        let content_type = asset.content_type().unwrap_or_else(|| asset.declared_type()).clone();
        let mut derivatives = Vec::with_capacity(asset.derivatives().len());
        for made in asset.derivatives() {
            let Link { url, expires_at } = links.derivative(&made.key).await?;
            derivatives.push(DerivativeDocument {
                name: made.name.clone(),
                url,
                expires_at,
                content_type: made.content_type.clone(),
                width: made.width,
                height: made.height,
                bytes: made.bytes,
                version: made.version,
            });
        }
        let (media_url, expires_at) = match original_link(asset, &content_type, Disposition::Inline) {
            Some(link) => links.original(link).await.map(|link| (Some(link.url), Some(link.expires_at)))?,
            None => (None, None),
        };
        let (width, height) = asset.dimensions().map(|Dimensions { width, height }| (width, height)).unzip();
        let upload = || asset.open_grant().and_then(UploadDocument::of);
        let poll = (!asset.is_settled()).then_some(POLL);
        Ok(Self {
            asset_id: asset.id(),
            owner: asset.owner().clone(),
            folder: asset.folder().clone(),
            filename: asset.filename().clone(),
            kind: if asset.is_ingested() { asset.kind() } else { Kind::of(&content_type) },
            content_type,
            size: asset.size(),
            sha256: asset.sha256(),
            object_key: asset.key().clone(),
            version: asset.version(),
            revision: asset.revision(),
            message_id: asset.message_id().cloned(),
            upload_job: asset.upload_job().cloned(),
            message_status: asset.message_status(),
            processing_status: asset.processing_status(),
            stage: asset.stage(),
            progress: asset.progress(),
            duplicate_of: asset.duplicate_of(),
            width,
            height,
            cover: asset.cover(),
            placeholder: asset.placeholder().cloned(),
            metadata: asset.metadata().clone(),
            custom: asset.placement().custom.clone(),
            derivatives,
            media_url,
            expires_at,
            warnings: asset.warnings().to_vec(),
            failure: asset.failure().cloned(),
            update: asset.update().map(|update| UpdateDocument::of(update, upload())),
            upload: upload().filter(|_| asset.update().is_none()),
            created_at: asset.created_at(),
            updated_at: asset.updated_at(),
            poll,
            partial: None,
        })
    }

    /// The same without its metadata, marked as partial: for a frame that it would not fit in.
    #[must_use]
    pub fn without_metadata(mut self) -> Self {
        self.metadata.clear();
        self.partial = Some(true);
        self
    }
}

/// A short-lived link to the original; none while there are no bytes. What isn't safe to show in place is saved under its
/// name, whatever is wanted.
pub async fn link_to_original(
    asset: &Asset,
    links: &impl LinkSigner,
    wanted: Disposition,
) -> Result<Option<Link>> {
    let content_type = asset.content_type().cloned().unwrap_or_else(ContentType::octet_stream);
    match original_link(asset, &content_type, wanted) {
        Some(link) => links.original(link).await.map(Some),
        None => Ok(None),
    }
}

/// The link to an asset's original. What isn't safe to show in place is saved, and until the content was read nothing
/// is known to be safe: the type that the client said is never believed.
fn original_link<'a>(
    asset: &'a Asset,
    content_type: &'a ContentType,
    wanted: Disposition,
) -> Option<OriginalLink<'a>> {
    let object = asset.object()?;
    let safe = asset.is_ingested() && content_type.is_safe_inline();
    let disposition = if safe { wanted } else { Disposition::Attachment };
    Some(OriginalLink {
        key: &object.key,
        version_id: object.version_id.as_ref(),
        filename: asset.filename(),
        content_type,
        disposition,
    })
}
