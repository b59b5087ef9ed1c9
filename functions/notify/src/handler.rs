//! What is done about a batch.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use serde_json::Value;
use sluice_core::{
    ErrorKind, Result,
    asset::Asset,
    document::AssetDocument,
    find,
    ids::{ConnectionId, OwnerId, TaskId},
    job::{self, JobEvent, UploadJobDocument},
    ports::{
        AssetRepository, Clock, Connection, ConnectionRepository, Delivery, LinkSigner, Notifier,
        TaskRepository, UploadJobRepository,
    },
    task::TaskDocument,
};
use sluice_lambda::messages::ServerMessage;

use crate::{
    poison::{self, PoisonQueue},
    stream::{BatchAnswer, Change, FailedRecord, StreamBatch, change, sequence_number},
};

/// Pushes at a time. One owner's connections are few; the bound is for the odd one with a hundred tabs.
const PUSHES: usize = 16;
/// Tries of a push before its connection is cut, or left to open.
const TRIES: u32 = 3;
/// The pause before the second try; it doubles with each.
const PAUSE: Duration = Duration::from_millis(100);
/// How long after it was recorded a connection may be opening still. It is recorded within `$connect`, and can be pushed to
/// only once that has been answered, which API Gateway waits 29 s for at most
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>).
const GRACE: Duration = Duration::from_secs(30);

/// What the function works with.
pub struct Ports<R, T, K, J, L, N, Q, C> {
    /// Who is connected.
    pub connections: R,
    /// The assets of tasks, as they are now.
    pub assets: T,
    /// Tasks.
    pub tasks: K,
    /// Upload jobs, which follow their assets.
    pub jobs: J,
    /// Links in documents.
    pub links: L,
    /// The way to the clients.
    pub notifier: N,
    /// Where unreadable records go.
    pub poison: Q,
    /// The time, and the pauses between tries.
    pub clock: C,
}

/// What is known during one batch, and only then: who is connected, whom a push failed that could not be cut either, and who
/// is still opening. To a connection that failed nothing more is tried, for the stream brings all of it again. To one that
/// was waited for and is still opening each further push is tried once.
#[derive(Default)]
struct Batch {
    connections: HashMap<OwnerId, Vec<Connection>>,
    failed: HashSet<ConnectionId>,
    opening: HashSet<ConnectionId>,
}

/// How a push went.
enum Push {
    /// It was delivered, or never can be.
    Done,
    /// The connection has ended.
    Gone,
    /// There is no such connection, or not yet: it was recorded within the grace.
    Opening,
    /// It may be delivered later.
    Failed,
}

/// Whether everybody was told.
#[derive(PartialEq, Eq)]
enum Told {
    All,
    NotAll,
}

