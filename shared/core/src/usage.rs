//! What an owner has, and may have.
//!
//! Every asset counts for something ([`Asset::usage`](crate::asset::Asset::usage)), worked out from its state alone. The
//! sum over an owner's assets is kept beside them and changed in the transaction that writes the asset, so that it is
//! exact whatever is lost, repeated or raced, and never above the quota after a grant or an arrival: bytes that come where
//! no room was kept for them, and for which there is none, are refused.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    upload::SizeRange,
};

/// What an asset counts for, or all of an owner's together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Uploads that bytes are still expected of.
    pub open_uploads: u32,
    /// Bytes kept, and bytes that room was granted for. A duplicate has none of its own; an upload of unknown size
    /// counts when its bytes are there.
    pub stored_bytes: u64,
}

impl Usage {
    /// What is more (or less) than `before`.
    pub fn since(self, before: Self) -> UsageChange {
        UsageChange {
            open_uploads: i64::from(self.open_uploads) - i64::from(before.open_uploads),
            stored_bytes: i64::try_from(i128::from(self.stored_bytes) - i128::from(before.stored_bytes))
                .unwrap_or(i64::MAX),
        }
    }

    /// This after a change. A sum never falls below nothing.
    #[must_use]
    pub fn plus(self, change: UsageChange) -> Self {
        let open = i64::from(self.open_uploads).saturating_add(change.open_uploads).max(0);
        Self {
            open_uploads: u32::try_from(open).unwrap_or(u32::MAX),
            stored_bytes: self.stored_bytes.saturating_add_signed(change.stored_bytes),
        }
    }
}

/// How much more, or less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageChange {
    /// Open uploads.
    pub open_uploads: i64,
    /// Bytes.
    pub stored_bytes: i64,
}

impl UsageChange {
    /// No change.
    pub const NONE: Self = Self { open_uploads: 0, stored_bytes: 0 };
}

/// What an owner may have. A limit stops only what would add to what it limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quota {
    /// The most open uploads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_uploads: Option<u32>,
    /// The most bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
}

impl Quota {
    /// As much as there is.
    pub const UNLIMITED: Self = Self { open_uploads: None, stored_bytes: None };
    /// The error of bytes that there is no room for.
    pub const EXCEEDED: &str = "quota_exceeded";
    /// The error of an upload more than may be open.
    pub const TOO_MANY: &str = "too_many_uploads";

    /// Whether it limits nothing.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::UNLIMITED
    }

    /// A size that isn't said, cut to what is left of the bytes: nobody may send more than there is room for. What comes
    /// of it counts when it is there, so that several may be open at once.
    ///
    /// # Errors
    /// `quota_exceeded` where nothing is left.
    pub fn cut(&self, size: SizeRange, usage: Usage) -> Result<SizeRange> {
        let Some(limit) = self.stored_bytes.filter(|_| size.exact().is_none()) else { return Ok(size) };
        let left = limit.saturating_sub(usage.stored_bytes);
        if left == 0 {
            self.check(usage, UsageChange { stored_bytes: 1, ..UsageChange::NONE })?;
        }
        Ok(SizeRange::at_most(left.min(size.max())))
    }

    /// Whether an owner with `usage` may have `change` more.
    ///
    /// # Errors
    /// `too_many_uploads`, `quota_exceeded`.
    pub fn check(&self, usage: Usage, change: UsageChange) -> Result<()> {
        let after = usage.plus(change);
        if let Some(limit) = self.open_uploads
            && change.open_uploads > 0
            && after.open_uploads > limit
        {
            return Err(Error::new(
                ErrorKind::Throttled,
                Self::TOO_MANY,
                format!("{} uploads are open; {limit} may be", usage.open_uploads),
            ));
        }
        if let Some(limit) = self.stored_bytes
            && change.stored_bytes > 0
            && after.stored_bytes > limit
        {
            return Err(Error::new(
                ErrorKind::Forbidden,
                Self::EXCEEDED,
                format!(
                    "{} bytes are stored or on their way; with this file they would be {} of the {limit} allowed",
                    usage.stored_bytes, after.stored_bytes
                ),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_to_the_last_one_and_stops_only_what_adds() {
        let quota = Quota { open_uploads: Some(2), stored_bytes: Some(100) };
        let code = |open, bytes, more_open, more_bytes| {
            let usage = Usage { open_uploads: open, stored_bytes: bytes };
            let change = UsageChange { open_uploads: more_open, stored_bytes: more_bytes };
            quota.check(usage, change).map_err(|error| error.code())
        };
        assert_eq!(code(1, 90, 1, 10), Ok(()));
        assert_eq!(code(2, 0, 1, 0), Err("too_many_uploads"));
        assert_eq!(code(0, 90, 1, 11), Err("quota_exceeded"));
        assert_eq!(code(5, 900, -1, -10), Ok(()), "what takes away is never stopped");
        assert_eq!(code(5, 900, 0, 0), Ok(()));
    }

    #[test]
    fn a_size_that_is_not_said_is_at_most_what_is_left() {
        let quota = Quota { stored_bytes: Some(100), ..Quota::UNLIMITED };
        let cut = |size, stored_bytes| {
            quota.cut(size, Usage { stored_bytes, open_uploads: 0 }).map_err(|error| error.code())
        };
        assert_eq!(cut(SizeRange::at_most(1_000), 40), Ok(SizeRange::at_most(60)));
        assert_eq!(cut(SizeRange::at_most(50), 40), Ok(SizeRange::at_most(50)));
        assert_eq!(cut(SizeRange::at_most(50), 100), Err("quota_exceeded"));
        assert_eq!(
            cut(SizeRange::exactly(500), 40),
            Ok(SizeRange::exactly(500)),
            "what is said is counted itself"
        );
    }

    #[test]
    fn a_change_is_what_lies_between() {
        let before = Usage { open_uploads: 3, stored_bytes: 50 };
        let after = Usage { open_uploads: 1, stored_bytes: 70 };
        assert_eq!(before.plus(after.since(before)), after);
        assert_eq!(Usage::default().plus(Usage::default().since(before)), Usage::default());
    }
}
