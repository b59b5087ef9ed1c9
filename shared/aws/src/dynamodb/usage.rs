//! What an owner has: one item, changed in the transaction that writes the asset.
//!
//! All of an owner's grants and arrivals meet at this item. DynamoDB cancels a transaction that meets another; it is tried
//! again, each time after a longer, random wait.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, CancellationReason, Put as PutRequest, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem, Update,
    },
};
use sluice_core::{
    Error, ErrorKind, Result,
    asset::Asset,
    ids::OwnerId,
    ports::Saved,
    usage::{Quota, Usage, UsageChange},
};

use super::{DynamoTable, SERVICE, schema, schema::Item};
use crate::error::classify;

/// How often a transaction is tried against others. The waits between add up to about three seconds at most.
const ROUNDS: u32 = 10;
/// The longest first wait; it doubles with each round.
const FIRST_WAIT: Duration = Duration::from_millis(10);
/// The longest wait of all.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

impl DynamoTable {
    pub(super) async fn usage_of(&self, owner: &OwnerId) -> Result<Usage> {
        Ok(self.read(schema::usage_key(owner)).await?.as_ref().map(usage).unwrap_or_default())
    }

    /// Writes an asset if `condition` holds, and what it counts for more or less, if that is within the quota.
    pub(super) async fn write_counted(
        &self,
        asset: &Asset,
        condition: &str,
        values: impl IntoIterator<Item = (&str, AttributeValue)> + Send,
        change: UsageChange,
        quota: &Quota,
    ) -> Result<Saved> {
        // an owner without an item has nothing; a condition alone could not tell that it is too much at once
        quota.check(Usage::default(), change)?;
        let mut put = PutRequest::builder()
            .table_name(&self.name)
            .set_item(Some(schema::asset_item(asset)?))
            .condition_expression(condition);
        for (name, value) in values {
            put = put.expression_attribute_values(name, value);
        }
        let put = put.build().map_err(Error::internal)?;
        let count = self.count(asset.owner(), change, quota)?;
        for round in 0..ROUNDS {
            let write = self
                .client
                .transact_write_items()
                .transact_items(TransactWriteItem::builder().put(put.clone()).build())
                .transact_items(TransactWriteItem::builder().update(count.clone()).build());
            let Err(error) = write.send().await else { return Ok(Saved::Yes) };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
                error.as_service_error()
            else {
                return Err(classify(SERVICE, &error));
            };
            match cancelled.cancellation_reasons() {
                [put, _] if code(put) == CONDITION => return Ok(Saved::Conflict),
                [_, count] if code(count) == CONDITION => {
                    let present = count.item().map(usage).unwrap_or_default();
                    // between the answer and now somebody may have made room
                    return Err(quota.check(present, change).err().unwrap_or_else(busy));
                }
                reasons if reasons.iter().any(|reason| code(reason) == "TransactionConflict") => {
                    tokio::time::sleep(wait(round)?).await;
                }
                _ => return Err(classify(SERVICE, &error)),
            }
        }
        Err(busy())
    }

    fn count(&self, owner: &OwnerId, change: UsageChange, quota: &Quota) -> Result<Update> {
        let mut update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(schema::usage_key(owner)))
            .update_expression("ADD open_uploads :open, stored_bytes :bytes")
            .expression_attribute_values(":open", schema::number(change.open_uploads))
            .expression_attribute_values(":bytes", schema::number(change.stored_bytes))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut conditions = Vec::new();
        if let Some(limit) = quota.open_uploads.filter(|_| change.open_uploads > 0) {
            conditions.push("(attribute_not_exists(pk) OR open_uploads <= :most_open)");
            let most = schema::number(i64::from(limit) - change.open_uploads);
            update = update.expression_attribute_values(":most_open", most);
        }
        if let Some(limit) = quota.stored_bytes.filter(|_| change.stored_bytes > 0) {
            conditions.push("(attribute_not_exists(pk) OR stored_bytes <= :most_bytes)");
            let most = schema::number(i128::from(limit) - i128::from(change.stored_bytes));
            update = update.expression_attribute_values(":most_bytes", most);
        }
        if !conditions.is_empty() {
            update = update.condition_expression(conditions.join(" AND "));
        }
        update.build().map_err(Error::internal)
    }
}

/// The code of a reason whose condition didn't hold.
const CONDITION: &str = "ConditionalCheckFailed";

fn code(reason: &CancellationReason) -> &str {
    reason.code().unwrap_or_default()
}

fn busy() -> Error {
    Error::new(ErrorKind::Throttled, "busy", "too many uploads of one owner begin or end at once")
}

fn usage(item: &Item) -> Usage {
    // a sum that was ever below nothing reads as nothing
    let number = |name: &str| item.get(name).and_then(|value| value.as_n().ok()?.parse::<i128>().ok());
    let sum = |name: &str| number(name).unwrap_or_default().max(0);
    Usage {
        open_uploads: u32::try_from(sum("open_uploads")).unwrap_or(u32::MAX),
        stored_bytes: u64::try_from(sum("stored_bytes")).unwrap_or(u64::MAX),
    }
}

/// A random part of the round's longest wait.
fn wait(round: u32) -> Result<Duration> {
    let longest = FIRST_WAIT.saturating_mul(1 << round.min(16)).min(LONGEST_WAIT);
    let mut byte = [0];
    getrandom::fill(&mut byte).map_err(|error| Error::internal(error.to_string()))?;
    Ok(longest.mul_f64(f64::from(byte[0]) / 255.0))
}
