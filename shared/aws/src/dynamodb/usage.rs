//! What an owner has: one item, changed in the transaction that writes the asset.
//!
//! All of an owner's grants and arrivals meet at this item, and DynamoDB cancels a transaction that meets another. Nothing
//! is tried again here: the write is `Contended`, and how long to be patient is the domain's to say.

use aws_sdk_dynamodb::types::{
    AttributeValue, Put as PutRequest, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use sluice_core::{
    Error, Result,
    asset::Asset,
    ids::OwnerId,
    ports::Saved,
    usage::{Quota, Usage, UsageChange},
};

use super::{
    DynamoTable,
    schema::{self, Item},
    transaction::Transacted,
};

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
        let writes = vec![
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder().update(count).build(),
        ];
        match self.transact(writes).await? {
            Transacted::Written => Ok(Saved::Yes),
            Transacted::Contended => Ok(Saved::Contended),
            Transacted::Refused { at: 0, .. } => Ok(Saved::Conflict),
            Transacted::Refused { present, .. } => {
                quota.check(present.as_ref().map(usage).unwrap_or_default(), change)?;
                // room by what is there: the condition and the check see the sums differently only while others write
                Ok(Saved::Contended)
            }
        }
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

fn usage(item: &Item) -> Usage {
    // a sum that was ever below nothing reads as nothing
    let number = |name: &str| item.get(name).and_then(|value| value.as_n().ok()?.parse::<i128>().ok());
    let sum = |name: &str| number(name).unwrap_or_default().max(0);
    Usage {
        open_uploads: u32::try_from(sum("open_uploads")).unwrap_or(u32::MAX),
        stored_bytes: u64::try_from(sum("stored_bytes")).unwrap_or(u64::MAX),
    }
}
