//! Uploads by tus: one item each, found by the digest of the secret in its URL. An append costs two writes of it: the lock,
//! which also reads it, and the commit.

use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use sluice_core::{
    Error, Result,
    ids::{OwnerId, Sha256},
    ports::{Locking, Saved, TusUploadRepository},
    tus::{Lock, TusUpload},
};

use super::{DynamoTable, SERVICE, schema, schema::Item};
use crate::error::classify;

fn item_of(id: Sha256, upload: &TusUpload) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(upload).map_err(Error::internal)?;
    item.extend(schema::tus_key(id));
    item.insert(schema::EXPIRES_AT.to_owned(), schema::number(upload.kept_until().as_seconds()));
    Ok(item)
}

fn upload_of(item: Item) -> Result<TusUpload> {
    serde_dynamo::from_item(item).map_err(Error::internal)
}

impl TusUploadRepository for DynamoTable {
    async fn create(&self, id: Sha256, upload: &TusUpload) -> Result<Saved> {
        let put = self.put_if(item_of(id, upload)?, "attribute_not_exists(pk)", []).await?;
        Ok(put.into())
    }

    async fn get(&self, id: Sha256) -> Result<Option<TusUpload>> {
        self.read(schema::tus_key(id)).await?.map(upload_of).transpose()
    }

    async fn lock(&self, id: Sha256, owner: Option<&OwnerId>, offset: u64, lock: &Lock) -> Result<Locking> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(schema::tus_key(id)))
            .update_expression("SET #lock = :lock ADD #revision :one")
            .condition_expression(
                "#state = :open AND #offset = :offset AND attribute_not_exists(#lock) \
                 AND (attribute_exists(#job) OR #owner = :owner)",
            )
            .expression_attribute_names("#lock", "lock")
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#offset", "offset")
            .expression_attribute_names("#job", "job")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(
                ":lock",
                serde_dynamo::to_attribute_value(lock).map_err(Error::internal)?,
            )
            .expression_attribute_values(":one", schema::number(1))
            .expression_attribute_values(":open", schema::text("open"))
            .expression_attribute_values(":offset", schema::number(offset))
            // nobody's name is empty
            .expression_attribute_values(":owner", schema::text(owner.map_or("", OwnerId::as_str)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match update.send().await {
            Ok(updated) => {
                let item = updated.attributes.ok_or_else(|| Error::internal("an update returned nothing"))?;
                return Ok(Locking::Taken(Box::new(upload_of(item)?)));
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(
                aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                    refused,
                ),
            ) => {
                let upload = refused.item().cloned().map(upload_of).transpose()?;
                Ok(Locking::Refused(upload.map(Box::new)))
            }
            _ => Err(classify(SERVICE, &error)),
        }
    }

    async fn save(&self, id: Sha256, upload: &TusUpload) -> Result<Saved> {
        let before = schema::number(upload.revision() - 1);
        let put = self.put_if(item_of(id, upload)?, "revision = :before", [(":before", before)]).await?;
        Ok(put.into())
    }

    async fn remove(&self, id: Sha256, revision: u64) -> Result<Saved> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(schema::tus_key(id)))
            .condition_expression("revision = :revision")
            .expression_attribute_values(":revision", schema::number(revision));
        match delete.send().await {
            Ok(_) => Ok(Saved::Yes),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_conditional_check_failed_exception() => Ok(Saved::Conflict),
                _ => Err(classify(SERVICE, &error)),
            },
        }
    }
}
