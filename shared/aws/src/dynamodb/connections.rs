//! Connections, found by owner and by their own id: two items, an owner's and its reverse, written in one transaction.
//!
//! They are removed one after the other, the reverse first, each on condition that the connection wasn't added again since
//! it was read. So where there is a reverse there is the owner's item, and what a removal that failed half-way leaves is
//! found by owner and removed by the next push. The other way round a connection would look as if it were on record that
//! nobody is told of.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use sluice_core::{
    Error, Result,
    ids::{ConnectionId, OwnerId},
    ports::{Connection, ConnectionRepository, Saved},
    time::Timestamp,
};

use super::{
    DynamoTable, SERVICE,
    schema::{self, CONNECTION, Item},
    transaction::Transacted,
};
use crate::error::classify;

/// The attribute that says when a connection was added.
const SINCE: &str = "since";

/// When it was added; 1970 where it doesn't say, as in what an earlier release wrote.
fn since_of(item: &Item) -> Result<Timestamp> {
    if item.contains_key(SINCE) { schema::parse(item, SINCE) } else { Ok(Timestamp::from_seconds(0)) }
}

impl DynamoTable {
    /// Removes one of a connection's two items unless the connection was added after `since`.
    async fn delete_unless_newer(&self, key: Item, since: Timestamp) -> Result<()> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .condition_expression("attribute_not_exists(#since) OR #since <= :since")
            .expression_attribute_names("#since", SINCE)
            .expression_attribute_values(":since", schema::text(since.to_string()));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_conditional_check_failed_exception() => Ok(()),
                _ => Err(classify(SERVICE, &error)),
            },
        }
    }
}

impl ConnectionRepository for DynamoTable {
    async fn add(&self, connection: &Connection, owner: &OwnerId, expires_at: Timestamp) -> Result<Saved> {
        let put = |mut item: Item| {
            item.insert(SINCE.to_owned(), schema::text(connection.since.to_string()));
            item.insert(schema::EXPIRES_AT.to_owned(), schema::number(expires_at.as_seconds()));
            let put = Put::builder().table_name(&self.name).set_item(Some(item)).build();
            put.map(|put| TransactWriteItem::builder().put(put).build()).map_err(Error::internal)
        };
        let mut reverse = schema::reverse_key(&connection.id);
        reverse.insert("owner".to_owned(), schema::text(owner.as_str()));
        let both = vec![put(schema::connection_key(owner, &connection.id))?, put(reverse)?];
        match self.transact(both).await? {
            Transacted::Written => Ok(Saved::Yes),
            Transacted::Contended => Ok(Saved::Contended),
            Transacted::Refused { .. } => Err(Error::internal("a write without a condition was refused")),
        }
    }

    async fn remove(&self, connection: &ConnectionId) -> Result<()> {
        let Some(reverse) = self.read(schema::reverse_key(connection)).await? else { return Ok(()) };
        let owner = schema::parse(&reverse, "owner")?;
        let read = Connection { id: connection.clone(), since: since_of(&reverse)? };
        self.remove_unless_newer(&read, &owner).await
    }

    async fn remove_unless_newer(&self, connection: &Connection, owner: &OwnerId) -> Result<()> {
        self.delete_unless_newer(schema::reverse_key(&connection.id), connection.since).await?;
        self.delete_unless_newer(schema::connection_key(owner, &connection.id), connection.since).await
    }

    async fn owner_of(&self, connection: &ConnectionId) -> Result<Option<OwnerId>> {
        let found = self.read(schema::reverse_key(connection)).await?;
        found.map(|item| schema::parse(&item, "owner")).transpose()
    }

    async fn of_owner(&self, owner: &OwnerId) -> Result<Vec<Connection>> {
        let query = self
            .query()
            .key_condition_expression("pk = :owner AND begins_with(sk, :connection)")
            .expression_attribute_values(":owner", schema::text(schema::owner_pk(owner)))
            .expression_attribute_values(":connection", schema::text(CONNECTION))
            .consistent_read(true);
        let items = self.collect(query, usize::MAX).await?;
        items
            .iter()
            .map(|item| {
                let key: String = item.get("sk").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
                let id = ConnectionId::try_from(key.replacen(CONNECTION, "", 1)).map_err(Error::internal)?;
                Ok(Connection { id, since: since_of(item)? })
            })
            .collect()
    }
}
