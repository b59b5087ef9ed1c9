//! The state table in memory.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use sluice_core::{
    Error, Result,
    asset::Asset,
    ids::{AssetId, ConnectionId, OwnerId, Sha256, UploadId},
    ports::{
        AssetRepository, Connection, ConnectionRepository, ContentIndex, Listed, Page, Saved,
        TicketRepository,
    },
    time::Timestamp,
    usage::{Quota, Usage, UsageChange},
};

/// The four repositories. Clones are the same table.
#[derive(Debug, Clone, Default)]
pub struct MemoryTable(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    assets: BTreeMap<AssetId, Asset>,
    written: Vec<Asset>,
    /// How many of the last writes the indexes don't show yet.
    lag: usize,
    /// Writes before this are shown all the same.
    shown_before: Option<Timestamp>,
    usage: BTreeMap<OwnerId, Usage>,
    contents: BTreeMap<(OwnerId, Sha256), AssetId>,
    tickets: BTreeMap<Sha256, (OwnerId, Timestamp)>,
    /// Of each its owner, since when it is known, and until when it is kept.
    connections: BTreeMap<ConnectionId, (OwnerId, Timestamp, Timestamp)>,
    /// How many of the next writes that count find others in their way.
    contended: usize,
    /// Which write of an asset isn't answered, from 1; 0 for none.
    unanswered: usize,
}

impl MemoryTable {
    /// Puts an asset there, whatever was there before.
    pub fn put(&self, asset: &Asset) {
        self.lock().write(asset);
    }

    /// The asset; the test fails if there is none.
    pub fn asset(&self, id: AssetId) -> Asset {
        self.lock().assets.get(&id).cloned().expect("the asset is in the table")
    }

    /// All assets, by id.
    pub fn assets(&self) -> Vec<Asset> {
        self.lock().assets.values().cloned().collect()
    }

    /// Every state that was ever written, in order: what the table's stream would bring.
    pub fn written(&self) -> Vec<Asset> {
        self.lock().written.clone()
    }

    /// Lets the next `n` writes that change what their owner has meet other writers: they are `Contended`.
    pub fn contend(&self, n: usize) {
        self.lock().contended = n;
    }

    /// Lets the answer to one write of an asset be lost: the `nth` that takes place, where the first is 1.
    pub fn lose_answer(&self, nth: usize) {
        self.lock().unanswered = nth;
    }

    /// How many states were written since that answer was lost; none while it wasn't.
    pub fn written_since_loss(&self) -> Option<usize> {
        let tables = self.lock();
        tables.written.len().checked_sub(tables.unanswered).filter(|_| tables.unanswered > 0)
    }

    /// The states that were written after the first `known`, in order.
    pub fn written_since(&self, known: usize) -> Vec<Asset> {
        self.lock().written.get(known..).unwrap_or_default().to_vec()
    }

    /// Lets every index lag: listings, changes and deadlines are as they were before the last so many writes.
    pub fn set_index_lag(&self, writes: usize) {
        self.lag_index(writes, None);
    }

    /// The same, but for what was written before a time: that is shown.
    pub fn lag_index(&self, writes: usize, shown_before: Option<Timestamp>) {
        let mut tables = self.lock();
        (tables.lag, tables.shown_before) = (writes, shown_before);
    }

    /// Deletes tickets and connections whose time is over, as the table does by itself at some time.
    pub fn expire(&self, now: Timestamp) {
        let mut tables = self.lock();
        tables.tickets.retain(|_, (_, expires_at)| *expires_at > now);
        tables.connections.retain(|_, (_, _, expires_at)| *expires_at > now);
    }

