//! Settings.

use std::time::Duration;

use sluice_lambda::{
    bearer::BearerConfig,
    config::{ConfigErrors, Env},
};

/// What the environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `STATE_TABLE`
    pub state_table: String,
    /// `JWT_SECRET_ARN` or `JWT_JWKS_URL`, `JWT_ISSUER`, `JWT_AUDIENCE`
    pub bearer: BearerConfig,
    /// `TICKET_TTL_SECONDS`, 60
    pub ticket_ttl: Duration,
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
            bearer: BearerConfig::read(&mut env),
            ticket_ttl: env.seconds("TICKET_TTL_SECONDS", 60, 1..=600),
        };
        env.finish(config)
    }
}

#[cfg(test)]
mod tests {
    use sluice_lambda::bearer::KeyConfig;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
        Config::from_lookup(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
        .map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_secret_needs_no_issuer_and_published_keys_do() {
        let config = read(&[("STATE_TABLE", "t"), ("JWT_SECRET_ARN", "arn")]).unwrap();
        assert_eq!(
            (config.bearer.keys, config.bearer.expected.issuer),
            (KeyConfig::Secret("arn".to_owned()), None)
        );
        assert_eq!(config.ticket_ttl, Duration::from_mins(1));
        let published = [("STATE_TABLE", "t"), ("JWT_JWKS_URL", "https://id.example/jwks")];
        assert_eq!(
            read(&published).unwrap_err(),
            "bad configuration: JWT_ISSUER is missing; JWT_AUDIENCE is missing"
        );
        let named = [&published[..], &[("JWT_ISSUER", "i"), ("JWT_AUDIENCE", "a")]].concat();
        assert_eq!(
            read(&named).unwrap().bearer.keys,
            KeyConfig::Published("https://id.example/jwks".to_owned())
        );
    }

    #[test]
    fn there_is_one_kind_of_key() {
        assert!(read(&[("STATE_TABLE", "t")]).unwrap_err().contains("are both missing"));
        let both = [("STATE_TABLE", "t"), ("JWT_SECRET_ARN", "a"), ("JWT_JWKS_URL", "https://id.example")];
        assert!(read(&both).unwrap_err().contains("are both set"));
    }
}
