//! Settings.

use std::time::Duration;

use sluice_lambda::config::{ConfigErrors, Env};

/// What the environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `STATE_TABLE`
    pub state_table: String,
    /// `ORIGINALS_BUCKET`
    pub originals_bucket: String,
    /// `DERIVED_BUCKET`
    pub derived_bucket: String,
    /// `WEBSOCKET_ENDPOINT`
    pub websocket_endpoint: String,
    /// `LINK_TTL_SECONDS`, 900
    pub link_ttl: Duration,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// Every bad variable at once.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut env = Env::new(lookup);
        let config = Self {
            state_table: env.required("STATE_TABLE"),
            originals_bucket: env.required("ORIGINALS_BUCKET"),
            derived_bucket: env.required("DERIVED_BUCKET"),
            websocket_endpoint: env.url("WEBSOCKET_ENDPOINT"),
            link_ttl: env.link_ttl(),
        };
        env.finish(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_at_once() {
        let errors =
            Config::from_lookup(|name| (name == "LINK_TTL_SECONDS").then(|| "1".to_owned())).unwrap_err();
        assert_eq!(
            errors.to_string(),
            "bad configuration: STATE_TABLE is missing; ORIGINALS_BUCKET is missing; DERIVED_BUCKET is missing; \
             WEBSOCKET_ENDPOINT is missing; LINK_TTL_SECONDS is not a number from 60 to 3600"
        );
    }
}
