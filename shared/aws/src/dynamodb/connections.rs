//! Connections, found by owner and by their own id: two items, written in one transaction.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use sluice_core::{
    Error, Result,
    ids::{ConnectionId, OwnerId},
    ports::ConnectionRepository,
    time::Timestamp,
};

use super::{
    DynamoTable, SERVICE,
    schema::{self, CONNECTION, Item},
};
use crate::error::classify;

impl ConnectionRepository for DynamoTable {
    async fn add(&self, connection: &ConnectionId, owner: &OwnerId, expires_at: Timestamp) -> Result<()> {
        let expires_at = schema::number(expires_at.as_seconds());
        let mut item = schema::connection_key(owner, connection);
        item.insert(schema::EXPIRES_AT.to_owned(), expires_at.clone());
        let mut reverse = schema::reverse_key(connection);
        reverse.insert(schema::EXPIRES_AT.to_owned(), expires_at);
        reverse.insert("owner".to_owned(), schema::text(owner.as_str()));

        let put = |item: Item| {
            let put = Put::builder().table_name(&self.name).set_item(Some(item)).build();
            put.map(|put| TransactWriteItem::builder().put(put).build()).map_err(Error::internal)
        };
        let both = vec![put(item)?, put(reverse)?];
        let written = self.client.transact_write_items().set_transact_items(Some(both)).send().await;
        written.map(drop).map_err(|error| classify(SERVICE, &error))
    }

    /// The reverse goes last: as long as it is there, a repeated call finds what is left to remove.
    async fn remove(&self, connection: &ConnectionId) -> Result<()> {
        if let Some(owner) = self.owner_of(connection).await? {
            self.delete(schema::connection_key(&owner, connection)).await?;
            self.delete(schema::reverse_key(connection)).await?;
        }
        Ok(())
    }

    async fn owner_of(&self, connection: &ConnectionId) -> Result<Option<OwnerId>> {
        let found = self.read(schema::reverse_key(connection)).await?;
        found.map(|item| schema::parse(&item, "owner")).transpose()
    }

    async fn of_owner(&self, owner: &OwnerId) -> Result<Vec<ConnectionId>> {
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
                ConnectionId::try_from(key.replacen(CONNECTION, "", 1)).map_err(Error::internal)
            })
            .collect()
    }
}
