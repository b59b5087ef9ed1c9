//! An operator's gate function in memory.

use std::sync::{Arc, Mutex};

use sluice_core::{
    Error, ErrorKind, Result,
    gate::{GateAnswer, GateRequest},
    ports::GateFunction,
};

/// Answers what it was told to, and keeps what it was asked. Clones are the same function.
#[derive(Debug, Clone, Default)]
pub struct MemoryGate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    answer: Option<GateAnswer>,
    asked: Vec<serde_json::Value>,
}

impl MemoryGate {
    /// A function that answers this.
    pub fn answering(answer: GateAnswer) -> Self {
        Self(Arc::new(Mutex::new(State { answer: Some(answer), asked: Vec::new() })))
    }

    /// A function that fails.
    pub fn failing() -> Self {
        Self::default()
    }

    /// The requests so far, as JSON.
    pub fn asked(&self) -> Vec<serde_json::Value> {
        self.0.lock().expect("no test panics while it holds this").asked.clone()
    }
}

impl GateFunction for MemoryGate {
    async fn judge(&self, request: &GateRequest<'_>) -> Result<GateAnswer> {
        let mut state = self.0.lock().expect("no test panics while it holds this");
        state.asked.push(serde_json::to_value(request).map_err(Error::internal)?);
        let failed = || Error::new(ErrorKind::Unavailable, "unavailable", "the function failed");
        state.answer.clone().ok_or_else(failed)
    }
}
