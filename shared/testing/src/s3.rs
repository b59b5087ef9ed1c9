//! S3 in memory: versions, delete markers, conditional writes and multipart uploads, with S3's own statuses and codes
//! where a client sees them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use sluice_core::{
    Error, Result,
    ids::{ETag, ObjectVersionId, Sha256, UploadId, Version},
    names::{ContentType, DerivedKey, ObjectKey},
    ports::{DerivedStore, MultipartStore, NewObject, ObjectBody, ObjectHead, OriginalStore, Stitched},
    upload::{MIN_PART_SIZE, PartTag, UploadedPart},
};

/// How large the chunks of a body are.
const CHUNK: usize = 64 * 1024;

/// The bucket of originals. Clones are the same bucket.
#[derive(Debug, Clone)]
pub struct MemoryOriginals(Arc<Mutex<Bucket>>);

#[derive(Debug)]
struct Bucket {
    versioned: bool,
    min_part_size: u64,
    /// Reading ends in an error after so many bytes.
    broken_after: Option<usize>,
    /// The versions of each key, oldest first.
    objects: BTreeMap<String, Vec<Stored>>,
    uploads: BTreeMap<UploadId, Upload>,
    /// The uploads of which an object was made.
    stitched: BTreeSet<UploadId>,
    created: Vec<Created>,
    /// Goes up with every version and upload, for their ids.
    count: u64,
}

#[derive(Debug, Clone)]
struct Stored {
    version_id: Option<ObjectVersionId>,
    /// None is a delete marker.
    content: Option<Content>,
}

#[derive(Debug, Clone)]
struct Content {
    bytes: Bytes,
    etag: ETag,
    media_type: ContentType,
    version: Option<Version>,
    sha256: Option<Sha256>,
}

#[derive(Debug)]
struct Upload {
    key: String,
    content_type: ContentType,
    version: Version,
    parts: BTreeMap<u16, (ETag, Bytes)>,
}

/// What S3 has to tell of an object that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// As S3 names the event.
    pub event: &'static str,
    /// The key.
    pub key: String,
    /// Its bytes.
    pub size: u64,
    /// Its entity tag.
    pub etag: ETag,
    /// Its S3 version; none where the bucket isn't versioned.
    pub version_id: Option<ObjectVersionId>,
}

/// The condition of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `If-None-Match: *`
    Absent,
    /// `If-Match`
    Is(ETag),
}

/// What a client writes.
#[derive(Debug, Clone)]
pub struct Write {
    /// The bytes.
    pub bytes: Bytes,
    /// The type that is sent along.
    pub content_type: ContentType,
    /// `x-amz-meta-version`
    pub version: Option<Version>,
    /// `x-amz-checksum-sha256`
    pub sha256: Option<Sha256>,
    /// On which condition, if any.
    pub condition: Option<Condition>,
}

/// What a client reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The bytes.
    pub bytes: Bytes,
    /// The type that they were written with.
    pub content_type: ContentType,
}

