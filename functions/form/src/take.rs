//! Taking the files of a form in; apart from HTTP.
//!
//! Each file goes the way of every upload: through the gate, into a record, into the bucket, on to be read. What fails on
//! the way fails for that file alone.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use sluice_core::{
    Error, ErrorKind, Result,
    asset::{Asset, Event, Transition},
    cancel::cancel_upload,
    change,
    document::AssetDocument,
    effects::order_ingest,
    find,
    gate::{Gate, Principal, Terms, Wish},
    idempotency::Attempt,
    ids::{OwnerId, Version},
    intake::{Intake, Known, Opened, Opening, Wanted},
    ports::{
        AssetRepository, Clock, ContentIndex, GateFunction, IdGenerator, JobQueue, LinkSigner,
        MultipartStore, NewObject, OriginalStore, TaskRepository,
    },
    right::{Right, has_right},
    task::{Refusal, Task, TaskStatus},
};

use crate::form::{File, Form};

/// Files at a time.
const AT_ONCE: usize = 4;
/// How long the bytes of a file may take from the function to S3, where everything is slow.
const STORE_WITHIN: Duration = Duration::from_mins(1);

/// What files are taken in with.
pub struct Taker<T, O, C, I, G, Q, K> {
    /// Opens uploads.
    pub intake: Intake<T, O, C, I>,
    /// What every file passes.
    pub gate: Gate<G>,
    /// The queue of content to read.
    pub ingest: Q,
    /// The tasks.
    pub tasks: K,
}

/// A task and the assets that are known of it.
#[derive(Debug)]
pub struct Taken {
    /// The task.
    pub task: Task,
    /// Its assets, in order.
    pub assets: Vec<Asset>,
}

