//! Settings.

use std::time::Duration;

use sluice_lambda::config::{ConfigErrors, Env};
use sluice_media::{limits::Limits, profile::Profile};

/// What the environment says.
#[derive(Debug)]
pub struct Config {
    /// `STATE_TABLE`
    pub state_table: String,
    /// `ORIGINALS_BUCKET`
    pub originals: String,
    /// `DERIVED_BUCKET`
    pub derived: String,
    /// `LEASE_SECONDS`
    pub lease: Duration,
    /// `DERIVATIVES`, see [`Profile::from_json`]
    pub profile: Profile,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`
    pub limits: Limits,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// Every faulty variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut env = Env::new(lookup);
        let memory = env.function_memory();
        let config = Self {
            state_table: env.required("STATE_TABLE"),
            originals: env.required("ORIGINALS_BUCKET"),
            derived: env.required("DERIVED_BUCKET"),
            profile: env.parsed("DERIVATIVES", Profile::from_json),
            lease: env.seconds("LEASE_SECONDS", 90, 1..=900),
            limits: Limits::for_memory(memory),
        };
        env.finish(config)
    }
}