    /// How many connections are kept.
    pub fn connection_count(&self) -> usize {
        self.lock().connections.len()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl Tables {
    fn count(&mut self, owner: &OwnerId, change: UsageChange, quota: &Quota) -> Result<()> {
        let usage = self.usage.entry(owner.clone()).or_default();
        quota.check(*usage, change)?;
        *usage = usage.plus(change);
        Ok(())
    }

    /// Whether a write that counts finds others in its way.
    fn meets_others(&mut self) -> bool {
        let left = self.contended.checked_sub(1);
        self.contended = left.unwrap_or_default();
        left.is_some()
    }

    /// The assets as the indexes show them.
    fn indexed(&self) -> Cow<'_, BTreeMap<AssetId, Asset>> {
        let is_new = |asset: &&Asset| self.shown_before.is_none_or(|then| asset.updated_at() >= then);
        let hidden = self.written.iter().rev().take(self.lag).take_while(is_new).count();
        if hidden == 0 {
            return Cow::Borrowed(&self.assets);
        }
        let shown = &self.written[..self.written.len() - hidden];
        Cow::Owned(shown.iter().map(|asset| (asset.id(), asset.clone())).collect())
    }

    /// Those of them that are wanted, as a table of their own.
    fn indexed_where(&self, is_wanted: impl Fn(&Asset) -> bool) -> Self {
        let assets = self.indexed();
        let wanted = assets.values().filter(|asset| is_wanted(asset));
        Self { assets: wanted.map(|asset| (asset.id(), asset.clone())).collect(), ..Self::default() }
    }

    fn write(&mut self, asset: &Asset) {
        self.assets.insert(asset.id(), asset.clone());
        self.written.push(asset.clone());
    }

    /// The answer to the write that was just made.
    fn answer(&self) -> Result<Saved> {
        if self.written.len() == self.unanswered {
            return Err(Error::unavailable("the state table", "an answer is lost on order"));
        }
        Ok(Saved::Yes)
    }

    /// A page of an owner's assets in the order of `key`, from the item after the cursor on.
    fn page(
        &self,
        listing: &str,
        owner: &OwnerId,
        limit: u16,
        cursor: Option<&str>,
        key: impl Fn(&Asset) -> String,
        newest_first: bool,
    ) -> Result<Page<Asset>> {
        let tag = format!("{listing}:{owner}:");
        let after = cursor.map(|cursor| decode(cursor, &tag)).transpose()?;
        let assets = self.indexed();
        let mut sorted: Vec<(String, &Asset)> =
            assets.values().filter(|asset| asset.owner() == owner).map(|asset| (key(asset), asset)).collect();
        sorted.sort_by(|one, other| one.0.cmp(&other.0));
        if newest_first {
            sorted.reverse();
        }
        let mut rest = sorted.into_iter().filter(|(key, _)| match &after {
            Some(after) if newest_first => key < after,
            Some(after) => key > after,
            None => true,
        });
        let limit = usize::from(limit.max(1));
        let page: Vec<(String, &Asset)> = rest.by_ref().take(limit).collect();
        let next = match (page.last(), rest.next()) {
            (Some((last, _)), Some(_)) => Some(hex::encode(tag + last)),
            _ => None,
        };
        Ok(Page { items: page.into_iter().map(|(_, asset)| asset.clone()).collect(), next })
    }
}

fn decode(cursor: &str, tag: &str) -> Result<String> {
    hex::decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix(tag).map(str::to_owned))
        .ok_or_else(|| Error::invalid_field("cursor", "not one that this listing gave"))
}

impl AssetRepository for MemoryTable {
    async fn create(&self, asset: &Asset, quota: &Quota) -> Result<Saved> {
        let mut tables = self.lock();
        if tables.meets_others() {
            return Ok(Saved::Contended);
        }
        if tables.assets.contains_key(&asset.id()) {
            return Ok(Saved::Conflict);
        }
        tables.count(asset.owner(), asset.usage().since(Usage::default()), quota)?;
        tables.write(asset);
        tables.answer()
    }

    async fn get(&self, id: AssetId) -> Result<Option<Asset>> {
        Ok(self.lock().assets.get(&id).cloned())
    }

    async fn save(&self, asset: &Asset, usage: UsageChange, quota: &Quota) -> Result<Saved> {
        let mut tables = self.lock();
        if usage != UsageChange::NONE && tables.meets_others() {
            return Ok(Saved::Contended);
        }
        let stored = tables.assets.get(&asset.id());
        if stored.is_none_or(|stored| stored.revision() + 1 != asset.revision()) {
            return Ok(Saved::Conflict);
        }
        tables.count(asset.owner(), usage, quota)?;
        tables.write(asset);
        tables.answer()
    }

    async fn usage(&self, owner: &OwnerId) -> Result<Usage> {
        Ok(self.lock().usage.get(owner).copied().unwrap_or_default())
    }

