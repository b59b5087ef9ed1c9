//! The one way to change an asset: read, apply, save on condition, and again if somebody else was first.

use crate::{
    asset::{Asset, Event, Outcome, Transition},
    error::{Error, ErrorKind, Result},
    ids::AssetId,
    ports::{AssetRepository, Clock, Saved},
    usage::Quota,
};

/// How often a change is tried against other writers. Each round loses only to a writer that made progress.
const ROUNDS: usize = 8;

/// Applies `event` to the asset `id` and saves the result if it changed anything.
///
/// The transition holds the asset as it is stored now and what is to be done about it; doing it is the caller's.
///
/// # Errors
/// `asset_not_found`; a `Conflict` of the state machine; `Throttled` when other writers were always first.
pub async fn apply(
    repository: &impl AssetRepository,
    clock: &impl Clock,
    id: AssetId,
    event: &Event,
) -> Result<Transition> {
    let asset = repository.get(id).await?.ok_or_else(Error::asset_not_found)?;
    apply_to(repository, clock, asset, event).await
}

/// The same for an asset that was just read: the first round needs no read.
pub async fn apply_to(
    repository: &impl AssetRepository,
    clock: &impl Clock,
    asset: Asset,
    event: &Event,
) -> Result<Transition> {
    apply_within(repository, clock, asset, event, &Quota::UNLIMITED).await
}

/// The same where what the owner may have is limited: `too_many_uploads`, `quota_exceeded`.
pub async fn apply_within(
    repository: &impl AssetRepository,
    clock: &impl Clock,
    mut asset: Asset,
    event: &Event,
    quota: &Quota,
) -> Result<Transition> {
    for _ in 0..ROUNDS {
        let transition = asset.apply(event, clock.now())?;
        if transition.outcome == Outcome::Unchanged {
            return Ok(transition);
        }
        let saved = repository.save(&transition.asset, transition.usage, quota).await;
        match written(repository, &transition.asset, saved).await? {
            Written::Ours => return Ok(transition),
            Written::Theirs(stored) => asset = *stored.ok_or_else(Error::asset_not_found)?,
        }
    }
    Err(Error::new(ErrorKind::Throttled, "busy", "the asset is being changed by many at once"))
}

/// Whose write took place.
pub(crate) enum Written {
    /// Ours.
    Ours,
    /// Another's; the asset as it is now.
    Theirs(Option<Box<Asset>>),
}

/// Whose write took place, given what the repository answered. An answer that was lost, and a refusal of a request that
/// was sent a second time because its answer was lost, may hide a write that took place: so the asset is looked at.
///
/// # Errors
/// That of the write where it did not take place, or where nobody can tell.
pub(crate) async fn written(
    repository: &impl AssetRepository,
    asset: &Asset,
    saved: Result<Saved>,
) -> Result<Written> {
    let refused = match saved {
        Ok(Saved::Yes) => return Ok(Written::Ours),
        Ok(Saved::Conflict) => None,
        Err(error) if error.kind().is_transient() => Some(error),
        Err(error) => return Err(error),
    };
    match (repository.get(asset.id()).await, refused) {
        (Ok(Some(stored)), _) if stored == *asset => Ok(Written::Ours),
        (Ok(stored), None) => Ok(Written::Theirs(stored.map(Box::new))),
        (_, Some(refused)) => Err(refused),
        (Err(error), None) => Err(error),
    }
}
