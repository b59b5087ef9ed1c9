//! The state table. What lies in it and how it is reached stands in [`schema`]; each port has its own module.

mod assets;
mod connections;
mod contents;
mod cursor;
mod endpoints;
mod idempotency;
mod jobs;
pub mod schema;
mod tasks;
mod tickets;
mod transaction;
mod uploads;
mod usage;

use aws_sdk_dynamodb::{
    Client,
    operation::{put_item::PutItemError, query::builders::QueryFluentBuilder},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use sluice_core::{Result, ports::Saved};

use crate::{clients::Clients, error::classify};
use schema::Item;

/// The service's name in errors.
const SERVICE: &str = "DynamoDB";

/// The state table, for all four repositories. IAM on the table: `dynamodb:GetItem`, `PutItem`, `DeleteItem` and
/// `Query`; on its indexes: `dynamodb:Query`. A transaction needs the actions of what it holds.
#[derive(Debug, Clone)]
pub struct DynamoTable {
    client: Client,
    name: String,
}

/// What became of a write on condition.
enum Put {
    Written,
    /// The condition doesn't hold; what is there instead.
    Refused(Option<Item>),
    /// A transaction on the same item was in the way.
    Contended,
}

impl From<Put> for Saved {
    fn from(put: Put) -> Self {
        match put {
            Put::Written => Self::Yes,
            Put::Refused(_) => Self::Conflict,
            Put::Contended => Self::Contended,
        }
    }
}

impl DynamoTable {
    /// The table of this name.
    pub fn new(clients: &Clients, name: impl Into<String>) -> Self {
        Self { client: clients.dynamodb(), name: name.into() }
    }

    /// The item as last written.
    async fn read(&self, key: Item) -> Result<Option<Item>> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(true);
        get.send().await.map(|found| found.item).map_err(|error| classify(SERVICE, &error))
    }

    /// Writes an item if `condition` holds; `values` are its parameters.
    async fn put_if(
        &self,
        item: Item,
        condition: &str,
        values: impl IntoIterator<Item = (&str, AttributeValue)> + Send,
    ) -> Result<Put> {
        let mut put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, value) in values {
            put = put.expression_attribute_values(name, value);
        }
        match put.send().await {
            Ok(_) => Ok(Put::Written),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Put::Refused(failed.item().cloned()))
                }
                Some(PutItemError::TransactionConflictException(_)) => Ok(Put::Contended),
                _ => Err(classify(SERVICE, &error)),
            },
        }
    }

    /// Writes an item, whatever is there.
    async fn put(&self, item: Item) -> Result<()> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item));
        put.send().await.map(drop).map_err(|error| classify(SERVICE, &error))
    }

    fn query(&self) -> QueryFluentBuilder {
        self.client.query().table_name(&self.name)
    }

    /// All items of a query up to `limit`, over as many pages (of 1 MB) as it takes.
    async fn collect(&self, query: QueryFluentBuilder, limit: usize) -> Result<Vec<Item>> {
        let mut items: Vec<Item> = Vec::new();
        let mut start = query.get_exclusive_start_key().clone();
        loop {
            let wanted = i32::try_from(limit - items.len()).unwrap_or(i32::MAX);
            let page = query.clone().set_exclusive_start_key(start).limit(wanted).send().await;
            let page = page.map_err(|error| classify(SERVICE, &error))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() || items.len() >= limit {
                return Ok(items);
            }
        }
    }
}
