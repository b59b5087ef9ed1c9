//! Upload jobs: one item each in their owner's partition, and one that leads to it from the digest of its token. Both
//! are written in one transaction. What a token leads to is checked: one that an earlier job left behind leads nowhere.

use std::num::NonZeroU16;

use aws_sdk_dynamodb::types::{Put as PutRequest, TransactWriteItem};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::Digest;
use sluice_core::{
    Error, Result,
    ids::{OwnerId, RequestId, Sha256},
    job::UploadJob,
    ports::{Page, Saved, UploadJobRepository},
};

use super::{
    DynamoTable,
    schema::{self, JOB},
    transaction::Transacted,
};

impl UploadJobRepository for DynamoTable {
    async fn create(&self, job: &UploadJob, earlier: Option<&UploadJob>) -> Result<Saved> {
        let put = PutRequest::builder().table_name(&self.name).set_item(Some(schema::job_item(job)?));
        let put = match earlier {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(earlier) => put
                .condition_expression("revision = :before")
                .expression_attribute_values(":before", schema::number(i128::from(earlier.revision()))),
        };
        let token = PutRequest::builder().table_name(&self.name).set_item(Some(schema::job_token_item(job)));
        let writes = vec![
            TransactWriteItem::builder().put(put.build().map_err(Error::internal)?).build(),
            TransactWriteItem::builder().put(token.build().map_err(Error::internal)?).build(),
        ];
        match self.transact(writes).await? {
            Transacted::Written => Ok(Saved::Yes),
            Transacted::Refused { .. } => Ok(Saved::Conflict),
            Transacted::Contended => Ok(Saved::Contended),
        }
    }

    async fn get(&self, owner: &OwnerId, request_id: &RequestId) -> Result<Option<UploadJob>> {
        self.read(schema::job_key(owner, request_id)).await?.map(schema::job_of).transpose()
    }

    async fn by_token(&self, token: Sha256) -> Result<Option<UploadJob>> {
        let Some(item) = self.read(schema::job_token_key(token)).await? else { return Ok(None) };
        let owner = schema::parse(&item, "owner")?;
        let request_id = schema::parse(&item, "request_id")?;
        let job = UploadJobRepository::get(self, &owner, &request_id).await?;
        Ok(job.filter(|job| job.token() == token))
    }

    async fn save(&self, job: &UploadJob) -> Result<Saved> {
        let before = job.revision().saturating_sub(1);
        let values = [(":before", schema::number(i128::from(before)))];
        Ok(self.put_if(schema::job_item(job)?, "revision = :before", values).await?.into())
    }

    async fn list(&self, owner: &OwnerId, limit: u16, cursor: Option<&str>) -> Result<Page<UploadJob>> {
        let start = cursor.map(|cursor| request_id_of(owner, cursor)).transpose()?;
        let query = self
            .query()
            .key_condition_expression("pk = :owner AND begins_with(sk, :job)")
            .expression_attribute_values(":owner", schema::text(schema::owner_pk(owner)))
            .expression_attribute_values(":job", schema::text(JOB))
            .consistent_read(true)
            .set_exclusive_start_key(start.map(|request_id| schema::job_key(owner, &request_id)));
        let limit = usize::from(NonZeroU16::new(limit).map_or(1, NonZeroU16::get));
        let items = self.collect(query, limit + 1).await?;
        let more = items.len() > limit;
        let items = items.into_iter().take(limit).map(schema::job_of).collect::<Result<Vec<_>>>()?;
        let next = items.last().filter(|_| more).map(|last| cursor_after(owner, last.request_id()));
        Ok(Page { items, next })
    }
}

/// The start of this listing's cursors: what it is, and enough of the owner's digest to notice a mix-up.
fn tag(owner: &OwnerId) -> String {
    let digest = sha2::Sha256::digest(owner.as_str());
    format!("jobs:{}:", hex::encode(digest.get(..8).unwrap_or_default()))
}

fn cursor_after(owner: &OwnerId, request_id: &RequestId) -> String {
    URL_SAFE_NO_PAD.encode(tag(owner) + request_id.as_str())
}

/// The id that a listing goes on after.
///
/// # Errors
/// `invalid_field` for a text that this listing of this owner never gave.
fn request_id_of(owner: &OwnerId, cursor: &str) -> Result<RequestId> {
    let invalid = || Error::invalid_field("cursor", "not one that this listing gave");
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let decoded = String::from_utf8(bytes).map_err(|_| invalid())?;
    let request_id = decoded.strip_prefix(&tag(owner)).ok_or_else(invalid)?;
    request_id.parse().map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_serves_the_owner_that_got_it() {
        let (alice, bob): (OwnerId, OwnerId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let id: RequestId = "Auftrag 7-ü".parse().unwrap();
        let cursor = cursor_after(&alice, &id);
        assert_eq!(request_id_of(&alice, &cursor).unwrap(), id);
        let code = |owner: &OwnerId, cursor: &str| request_id_of(owner, cursor).unwrap_err().code();
        assert_eq!(code(&bob, &cursor), "invalid_field");
        let empty = URL_SAFE_NO_PAD.encode(tag(&alice));
        for bad in ["", "%", "AAAA", &cursor[1..], &empty] {
            assert_eq!(code(&alice, bad), "invalid_field", "{bad}");
        }
    }
}