impl<T, O, C, I, G, Q, K> Taker<T, O, C, I, G, Q, K>
where
    T: AssetRepository + ContentIndex,
    O: OriginalStore + MultipartStore,
    C: Clock,
    I: IdGenerator,
    G: GateFunction,
    Q: JobQueue,
    K: TaskRepository,
{
    /// Takes the files of a form in and writes down what became of them.
    ///
    /// # Errors
    /// That of the first file, where none could be taken.
    pub async fn take(&self, principal: &Principal, form: Form, attempt: Option<&Attempt>) -> Result<Taken> {
        let Form { files, folder, message_id, .. } = form;
        let id = attempt.map_or_else(|| self.intake.ids.task_id(), Attempt::task_id);
        let wish = Wish { folder, message_id, task: Some(id), ..Wish::default() };
        let answers: Vec<(String, Result<Asset>)> = stream::iter(files)
            .enumerate()
            .map(|(nth, file)| {
                let made = attempt.map(|attempt| attempt.made(nth));
                let wish = Wish { made, ..wish.clone() };
                async { (file.filename.clone(), self.take_one(principal, wish, file).await) }
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let (mut assets, mut refused, mut first) = (Vec::new(), Vec::new(), None);
        for (filename, answer) in answers {
            match answer {
                Ok(asset) => assets.push(asset),
                Err(error) => {
                    refused.push(refusal(filename, &error));
                    first = first.or(Some(error));
                }
            }
        }
        if let Some(error) = first
            && assets.is_empty()
        {
            return Err(error);
        }
        let task = Task {
            id,
            owner: principal.owner.clone(),
            assets: assets.iter().map(Asset::id).collect(),
            refused,
            created_at: self.intake.clock.now(),
        };
        self.tasks.create(&task).await?;
        Ok(Taken { task, assets })
    }

    async fn take_one(&self, principal: &Principal, wish: Wish, file: File) -> Result<Asset> {
        let sha256 = file.sha256;
        let wish = Wish {
            size: Some(u64::try_from(file.bytes.len()).map_err(Error::internal)?),
            filename: Some(file.filename),
            relative_path: file.relative_path,
            content_type: file.content_type,
            sha256: Some(sha256.to_string()),
            ..wish
        };
        let may_come_again = wish.made.is_some();
        let wanted = Wanted { wish, asset_id: None };
        let plan = |_: &mut Terms| Ok(Opening::Direct(STORE_WITHIN));
        let asset = match self.intake.take(&self.gate, principal, wanted, Known::Shown, plan).await? {
            Opened::Granted(asset) => asset,
            // an earlier try of this request opened it, and didn't come to store the bytes within the grant's time
            Opened::Existing(asset) if asset.grant().is_some() => asset,
            Opened::Existing(asset) => return Ok(asset),
        };
        let grant = asset.grant().ok_or_else(|| Error::internal("an upload was opened without a grant"))?;
        let object = NewObject {
            content_type: grant.content_type.clone(),
            version: Version::FIRST,
            sha256,
            bytes: file.bytes,
        };
        match self.store(&asset, object).await {
            Ok(asset) => Ok(asset),
            // a repeat of the request goes on with it
            Err(error) if may_come_again && error.kind().is_transient() => Err(error),
            Err(error) => {
                // told as refused, so it must not go on to look like an upload under way; what can't be called off is
                // there after all, or ends with its grant
                let Intake { table, originals, clock, .. } = &self.intake;
                let _ = cancel_upload(table, originals, clock, asset).await;
                Err(error)
            }
        }
    }

    /// Puts the bytes of an open upload there, and has them read.
    async fn store(&self, asset: &Asset, object: NewObject) -> Result<Asset> {
        let Intake { table, originals, clock, .. } = &self.intake;
        let head = match originals.put(asset.key(), object).await? {
            Some(written) => Some(written),
            // our own, by a try whose answer was lost: nobody else knows the key
            None => originals.head(asset.key(), None).await?,
        };
        let stored = head.and_then(|head| asset.granted_object(head));
        let stored = stored.ok_or_else(|| Error::internal("another object is at a new asset's key"))?;
        let event = Event::UploadArrived(Box::new(stored));
        let Transition { asset, effects, .. } = change::apply_to(table, clock, asset.clone(), &event).await?;
        // S3's event starts the reading as well
        if let Err(error) = order_ingest(&self.ingest, &asset, &effects).await {
            tracing::warn!(code = error.code(), source = error.sources(), "the reading was not ordered");
        }
        Ok(asset)
    }

    /// A task as it stands now.
    ///
    /// # Errors
    /// `task_not_found` unless it is the owner's.
    pub async fn task(&self, owner: &OwnerId, id: &str) -> Result<Taken> {
        let task = self.tasks.get(id.parse()?).await?;
        let task = task
            .filter(|task| has_right(owner, &task.owner, Right::Read))
            .ok_or_else(Error::task_not_found)?;
        let assets = find::assets_of_task(&self.intake.table, &task).await?;
        Ok(Taken { task, assets })
    }
}

impl Taken {
    /// How the task stands.
    pub fn status(&self) -> TaskStatus {
        self.task.status(&self.assets)
    }

    /// The documents of its assets.
    pub async fn documents(&self, links: &impl LinkSigner) -> Result<Vec<AssetDocument>> {
        let mut documents = Vec::with_capacity(self.assets.len());
        for asset in &self.assets {
            documents.push(AssetDocument::render(asset, links).await?);
        }
        Ok(documents)
    }
}

/// What is written down of a refusal: as with problems, nothing of our inside.
fn refusal(filename: String, error: &Error) -> Refusal {
    let retryable = error.kind().is_transient();
    let (code, message) = match error.kind() {
        ErrorKind::Internal | ErrorKind::Unavailable => {
            tracing::warn!(code = error.code(), source = error.sources(), "a file of a form was not taken");
            ("unavailable", "the file could not be taken now; send it again")
        }
        _ => (error.code(), error.message()),
    };
    Refusal { filename, code: code.to_owned(), message: message.to_owned(), retryable }
}
