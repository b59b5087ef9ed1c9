//! Assets: one item each, replaced whole, on condition of its revision.

use std::num::NonZeroU16;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use sluice_core::{
    Error, Result,
    asset::Asset,
    ids::{AssetId, OwnerId, UploadId},
    ports::{AssetRepository, Listed, Page, Saved},
    time::Timestamp,
    usage::{Quota, Usage, UsageChange},
};

use super::{
    DynamoTable,
    cursor::Listing,
    schema::{self, CANCELLED, DEADLINE_SHARDS, DEADLINES, Item, UPLOADS},
};

impl DynamoTable {
    /// One page of a listing. One item more than asked for is read, to know whether there is a next page.
    async fn page(
        &self,
        listing: Listing,
        owner: &OwnerId,
        query: QueryFluentBuilder,
        limit: u16,
        cursor: Option<&str>,
    ) -> Result<Page<Asset>> {
        let start = cursor.map(|cursor| listing.start_key(owner, cursor)).transpose()?;
        let query = query
            .index_name(listing.index())
            .expression_attribute_values(":owner", schema::text(schema::owner_pk(owner)))
            .set_exclusive_start_key(start);
        let limit = usize::from(NonZeroU16::new(limit).map_or(1, NonZeroU16::get));
        let items = self.collect(query, limit + 1).await?;
        let more = items.len() > limit;
        let items = items.into_iter().take(limit).map(schema::asset_of).collect::<Result<Vec<_>>>()?;
        let next = items.last().filter(|_| more).map(|last| {
            let time = match listing {
                Listing::ByCreation | Listing::CancelledByCreation => last.created_at(),
                Listing::ByChange => last.updated_at(),
            };
            listing.cursor(owner, time, last.id())
        });
        Ok(Page { items, next })
    }
}

impl AssetRepository for DynamoTable {
    async fn create(&self, asset: &Asset, quota: &Quota) -> Result<Saved> {
        let usage = asset.usage().since(Usage::default());
        self.write_counted(asset, "attribute_not_exists(pk)", [], usage, quota).await
    }

    async fn get(&self, id: AssetId) -> Result<Option<Asset>> {
        self.read(schema::asset_key(id)).await?.map(schema::asset_of).transpose()
    }

    async fn save(&self, asset: &Asset, usage: UsageChange, quota: &Quota) -> Result<Saved> {
        let before = asset.revision().saturating_sub(1);
        let values = [(":before", schema::number(i128::from(before)))];
        if usage == UsageChange::NONE {
            let put = self.put_if(schema::asset_item(asset)?, "revision = :before", values).await?;
            return Ok(put.into());
        }
        self.write_counted(asset, "revision = :before", values, usage, quota).await
    }

    async fn usage(&self, owner: &OwnerId) -> Result<Usage> {
        self.usage_of(owner).await
    }

    async fn list(
        &self,
        owner: &OwnerId,
        listed: Listed,
        limit: u16,
        cursor: Option<&str>,
    ) -> Result<Page<Asset>> {
        // times are digits, and so stand before what was cancelled
        let (listing, condition) = match listed {
            Listed::Present => (Listing::ByCreation, "owner_pk = :owner AND created_sk < :cancelled"),
            Listed::Cancelled => {
                (Listing::CancelledByCreation, "owner_pk = :owner AND begins_with(created_sk, :cancelled)")
            }
        };
        let query = self
            .query()
            .key_condition_expression(condition)
            .expression_attribute_values(":cancelled", schema::text(CANCELLED))
            .scan_index_forward(false);
        self.page(listing, owner, query, limit, cursor).await
    }

    async fn by_upload(&self, upload_id: &UploadId) -> Result<Option<AssetId>> {
        let query = self
            .query()
            .index_name(UPLOADS)
            .key_condition_expression("upload_id = :upload")
            .expression_attribute_values(":upload", schema::text(upload_id.as_str()));
        let found = self.collect(query, 1).await?.into_iter().next();
        found.map(|item| schema::asset_id_of(&item)).transpose()
    }

    async fn changed_since(
        &self,
        owner: &OwnerId,
        since: Timestamp,
        limit: u16,
        cursor: Option<&str>,
    ) -> Result<Page<Asset>> {
        let query = self
            .query()
            .key_condition_expression("owner_pk = :owner AND updated_sk >= :since")
            .expression_attribute_values(":since", schema::text(since.to_string()));
        self.page(Listing::ByChange, owner, query, limit, cursor).await
    }

    /// Every shard is asked for `limit`, and the longest overdue of all are given.
    async fn overdue(&self, now: Timestamp, limit: u16) -> Result<Vec<AssetId>> {
        let limit = usize::from(limit);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut found: Vec<(String, AssetId)> = Vec::new();
        for shard in 0..DEADLINE_SHARDS {
            let query = self
                .query()
                .index_name(DEADLINES)
                .key_condition_expression("deadline_shard = :shard AND deadline_at <= :now")
                .projection_expression("id, deadline_at")
                .expression_attribute_values(":shard", schema::text(schema::deadline_shard(shard)))
                .expression_attribute_values(":now", schema::text(now.to_string()));
            for item in self.collect(query, limit).await? {
                found.push((deadline_of(&item)?, schema::parse(&item, "id")?));
            }
        }
        found.sort_unstable();
        Ok(found.into_iter().take(limit).map(|(_, id)| id).collect())
    }
}

fn deadline_of(item: &Item) -> Result<String> {
    let deadline = item.get("deadline_at").and_then(|value| value.as_s().ok());
    deadline.cloned().ok_or_else(|| Error::internal("an item of the index has no deadline"))
}
