//! Settings.

use sluice_core::gate::GatePolicy;
use sluice_lambda::config::{ConfigErrors, Env};
use sluice_media::{limits::Limits, profile::Profile};

use crate::ingest::ReadLimits;

/// What the environment says.
#[derive(Debug)]
pub struct Config {
    /// `STATE_TABLE`
    pub state_table: String,
    /// `ORIGINALS_BUCKET`
    pub originals: String,
    /// `CONVERT_QUEUE_URL`
    pub convert_queue: String,
    /// `INGEST_QUEUE_URL`
    pub ingest_queue: String,
    /// `HASH_LIMIT_BYTES`, `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`
    pub limits: ReadLimits,
    /// `GATE_RULES`, `MAX_FILE_SIZE_BYTES`, see [`Env::gate_policy`]
    pub gate: GatePolicy,
    /// `GATE_FUNCTION`
    pub gate_function: Option<String>,
    /// `DERIVATIVES`: whether one of them is required
    pub required: bool,
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
            convert_queue: env.url("CONVERT_QUEUE_URL"),
            ingest_queue: env.url("INGEST_QUEUE_URL"),
            gate: env.gate_policy(),
            gate_function: env.optional("GATE_FUNCTION"),
            required: env.parsed("DERIVATIVES", Profile::from_json).is_required(),
            limits: ReadLimits {
                hash_bytes: env.number("HASH_LIMIT_BYTES", 8 << 30, 0..=u64::MAX),
                // the bytes, and beside them what decoding takes
                image_bytes: memory / 8,
                decode: Limits::for_memory(memory),
            },
        };
        env.finish(config)
    }
}
