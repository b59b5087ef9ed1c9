//! Grants and assets with everything filled in; a test changes what it is about by struct update.

use std::time::Duration;

use sluice_core::{
    asset::{Asset, Grant, GrantMode, Ingest, JobName, Need, NewAsset, StoredObject},
    ids::{AssetId, OwnerId, Sha256, UploadId, Version},
    names::{Folder, Kind},
    ports::ObjectHead,
    time::Timestamp,
    upload::{MIN_PART_SIZE, Parts},
};

/// The bytes of [`grant`].
pub const SIZE: u64 = 1_000;
/// How long [`grant`] is good.
pub const GRANT_TTL: Duration = Duration::from_secs(3_600);

/// An owner of this name.
pub fn owner(name: &str) -> OwnerId {
    name.parse().expect("an owner")
}

/// The digest of these bytes.
pub fn digest(bytes: &[u8]) -> Sha256 {
    crate::s3::sha256(bytes)
}

/// The leave to PUT the first version of `photo.jpg`, [`SIZE`] bytes.
pub fn grant(now: Timestamp) -> Grant {
    Grant {
        version: Version::FIRST,
        mode: GrantMode::Direct,
        size: SIZE,
        filename: "photo.jpg".parse().expect("a name"),
        content_type: "image/jpeg".parse().expect("a type"),
        sha256: None,
        replaces: None,
        expires_at: now.plus(GRANT_TTL),
    }
}

/// The same in parts of 5 MiB, the last of them one byte.
pub fn multipart_grant(now: Timestamp, upload_id: &UploadId, num_parts: u16) -> Grant {
    let size = u64::from(num_parts - 1) * MIN_PART_SIZE + 1;
    let mode = GrantMode::Multipart { upload_id: upload_id.clone(), part_size: MIN_PART_SIZE, num_parts };
    Grant { mode, size, ..grant(now) }
}

/// The parts of a multipart grant.
pub fn parts(grant: &Grant) -> Option<Parts> {
    match grant.mode {
        GrantMode::Direct => None,
        GrantMode::Multipart { part_size, num_parts, .. } => {
            Some(Parts { size: grant.size, part_size, num_parts })
        }
    }
}

/// A new asset in its owner's own folder.
pub fn asset(id: AssetId, owner: &str, grant: Grant, now: Timestamp) -> Asset {
    let owner = self::owner(owner);
    let folder = Folder::of_user(&owner);
    Asset::create(NewAsset { id, owner, folder, message_id: None, grant }, now)
}

/// An asset's bytes as S3 tells of them.
pub fn stored(asset: &Asset, head: &ObjectHead) -> StoredObject {
    StoredObject {
        key: asset.key().clone(),
        size: head.size,
        etag: head.etag.clone(),
        version_id: head.version_id.clone(),
        version: head.version.expect("the object names its version"),
        sha256: head.sha256,
        upload_id: asset.grant().and_then(Grant::upload_id).cloned(),
    }
}

/// What reading a JPEG gives, with the image job to do.
pub fn ingest(version: Version, sha256: Sha256) -> Ingest {
    Ingest {
        version,
        content_type: "image/jpeg".parse().expect("a type"),
        kind: Kind::Image,
        sha256: Some(sha256),
        metadata: serde_json::Map::new(),
        placeholder: None,
        warnings: Vec::new(),
        jobs: vec![(JobName::Image, Need::Required)],
    }
}
