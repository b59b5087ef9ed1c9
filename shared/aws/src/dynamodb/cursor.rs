//! Where a listing goes on. To clients a cursor is an opaque text; it holds which listing and whose it is, and the sort
//! key of the last item. It gives no rights: the owner's partition always comes from the caller's token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use sluice_core::{
    Error, Result,
    ids::{AssetId, OwnerId},
    time::Timestamp,
};

use super::schema::{self, CANCELLED, Item, OWNER_CREATED, OWNER_UPDATED, asset_key, owner_pk, time_sk};

/// A listing of an owner's assets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Listing {
    ByCreation,
    CancelledByCreation,
    ByChange,
}

impl Listing {
    pub(super) const fn index(self) -> &'static str {
        match self {
            Self::ByCreation | Self::CancelledByCreation => OWNER_CREATED,
            Self::ByChange => OWNER_UPDATED,
        }
    }

    pub(super) const fn sort_attribute(self) -> &'static str {
        match self {
            Self::ByCreation | Self::CancelledByCreation => "created_sk",
            Self::ByChange => "updated_sk",
        }
    }

    /// An asset's sort key in it.
    fn sort_key(self, time: Timestamp, id: AssetId) -> String {
        let prefix = if matches!(self, Self::CancelledByCreation) { CANCELLED } else { "" };
        format!("{prefix}{}", time_sk(time, id))
    }

    /// The start of its cursors: the listing, and enough of the owner's digest to notice a mix-up.
    fn tag(self, owner: &OwnerId) -> String {
        let digest = Sha256::digest(owner.as_str());
        let digest = digest.get(..8).unwrap_or_default();
        format!("{self:?}:{}:", hex::encode(digest))
    }

    /// The cursor after an item with this sort key.
    pub(super) fn cursor(self, owner: &OwnerId, time: Timestamp, id: AssetId) -> String {
        URL_SAFE_NO_PAD.encode(self.tag(owner) + &time_sk(time, id))
    }

    /// The key that a query goes on after.
    ///
    /// # Errors
    /// `invalid_field` for a text that this listing of this owner never gave.
    pub(super) fn start_key(self, owner: &OwnerId, cursor: &str) -> Result<Item> {
        let invalid = || Error::invalid_field("cursor", "not one that this listing gave");
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let decoded = String::from_utf8(bytes).map_err(|_| invalid())?;
        let (time, id) = decoded
            .strip_prefix(&self.tag(owner))
            .and_then(|sort_key| sort_key.split_once('#'))
            .ok_or_else(invalid)?;
        let time: Timestamp = time.parse().map_err(|_| invalid())?;
        let id: AssetId = id.parse().map_err(|_| invalid())?;
        let mut key = asset_key(id);
        key.insert("owner_pk".to_owned(), schema::text(owner_pk(owner)));
        key.insert(self.sort_attribute().to_owned(), schema::text(self.sort_key(time, id)));
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_serves_the_listing_and_the_owner_that_got_it() {
        let alice: OwnerId = "alice".parse().unwrap();
        let bob: OwnerId = "bob".parse().unwrap();
        let id: AssetId = "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f".parse().unwrap();
        let cursor = Listing::ByCreation.cursor(&alice, Timestamp::from_millis(7), id);
        let key = Listing::ByCreation.start_key(&alice, &cursor).unwrap();
        assert_eq!(key["pk"].as_s().unwrap(), &format!("A#{id}"));
        assert_eq!(key["owner_pk"].as_s().unwrap(), "O#alice");
        assert_eq!(key["created_sk"].as_s().unwrap(), &format!("1970-01-01T00:00:00.007Z#{id}"));
        let code = |listing: Listing, owner: &OwnerId, cursor: &str| {
            listing.start_key(owner, cursor).unwrap_err().code()
        };
        assert_eq!(code(Listing::ByCreation, &bob, &cursor), "invalid_field");
        assert_eq!(code(Listing::ByChange, &alice, &cursor), "invalid_field");
        assert_eq!(code(Listing::CancelledByCreation, &alice, &cursor), "invalid_field");
        let cursor = Listing::CancelledByCreation.cursor(&alice, Timestamp::from_millis(7), id);
        let key = Listing::CancelledByCreation.start_key(&alice, &cursor).unwrap();
        assert_eq!(key["created_sk"].as_s().unwrap(), &format!("cancelled#1970-01-01T00:00:00.007Z#{id}"));
        let forged = URL_SAFE_NO_PAD.encode(Listing::ByCreation.tag(&alice) + "now#x");
        for bad in ["", "%", "AAAA", &cursor[1..], &forged] {
            assert_eq!(code(Listing::ByCreation, &alice, bad), "invalid_field", "{bad}");
        }
    }
}