impl Default for MemoryOriginals {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryOriginals {
    /// An empty bucket with versions.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Bucket {
            versioned: true,
            min_part_size: MIN_PART_SIZE,
            broken_after: None,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            stitched: BTreeSet::new(),
            created: Vec::new(),
            count: 0,
        })))
    }

    /// An empty bucket without versions.
    pub fn unversioned() -> Self {
        let bucket = Self::new();
        bucket.lock().versioned = false;
        bucket
    }

    /// Takes parts down to this size in place of S3's 5 MiB, so that tests needn't carry megabytes.
    pub fn set_min_part_size(&self, bytes: u64) {
        self.lock().min_part_size = bytes;
    }

    /// Lets every body that is read from now on end in an error after so many bytes.
    pub fn break_bodies_after(&self, bytes: Option<usize>) {
        self.lock().broken_after = bytes;
    }

    /// Puts an object there without condition, as the asset's `version`; tells what lies there then.
    pub fn put(&self, key: &ObjectKey, bytes: impl Into<Bytes>, version: Version) -> ObjectHead {
        let write = Write {
            bytes: bytes.into(),
            content_type: ContentType::octet_stream(),
            version: Some(version),
            sha256: None,
            condition: None,
        };
        self.write(key.as_str(), write).expect("there is no condition")
    }

    /// What a client's PUT does; a refusal is S3's status.
    pub fn write(&self, key: &str, write: Write) -> Result<ObjectHead, u16> {
        let digest = sha256(&write.bytes);
        if write.sha256.is_some_and(|said| said != digest) {
            return Err(400);
        }
        let mut bucket = self.lock();
        bucket.check(key, write.condition.as_ref())?;
        let content = Content {
            etag: etag_of(&write.bytes, ""),
            bytes: write.bytes,
            media_type: write.content_type,
            version: write.version,
            sha256: write.sha256,
        };
        Ok(bucket.store(key, content, "ObjectCreated:Put"))
    }

    /// What a client's PUT of a part does; a refusal is S3's status.
    pub fn write_part(
        &self,
        key: &str,
        upload_id: &UploadId,
        number: u16,
        bytes: Bytes,
    ) -> Result<ETag, u16> {
        let mut bucket = self.lock();
        let upload = bucket.uploads.get_mut(upload_id).filter(|upload| upload.key == key).ok_or(404_u16)?;
        let etag = etag_of(&bytes, "");
        upload.parts.insert(number, (etag.clone(), bytes));
        Ok(etag)
    }

    /// Puts an object of no asset there.
    pub(crate) fn put_at(&self, key: &str, bytes: Bytes) {
        let content_type = ContentType::octet_stream();
        let write = Write { bytes, content_type, version: None, sha256: None, condition: None };
        self.write(key, write).expect("there is no condition");
    }

    /// Removes an object of no asset.
    pub(crate) fn remove_at(&self, key: &str) {
        self.lock().objects.remove(key);
    }

    /// What a client's GET gives.
    pub fn read(&self, key: &str, version_id: Option<&ObjectVersionId>) -> Option<Read> {
        let bucket = self.lock();
        let content = bucket.find(key, version_id)?.content.as_ref()?;
        Some(Read { bytes: content.bytes.clone(), content_type: content.media_type.clone() })
    }

    /// The heads of all versions of a key, oldest first, without delete markers.
    pub fn versions(&self, key: &ObjectKey) -> Vec<ObjectHead> {
        let bucket = self.lock();
        bucket.objects.get(key.as_str()).into_iter().flatten().filter_map(Stored::head).collect()
    }

    /// The keys at which there is something, delete markers aside.
    pub fn keys(&self) -> Vec<String> {
        let bucket = self.lock();
        bucket.objects.keys().filter(|key| bucket.find(key, None).is_some()).cloned().collect()
    }

    /// Everything that was written since the first `known` writes, in order: what S3 sends events of.
    pub fn created_since(&self, known: usize) -> Vec<Created> {
        self.lock().created.get(known..).unwrap_or_default().to_vec()
    }

    /// The uploads that were neither completed nor aborted.
    pub fn open_uploads(&self) -> Vec<UploadId> {
        self.lock().uploads.keys().cloned().collect()
    }

    /// Whether an upload is open and has parts.
    pub fn has_parts(&self, upload_id: &UploadId) -> bool {
        self.lock().uploads.get(upload_id).is_some_and(|upload| !upload.parts.is_empty())
    }

    /// Whether an object was made of an upload.
    pub fn is_stitched(&self, upload_id: &UploadId) -> bool {
        self.lock().stitched.contains(upload_id)
    }

    fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl Stored {
    fn head(&self) -> Option<ObjectHead> {
        self.content.as_ref().map(|content| ObjectHead {
            size: content.bytes.len() as u64,
            etag: content.etag.clone(),
            version_id: self.version_id.clone(),
            version: content.version,
            sha256: content.sha256,
        })
    }
}

impl Bucket {
    /// The version, or the newest; none if that is a delete marker.
    fn find(&self, key: &str, version_id: Option<&ObjectVersionId>) -> Option<&Stored> {
        let versions = self.objects.get(key)?;
        let found = match version_id {
            Some(wanted) => versions.iter().find(|stored| stored.version_id.as_ref() == Some(wanted)),
            None => versions.last(),
        };
        found.filter(|stored| stored.content.is_some())
    }

