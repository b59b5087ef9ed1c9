//! Settings.

use std::time::Duration;

use sluice_core::gate::GatePolicy;
use sluice_lambda::config::{ConfigErrors, Env};

/// What the environment says.
#[derive(Debug)]
pub struct Config {
    /// `STATE_TABLE`
    pub state_table: String,
    /// `ORIGINALS_BUCKET`
    pub originals: String,
    /// `INGEST_QUEUE_URL`
    pub ingest_queue: String,
    /// See [`Env::gate_policy`].
    pub gate: GatePolicy,
    /// `GATE_FUNCTION`
    pub gate_function: Option<String>,
    /// `GRANT_TTL_SECONDS`
    pub grant_ttl: Duration,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// Every faulty variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut env = Env::new(lookup);
        let config = Self {
            state_table: env.required("STATE_TABLE"),
            originals: env.required("ORIGINALS_BUCKET"),
            ingest_queue: env.url("INGEST_QUEUE_URL"),
            gate: env.gate_policy(),
            gate_function: env.optional("GATE_FUNCTION"),
            grant_ttl: env.grant_ttl(),
        };
        env.finish(config)
    }
}
