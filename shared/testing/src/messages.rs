//! The queue and the WebSocket in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use sluice_core::{
    Result,
    ids::ConnectionId,
    ports::{Delivery, JobOrder, JobQueue, Notifier},
};

/// A queue that keeps its orders. Clones are the same queue.
#[derive(Debug, Clone, Default)]
pub struct MemoryQueue(Arc<Mutex<Vec<JobOrder>>>);

impl MemoryQueue {
    /// What lies on it, oldest first.
    pub fn orders(&self) -> Vec<JobOrder> {
        self.lock().clone()
    }

    /// Takes everything off it.
    pub fn drain(&self) -> Vec<JobOrder> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JobOrder>> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl JobQueue for MemoryQueue {
    async fn enqueue(&self, order: &JobOrder) -> Result<()> {
        self.lock().push(order.clone());
        Ok(())
    }

    async fn backlog(&self) -> Result<u64> {
        Ok(self.lock().len() as u64)
    }
}

/// Connections that keep what is pushed to them. One that was never opened here, or was closed, is gone.
#[derive(Debug, Clone, Default)]
pub struct MemoryNotifier(Arc<Mutex<Wires>>);

#[derive(Debug, Default)]
struct Wires {
    open: BTreeSet<ConnectionId>,
    frames: BTreeMap<ConnectionId, Vec<String>>,
}

impl MemoryNotifier {
    /// Opens a connection.
    pub fn open(&self, connection: &ConnectionId) {
        self.lock().open.insert(connection.clone());
    }

    /// Closes it without telling anyone.
    pub fn close(&self, connection: &ConnectionId) {
        self.lock().open.remove(connection);
    }

    /// Whether it is open.
    pub fn is_open(&self, connection: &ConnectionId) -> bool {
        self.lock().open.contains(connection)
    }

    /// What it received, oldest first.
    pub fn frames(&self, connection: &ConnectionId) -> Vec<String> {
        self.lock().frames.get(connection).cloned().unwrap_or_default()
    }

    /// The same as JSON.
    pub fn messages(&self, connection: &ConnectionId) -> Vec<serde_json::Value> {
        let parse = |frame: &String| serde_json::from_str(frame).expect("a frame is JSON");
        self.frames(connection).iter().map(parse).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl Notifier for MemoryNotifier {
    async fn push(&self, connection: &ConnectionId, text: &str) -> Result<Delivery> {
        let mut wires = self.lock();
        if !wires.open.contains(connection) {
            return Ok(Delivery::Gone);
        }
        wires.frames.entry(connection.clone()).or_default().push(text.to_owned());
        Ok(Delivery::Delivered)
    }

    async fn cut(&self, connection: &ConnectionId) -> Result<()> {
        self.close(connection);
        Ok(())
    }
}
