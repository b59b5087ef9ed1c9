//! Settings.

use std::time::Duration;

use sluice_core::{
    gate::GatePolicy,
    upload::{MAX_PART_SIZE, MIB, MIN_PART_SIZE, UploadPolicy},
};
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
    /// See [`Env::gate_policy`].
    pub gate: GatePolicy,
    /// `GATE_FUNCTION`
    pub gate_function: Option<String>,
    /// `DIRECT_LIMIT_BYTES`, `PART_SIZE_BYTES`, `PART_BATCH`, `GRANT_TTL_SECONDS`
    pub policy: UploadPolicy,
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
            gate: env.gate_policy(),
            gate_function: env.optional("GATE_FUNCTION"),
            policy: UploadPolicy {
                direct_limit: env.number("DIRECT_LIMIT_BYTES", 10 * MIB, MIN_PART_SIZE..=MAX_PART_SIZE),
                part_size: env.number("PART_SIZE_BYTES", MIN_PART_SIZE, MIN_PART_SIZE..=MAX_PART_SIZE),
                min_part_size: MIN_PART_SIZE,
                // an answer of 500 signed URLs is about 600 KB of the 6 MB that Lambda answers
                batch: env.number("PART_BATCH", 500, 1..=500),
                grant_ttl: env.grant_ttl(),
            },
            link_ttl: env.link_ttl(),
        };
        env.finish(config)
    }
}
