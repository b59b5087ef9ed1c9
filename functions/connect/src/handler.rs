//! What is done about an event.

use std::time::Duration;

use sluice_core::{
    Error, ErrorKind, Result,
    asset::Asset,
    change::uncontended,
    document::AssetDocument,
    find,
    ids::{ConnectionId, OwnerId},
    ports::{AssetRepository, Clock, Connection, ConnectionRepository, Delivery, LinkSigner, Notifier},
    right::Right,
    time::Timestamp,
};
use sluice_lambda::messages::{ClientMessage, ErrorMessage, ServerMessage};

use crate::event::{EventType, SocketEvent, Status};

/// How long a connection is kept at most: API Gateway ends each after two hours, and the rest is slack.
const CONNECTION_TTL: Duration = Duration::from_mins(130);
/// How far before now the next `sync` begins: longer than an index lags and than a writer takes from reading the clock
/// to its write. What is sent twice is known by its `seq`.
const OVERLAP: Duration = Duration::from_secs(10);
/// Documents of one page: about 1 MB of items, which is what one read of the index gives.
const PAGE: u16 = 100;
/// Documents of one `sync`: at some 10 ms each they take well below the function's timeout.
const MAX_SYNCED: usize = 500;
/// How long one `sync` sends where they take longer. One that the timeout ended would not be answered, and be asked for
/// again from its start.
const SYNC_TIME: Duration = Duration::from_secs(8);

/// What the function works with.
pub struct Ports<T, L, N, C> {
    /// Assets and connections.
    pub table: T,
    /// Links in documents.
    pub links: L,
    /// The way back to the client.
    pub notifier: N,
    /// The time.
    pub clock: C,
}

/// Whether the client is still there.
#[derive(PartialEq, Eq)]
enum Line {
    Open,
    Gone,
}

