//! What the operator lets in: everything in most seeds; in some only certain types and sizes, in some no more than a quota.
//!
//! What [`Rules::takes`] says is worked out here once more, apart from the product, from the bytes alone.

use sluice_core::{gate::GatePolicy, upload::MAX_OBJECT_SIZE, usage::Quota};
use sluice_testing::simulator::Chance;

use crate::contents::type_of;

/// Below which root a store's files lie.
pub const STORE: &str = "stores/42";

/// The rules of a seed.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The largest pictures and texts that are taken, and nothing of any other type; all there is where it is none.
    largest: Option<Largest>,
    /// What each owner may have.
    pub quota: Quota,
}

#[derive(Debug, Clone, Copy)]
struct Largest {
    picture: u64,
    text: u64,
}

/// Rules stand in one of so many seeds.
const RULED: u64 = 3;
/// A quota stands in one of so many.
const LIMITED: u64 = 4;

impl Rules {
    /// The rules of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let chance = Chance::of_seed(seed ^ 0x6A7E);
        let most = |chance: &Chance| if chance.one_in(2) { 100 } else { 1_000 };
        let largest = chance.one_in(RULED).then(|| Largest { picture: most(&chance), text: most(&chance) });
        let quota = if chance.one_in(LIMITED) {
            Quota {
                open_uploads: chance.one_in(3).then(|| *chance.pick(&[2, 5])),
                stored_bytes: Some(*chance.pick(&[150, 400, 1_000])),
            }
        } else {
            Quota::UNLIMITED
        };
        Self { largest, quota }
    }

    /// Whether there is a size that is too large.
    pub const fn limit_sizes(&self) -> bool {
        self.largest.is_some() || self.quota.stored_bytes.is_some()
    }

    /// The same as the product reads them.
    pub fn policy(&self) -> GatePolicy {
        let rules = match self.largest {
            None => "{}".to_owned(),
            Some(Largest { picture, text }) => format!(
                r#"{{"image": {{"types": ["image/gif"], "max_bytes": {picture}}},
                    "document": {{"types": ["text/plain", "application/pdf"], "max_bytes": {text}}},
                    "*": {{"types": []}}}}"#
            ),
        };
        GatePolicy::new(&rules, MAX_OBJECT_SIZE, self.quota).unwrap()
    }

    /// Whether these bytes may be kept, whatever was said of them.
    pub fn takes(&self, bytes: &[u8]) -> bool {
        let Some(largest) = self.largest else { return true };
        let most = match type_of(bytes) {
            "image/gif" => largest.picture,
            "text/plain" => largest.text,
            _ => return false,
        };
        bytes.len() as u64 <= most
    }
}

/// Whether who has a token that names these roots may write below the root of this key.
pub fn may_write(roots: &str, key: &str) -> bool {
    roots == STORE || !key.starts_with("stores/")
}
