//! Tasks: what became of the files of one small form upload, to be asked after.
//!
//! A task is written once, when all its files were looked at, and never changes: how it stands is worked out from the
//! assets that its files became.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    asset::{Asset, Stage},
    ids::{AssetId, OwnerId, TaskId},
    time::Timestamp,
};

/// How long a task is kept.
pub const TASK_TTL: Duration = Duration::from_hours(7 * 24);

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

/// A task as clients see it in passing, over the WebSocket. What its assets are is told by their own messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskDocument {
    /// Its id.
    pub task_id: TaskId,
    /// How it stands.
    pub status: TaskStatus,
    /// Files that the form held.
    pub total: usize,
    /// Files that are done.
    pub done: usize,
    /// Files that were refused, or failed, or were cancelled.
    pub failed: usize,
    /// Those that became assets, in the form's order.
    pub assets: Vec<AssetId>,
    /// Those that didn't.
    pub refused: Vec<Refusal>,
}

impl TaskDocument {
    /// The document of a task, given its assets as they are now.
    pub fn render(task: &Task, assets: &[Asset]) -> Self {
        let count = |stages: &[Stage]| assets.iter().filter(|asset| stages.contains(&asset.stage())).count();
        Self {
            task_id: task.id,
            status: task.status(assets),
            total: task.assets.len() + task.refused.len(),
            done: count(&[Stage::Done]),
            failed: count(&[Stage::Failed, Stage::Cancelled]) + task.refused.len(),
            assets: task.assets.clone(),
            refused: task.refused.clone(),
        }
    }
}

impl Task {
    /// How it stands, given its assets as they are now.
    pub fn status(&self, assets: &[Asset]) -> TaskStatus {
        if assets.iter().any(|asset| !asset.stage().is_terminal()) {
            TaskStatus::Processing
        } else if !self.refused.is_empty()
            || assets.iter().any(|asset| matches!(asset.stage(), Stage::Failed | Stage::Cancelled))
        {
            TaskStatus::Failed
        } else {
            TaskStatus::Complete
        }
    }
}