impl<T, L, N, C> Ports<T, L, N, C>
where
    T: AssetRepository + ConnectionRepository,
    L: LinkSigner,
    N: Notifier,
    C: Clock,
{
    /// Handles an event.
    ///
    /// # Errors
    /// If a new connection can't be recorded, one that ended can't be forgotten, or the client can't be told of an error. A
    /// message is never handled again, so everything else that goes wrong is told to the client, which asks again.
    pub async fn handle(&self, event: SocketEvent) -> Result<Status> {
        let connection = event.connection();
        match (event.kind(), event.owner()) {
            (EventType::Connect, Some(owner)) => {
                self.record(connection, owner).await?;
                Ok(Status::OK)
            }
            (EventType::Connect, None) => Ok(Status::UNAUTHORIZED),
            (EventType::Disconnect, _) => {
                self.table.remove(connection).await?;
                Ok(Status::OK)
            }
            (EventType::Message, owner) => {
                if self.answer(connection, owner, event.body()).await? == Line::Gone {
                    self.table.remove(connection).await?;
                }
                Ok(Status::OK)
            }
        }
    }

    /// Puts a connection on record from now on, again if it was there.
    async fn record(&self, connection: &ConnectionId, owner: &OwnerId) -> Result<()> {
        let connection = Connection { id: connection.clone(), since: self.clock.now() };
        let expires_at = connection.since.plus(CONNECTION_TTL);
        let add = async || self.table.add(&connection, owner, expires_at).await;
        uncontended(&self.clock, add).await.map(drop)
    }

    async fn answer(&self, connection: &ConnectionId, owner: Option<&OwnerId>, text: &str) -> Result<Line> {
        // before anything is read for the answer: what changes after it was read is then told to this connection
        let owner = self.recorded_owner(connection, owner).await;
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(fault) => return self.send(connection, ServerMessage::Error(fault)).await,
        };
        let served = match owner {
            Ok(owner) => self.serve(connection, &owner, &message).await,
            Err(error) => Err(error),
        };
        match served {
            Ok(line) => Ok(line),
            Err(error) => self.send(connection, ServerMessage::Error(fault_of(&message, &error))).await,
        }
    }

    async fn serve(
        &self,
        connection: &ConnectionId,
        owner: &OwnerId,
        message: &ClientMessage,
    ) -> Result<Line> {
        match message {
            ClientMessage::Ping => self.send(connection, ServerMessage::Pong).await,
            ClientMessage::Subscribe { asset_id } => {
                let asset = find::asset(&self.table, owner, asset_id.parse()?, Right::Read).await?;
                let asset = asset.ok_or_else(Error::asset_not_found)?;
                self.send_asset(connection, &asset).await
            }
            ClientMessage::Sync { since } => self.sync(connection, owner, *since).await,
        }
    }

    /// Whose connection it is, which is on record then. A message proves that its connection is open, so one that isn't on
    /// record (its record was lost, or removed by mistake) is added again for the owner that the authorizer named.
    async fn recorded_owner(&self, connection: &ConnectionId, named: Option<&OwnerId>) -> Result<OwnerId> {
        match (self.table.owner_of(connection).await?, named) {
            (Some(owner), _) => Ok(owner),
            (None, Some(owner)) => {
                self.record(connection, owner).await?;
                Ok(owner.clone())
            }
            (None, None) => {
                let message = "nobody knows this connection; connect again";
                Err(Error::new(ErrorKind::Unauthorized, "unauthorized", message))
            }
        }
    }

    /// Sends what changed, oldest change first, so that a client that loses the line half-way knows by the last
    /// `updated_at` where to go on. For the same reason a long answer is cut: its `synced` then holds the last change
    /// that was sent, and says that there is more.
    async fn sync(&self, connection: &ConnectionId, owner: &OwnerId, since: Timestamp) -> Result<Line> {
        let begun_at = self.clock.now();
        let mut cursor: Option<String> = None;
        let mut sent = 0;
        loop {
            let page = self.table.changed_since(owner, since, PAGE, cursor.as_deref()).await?;
            for asset in &page.items {
                if self.send_asset(connection, asset).await? == Line::Gone {
                    return Ok(Line::Gone);
                }
                if self.clock.now() >= begun_at.plus(SYNC_TIME) && asset.updated_at() > since {
                    let synced = ServerMessage::Synced { at: asset.updated_at(), more: true };
                    return self.send(connection, synced).await;
                }
            }
            sent += page.items.len();
            let Some(next) = page.next else {
                let synced = ServerMessage::Synced { at: begun_at.minus(OVERLAP), more: false };
                return self.send(connection, synced).await;
            };
            if let Some(last) = page.items.last()
                && sent >= MAX_SYNCED
                && last.updated_at() > since
            {
                let synced = ServerMessage::Synced { at: last.updated_at(), more: true };
                return self.send(connection, synced).await;
            }
            cursor = Some(next);
        }
    }

    async fn send_asset(&self, connection: &ConnectionId, asset: &Asset) -> Result<Line> {
        let document = AssetDocument::render(asset, &self.links).await?;
        self.send(connection, ServerMessage::asset(document)).await
    }

    async fn send(&self, connection: &ConnectionId, message: ServerMessage) -> Result<Line> {
        match self.notifier.push(connection, &message.into_frame()?).await? {
            Delivery::Delivered => Ok(Line::Open),
            Delivery::Gone => Ok(Line::Gone),
        }
    }
}

/// An error as the client learns of it: what failed on our side is logged here and told as no more than that.
fn fault_of(message: &ClientMessage, error: &Error) -> ErrorMessage {
    let (action, asset_id) = match message {
        ClientMessage::Subscribe { asset_id } => ("subscribe", Some(asset_id.clone())),
        ClientMessage::Sync { .. } => ("sync", None),
        ClientMessage::Ping => ("ping", None),
    };
    let (code, text) = if error.kind().is_transient() {
        tracing::error!(action, code = error.code(), source = error.sources(), "message failed");
        ("unavailable", "it can't be answered at the moment; try again shortly")
    } else {
        (error.code(), error.message())
    };
    ErrorMessage {
        code: code.to_owned(),
        message: text.to_owned(),
        action: Some(action.to_owned()),
        asset_id,
    }
}
