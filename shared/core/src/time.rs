//! Points in time, in whole milliseconds, written always in the same width (RFC 3339, UTC), so that their text
//! sorts as they do: sort keys of the state table rely on it.

use std::{fmt, str::FromStr, time::Duration};

use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// A point in time in whole milliseconds, `2026-01-31T08:15:30.250Z` as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// From milliseconds since 1970-01-01T00:00:00Z; a value beyond the calendar's end is cut to it.
    pub fn from_millis(millis: i64) -> Self {
        let clamped =
            millis.clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        Self(jiff::Timestamp::from_millisecond(clamped).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// From whole seconds since 1970-01-01T00:00:00Z.
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Whole seconds since 1970-01-01T00:00:00Z (a TTL attribute, the `exp` of a JWT).
    pub fn as_seconds(self) -> i64 {
        self.0.as_second()
    }

    /// This much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(
            self.as_millis().saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This much earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millis(
            self.as_millis().saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long until `later`; zero if that is past.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.as_millis() - self.as_millis()).unwrap_or(0))
    }

    /// The form of HTTP's headers, `Sat, 31 Jan 2026 08:15:30 GMT` (RFC 9110, section 5.6.7).
    pub fn to_http_date(self) -> String {
        self.0.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// The compact form of AWS Signature Version 4, `20260131T081530Z`.
    pub fn to_amz_date(self) -> String {
        self.0.strftime("%Y%m%dT%H%M%SZ").to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&PRINTER.timestamp_to_string(&self.0))
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed: jiff::Timestamp = text
            .parse()
            .map_err(|_| Error::invalid_field("time", "not an RFC 3339 time such as 2026-01-31T08:15:30Z"))?;
        Ok(Self::from_millis(parsed.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_one_width_and_sorts_as_time_does() {
        let early = Timestamp::from_millis(1_700_000_000_000);
        let late = early.plus(Duration::from_millis(7));
        assert_eq!(early.to_string(), "2023-11-14T22:13:20.000Z");
        assert_eq!(late.to_string(), "2023-11-14T22:13:20.007Z");
        assert!(early.to_string() < late.to_string());
        assert_eq!(late.to_string().parse::<Timestamp>().unwrap(), late);
        assert_eq!(early.to_amz_date(), "20231114T221320Z");
        assert_eq!(early.to_http_date(), "Tue, 14 Nov 2023 22:13:20 GMT");
    }

    #[test]
    fn no_number_is_out_of_range() {
        assert!(Timestamp::from_millis(i64::MAX) > Timestamp::from_millis(i64::MIN));
        assert_eq!(Timestamp::from_seconds(5).until(Timestamp::from_seconds(3)), Duration::ZERO);
    }
}