    fn check(&self, key: &str, condition: Option<&Condition>) -> Result<(), u16> {
        let present = self.find(key, None).and_then(|stored| stored.content.as_ref());
        match (condition, present) {
            (Some(Condition::Absent), Some(_)) => Err(412),
            (Some(Condition::Is(_)), None) => Err(404),
            (Some(Condition::Is(etag)), Some(content)) if content.etag != *etag => Err(412),
            _ => Ok(()),
        }
    }

    fn store(&mut self, key: &str, content: Content, event: &'static str) -> ObjectHead {
        let stored = self.push(key, Some(content));
        let head = stored.head().expect("it was just stored with content");
        self.created.push(Created {
            event,
            key: key.to_owned(),
            size: head.size,
            etag: head.etag.clone(),
            version_id: head.version_id.clone(),
        });
        head
    }

    fn push(&mut self, key: &str, content: Option<Content>) -> Stored {
        self.count += 1;
        let id = || format!("version-{}", self.count).parse().expect("an id");
        let stored = Stored { version_id: self.versioned.then(id), content };
        let versions = self.objects.entry(key.to_owned()).or_default();
        if !self.versioned {
            versions.clear();
        }
        versions.push(stored.clone());
        stored
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256::of(bytes)
}

/// As long as S3's own, though not its MD5.
fn etag_of(bytes: &[u8], suffix: &str) -> ETag {
    let digest = sha256(bytes).to_string();
    format!("{}{suffix}", &digest[..32]).parse().expect("an entity tag")
}

/// The bytes of an object in chunks.
#[derive(Debug)]
pub struct MemoryBody {
    chunks: VecDeque<Bytes>,
    broken: bool,
}

impl ObjectBody for MemoryBody {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        match self.chunks.pop_front() {
            Some(chunk) => Ok(Some(chunk)),
            None if std::mem::take(&mut self.broken) => Err(Error::unavailable("S3", "the body broke off")),
            None => Ok(None),
        }
    }
}

impl OriginalStore for MemoryOriginals {
    type Body = MemoryBody;

    async fn head(
        &self,
        key: &ObjectKey,
        version_id: Option<&ObjectVersionId>,
    ) -> Result<Option<ObjectHead>> {
        Ok(self.lock().find(key.as_str(), version_id).and_then(Stored::head))
    }

    async fn get(&self, key: &ObjectKey, version_id: Option<&ObjectVersionId>) -> Result<Option<MemoryBody>> {
        let broken_after = self.lock().broken_after;
        let Some(mut read) = self.read(key.as_str(), version_id) else { return Ok(None) };
        let broken = broken_after.is_some();
        read.bytes.truncate(broken_after.unwrap_or(usize::MAX));
        let chunks = (0..read.bytes.len())
            .step_by(CHUNK)
            .map(|at| read.bytes.slice(at..read.bytes.len().min(at + CHUNK)))
            .collect();
        Ok(Some(MemoryBody { chunks, broken }))
    }

    async fn put(&self, key: &ObjectKey, object: NewObject) -> Result<Option<ObjectHead>> {
        let write = Write {
            bytes: object.bytes,
            content_type: object.content_type,
            version: Some(object.version),
            sha256: Some(object.sha256),
            condition: Some(Condition::Absent),
        };
        match self.write(key.as_str(), write) {
            Ok(head) => Ok(Some(head)),
            Err(412) => Ok(None),
            Err(status) => Err(Error::internal(format!("S3 answered {status}"))),
        }
    }

    async fn delete(&self, key: &ObjectKey, version_id: Option<&ObjectVersionId>) -> Result<()> {
        let mut bucket = self.lock();
        match version_id {
            Some(doomed) => {
                if let Some(versions) = bucket.objects.get_mut(key.as_str()) {
                    versions.retain(|stored| stored.version_id.as_ref() != Some(doomed));
                }
            }
            None if bucket.versioned => {
                bucket.push(key.as_str(), None);
            }
            None => {
                bucket.objects.remove(key.as_str());
            }
        }
        Ok(())
    }
}

