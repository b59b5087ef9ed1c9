//! The repository of assets.

use std::time::Duration;

use sluice_core::{
    ErrorKind, Result,
    asset::{Asset, Event, Failure, Grant, Overdue},
    change::uncontended,
    ids::{AssetId, UploadId},
    ports::{AssetRepository, Listed, Page, Saved},
    time::Timestamp,
    usage::{Quota, Usage, UsageChange},
};

use super::eventually;
use crate::{
    build,
    time::{CountingIds, FixedClock},
};

fn now() -> Timestamp {
    Timestamp::from_seconds(1_769_847_330)
}

fn later(millis: u64) -> Timestamp {
    now().plus(Duration::from_millis(millis))
}

fn granted(n: u64, owner: &str, at: Timestamp) -> Asset {
    build::asset(CountingIds::nth(n), owner, build::grant(at), at)
}

fn cancelled(asset: &Asset, at: Timestamp) -> Asset {
    asset.apply(&Event::UploadCancelled, at).expect("it is uploading").asset
}

async fn create(repository: &impl AssetRepository, asset: &Asset) -> Result<Saved> {
    repository.create(asset, &Quota::UNLIMITED).await
}

/// A save by somebody who doesn't look at what it counts for.
async fn save(repository: &impl AssetRepository, asset: &Asset) -> Result<Saved> {
    repository.save(asset, UsageChange::NONE, &Quota::UNLIMITED).await
}

/// Runs on a table without assets.
pub async fn asset_repository_contract(repository: &impl AssetRepository) {
    an_asset_is_created_once_and_read_back_whole(repository).await;
    a_save_wins_only_over_the_revision_it_was_made_from(repository).await;
    usage_is_counted_with_every_write(repository).await;
    a_quota_stops_what_would_go_over_it(repository).await;
    writers_at_the_same_time_are_all_counted(repository).await;
    a_listing_goes_from_the_newest_to_the_oldest_page_by_page(repository).await;
    what_was_cancelled_is_listed_by_itself(repository).await;
    an_asset_is_found_by_its_last_multipart_upload(repository).await;
    changes_come_in_their_order_from_a_time_on(repository).await;
    an_asset_is_overdue_from_its_deadline_until_it_is_ended(repository).await;
}

async fn an_asset_is_created_once_and_read_back_whole(repository: &impl AssetRepository) {
    let plain = granted(1, "reader", now());
    assert_eq!(repository.get(plain.id()).await.unwrap(), None);
    assert_eq!(create(repository, &plain).await.unwrap(), Saved::Yes);
    assert_eq!(create(repository, &plain).await.unwrap(), Saved::Conflict);
    assert_eq!(repository.get(plain.id()).await.unwrap(), Some(plain));

    let full = build::everything(CountingIds::nth(2), "reader", now());
    assert_eq!(create(repository, &full).await.unwrap(), Saved::Yes);
    assert_eq!(repository.get(full.id()).await.unwrap(), Some(full));
}

async fn a_save_wins_only_over_the_revision_it_was_made_from(repository: &impl AssetRepository) {
    let first = granted(11, "writer", now());
    let second = cancelled(&first, later(1));
    assert_eq!(save(repository, &second).await.unwrap(), Saved::Conflict, "there is nothing to replace");
    assert_eq!(repository.get(first.id()).await.unwrap(), None);

    create(repository, &first).await.unwrap();
    assert_eq!(save(repository, &first).await.unwrap(), Saved::Conflict);
    assert_eq!(save(repository, &second).await.unwrap(), Saved::Yes);
    assert_eq!(save(repository, &second).await.unwrap(), Saved::Conflict, "a second call finds itself");
    assert_eq!(repository.get(first.id()).await.unwrap(), Some(second));

    let raced = granted(12, "writer", now());
    create(repository, &raced).await.unwrap();
    let (one, other) = (cancelled(&raced, later(1)), cancelled(&raced, later(2)));
    let (of_one, of_other) = tokio::join!(save(repository, &one), save(repository, &other));
    let winner = match (of_one.unwrap(), of_other.unwrap()) {
        (Saved::Yes, Saved::Conflict) => one,
        (Saved::Conflict, Saved::Yes) => other,
        both => panic!("exactly one wins, not {both:?}"),
    };
    assert_eq!(repository.get(raced.id()).await.unwrap(), Some(winner));
}

async fn usage_is_counted_with_every_write(repository: &impl AssetRepository) {
    let owner = build::owner("counted");
    assert_eq!(repository.usage(&owner).await.unwrap(), Usage::default());
    let asset = granted(15, "counted", now());
    create(repository, &asset).await.unwrap();
    assert_eq!(create(repository, &asset).await.unwrap(), Saved::Conflict);
    let open = Usage { open_uploads: 1, stored_bytes: build::SIZE };
    assert_eq!(repository.usage(&owner).await.unwrap(), open, "what wasn't written wasn't counted");

    let ended = asset.apply(&Event::UploadCancelled, later(1)).expect("it is uploading");
    let unlimited = Quota::UNLIMITED;
    assert_eq!(repository.save(&ended.asset, ended.usage, &unlimited).await.unwrap(), Saved::Yes);
    assert_eq!(repository.usage(&owner).await.unwrap(), Usage::default());
    assert_eq!(repository.save(&ended.asset, ended.usage, &unlimited).await.unwrap(), Saved::Conflict);
    assert_eq!(repository.usage(&owner).await.unwrap(), Usage::default());
    assert_eq!(repository.get(asset.id()).await.unwrap(), Some(ended.asset));
}

