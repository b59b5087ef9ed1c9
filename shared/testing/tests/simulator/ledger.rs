//! What the clients know, and what must therefore hold: which file they meant by a name, what they were granted, what S3
//! took, what they were told, what they cancelled.

use std::collections::{BTreeMap, BTreeSet};

use sluice_core::ids::AssetId;

use crate::contents::Content;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's number.
    pub invariant: u8,
    /// Which way it was broken: short, the same for every seed.
    pub kind: String,
    /// What was seen.
    pub seen: String,
}

/// A file that somebody means to send.
#[derive(Debug, Clone)]
pub struct Meant {
    /// Its bytes.
    pub content: Content,
    /// Whether the digest that was announced with it is another file's.
    pub lies: bool,
}

/// A grant that a client was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The asset.
    pub asset: AssetId,
    /// The version that it grants.
    pub version: u64,
    /// The name that it is for.
    pub filename: String,
}

/// By what a client knows that its file is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// S3 answered its PUT.
    Put,
    /// `/complete` answered 200.
    Complete,
}

/// What is known.
#[derive(Debug, Default)]
pub struct Ledger {
    meant: BTreeMap<String, Meant>,
    /// What S3 has taken, whether or not its client heard of it.
    pub stored: Vec<Granted>,
    /// What clients were told is taken.
    pub acknowledged: Vec<(Granted, How)>,
    /// Assets of which an upload was asked to be cancelled, whatever was answered.
    pub cancelled: BTreeSet<AssetId>,
    /// What was broken, one of each invariant and kind.
    violations: Vec<Violation>,
}

impl Ledger {
    /// From now on a name means a file.
    pub fn means(&mut self, filename: &str, meant: Meant) {
        self.meant.insert(filename.to_owned(), meant);
    }

    /// The file that a name means.
    pub fn meant(&self, filename: &str) -> Option<&Meant> {
        self.meant.get(filename)
    }

    /// A promise is broken; whether it wasn't before in this way.
    pub fn broken(&mut self, violation: Violation) -> bool {
        let known =
            |other: &Violation| other.invariant == violation.invariant && other.kind == violation.kind;
        let is_new = !self.violations.iter().any(known);
        if is_new {
            self.violations.push(violation);
        }
        is_new
    }

    /// What was broken.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

/// The end of an id, as stories name assets.
pub fn short(id: AssetId) -> String {
    let text = id.to_string();
    format!("a{}", text.rsplit('-').next().unwrap_or_default().trim_start_matches('0'))
}
