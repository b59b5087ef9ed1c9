//! Tickets: kept by digest, taken by the delete that returns them, so that only one taker wins.

use aws_sdk_dynamodb::types::ReturnValue;
use sluice_core::{
    Result,
    ids::{OwnerId, Sha256},
    ports::TicketRepository,
    time::Timestamp,
};

use super::{DynamoTable, SERVICE, schema};
use crate::error::classify;

impl TicketRepository for DynamoTable {
    async fn issue(&self, ticket: Sha256, owner: &OwnerId, expires_at: Timestamp) -> Result<()> {
        let mut item = schema::ticket_key(ticket);
        item.insert("owner".to_owned(), schema::text(owner.as_str()));
        // to the millisecond; the TTL attribute is in seconds, and what it ends may stay for days
        item.insert("valid_until".to_owned(), schema::text(expires_at.to_string()));
        item.insert(schema::EXPIRES_AT.to_owned(), schema::number(expires_at.as_seconds()));
        self.put(item).await
    }

    async fn redeem(&self, ticket: Sha256, now: Timestamp) -> Result<Option<OwnerId>> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(schema::ticket_key(ticket)))
            .condition_expression("valid_until > :now")
            .expression_attribute_values(":now", schema::text(now.to_string()))
            .return_values(ReturnValue::AllOld);
        match delete.send().await {
            Ok(taken) => taken.attributes.map(|item| schema::parse(&item, "owner")).transpose(),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_conditional_check_failed_exception() => Ok(None),
                _ => Err(classify(SERVICE, &error)),
            },
        }
    }
}