async fn a_quota_stops_what_would_go_over_it(repository: &impl AssetRepository) {
    let code = |result: Result<Saved>| result.map_err(|error| error.code());
    let few = Quota { open_uploads: Some(1), ..Quota::UNLIMITED };
    let (first, second) = (granted(16, "limited", now()), granted(17, "limited", now()));
    assert_eq!(code(repository.create(&first, &few).await), Ok(Saved::Yes));
    assert_eq!(code(repository.create(&second, &few).await), Err("too_many_uploads"));
    assert_eq!(repository.get(second.id()).await.unwrap(), None);
    let small = Quota { stored_bytes: Some(2 * build::SIZE - 1), ..Quota::UNLIMITED };
    assert_eq!(code(repository.create(&second, &small).await), Err("quota_exceeded"));
    let enough = Quota { stored_bytes: Some(2 * build::SIZE), ..Quota::UNLIMITED };
    assert_eq!(code(repository.create(&second, &enough).await), Ok(Saved::Yes));
    let none = Quota { open_uploads: Some(0), stored_bytes: Some(0) };
    assert_eq!(code(repository.create(&granted(18, "unknown", now()), &none).await), Err("too_many_uploads"));
    let ended = first.apply(&Event::UploadCancelled, later(1)).expect("it is uploading");
    assert_eq!(code(repository.save(&ended.asset, ended.usage, &none).await), Ok(Saved::Yes));
}

async fn writers_at_the_same_time_are_all_counted(repository: &impl AssetRepository) {
    let assets: Vec<Asset> = (60..68).map(|n| granted(n, "busy", now())).collect();
    let clock = FixedClock::default();
    let write = async |asset| uncontended(&clock, async || create(repository, asset).await).await;
    let writes = assets.iter().map(write);
    for written in futures_util::future::join_all(writes).await {
        assert_eq!(written.unwrap(), Saved::Yes);
    }
    let usage = repository.usage(&build::owner("busy")).await.unwrap();
    assert_eq!(usage, Usage { open_uploads: 8, stored_bytes: 8 * build::SIZE });
}

fn ids(page: &Page<Asset>) -> Vec<AssetId> {
    page.items.iter().map(Asset::id).collect()
}

async fn a_listing_goes_from_the_newest_to_the_oldest_page_by_page(repository: &impl AssetRepository) {
    let owner = build::owner("lister");
    assert_eq!(
        repository.list(&owner, Listed::Present, 10, None).await.unwrap(),
        Page { items: Vec::new(), next: None }
    );
    // the second and third are of the same millisecond: then the id decides
    let times = [0, 5, 5, 9, 1];
    for (n, millis) in (21..).zip(times) {
        create(repository, &granted(n, "lister", later(millis))).await.unwrap();
    }
    create(repository, &granted(26, "somebody-else", later(3))).await.unwrap();
    let expected = [24, 23, 22, 25, 21].map(CountingIds::nth);

    let all = eventually("all five", async || {
        let page = repository.list(&owner, Listed::Present, 10, None).await.unwrap();
        (page.items.len() == 5).then_some(page)
    })
    .await;
    assert_eq!(ids(&all), expected);
    assert_eq!(all.next, None);
    assert_eq!(all.items[0], granted(24, "lister", later(9)), "whole assets are listed");

    for size in [1_u16, 2, 3, 5] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = repository.list(&owner, Listed::Present, size, cursor.as_deref()).await.unwrap();
            assert!(page.items.len() <= size.into(), "a page holds at most what was asked for");
            assert!(!page.items.is_empty(), "the end is told by the last page, not by an empty one");
            seen.extend(ids(&page));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "in pages of {size}");
    }

    let cursor =
        repository.list(&owner, Listed::Present, 2, None).await.unwrap().next.expect("there is more");
    let stranger = build::owner("somebody-else");
    assert!(!cursor.contains("lister"), "a cursor is opaque");
    for (who, cursor) in [(&stranger, cursor.as_str()), (&owner, "x"), (&owner, ""), (&owner, &cursor[2..])] {
        let refused = repository.list(who, Listed::Present, 2, Some(cursor)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{cursor}");
    }
    let refused = repository.changed_since(&owner, now(), 2, Some(&cursor)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "a cursor serves one listing");
}