impl<R, T, K, J, L, N, Q, C> Ports<R, T, K, J, L, N, Q, C>
where
    R: ConnectionRepository,
    T: AssetRepository,
    K: TaskRepository,
    J: UploadJobRepository,
    L: LinkSigner,
    N: Notifier,
    Q: PoisonQueue,
    C: Clock,
{
    /// Tells of all changes in a batch, one record after the other, which keeps the order. The answer names the
    /// records that have to come again.
    pub async fn handle(&self, batch: StreamBatch) -> BatchAnswer {
        let mut known = Batch::default();
        let mut answer = BatchAnswer::default();
        for record in &batch.records {
            let sequence_number = sequence_number(record);
            let told = self.handle_record(record, &mut known).await.unwrap_or_else(|error| {
                tracing::warn!(
                    sequence_number,
                    code = error.code(),
                    source = error.sources(),
                    "record will come again"
                );
                Told::NotAll
            });
            if told == Told::NotAll {
                answer.batch_item_failures.push(FailedRecord { item_identifier: sequence_number.to_owned() });
            }
        }
        answer
    }

    async fn handle_record(&self, record: &Value, known: &mut Batch) -> Result<Told> {
        match change(record) {
            Ok(Some(Change::Asset { asset, ended })) => {
                self.follow(&asset).await?;
                let frame = async || {
                    let document = AssetDocument::render(&asset, &self.links).await?;
                    ServerMessage::asset(document).into_frame()
                };
                let told = self.tell(asset.owner(), frame, known).await?;
                match asset.placement().task.filter(|_| ended && told == Told::All) {
                    Some(task) => self.tell_of_task(asset.owner(), task, known).await,
                    None => Ok(told),
                }
            }
            Ok(Some(Change::Task(task))) => self.tell_of_task(&task.owner, task.id, known).await,
            Ok(Some(Change::Job(job))) => {
                let frame = async || {
                    let document = UploadJobDocument::render(&job, self.clock.now());
                    ServerMessage::upload_job(document).into_frame()
                };
                self.tell(job.owner(), frame, known).await
            }
            Ok(None) => Ok(Told::All),
            Err(reason) => {
                let sequence_number = sequence_number(record);
                tracing::error!(sequence_number, ?reason, "record can't be read and is set aside");
                self.poison.put(poison::note(record, reason)).await?;
                Ok(Told::All)
            }
        }
    }

    /// Tells how a task stands now. One that isn't written yet is told of when it is.
    async fn tell_of_task(&self, owner: &OwnerId, id: TaskId, known: &mut Batch) -> Result<Told> {
        let frame = async || {
            let Some(task) = self.tasks.get(id).await? else { return Ok(None) };
            let assets = find::assets_of_task(&self.assets, &task).await?;
            let task = Box::new(TaskDocument::render(&task, &assets));
            ServerMessage::Task { task }.into_frame().map(Some)
        };
        self.tell_if(owner, frame, known).await
    }

    /// Lets the upload job that an asset came by know how it stands. What changes by it comes back by the stream.
    async fn follow(&self, asset: &Asset) -> Result<()> {
        let Some(request_id) = asset.upload_job() else { return Ok(()) };
        // a job is forgotten long after its end
        let Some(found) = self.jobs.get(asset.owner(), request_id).await? else { return Ok(()) };
        match job::apply_to(&self.jobs, &self.clock, found, &JobEvent::Followed(asset)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other.map(drop),
        }
    }

    async fn tell(
        &self,
        owner: &OwnerId,
        frame: impl AsyncFnOnce() -> Result<String>,
        known: &mut Batch,
    ) -> Result<Told> {
        self.tell_if(owner, async || frame().await.map(Some), known).await
    }

    /// Pushes a frame, made only if there is anybody to push it to, to all of the owner's connections.
    async fn tell_if(
        &self,
        owner: &OwnerId,
        frame: impl AsyncFnOnce() -> Result<Option<String>>,
        known: &mut Batch,
    ) -> Result<Told> {
        if !known.connections.contains_key(owner) {
            let found = self.connections.of_owner(owner).await?;
            known.connections.insert(owner.clone(), found);
        }
        let connections = known.connections.get_mut(owner).map(Vec::as_mut_slice).unwrap_or_default();
        if connections.is_empty() {
            return Ok(Told::All);
        }
        let Some(frame) = frame().await? else { return Ok(Told::All) };
        let (failed, open): (Vec<_>, Vec<_>) =
            connections.iter().cloned().partition(|connection| known.failed.contains(&connection.id));
        let mut told = if failed.is_empty() { Told::All } else { Told::NotAll };
        let opening = &known.opening;
        let pushes: Vec<_> = stream::iter(open)
            .map(async |connection| {
                let tries = if opening.contains(&connection.id) { 1 } else { TRIES };
                let push = self.push(&connection, &frame, tries).await;
                (connection, push)
            })
            .buffer_unordered(PUSHES)
            .collect()
            .await;
        for (connection, push) in pushes {
            match push {
                Push::Done => {
                    known.opening.remove(&connection.id);
                }
                // It fails alone: its client notices the cut, comes back and asks for what it missed. The stream would bring
                // everybody's changes again for it.
                Push::Failed if self.is_cut(&connection).await => {
                    self.forget(&connection, owner, known).await?;
                }
                Push::Failed => {
                    known.failed.insert(connection.id);
                    told = Told::NotAll;
                }
                // nothing is reported: the client asks for what it missed by a sync, which it can send once it is open
                Push::Opening => {
                    known.opening.insert(connection.id);
                }
                Push::Gone => self.forget(&connection, owner, known).await?,
            }
        }
        Ok(told)
    }

    /// Cuts a connection; one that may be opening still can't be, and would be forgotten by mistake.
    async fn is_cut(&self, connection: &Connection) -> bool {
        if connection.since.until(self.clock.now()) < GRACE {
            return false;
        }
        let cut = self.notifier.cut(&connection.id).await;
        if let Err(error) = &cut {
            tracing::warn!(connection = %connection.id, code = error.code(), source = error.sources(), "not cut");
        }
        cut.is_ok()
    }

    /// A connection is told nothing more.
    async fn forget(&self, connection: &Connection, owner: &OwnerId, known: &mut Batch) -> Result<()> {
        self.connections.remove_unless_newer(connection, owner).await?;
        if let Some(left) = known.connections.get_mut(owner) {
            left.retain(|other| other != connection);
        }
        Ok(())
    }

    async fn push(&self, connection: &Connection, frame: &str, tries: u32) -> Push {
        let Connection { id, since } = connection;
        let mut pause = PAUSE;
        for attempt in 1.. {
            let failure = match self.notifier.push(id, frame).await {
                Ok(Delivery::Delivered) => return Push::Done,
                Ok(Delivery::Gone) if since.until(self.clock.now()) >= GRACE => return Push::Gone,
                Ok(Delivery::Gone) => None,
                Err(error) if error.kind().is_transient() => Some(error),
                Err(error) => {
                    // coming again would change nothing; the client finds the state by a sync
                    tracing::error!(connection = %id, code = error.code(), source = error.sources(), "push was refused");
                    return Push::Done;
                }
            };
            if attempt >= tries {
                let Some(error) = failure else { return Push::Opening };
                tracing::warn!(connection = %id, code = error.code(), source = error.sources(), "push failed");
                break;
            }
            self.clock.sleep(pause).await;
            pause *= 2;
        }
        Push::Failed
    }
}
