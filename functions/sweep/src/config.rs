//! Settings.

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
    /// `CONVERT_QUEUE_URL`
    pub convert_queue: String,
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
            convert_queue: env.url("CONVERT_QUEUE_URL"),
        };
        env.finish(config)
    }
}
