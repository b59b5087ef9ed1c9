//! Requests with an idempotency key, in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use sluice_core::{
    Result, idempotency::KeyRecord, ids::Sha256, ports::IdempotencyRepository, time::Timestamp,
};

/// The records. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct MemoryKeys(Arc<Mutex<BTreeMap<Sha256, KeyRecord>>>);

impl MemoryKeys {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Sha256, KeyRecord>> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl IdempotencyRepository for MemoryKeys {
    async fn claim(&self, record: &KeyRecord, now: Timestamp) -> Result<Option<KeyRecord>> {
        let mut records = self.lock();
        if let Some(there) = records.get(&record.id).filter(|there| there.expires_at() > now) {
            return Ok(Some(there.clone()));
        }
        records.insert(record.id, record.clone());
        Ok(None)
    }

    async fn replace(&self, there: &KeyRecord, record: &KeyRecord) -> Result<bool> {
        let mut records = self.lock();
        let Some(present) = records.get_mut(&record.id) else { return Ok(false) };
        if present.turn == there.turn && present.seed == there.seed {
            *present = record.clone();
        }
        Ok(*present == *record)
    }
}
