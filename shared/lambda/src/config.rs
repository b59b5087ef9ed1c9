//! Settings from environment variables. A function reads them once, at init, and learns of every fault at once:
//!
//! ```
//! # use std::time::Duration;
//! # use sluice_lambda::config::{ConfigErrors, Env};
//! struct Config {
//!     /// `STATE_TABLE`
//!     state_table: String,
//!     /// `LINK_TTL_SECONDS`, 900
//!     link_ttl: Duration,
//! }
//!
//! impl Config {
//!     fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
//!         let mut env = Env::new(lookup);
//!         let config = Self {
//!             state_table: env.required("STATE_TABLE"),
//!             link_ttl: env.link_ttl(),
//!         };
//!         env.finish(config)
//!     }
//! }
//! # assert!(Config::from_lookup(|_| None).is_err());
//! ```
//!
//! A faulty variable reads as something empty; [`Env::finish`] sees to it that no such config gets out.

use std::{fmt, ops::RangeInclusive, str::FromStr, time::Duration};

use sluice_core::{gate::GatePolicy, upload::MAX_OBJECT_SIZE, usage::Quota};

/// How long something signed may be good, in seconds. Signatures end with the session of the role that made them, which is
/// good for an hour.
const SIGNED_FOR: RangeInclusive<u64> = 60..=3600;

/// Looks a variable up in the process's environment: what `main` passes to `from_lookup`.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads variables and collects their faults.
pub struct Env<L> {
    lookup: L,
    faults: Vec<String>,
}

impl<L: Fn(&str) -> Option<String>> Env<L> {
    /// A reader over any lookup.
    pub const fn new(lookup: L) -> Self {
        Self { lookup, faults: Vec::new() }
    }

    /// A text that may be missing; empty is missing.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// A text that must be there.
    pub fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.fault(name, "is missing");
            String::new()
        })
    }

    /// An `http` or `https` URL that must be there; without a slash at its end.
    pub fn url(&mut self, name: &str) -> String {
        let text = self.required(name);
        if !text.is_empty() && !is_url(&text) {
            self.fault(name, "is no http or https URL");
        }
        text.trim_end_matches('/').to_owned()
    }

    /// The same for a URL that may be missing.
    pub fn optional_url(&mut self, name: &str) -> Option<String> {
        self.optional(name)?;
        Some(self.url(name))
    }

    /// A whole number within `range`; `default` if it is missing.
    pub fn number<N>(&mut self, name: &str, default: N, range: RangeInclusive<N>) -> N
    where
        N: FromStr + PartialOrd + fmt::Display,
    {
        let Some(text) = self.optional(name) else { return default };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.fault(name, format_args!("is not a number from {} to {}", range.start(), range.end()));
                default
            }
        }
    }

    /// A duration in whole seconds within `range`; `default` if it is missing.
    pub fn seconds(&mut self, name: &str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(name, default, range))
    }

    /// `LINK_TTL_SECONDS`: how long a signed link to read is good; 900, from a minute to an hour.
    pub fn link_ttl(&mut self) -> Duration {
        self.seconds("LINK_TTL_SECONDS", 900, SIGNED_FOR)
    }

    /// `GRANT_TTL_SECONDS`: how long a signed upload is good; 3600, from a minute to an hour.
    pub fn grant_ttl(&mut self) -> Duration {
        self.seconds("GRANT_TTL_SECONDS", 3600, SIGNED_FOR)
    }

    /// The gate's policy: `GATE_RULES` (JSON, see [`GatePolicy::new`]; `{}`, which takes everything),
    /// `MAX_FILE_SIZE_BYTES` (as much as S3 holds), `MAX_OPEN_UPLOADS` and `MAX_STORED_BYTES` of each owner (0: no limit).
    pub fn gate_policy(&mut self) -> GatePolicy {
        let rules = self.optional("GATE_RULES").unwrap_or_else(|| "{}".to_owned());
        let max_bytes = self.number("MAX_FILE_SIZE_BYTES", MAX_OBJECT_SIZE, 0..=MAX_OBJECT_SIZE);
        let open_uploads = Some(self.number("MAX_OPEN_UPLOADS", 0, 0..=u32::MAX)).filter(|limit| *limit > 0);
        let stored_bytes = Some(self.number("MAX_STORED_BYTES", 0, 0..=u64::MAX)).filter(|limit| *limit > 0);
        let quota = Quota { open_uploads, stored_bytes };
        GatePolicy::new(&rules, max_bytes, quota).unwrap_or_else(|reason| {
            self.fault("GATE_RULES", format_args!("are no rules: {reason}"));
            GatePolicy::default()
        })
    }

    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, which Lambda sets in megabytes, in bytes; 1,769 MB (one vCPU) where it is
    /// missing.
    pub fn function_memory(&mut self) -> u64 {
        self.number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 1769_u64, 128..=10_240) * 1024 * 1024
    }

    /// A text that is read as something; the default where it is missing.
    pub fn parsed<T: Default, E: fmt::Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        let Some(text) = self.optional(name) else { return T::default() };
        parse(&text).unwrap_or_else(|reason| {
            self.fault(name, format_args!("can't be used: {reason}"));
            T::default()
        })
    }

    /// Notes a fault that the caller found itself.
    pub fn fault(&mut self, name: &str, reason: impl fmt::Display) {
        self.faults.push(format!("{name} {reason}"));
    }

    /// The config, unless a variable was faulty.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn finish<C>(self, config: C) -> Result<C, ConfigErrors> {
        if self.faults.is_empty() { Ok(config) } else { Err(ConfigErrors(self.faults)) }
    }
}

fn is_url(text: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.trim_matches('/').is_empty()))
}

/// Everything that is wrong with the environment. Values are never told, for some are secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad configuration: {}", .0.join("; "))]
pub struct ConfigErrors(Vec<String>);

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&str, &str)]) -> Env<impl Fn(&str) -> Option<String>> {
        Env::new(|name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn values_are_read_and_defaults_stand_in() {
        let mut env =
            env(&[("TABLE", " state "), ("TTL", "60"), ("URL", "http://127.0.0.1:1/live/"), ("X", "")]);
        assert_eq!(env.required("TABLE"), "state");
        assert_eq!(env.seconds("TTL", 900, 60..=900), Duration::from_mins(1));
        assert_eq!(env.number("BATCH", 500_u16, 1..=500), 500);
        assert_eq!(env.url("URL"), "http://127.0.0.1:1/live");
        assert_eq!(env.optional("X"), None);
        assert_eq!(env.optional_url("X"), None);
        assert!(env.finish(()).is_ok());
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let mut env = env(&[("TTL", "59"), ("BATCH", "many"), ("URL", "https://")]);
        env.required("TABLE");
        env.seconds("TTL", 900, 60..=900);
        env.number("BATCH", 500_u16, 1..=500);
        env.url("URL");
        assert_eq!(
            env.finish(()).unwrap_err().to_string(),
            "bad configuration: TABLE is missing; TTL is not a number from 60 to 900; \
             BATCH is not a number from 1 to 500; URL is no http or https URL"
        );
    }
}
