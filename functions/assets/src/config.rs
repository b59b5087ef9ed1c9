//! Settings.

use std::time::Duration;

use sluice_lambda::config::{ConfigErrors, Env};

/// What the environment says.
#[derive(Debug)]
pub struct Config {
    /// `STATE_TABLE`
    pub state_table: String,
    /// `ORIGINALS_BUCKET`
    pub originals: String,
    /// `DERIVED_BUCKET`
    pub derived: String,
    /// `LINK_TTL_SECONDS`
    pub link_ttl: Duration,
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
            derived: env.required("DERIVED_BUCKET"),
            link_ttl: env.link_ttl(),
        };
        env.finish(config)
    }
}