    async fn list(
        &self,
        owner: &OwnerId,
        listed: Listed,
        limit: u16,
        cursor: Option<&str>,
    ) -> Result<Page<Asset>> {
        let key = |asset: &Asset| format!("{}#{}", asset.created_at(), asset.id());
        let tables = self.lock();
        let shown = tables.indexed_where(|asset| listed.holds(asset));
        shown.page(&format!("{listed:?}"), owner, limit, cursor, key, true)
    }

    async fn by_upload(&self, upload_id: &UploadId) -> Result<Option<AssetId>> {
        let is_it = |asset: &&Asset| asset.upload_id() == Some(upload_id);
        Ok(self.lock().indexed().values().find(is_it).map(Asset::id))
    }

    async fn changed_since(
        &self,
        owner: &OwnerId,
        since: Timestamp,
        limit: u16,
        cursor: Option<&str>,
    ) -> Result<Page<Asset>> {
        let tables = self.lock();
        let key = |asset: &Asset| format!("{}#{}", asset.updated_at(), asset.id());
        let recent = tables.indexed_where(|asset| asset.updated_at() >= since);
        recent.page("updated", owner, limit, cursor, key, false)
    }

    async fn overdue(&self, now: Timestamp, limit: u16) -> Result<Vec<AssetId>> {
        let tables = self.lock();
        let late = |asset: &&Asset| asset.deadline().is_some_and(|deadline| deadline <= now);
        Ok(tables.indexed().values().filter(late).map(Asset::id).take(limit.into()).collect())
    }
}

impl ContentIndex for MemoryTable {
    async fn keeper(&self, owner: &OwnerId, sha256: Sha256) -> Result<Option<AssetId>> {
        Ok(self.lock().contents.get(&(owner.clone(), sha256)).copied())
    }

    async fn claim(&self, owner: &OwnerId, sha256: Sha256, asset: AssetId) -> Result<AssetId> {
        Ok(*self.lock().contents.entry((owner.clone(), sha256)).or_insert(asset))
    }

    async fn replace(
        &self,
        owner: &OwnerId,
        sha256: Sha256,
        stale: AssetId,
        asset: AssetId,
    ) -> Result<AssetId> {
        let mut tables = self.lock();
        let keeper = tables.contents.entry((owner.clone(), sha256)).or_insert(asset);
        if *keeper == stale {
            *keeper = asset;
        }
        Ok(*keeper)
    }
}

impl TicketRepository for MemoryTable {
    async fn issue(&self, ticket: Sha256, owner: &OwnerId, expires_at: Timestamp) -> Result<()> {
        self.lock().tickets.insert(ticket, (owner.clone(), expires_at));
        Ok(())
    }

    async fn redeem(&self, ticket: Sha256, now: Timestamp) -> Result<Option<OwnerId>> {
        let taken = self.lock().tickets.remove(&ticket);
        Ok(taken.filter(|(_, expires_at)| *expires_at > now).map(|(owner, _)| owner))
    }
}

impl ConnectionRepository for MemoryTable {
    async fn add(&self, connection: &Connection, owner: &OwnerId, expires_at: Timestamp) -> Result<Saved> {
        let added = (owner.clone(), connection.since, expires_at);
        self.lock().connections.insert(connection.id.clone(), added);
        Ok(Saved::Yes)
    }

    async fn remove(&self, connection: &ConnectionId) -> Result<()> {
        self.lock().connections.remove(connection);
        Ok(())
    }

    async fn remove_unless_newer(&self, connection: &Connection, owner: &OwnerId) -> Result<()> {
        let mut tables = self.lock();
        let is_as_read = |(its_owner, since, _): &(OwnerId, Timestamp, Timestamp)| {
            its_owner == owner && *since <= connection.since
        };
        if tables.connections.get(&connection.id).is_some_and(is_as_read) {
            tables.connections.remove(&connection.id);
        }
        Ok(())
    }

    async fn owner_of(&self, connection: &ConnectionId) -> Result<Option<OwnerId>> {
        Ok(self.lock().connections.get(connection).map(|(owner, ..)| owner.clone()))
    }

    async fn of_owner(&self, owner: &OwnerId) -> Result<Vec<Connection>> {
        let tables = self.lock();
        let theirs = tables.connections.iter().filter(|(_, (its_owner, ..))| its_owner == owner);
        Ok(theirs.map(|(id, (_, since, _))| Connection { id: id.clone(), since: *since }).collect())
    }
}
