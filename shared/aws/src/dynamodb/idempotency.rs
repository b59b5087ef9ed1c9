//! Requests with an idempotency key: claimed by a write on condition, ended by the table's TTL.

use sluice_core::{Error, Result, idempotency::KeyRecord, ports::IdempotencyRepository, time::Timestamp};

use super::{
    DynamoTable, Put,
    schema::{self, Item},
};

fn item_of(record: &KeyRecord) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(record).map_err(Error::internal)?;
    item.extend(schema::idempotency_key(record.id));
    item.insert(schema::EXPIRES_AT.to_owned(), schema::number(record.expires_at().as_seconds()));
    Ok(item)
}

fn record_of(item: Item) -> Result<KeyRecord> {
    serde_dynamo::from_item(item).map_err(Error::internal)
}

impl IdempotencyRepository for DynamoTable {
    async fn claim(&self, record: &KeyRecord, now: Timestamp) -> Result<Option<KeyRecord>> {
        // what TTL ends may lie there for days
        let condition = "attribute_not_exists(pk) OR expires_at <= :now";
        let values = [(":now", schema::number(now.as_seconds()))];
        match self.put_if(item_of(record)?, condition, values).await? {
            Put::Written => Ok(None),
            Put::Refused(Some(there)) => record_of(there).map(Some),
            Put::Refused(None) => Err(Error::internal("a condition failed without an item")),
            Put::Contended => Err(Error::internal("a transaction holds the record of a request")),
        }
    }

    async fn replace(&self, there: &KeyRecord, record: &KeyRecord) -> Result<bool> {
        let values = [(":turn", schema::number(there.turn)), (":seed", schema::text(there.seed.clone()))];
        match self.put_if(item_of(record)?, "turn = :turn AND seed = :seed", values).await? {
            Put::Written => Ok(true),
            // our own, by a try whose answer was lost
            Put::Refused(Some(there)) => Ok(record_of(there)? == *record),
            Put::Refused(None) => Ok(false),
            Put::Contended => Err(Error::internal("a transaction holds the record of a request")),
        }
    }
}
