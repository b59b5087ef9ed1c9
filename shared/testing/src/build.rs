//! Grants and assets with everything filled in; a test changes what it is about by struct update.

use std::time::Duration;

use sluice_core::{
    asset::{
        Asset, Derivative, Dimensions, Event, Grant, GrantMode, Ingest, JobName, Lease, Need, NewAsset,
        Placeholder, Placement, StoredObject, Warning,
    },
    gate::Terms,
    ids::{AssetId, ETag, OwnerId, Sha256, UploadId, Version},
    job::{NewUploadJob, UploadJob},
    names::{DerivedKey, Folder, Kind},
    ports::ObjectHead,
    time::Timestamp,
    upload::{MIN_PART_SIZE, SizeRange},
    usage::Quota,
};

/// The bytes of [`grant`].
pub const SIZE: u64 = 1_000;
/// How long [`grant`] is good.
pub const GRANT_TTL: Duration = Duration::from_hours(1);

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
        id: "grant-1".to_owned(),
        version: Version::FIRST,
        mode: GrantMode::Direct,
        size: SizeRange::exactly(SIZE),
        filename: "photo.jpg".parse().expect("a name"),
        content_type: "image/jpeg".parse().expect("a type"),
        sha256: None,
        replaces: None,
        granted_at: now,
        expires_at: now.plus(GRANT_TTL),
        quota: Quota::UNLIMITED,
        idle: false,
    }
}

/// The same in parts of 5 MiB, the last of them one byte.
pub fn multipart_grant(now: Timestamp, upload_id: &UploadId, num_parts: u16) -> Grant {
    let size = SizeRange::exactly(u64::from(num_parts - 1) * MIN_PART_SIZE + 1);
    let mode = GrantMode::Multipart { upload_id: upload_id.clone(), part_size: MIN_PART_SIZE, num_parts };
    Grant { mode, size, ..grant(now) }
}

/// A new asset in its owner's own folder.
pub fn asset(id: AssetId, owner: &str, grant: Grant, now: Timestamp) -> Asset {
    let owner = self::owner(owner);
    let placement = Placement::of_folder(Folder::of_user(&owner));
    Asset::create(NewAsset { id, owner, placement, grant }, now)
}

/// The bytes of an asset's open grant as S3 tells of them.
pub fn stored(asset: &Asset, head: &ObjectHead) -> StoredObject {
    asset.granted_object(head.clone()).expect("the object is of the open grant")
}

/// An asset in which nearly every field is filled: done, with metadata of every type, derivatives, a warning, a
/// placeholder, the grant of its next version, and bytes that came twice and are to be freed.
pub fn everything(id: AssetId, owner: &str, now: Timestamp) -> Asset {
    let upload_id: UploadId = "upload-1".parse().expect("an id");
    let grant = Grant {
        filename: "Übersicht 写真.JPG".parse().expect("a name"),
        sha256: Some(digest(b"bytes")),
        ..multipart_grant(now, &upload_id, 3)
    };
    let owner = self::owner(owner);
    let folder = Folder::resolve(&owner, "trips/2026").expect("a folder");
    let custom = serde_json::json!({ "album": { "id": 7, "share": -0.5 } });
    let placement = Placement {
        folder,
        message_id: Some("message 1".parse().expect("an id")),
        upload_job: Some("job 1".parse().expect("an id")),
        task: Some("0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f".parse().expect("an id")),
        custom: custom.as_object().cloned().unwrap_or_default(),
    };
    let asset = Asset::create(NewAsset { id, owner, placement, grant }, now);

    let etag: ETag = "0123456789abcdef0123456789abcdef-3".parse().expect("an entity tag");
    let version = asset.version();
    let head = ObjectHead {
        size: asset.size(),
        etag: etag.clone(),
        version_id: Some("3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY".parse().expect("an id")),
        version: Some(version),
        sha256: None,
    };
    let metadata = serde_json::json!({
        "camera": { "make": "", "lens": null, "zoom": 0.1, "gps": [-1.5, 48.137_154] },
        "frames": u64::MAX, "offset": -7, "animated": false, "empty": {}, "none": [],
    });
    let warning = |code: &str| Warning { code: code.to_owned(), message: "for people".to_owned() };
    let read = Ingest {
        metadata: metadata.as_object().cloned().unwrap_or_default(),
        dimensions: Some(Dimensions { width: 3, height: 2 }),
        placeholder: Some(Placeholder { thumbhash: "3OcRJYB4d3h/iIeHeEh3eIhw+j2w".to_owned() }),
        warnings: vec![warning("type_mismatch")],
        ..ingest(version, digest(b"bytes"))
    };
    let thumb = Derivative {
        name: "thumb".to_owned(),
        key: DerivedKey::new(id, version, "thumb", "webp"),
        content_type: "image/webp".parse().expect("a type"),
        width: 256,
        height: 171,
        bytes: 9_876,
        version,
    };
    let update = Grant { version: version.next(), replaces: Some(etag), ..self::grant(now) };
    let late = StoredObject { version_id: Some("late".parse().expect("an id")), ..stored(&asset, &head) };
    let job = JobName::Image;
    let events = [
        Event::UploadArrived(Box::new(stored(&asset, &head))),
        Event::Ingested(Box::new(read)),
        Event::JobStarted { job, version, lease: lease(now) },
        Event::JobSucceeded {
            job,
            version,
            derivatives: vec![thumb],
            warnings: vec![warning("too_small")],
            placeholder: None,
        },
        Event::UpdateGranted(Box::new(update)),
        Event::UploadArrived(Box::new(late)),
    ];
    events.iter().fold(asset, |asset, event| asset.apply(event, now).expect("the way of every asset").asset)
}

/// A worker's hold on a job for an hour.
pub fn lease(now: Timestamp) -> Lease {
    Lease { holder: "message-1".to_owned(), until: now.plus(GRANT_TTL) }
}

/// A new upload job for `clip.mp4`, [`SIZE`] bytes, with metadata.
pub fn job(owner: &str, request_id: &str, now: Timestamp) -> UploadJob {
    UploadJob::create(new_job(owner, request_id), None, now).expect("nothing has its id")
}

/// What it is made of. Its token's digest is that of the id.
pub fn new_job(owner: &str, request_id: &str) -> NewUploadJob {
    let owner = self::owner(owner);
    let terms = Terms {
        filename: "clip.mp4".parse().expect("a name"),
        size: SizeRange::exactly(SIZE),
        content_type: "video/mp4".parse().expect("a type"),
        sha256: None,
        placement: Placement::of_folder(Folder::of_user(&owner)),
        quota: Quota::UNLIMITED,
        made: None,
    };
    let metadata = serde_json::json!({ "album": { "id": 7, "tags": ["a", null] } });
    NewUploadJob {
        owner,
        request_id: request_id.parse().expect("an id"),
        terms,
        metadata: metadata.as_object().cloned().unwrap_or_default(),
        token: digest(request_id.as_bytes()),
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
        dimensions: None,
        placeholder: None,
        warnings: Vec::new(),
        jobs: vec![(JobName::Image, Need::Required)],
    }
}
