//! Settings.

use sluice_core::gate::GatePolicy;
use sluice_lambda::{
    bearer::BearerConfig,
    config::{ConfigErrors, Env},
};

/// What the environment says.
#[derive(Debug)]
pub struct Config {
    /// `STATE_TABLE`
    pub state_table: String,
    /// `ORIGINALS_BUCKET`
    pub originals: String,
    /// `STAGING_BUCKET`
    pub staging: String,
    /// `INGEST_QUEUE_URL`
    pub ingest_queue: String,
    /// `JWT_SECRET_ARN` or `JWT_JWKS_URL`, `JWT_ISSUER`, `JWT_AUDIENCE`
    pub bearer: BearerConfig,
    /// See [`Env::gate_policy`].
    pub gate: GatePolicy,
    /// `GATE_FUNCTION`
    pub gate_function: Option<String>,
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
            staging: env.required("STAGING_BUCKET"),
            ingest_queue: env.url("INGEST_QUEUE_URL"),
            bearer: BearerConfig::read(&mut env),
            gate: env.gate_policy(),
            gate_function: env.optional("GATE_FUNCTION"),
        };
        env.finish(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_at_once() {
        let faults = Config::from_lookup(|_| None).unwrap_err().to_string();
        for name in
            ["STATE_TABLE", "ORIGINALS_BUCKET", "STAGING_BUCKET", "INGEST_QUEUE_URL", "JWT_SECRET_ARN"]
        {
            assert!(faults.contains(name), "{faults}");
        }
        let config = Config::from_lookup(|name| {
            let value = match name {
                "INGEST_QUEUE_URL" => "https://sqs.example/queue",
                "JWT_JWKS_URL"
                | "GATE_RULES"
                | "MAX_FILE_SIZE_BYTES"
                | "MAX_OPEN_UPLOADS"
                | "MAX_STORED_BYTES" => "",
                _ => "value",
            };
            Some(value.to_owned())
        });
        assert_eq!(config.unwrap().gate, GatePolicy::default());
    }
}
