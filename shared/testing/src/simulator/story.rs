//! What happened, line by line. It costs nothing where nobody reads it.

use std::{
    fmt::Display,
    sync::{Arc, Mutex},
};

/// A story. Clones tell the same one.
#[derive(Debug, Clone, Default)]
pub struct Story(Option<Arc<Mutex<Vec<String>>>>);

impl Story {
    /// One that nobody reads.
    pub const fn untold() -> Self {
        Self(None)
    }

    /// One that is kept.
    pub fn kept() -> Self {
        Self(Some(Arc::default()))
    }

    /// Tells a line, made only if somebody reads it.
    pub fn tell<L: Display>(&self, line: impl FnOnce() -> L) {
        if let Some(lines) = &self.0 {
            let line = line().to_string();
            lines.lock().expect("no test panics while it holds this").push(line);
        }
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        let lines = |lines: &Arc<Mutex<Vec<String>>>| {
            lines.lock().expect("no test panics while it holds this").clone()
        };
        self.0.as_ref().map(lines).unwrap_or_default()
    }
}
