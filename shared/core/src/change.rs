//! The one way to change an asset: read, apply, save on condition, and again if somebody else was first.

use std::{borrow::Cow, time::Duration};

use crate::{
    asset::{Asset, Event, Failure, Outcome, Overdue, Transition},
    error::{Error, ErrorKind, Result},
    ids::AssetId,
    ports::{AssetRepository, Clock, Saved},
    usage::Quota,
};

/// How often a change is tried against other writers. Each round loses only to a writer that made progress.
const ROUNDS: usize = 8;
/// The longest first pause of a write that other writers were in the way of; it doubles with each try.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause of all.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The longest that such a write waits in all: well below the 29 s that API Gateway gives a request.
const PATIENCE: Duration = Duration::from_secs(20);

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
    // it holds several states of the asset: on the heap, where its callers' futures needn't
    Box::pin(apply_or_refuse(repository, clock, asset, event, None)).await
}

/// The same for a grant, where what the owner may have is limited: `too_many_uploads`, `quota_exceeded`.
pub async fn apply_within(
    repository: &impl AssetRepository,
    clock: &impl Clock,
    asset: Asset,
    event: &Event,
    quota: &Quota,
) -> Result<Transition> {
    apply_or_refuse(repository, clock, asset, event, Some(quota)).await
}

/// What happened can't be refused as a request can: what it brings too much is let go of instead.
async fn apply_or_refuse(
    repository: &impl AssetRepository,
    clock: &impl Clock,
    mut asset: Asset,
    event: &Event,
    granted: Option<&Quota>,
) -> Result<Transition> {
    let mut event = Cow::Borrowed(event);
    for _ in 0..ROUNDS {
        let transition = asset.apply(&event, clock.now())?;
        if transition.outcome == Outcome::Unchanged {
            return Ok(transition);
        }
        let quota = granted.copied().unwrap_or_else(|| asset.quota_of(&event));
        let save = async || repository.save(&transition.asset, transition.usage, &quota).await;
        let saved = uncontended(clock, save).await;
        if let Err(error) = &saved
            && let Some(instead) = without_room(&event, error)
        {
            event = Cow::Owned(instead);
            continue;
        }
        match written(repository, &transition.asset, saved).await? {
            Written::Ours => return Ok(transition),
            Written::Theirs(stored) => asset = *stored.ok_or_else(Error::asset_not_found)?,
        }
    }
    Err(Error::new(ErrorKind::Throttled, "busy", "the asset is being changed by many at once"))
}

/// What happens in place of what there is no room for: bytes are refused, and an upload that goes on after all stays one that
/// doesn't count.
fn without_room(event: &Event, error: &Error) -> Option<Event> {
    match event {
        Event::UploadArrived(object) if error.code() == Quota::EXCEEDED => Some(Event::UploadRefused {
            object: object.clone(),
            failure: Failure::permanent(Quota::EXCEEDED, error.message()),
        }),
        Event::DeadlinePassed(found) if found.begun && is_of_quota(error) => {
            Some(Event::DeadlinePassed(Overdue { begun: false, ..*found }))
        }
        _ => None,
    }
}

fn is_of_quota(error: &Error) -> bool {
    [Quota::EXCEEDED, Quota::TOO_MANY].contains(&error.code())
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
        Ok(Saved::Conflict | Saved::Contended) => None,
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

/// Repeats a write while other writers of the same items are in its way: `write` is one try, and `Contended` is never the
/// answer. Between the tries it waits, each time up to twice as long, 10 ms to 500 ms and up to 20 s in all, so that the
/// uploads of one owner, which all count for the one usage, queue up where they would otherwise be refused.
///
/// # Errors
/// Those of `write`; `Throttled` (`busy`) when after all the waiting others are still in the way.
pub async fn uncontended(clock: &impl Clock, write: impl AsyncFn() -> Result<Saved>) -> Result<Saved> {
    let (mut pause, mut waited) = (FIRST_PAUSE, Duration::ZERO);
    loop {
        let saved = write().await?;
        if saved != Saved::Contended {
            return Ok(saved);
        }
        pause = pause.min(PATIENCE.saturating_sub(waited));
        if pause.is_zero() {
            return Err(Error::new(
                ErrorKind::Throttled,
                "busy",
                "too many writers are at the same records at once",
            ));
        }
        clock.back_off(pause).await;
        waited += pause;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        pin::pin,
        sync::Mutex,
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::time::Timestamp;

    /// A clock that keeps how long it was asked to wait, and waits not at all.
    #[derive(Default)]
    struct Waits(Mutex<Vec<Duration>>);

    impl Clock for Waits {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(0)
        }

        async fn sleep(&self, _: Duration) {
            panic!("writers that met wait for a random time each");
        }

        async fn back_off(&self, longest: Duration) {
            self.0.lock().unwrap().push(longest);
        }
    }

    /// What becomes of a write that meets others `contended` times, then answers `last`; its pauses in milliseconds.
    fn write(contended: usize, last: Result<Saved>) -> (Result<Saved, &'static str>, Vec<u128>) {
        let (clock, tries, last) = (Waits::default(), Cell::new(0), Cell::new(Some(last)));
        let one_try = async || {
            tries.set(tries.get() + 1);
            if tries.get() <= contended { Ok(Saved::Contended) } else { last.take().unwrap() }
        };
        let written = pin!(uncontended(&clock, one_try)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(written) = written else { panic!("nothing here waits") };
        let waits = clock.0.into_inner().unwrap();
        (written.map_err(|error| error.code()), waits.iter().map(Duration::as_millis).collect())
    }

    #[test]
    fn a_write_that_nobody_hinders_is_one_try() {
        for answer in [Saved::Yes, Saved::Conflict] {
            assert_eq!(write(0, Ok(answer)), (Ok(answer), vec![]));
        }
        assert_eq!(write(0, Err(Error::asset_not_found())), (Err("asset_not_found"), vec![]));
    }

    #[test]
    fn the_pauses_double_up_to_the_longest() {
        let pauses = vec![10, 20, 40, 80, 160, 320, 500, 500];
        assert_eq!(write(8, Ok(Saved::Yes)), (Ok(Saved::Yes), pauses.clone()));
        assert_eq!(write(8, Err(Error::asset_not_found())), (Err("asset_not_found"), pauses));
    }

    #[test]
    fn patience_has_an_end() {
        let (written, pauses) = write(usize::MAX, Ok(Saved::Yes));
        assert_eq!((written, pauses.iter().sum()), (Err("busy"), PATIENCE.as_millis()));
        let tries = pauses.len();
        assert_eq!(write(tries, Ok(Saved::Yes)).0, Ok(Saved::Yes), "the try after the last pause counts");
        assert_eq!(write(tries + 1, Ok(Saved::Yes)).0, Err("busy"));
    }
}