impl MultipartStore for MemoryOriginals {
    async fn create(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        version: Version,
    ) -> Result<UploadId> {
        let mut bucket = self.lock();
        bucket.count += 1;
        let id: UploadId = format!("upload-{}", bucket.count).parse()?;
        let upload = Upload {
            key: key.to_string(),
            content_type: content_type.clone(),
            version,
            parts: BTreeMap::new(),
        };
        bucket.uploads.insert(id.clone(), upload);
        Ok(id)
    }

    async fn upload_part(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        number: u16,
        bytes: Bytes,
    ) -> Result<Option<ETag>> {
        Ok(self.write_part(key.as_str(), upload_id, number, bytes).ok())
    }

    async fn list_parts(&self, key: &ObjectKey, upload_id: &UploadId) -> Result<Option<Vec<UploadedPart>>> {
        let bucket = self.lock();
        let upload = bucket.uploads.get(upload_id).filter(|upload| upload.key == key.as_str());
        let part = |(&number, (etag, bytes)): (&u16, &(ETag, Bytes))| UploadedPart {
            number,
            etag: etag.clone(),
            size: bytes.len() as u64,
        };
        Ok(upload.map(|upload| upload.parts.iter().map(part).collect()))
    }

    async fn complete(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        parts: &[PartTag],
        replaces: Option<&ETag>,
    ) -> Result<Stitched> {
        let mut bucket = self.lock();
        let Some(upload) = bucket.uploads.get(upload_id).filter(|upload| upload.key == key.as_str()) else {
            return Ok(Stitched::NoSuchUpload);
        };
        let mut bytes = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let in_order = at == 0 || parts[at - 1].number < part.number;
            let have = upload.parts.get(&part.number).filter(|(etag, _)| in_order && *etag == part.etag);
            let is_last = at + 1 == parts.len();
            let fits = |have: &&(ETag, Bytes)| is_last || have.1.len() as u64 >= bucket.min_part_size;
            let Some((_, part)) = have.filter(fits) else { return Ok(Stitched::PartsRefused) };
            bytes.extend_from_slice(part);
        }
        if parts.is_empty() {
            return Ok(Stitched::PartsRefused);
        }
        let condition = replaces.map_or(Condition::Absent, |etag| Condition::Is(etag.clone()));
        if bucket.check(key.as_str(), Some(&condition)).is_err() {
            return Ok(Stitched::PreconditionFailed);
        }
        let content = Content {
            etag: etag_of(&bytes, &format!("-{}", parts.len())),
            bytes: bytes.into(),
            media_type: upload.content_type.clone(),
            version: Some(upload.version),
            sha256: None,
        };
        bucket.uploads.remove(upload_id);
        bucket.stitched.insert(upload_id.clone());
        bucket.store(key.as_str(), content, "ObjectCreated:CompleteMultipartUpload");
        Ok(Stitched::Done)
    }

    async fn abort(&self, key: &ObjectKey, upload_id: &UploadId) -> Result<()> {
        let mut bucket = self.lock();
        if bucket.uploads.get(upload_id).is_some_and(|upload| upload.key == key.as_str()) {
            bucket.uploads.remove(upload_id);
        }
        Ok(())
    }
}

/// The bucket of derivatives. Clones are the same bucket.
#[derive(Debug, Clone, Default)]
pub struct MemoryDerived(Arc<Mutex<BTreeMap<DerivedKey, Read>>>);

impl MemoryDerived {
    /// What lies at a key.
    pub fn read(&self, key: &DerivedKey) -> Option<Read> {
        self.lock().get(key).cloned()
    }

    /// All keys.
    pub fn keys(&self) -> Vec<DerivedKey> {
        self.lock().keys().cloned().collect()
    }

    pub(crate) fn read_text_key(&self, key: &str) -> Option<Read> {
        self.lock().iter().find(|(have, _)| have.as_str() == key).map(|(_, read)| read.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DerivedKey, Read>> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl DerivedStore for MemoryDerived {
    async fn put(&self, key: &DerivedKey, content_type: &ContentType, bytes: Bytes) -> Result<()> {
        self.lock().insert(key.clone(), Read { bytes, content_type: content_type.clone() });
        Ok(())
    }

    async fn delete(&self, keys: &[DerivedKey]) -> Result<()> {
        self.lock().retain(|key, _| !keys.contains(key));
        Ok(())
    }
}