async fn what_was_cancelled_is_listed_by_itself(repository: &impl AssetRepository) {
    let owner = build::owner("canceller");
    let assets: Vec<Asset> = (51..57).map(|n| granted(n, "canceller", later(n))).collect();
    for asset in &assets {
        create(repository, asset).await.unwrap();
    }
    for asset in assets.iter().step_by(2) {
        save(repository, &cancelled(asset, later(100))).await.unwrap();
    }
    let all = async |listed: Listed| {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = repository.list(&owner, listed, 2, cursor.as_deref()).await.unwrap();
            seen.extend(ids(&page));
            cursor = page.next;
            if cursor.is_none() {
                return seen;
            }
        }
    };
    let (present, others) = ([56, 54, 52].map(CountingIds::nth), [55, 53, 51].map(CountingIds::nth));
    eventually("those that are left", async || (all(Listed::Present).await == present).then_some(())).await;
    assert_eq!(all(Listed::Cancelled).await, others);
    let cursor =
        repository.list(&owner, Listed::Cancelled, 2, None).await.unwrap().next.expect("there is more");
    let refused = repository.list(&owner, Listed::Present, 2, Some(&cursor)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "a cursor serves one listing");
}

async fn an_asset_is_found_by_its_last_multipart_upload(repository: &impl AssetRepository) {
    let upload = |n: u64| -> UploadId { format!("contract-upload-{n}").parse().expect("an id") };
    let in_parts = |n: u64| build::multipart_grant(now(), &upload(n), 2);
    let asset = build::asset(CountingIds::nth(71), "sender", in_parts(1), now());
    create(repository, &asset).await.unwrap();
    create(repository, &granted(72, "sender", now())).await.unwrap();
    let found = async |n: u64| repository.by_upload(&upload(n)).await.unwrap();
    eventually("the upload", async || (found(1).await == Some(asset.id())).then_some(())).await;
    assert_eq!(found(2).await, None);

    let cancelled = cancelled(&asset, later(1));
    save(repository, &cancelled).await.unwrap();
    let again = Grant { version: asset.version().next(), ..in_parts(2) };
    let event = Event::UpdateGranted(Box::new(again));
    save(repository, &cancelled.apply(&event, later(2)).expect("nothing is on its way").asset).await.unwrap();
    eventually("the next upload", async || (found(2).await == Some(asset.id())).then_some(())).await;
    assert_eq!(found(1).await, None, "another took its place");
}

async fn changes_come_in_their_order_from_a_time_on(repository: &impl AssetRepository) {
    let owner = build::owner("watcher");
    let assets: Vec<Asset> = (31..34).map(|n| granted(n, "watcher", later(n))).collect();
    for asset in &assets {
        create(repository, asset).await.unwrap();
    }
    save(repository, &cancelled(&assets[0], later(100))).await.unwrap();
    create(repository, &granted(34, "somebody-else", later(32))).await.unwrap();
    let [first, second, third] = [31, 32, 33].map(CountingIds::nth);

    let since =
        async |millis: u64| ids(&repository.changed_since(&owner, later(millis), 10, None).await.unwrap());
    eventually("the change and its order", async || (since(0).await == [second, third, first]).then_some(()))
        .await;
    assert_eq!(since(33).await, [third, first], "from the time itself on");
    assert_eq!(since(34).await, [first]);
    assert_eq!(since(101).await, []);

    let page = repository.changed_since(&owner, later(32), 2, None).await.unwrap();
    assert_eq!(ids(&page), [second, third]);
    let rest = repository.changed_since(&owner, later(32), 2, page.next.as_deref()).await.unwrap();
    assert_eq!((ids(&rest), rest.next), (vec![first], None));
}

async fn an_asset_is_overdue_from_its_deadline_until_it_is_ended(repository: &impl AssetRepository) {
    // long before all others, one in each of several shards
    let early = Timestamp::from_seconds(1_000_000_000);
    let at = |n: u64| early.plus(Duration::from_secs(n));
    let assets: Vec<Asset> = (40..44).map(|n| granted(n, "late", at(n))).collect();
    for asset in &assets {
        create(repository, asset).await.unwrap();
    }
    let deadline = assets[2].deadline().expect("an upload has a deadline");
    let overdue = async |now: Timestamp, limit: u16| {
        let mut ids = repository.overdue(now, limit).await.unwrap();
        ids.sort_unstable();
        ids
    };
    let of = |assets: &[Asset]| assets.iter().map(Asset::id).collect::<Vec<_>>();
    eventually("the overdue ones", async || (overdue(deadline, 10).await == of(&assets[..3])).then_some(()))
        .await;
    let just_before = Timestamp::from_millis(deadline.as_millis() - 1);
    assert_eq!(overdue(just_before, 10).await, of(&assets[..2]));
    assert_eq!(overdue(deadline, 2).await.len(), 2);
    assert_eq!(overdue(deadline, 0).await, []);

    let long_after = Event::DeadlinePassed(Overdue::default());
    let ended = assets[0].apply(&long_after, at(1_000_000)).expect("a deadline may pass").asset;
    assert_eq!(ended.failure_code(), Some(Failure::EXPIRED));
    save(repository, &ended).await.unwrap();
    eventually("the ended one to leave", async || {
        (overdue(deadline, 10).await == of(&assets[1..3])).then_some(())
    })
    .await;
}
