//! What tus needs, in memory: its uploads' records, and the staging bucket.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use sluice_core::{
    Error, Result,
    ids::{OwnerId, Sha256, UploadId},
    names::ObjectKey,
    ports::{Copied, Locking, Saved, StagingStore, TusUploadRepository},
    time::Timestamp,
    tus::{Lock, StagingKey, State, TusUpload},
    upload::MIN_PART_SIZE,
};

use crate::s3::MemoryOriginals;

/// The records of uploads. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct MemoryUploads(Arc<Mutex<BTreeMap<Sha256, TusUpload>>>);

impl MemoryUploads {
    /// All records.
    pub fn all(&self) -> Vec<TusUpload> {
        self.lock_all().values().cloned().collect()
    }

    /// All records, with what they are found by.
    pub fn records(&self) -> Vec<(Sha256, TusUpload)> {
        self.lock_all().iter().map(|(id, upload)| (*id, upload.clone())).collect()
    }

    /// Deletes records whose time is over, as the table does by itself at some time.
    pub fn expire(&self, now: Timestamp) {
        self.lock_all().retain(|_, upload| upload.kept_until() > now);
    }

    fn lock_all(&self) -> MutexGuard<'_, BTreeMap<Sha256, TusUpload>> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl TusUploadRepository for MemoryUploads {
    async fn create(&self, id: Sha256, upload: &TusUpload) -> Result<Saved> {
        let mut uploads = self.lock_all();
        if uploads.contains_key(&id) {
            return Ok(Saved::Conflict);
        }
        uploads.insert(id, upload.clone());
        Ok(Saved::Yes)
    }

    async fn get(&self, id: Sha256) -> Result<Option<TusUpload>> {
        Ok(self.lock_all().get(&id).cloned())
    }

    async fn lock(&self, id: Sha256, owner: Option<&OwnerId>, offset: u64, lock: &Lock) -> Result<Locking> {
        let mut uploads = self.lock_all();
        let Some(stored) = uploads.get_mut(&id) else { return Ok(Locking::Refused(None)) };
        let allowed = stored.job().is_some() || owner == Some(stored.owner());
        let free = stored.state() == State::Open && stored.offset() == offset && stored.lock().is_none();
        if !allowed || !free {
            return Ok(Locking::Refused(Some(Box::new(stored.clone()))));
        }
        *stored = stored.locked(lock.clone());
        Ok(Locking::Taken(Box::new(stored.clone())))
    }

    async fn save(&self, id: Sha256, upload: &TusUpload) -> Result<Saved> {
        let mut uploads = self.lock_all();
        match uploads.get_mut(&id).filter(|stored| stored.revision() + 1 == upload.revision()) {
            Some(stored) => {
                *stored = upload.clone();
                Ok(Saved::Yes)
            }
            None => Ok(Saved::Conflict),
        }
    }

    async fn remove(&self, id: Sha256, revision: u64) -> Result<Saved> {
        let mut uploads = self.lock_all();
        if uploads.get(&id).is_none_or(|stored| stored.revision() != revision) {
            return Ok(Saved::Conflict);
        }
        uploads.remove(&id);
        Ok(Saved::Yes)
    }
}

/// The staging bucket. Clones are the same bucket.
#[derive(Debug, Clone)]
pub struct MemoryStaging {
    bucket: MemoryOriginals,
    originals: MemoryOriginals,
}

impl MemoryStaging {
    /// The objects of `bucket`, which S3 copies from into `originals`.
    pub fn new(bucket: &MemoryOriginals, originals: &MemoryOriginals) -> Self {
        Self { bucket: bucket.clone(), originals: originals.clone() }
    }
}

impl StagingStore for MemoryStaging {
    async fn put(&self, key: &StagingKey, bytes: Bytes) -> Result<()> {
        self.bucket.put_at(key.as_str(), bytes);
        Ok(())
    }

    async fn get(&self, key: &StagingKey, range: Range<u64>) -> Result<Bytes> {
        let read = self.bucket.read(key.as_str(), None).map(|read| read.bytes);
        let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
        match (read, start, end) {
            (Some(bytes), Ok(start), Ok(end)) if start <= end && end <= bytes.len() => {
                Ok(bytes.slice(start..end))
            }
            _ => Err(Error::internal("there are no such bytes in the staging bucket")),
        }
    }

    async fn remove(&self, keys: &[StagingKey]) -> Result<()> {
        for key in keys {
            self.bucket.remove_at(key.as_str());
        }
        Ok(())
    }

    async fn copy_part(
        &self,
        source: &StagingKey,
        range: Option<Range<u64>>,
        key: &ObjectKey,
        upload_id: &UploadId,
        number: u16,
    ) -> Result<Copied> {
        let Some(whole) = self.bucket.read(source.as_str(), None) else { return Ok(Copied::NoSuchSource) };
        let bytes = match range {
            Some(_) if whole.bytes.len() as u64 <= MIN_PART_SIZE => {
                return Err(Error::internal("S3 takes no range of so small a source"));
            }
            Some(range) => self.get(source, range).await?,
            None => whole.bytes,
        };
        let written = self.originals.write_part(key.as_str(), upload_id, number, bytes);
        Ok(if written.is_ok() { Copied::Done } else { Copied::NoSuchUpload })
    }
}
