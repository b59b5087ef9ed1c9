//! Who keeps which content: one item for each owner and digest.

use sluice_core::{
    Error, Result,
    ids::{AssetId, OwnerId, Sha256},
    ports::ContentIndex,
};

use super::{
    DynamoTable, Put,
    schema::{self, Item},
};

/// The attribute that names the keeper.
const KEEPER: &str = "asset_id";

impl DynamoTable {
    /// Makes `asset` the keeper if `condition` holds; answers who is.
    async fn make_keeper(
        &self,
        owner: &OwnerId,
        sha256: Sha256,
        asset: AssetId,
        condition: &str,
        values: &[(&str, AssetId)],
    ) -> Result<AssetId> {
        let mut item: Item = schema::content_key(owner, sha256);
        item.insert(KEEPER.to_owned(), schema::text(asset.to_string()));
        let values = values.iter().map(|&(name, id)| (name, schema::text(id.to_string())));
        match self.put_if(item, condition, values.collect::<Vec<_>>()).await? {
            Put::Written => Ok(asset),
            Put::Refused(Some(present)) => schema::parse(&present, KEEPER),
            Put::Refused(None) => Err(Error::internal("a condition failed without an item")),
            Put::Contended => Err(Error::internal("a transaction holds the keeper of a content")),
        }
    }
}

impl ContentIndex for DynamoTable {
    async fn keeper(&self, owner: &OwnerId, sha256: Sha256) -> Result<Option<AssetId>> {
        let found = self.read(schema::content_key(owner, sha256)).await?;
        found.map(|item| schema::parse(&item, KEEPER)).transpose()
    }

    async fn claim(&self, owner: &OwnerId, sha256: Sha256, asset: AssetId) -> Result<AssetId> {
        self.make_keeper(owner, sha256, asset, "attribute_not_exists(pk)", &[]).await
    }

    async fn replace(
        &self,
        owner: &OwnerId,
        sha256: Sha256,
        stale: AssetId,
        asset: AssetId,
    ) -> Result<AssetId> {
        let condition = "attribute_not_exists(pk) OR asset_id = :stale";
        self.make_keeper(owner, sha256, asset, condition, &[(":stale", stale)]).await
    }
}
