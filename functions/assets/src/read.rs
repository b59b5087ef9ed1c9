//! Reading assets, and calling an upload off; apart from HTTP.

use sluice_core::{
    Error, ErrorKind, Result,
    asset::Asset,
    cancel::{already_uploaded, cancel_upload},
    document::{AssetDocument, link_to_original},
    find,
    ids::OwnerId,
    ports::{
        AssetRepository, Clock, Disposition, Link, LinkSigner, Listed, MultipartStore, OriginalStore, Page,
    },
    right::Right,
};

/// Assets on a page unless the client says.
pub const DEFAULT_LIMIT: u16 = 50;
/// The most assets on a page: with links signed and metadata of a camera each, about 1 MB of Lambda's 6.
pub const MAX_LIMIT: u16 = 100;

/// What assets are read with.
pub struct Reader<T, O, L, C> {
    /// The state table.
    pub table: T,
    /// The bucket of originals and its multipart uploads.
    pub originals: O,
    /// Signs links.
    pub links: L,
    /// The time.
    pub clock: C,
}

impl<T, O, L, C> Reader<T, O, L, C>
where
    T: AssetRepository,
    O: OriginalStore + MultipartStore,
    L: LinkSigner,
    C: Clock,
{
    /// One asset.
    ///
    /// # Errors
    /// `asset_not_found` unless it is the owner's.
    pub async fn one(&self, owner: &OwnerId, id: &str) -> Result<AssetDocument> {
        AssetDocument::render(&self.found(owner, id, Right::Read).await?, &self.links).await
    }

    /// A page of the owner's assets, newest first.
    ///
    /// # Errors
    /// `invalid_field` for a cursor that isn't one.
    pub async fn list(
        &self,
        owner: &OwnerId,
        listed: Listed,
        limit: Option<u16>,
        cursor: Option<&str>,
    ) -> Result<Page<AssetDocument>> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
        let page = self.table.list(owner, listed, limit, cursor).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for asset in &page.items {
            items.push(AssetDocument::render(asset, &self.links).await?);
        }
        Ok(Page { items, next: page.next })
    }

    /// A short-lived link to the original: that shows it in place, where that is safe, or saves it under its name.
    ///
    /// # Errors
    /// `asset_not_found` unless it is the owner's; `upload_incomplete` while there are no bytes.
    pub async fn original(&self, owner: &OwnerId, id: &str, wanted: Disposition) -> Result<Link> {
        let asset = self.found(owner, id, Right::Read).await?;
        link_to_original(&asset, &self.links, wanted)
            .await?
            .ok_or_else(|| Error::conflict("upload_incomplete", "the bytes aren't there yet"))
    }

    /// A short-lived link to a derivative.
    ///
    /// # Errors
    /// `asset_not_found` unless it is the owner's; `derivative_not_found` while there is none of this name.
    pub async fn derivative(&self, owner: &OwnerId, id: &str, name: &str) -> Result<Link> {
        let asset = self.found(owner, id, Right::Read).await?;
        let made = asset.derivatives().iter().find(|made| made.name == name).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "derivative_not_found",
                "the asset has no derivative of this name",
            )
        })?;
        self.links.derivative(&made.key).await
    }

    /// Cancels the upload of an asset that has no bytes yet. A repeat gives the same.
    ///
    /// # Errors
    /// `asset_not_found` unless it is the owner's; `already_uploaded` once the bytes are there: they stay, also while a
    /// further version of them is uploaded.
    pub async fn cancel(&self, owner: &OwnerId, id: &str) -> Result<()> {
        let asset = self.found(owner, id, Right::Change).await?;
        if asset.object().is_some() {
            return Err(already_uploaded());
        }
        cancel_upload(&self.table, &self.originals, &self.clock, asset).await
    }

    /// Cancels the upload of a further version, or clears away why the last one didn't come; the asset stays as it is. A
    /// repeat gives the same.
    ///
    /// # Errors
    /// `asset_not_found` unless it is the owner's; `no_update` where none was begun; `already_uploaded` once its bytes
    /// are there.
    pub async fn cancel_update(&self, owner: &OwnerId, id: &str) -> Result<()> {
        let asset = self.found(owner, id, Right::Change).await?;
        if asset.update().is_none() && !asset.is_update_cancelled() {
            return Err(Error::conflict("no_update", "no further version of the asset is on its way"));
        }
        cancel_upload(&self.table, &self.originals, &self.clock, asset).await
    }

    async fn found(&self, owner: &OwnerId, id: &str, right: Right) -> Result<Asset> {
        find::asset(&self.table, owner, id.parse()?, right).await?.ok_or_else(Error::asset_not_found)
    }
}
