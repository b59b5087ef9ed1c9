//! Tasks: what became of the files of one small form upload, to be asked after.
//!
//! A task is written once, when all its files were looked at, and never changes: how it stands is worked out from the
//! assets that its files became.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    asset::{Asset, Stage},
    error::{Error, ErrorKind, Result},
    ids::{AssetId, OwnerId},
    time::Timestamp,
};

/// How long a task is kept.
pub const TASK_TTL: Duration = Duration::from_hours(7 * 24);

/// A task's id: a UUID version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(Uuid);

impl TaskId {
    /// From the generator's UUID.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for TaskId {
    type Err = Error;

    /// Takes the hyphenated lower-case form only, so that one task has one spelling.
    fn from_str(text: &str) -> Result<Self> {
        let uuid = Uuid::try_parse(text).map_err(|_| task_not_found())?;
        if uuid.hyphenated().to_string() == text { Ok(Self(uuid)) } else { Err(task_not_found()) }
    }
}

impl TryFrom<String> for TaskId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.to_string()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A task that doesn't exist or isn't the caller's.
pub fn task_not_found() -> Error {
    Error::new(ErrorKind::NotFound, "task_not_found", "no such task")
}

/// A file that wasn't taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Its name, as it came.
    pub filename: String,
    /// Stable, snake case.
    pub code: String,
    /// For people.
    pub message: String,
    /// Whether the same file can be taken later.
    pub retryable: bool,
}

/// The files of one form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Whose it is.
    pub owner: OwnerId,
    /// What the files became that were taken, in the form's order. One that was there already is among them.
    pub assets: Vec<AssetId>,
    /// Those that weren't.
    pub refused: Vec<Refusal>,
    /// When the form came.
    pub created_at: Timestamp,
}

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// A file is being worked on.
    Processing,
    /// Every file is done.
    Complete,
    /// No file is worked on any more, and one was refused or failed.
    Failed,
}

impl Task {
    /// How it stands, given its assets as they are now.
    pub fn status(&self, assets: &[Asset]) -> TaskStatus {
        if assets.iter().any(|asset| !asset.stage().is_terminal()) {
            TaskStatus::Processing
        } else if !self.refused.is_empty() || assets.iter().any(|asset| asset.stage() == Stage::Failed) {
            TaskStatus::Failed
        } else {
            TaskStatus::Complete
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_id_has_one_spelling() {
        let text = "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f";
        assert_eq!(text.parse::<TaskId>().unwrap().to_string(), text);
        for other in ["", "x", &text.to_uppercase(), &text.replace('-', "")] {
            assert_eq!(other.parse::<TaskId>().unwrap_err().code(), "task_not_found", "{other}");
        }
    }
}
