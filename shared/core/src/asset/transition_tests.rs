// the table of states, read aloud, and the properties that no order of events may break
use proptest::prelude::*;

use super::*;
use crate::{asset::GrantMode, ids::Sha256, upload::SizeRange, usage::Usage};

const NOW: i64 = 1_800_000_000_000;

fn now() -> Timestamp {
    Timestamp::from_millis(NOW)
}

fn later(seconds: u64) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

fn grant(version: Version) -> Grant {
    Grant {
        version,
        mode: GrantMode::Multipart { upload_id: "upload".parse().unwrap(), part_size: 5 << 20, num_parts: 3 },
        size: SizeRange::exactly(11 << 20),
        filename: "photo.jpg".parse().unwrap(),
        content_type: "image/jpeg".parse().unwrap(),
        sha256: None,
        replaces: None,
        expires_at: later(3600),
    }
}

fn granted() -> Asset {
    granted_as("0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f")
}

fn granted_as(id: &str) -> Asset {
    let owner: crate::ids::OwnerId = "alice".parse().unwrap();
    let folder = crate::names::Folder::of_user(&owner);
    Asset::create(
        NewAsset {
            id: id.parse().unwrap(),
            owner,
            folder,
            message_id: None,
            upload_job: None,
            grant: grant(Version::FIRST),
        },
        now(),
    )
}

fn object(version: Version) -> StoredObject {
    StoredObject {
        key: granted().key.clone(),
        size: 11 << 20,
        etag: "etag".parse().unwrap(),
        version_id: Some(format!("s3-{version}").parse().unwrap()),
        version,
        upload_id: Some("upload".parse().unwrap()),
        sha256: None,
    }
}

fn arrived(version: Version) -> Event {
    Event::UploadArrived(Box::new(object(version)))
}

fn ingested(version: Version, jobs: &[(JobName, Need)]) -> Event {
    Event::Ingested(Box::new(Ingest {
        version,
        content_type: "image/jpeg".parse().unwrap(),
        kind: Kind::Image,
        sha256: Some(Sha256::new([7; 32])),
        metadata: serde_json::Map::new(),
        placeholder: None,
        warnings: Vec::new(),
        jobs: jobs.to_vec(),
    }))
}

const IMAGE: JobName = JobName::Image;
const V1: Version = Version::FIRST;

fn started(version: Version) -> Event {
    Event::JobStarted { job: IMAGE, version, lease_until: later(60) }
}

fn succeeded(version: Version) -> Event {
    let derivative = Derivative {
        name: "thumb".into(),
        key: crate::names::DerivedKey::new(granted().id, version, "thumb", "webp"),
        content_type: "image/webp".parse().unwrap(),
        width: 256,
        height: 192,
        bytes: 9,
        version,
    };
    Event::JobSucceeded { job: IMAGE, version, derivatives: vec![derivative], warnings: Vec::new() }
}

fn failed(version: Version) -> Event {
    Event::JobFailed { job: IMAGE, version, failure: Failure::permanent("corrupt_image", "cut short") }
}

/// Applies events that must each change something.
fn after(asset: &Asset, events: &[Event]) -> Asset {
    events.iter().fold(asset.clone(), |asset, event| {
        let transition = asset.apply(event, now()).unwrap();
        assert_eq!(transition.outcome, Outcome::Changed, "{event:?}");
        transition.asset
    })
}

fn row(asset: &Asset) -> (MessageStatus, ProcessingStatus, Stage) {
    (asset.message_status, asset.processing_status, asset.stage)
}

use MessageStatus::{Pending, Seen, Sent};
use ProcessingStatus::{Done, Failed, Queued, Running};

#[test]
fn the_table_of_states() {
    let required = [(IMAGE, Need::Required)];
    let prepared = granted();
    let complete = after(&prepared, &[arrived(V1)]);
    let waiting = after(&complete, &[ingested(V1, &required)]);
    let running = after(&waiting, &[started(V1)]);
    let at_45 = after(&running, &[Event::JobProgressed { job: IMAGE, version: V1, percent: 45 }]);
    let success = after(&at_45, &[succeeded(V1)]);
    let failure = after(&at_45, &[failed(V1)]);
    let seen = after(&success, &[Event::MessageSeen]);

    //                       message  processing  stage               %
    assert_eq!(row(&prepared), (Pending, Queued, Stage::Uploading), "prepare");
    assert_eq!(row(&complete), (Pending, Queued, Stage::Processing), "complete");
    assert_eq!(row(&waiting), (Pending, Queued, Stage::Processing), "ingested");
    assert_eq!(row(&running), (Pending, Running, Stage::Processing), "worker running");
    assert_eq!((row(&at_45), at_45.progress), ((Pending, Running, Stage::Processing), 45));
    assert_eq!((row(&success), success.progress), ((Sent, Done, Stage::Done), 100), "worker success");
    assert_eq!(row(&failure), (Pending, Failed, Stage::Failed), "worker failed");
    assert_eq!(row(&seen), (Seen, Done, Stage::Done), "seen");

    let revisions =
        [&prepared, &complete, &waiting, &running, &at_45, &success, &seen].map(|asset| asset.revision);
    assert_eq!(revisions, [1, 2, 3, 4, 5, 6, 7]);
    assert!([&success, &failure, &seen].iter().all(|asset| asset.deadline.is_none()));
    assert!([&prepared, &complete, &waiting, &running].iter().all(|asset| asset.deadline.is_some()));
}

#[test]
fn a_file_that_needs_no_job_is_done_when_it_was_read() {
    let done = after(&granted(), &[arrived(V1), ingested(V1, &[])]);
    assert_eq!((row(&done), done.progress), ((Sent, Done, Stage::Done), 100));
}

#[test]
fn a_failed_preview_that_is_optional_is_a_warning_and_no_failure() {
    let done = after(&granted(), &[arrived(V1), ingested(V1, &[(IMAGE, Need::Optional)])]);
    assert_eq!(row(&done), (Sent, Done, Stage::Done));
    let warned = after(&done, &[started(V1), failed(V1)]);
    assert_eq!(row(&warned), (Sent, Done, Stage::Done));
    assert_eq!(warned.warnings[0].code, "corrupt_image");
}

#[test]
fn an_awaited_preview_is_waited_for_and_its_failure_is_a_warning() {
    let waiting = after(&granted(), &[arrived(V1), ingested(V1, &[(IMAGE, Need::Awaited)])]);
    assert_eq!(row(&after(&waiting, &[started(V1)])), (Pending, Running, Stage::Processing));
    let done = after(&waiting, &[started(V1), succeeded(V1)]);
    assert_eq!((row(&done), done.warnings.len()), ((Sent, Done, Stage::Done), 0));
    let warned = after(&waiting, &[started(V1), failed(V1)]);
    assert_eq!((row(&warned), warned.progress), ((Sent, Done, Stage::Done), 100));
    assert_eq!(warned.warnings[0].code, "corrupt_image");
}

#[test]
fn a_message_is_seen_only_once_its_media_is_done() {
    for early in [granted(), after(&granted(), &[arrived(V1)])] {
        assert_eq!(early.apply(&Event::MessageSeen, now()).unwrap_err().code(), "not_ready");
    }
}

#[test]
fn redelivery_changes_nothing_and_asks_again_for_what_is_still_open() {
    let waiting = after(&granted(), &[arrived(V1), ingested(V1, &[(IMAGE, Need::Required)])]);
    let enqueue = vec![Effect::Enqueue { job: IMAGE, version: V1 }];
    for event in [arrived(V1), ingested(V1, &[(IMAGE, Need::Required)])] {
        let again = waiting.apply(&event, now()).unwrap();
        assert_eq!((again.outcome, again.effects), (Outcome::Unchanged, enqueue.clone()));
    }
    let running = after(&waiting, &[started(V1)]);
    assert_eq!(running.apply(&arrived(V1), now()).unwrap().effects, []);
    let unread = after(&granted(), &[arrived(V1)]);
    assert_eq!(unread.apply(&arrived(V1), now()).unwrap().effects, [Effect::Ingest { version: V1 }]);
}

#[test]
fn one_worker_has_a_job_until_its_lease_ends_or_it_gives_it_back() {
    let running = after(&granted(), &[arrived(V1), ingested(V1, &[(IMAGE, Need::Required)]), started(V1)]);
    assert_eq!(running.apply(&started(V1), later(59)).unwrap_err().code(), "job_leased");
    let taken_over = running.apply(&started(V1), later(60)).unwrap();
    assert_eq!(taken_over.asset.jobs[&IMAGE].attempts, 2);
    let released = after(&running, &[Event::JobReleased { job: IMAGE, version: V1 }]);
    assert_eq!(row(&released), (Pending, Running, Stage::Processing), "no status goes back");
    assert_eq!(released.apply(&started(V1), now()).unwrap().outcome, Outcome::Changed);
}

#[test]
fn a_cancel_frees_the_parts_and_never_an_assembled_object() {
    let cancelled = granted().apply(&Event::UploadCancelled, now()).unwrap();
    assert_eq!(cancelled.effects, [Effect::AbortUpload { upload_id: "upload".parse().unwrap() }]);
    assert_eq!(cancelled.asset.failure_code(), Some(Failure::CANCELLED));
    assert_eq!(cancelled.asset.apply(&Event::UploadCancelled, now()).unwrap().outcome, Outcome::Unchanged);
    for there in [after(&granted(), &[arrived(V1)]), after(&granted(), &[arrived(V1), ingested(V1, &[])])] {
        assert_eq!(there.apply(&Event::UploadCancelled, now()).unwrap_err().code(), "already_uploaded");
    }
}

#[test]
fn bytes_that_come_after_a_cancel_are_discarded_and_after_a_mere_expiry_kept() {
    let cancelled = after(&granted(), &[Event::UploadCancelled]);
    let stray = cancelled.apply(&arrived(V1), now()).unwrap();
    assert_eq!(stray.outcome, Outcome::Unchanged);
    assert!(
        matches!(&stray.effects[..], [Effect::DiscardObject { version_id: Some(id), .. }] if id.as_str() == "s3-1")
    );

    let expired = granted().apply(&Event::DeadlinePassed, later(3600 + 900)).unwrap();
    assert_eq!(expired.asset.failure_code(), Some(Failure::EXPIRED));
    assert_eq!(row(&after(&expired.asset, &[arrived(V1)])), (Pending, Queued, Stage::Processing));
}

#[test]
fn deadlines_end_what_nobody_else_ends_and_nothing_earlier() {
    assert_eq!(
        granted().apply(&Event::DeadlinePassed, later(3600 + 899)).unwrap().outcome,
        Outcome::Unchanged
    );
    let running = after(&granted(), &[arrived(V1), ingested(V1, &[(IMAGE, Need::Required)]), started(V1)]);
    let ended = running.apply(&Event::DeadlinePassed, running.deadline.unwrap()).unwrap().asset;
    assert_eq!(
        (ended.failure_code(), ended.failure.as_ref().unwrap().retryable),
        (Some(Failure::TIMED_OUT), true)
    );
    assert!(ended.object.is_some(), "the original is kept");
}

#[test]
fn fewer_or_more_bytes_than_granted_fail_and_are_kept() {
    let mut short = object(V1);
    short.size -= 1;
    let asset = after(&granted(), &[Event::UploadArrived(Box::new(short))]);
    assert_eq!(
        (row(&asset), asset.failure_code()),
        ((Pending, Failed, Stage::Failed), Some("size_mismatch"))
    );
    assert!(asset.object.is_some());
}

#[test]
fn any_size_within_a_range_is_taken() {
    let ranged = |bytes| {
        let grant = Grant { size: SizeRange::at_most(10), ..grant(V1) };
        let granted = Asset { grant: Some(grant), size: 0, ..granted() };
        let object = StoredObject { size: bytes, ..object(V1) };
        let asset = after(&granted, &[Event::UploadArrived(Box::new(object))]);
        (asset.size, asset.stage)
    };
    assert_eq!(ranged(0), (0, Stage::Processing));
    assert_eq!(ranged(10), (10, Stage::Processing));
    assert_eq!(ranged(11), (11, Stage::Failed));
}

#[test]
fn the_bytes_that_come_first_are_the_versions_and_what_comes_after_goes() {
    let first = after(&granted(), &[arrived(V1)]);
    let again = StoredObject { version_id: Some("s3-other".parse().unwrap()), ..object(V1) };
    let told = first.apply(&Event::UploadArrived(Box::new(again.clone())), now()).unwrap();
    assert_eq!((told.outcome, told.effects), (Outcome::Unchanged, vec![discard(&again)]));
}

#[test]
fn progress_of_an_upload_goes_up_until_the_bytes_are_there() {
    let progressed = |percent| Event::UploadProgressed { version: V1, percent };
    let unchanged = |asset: &Asset, event: &Event| {
        assert_eq!(asset.apply(event, now()).unwrap().outcome, Outcome::Unchanged, "{event:?}");
    };
    let asset = after(&granted(), &[progressed(40)]);
    assert_eq!((asset.progress, asset.revision, asset.stage), (40, 2, Stage::Uploading));
    unchanged(&asset, &progressed(20));
    unchanged(&asset, &Event::UploadProgressed { version: V1.next(), percent: 90 });
    assert_eq!(after(&asset, &[progressed(100)]).progress, 99);
    let there = after(&asset, &[arrived(V1)]);
    assert_eq!(there.progress, 0, "the work's progress begins anew");
    unchanged(&there, &progressed(60));
}

#[test]
fn an_asset_counts_for_what_is_expected_and_what_is_kept() {
    let counts = |asset: &Asset| (asset.usage().open_uploads, asset.usage().stored_bytes);
    let bytes = 11 << 20;
    let open = granted();
    assert_eq!(counts(&open), (1, bytes));
    assert_eq!(counts(&after(&open, &[Event::UploadCancelled])), (0, 0));
    let there = after(&open, &[arrived(V1)]);
    assert_eq!(counts(&there), (0, bytes));
    let unsaid = Asset { grant: Some(Grant { size: SizeRange::at_most(1 << 40), ..grant(V1) }), ..granted() };
    assert_eq!(counts(&unsaid), (1, 0), "what isn't said counts when it is there");
    let done = after(&there, &[ingested(V1, &[])]);
    let update = after(&done, &[Event::UpdateGranted(Box::new(grant(V1.next())))]);
    assert_eq!(counts(&update), (1, 2 * bytes));
    let copy = after(
        &granted_as("0190a6d4-7c5e-7b3a-8f2d-000000000002"),
        &[arrived(V1), Event::Deduplicated { version: V1, original: Box::new(done) }],
    );
    assert_eq!(counts(&copy), (0, 0), "a duplicate keeps none of its own");
    let expired = open.apply(&Event::DeadlinePassed, open.deadline.unwrap()).unwrap();
    assert_eq!(counts(&expired.asset), (0, 0));
    assert_eq!(open.usage().plus(expired.usage), Usage::default());
}

#[test]
fn a_copy_takes_over_what_was_made_of_the_original_and_lets_its_own_bytes_go() {
    let original = after(
        &granted(),
        &[arrived(V1), ingested(V1, &[(IMAGE, Need::Required)]), started(V1), succeeded(V1)],
    );
    let copy = granted_as("0190a6d4-7c5e-7b3a-8f2d-000000000002");
    let own = StoredObject { key: copy.key.clone(), ..object(V1) };
    let copy = after(&copy, &[Event::UploadArrived(Box::new(own.clone()))]);
    let found = copy
        .apply(&Event::Deduplicated { version: V1, original: Box::new(original.clone()) }, now())
        .unwrap();
    assert_eq!(found.effects, [discard(&own)]);
    assert_eq!((row(&found.asset), found.asset.duplicate_of), ((Sent, Done, Stage::Done), Some(original.id)));
    assert_eq!((&found.asset.derivatives, &found.asset.object), (&original.derivatives, &original.object));
    let again = found.asset.apply(&Event::UploadArrived(Box::new(own.clone())), now()).unwrap();
    assert_eq!((again.outcome, again.effects), (Outcome::Unchanged, vec![discard(&own)]));
    assert_eq!(
        original
            .apply(&Event::Deduplicated { version: V1, original: Box::new(original.clone()) }, now())
            .unwrap()
            .outcome,
        Outcome::Unchanged
    );
}

#[test]
fn an_update_shows_when_its_bytes_are_there_and_takes_nothing_of_the_old_version_along() {
    let done = after(
        &granted(),
        &[arrived(V1), ingested(V1, &[(IMAGE, Need::Required)]), started(V1), succeeded(V1)],
    );
    let v2 = V1.next();
    let open = after(&done, &[Event::UpdateGranted(Box::new(grant(v2)))]);
    assert_eq!((row(&open), open.version, open.derivatives.len()), ((Sent, Done, Stage::Done), V1, 1));
    let arrived_v2 = after(&open, &[arrived(v2)]);
    assert_eq!(
        (row(&arrived_v2), arrived_v2.version, arrived_v2.derivatives.len()),
        ((Pending, Queued, Stage::Processing), v2, 0)
    );
    for stale in [arrived(V1), started(V1), succeeded(V1), failed(V1), ingested(V1, &[])] {
        assert_eq!(arrived_v2.apply(&stale, now()).unwrap().outcome, Outcome::Unchanged, "{stale:?}");
    }
    assert_eq!(arrived_v2.key, done.key);
    assert_eq!(
        done.apply(&Event::UpdateGranted(Box::new(grant(V1))), now()).unwrap_err().code(),
        "stale_version"
    );
    let called_off = after(&open, &[Event::UploadCancelled]);
    assert_eq!((row(&called_off), called_off.version), ((Sent, Done, Stage::Done), V1));
}

/// Everything that can be told of an asset of two versions.
fn any_event() -> impl Strategy<Value = Event> {
    let (v1, v2) = (V1, V1.next());
    let required = [(IMAGE, Need::Required)];
    prop::sample::select(vec![
        Event::UpdateGranted(Box::new(grant(v2))),
        arrived(v1),
        arrived(v2),
        Event::UploadCancelled,
        ingested(v1, &required),
        ingested(v2, &required),
        ingested(v1, &[]),
        ingested(v1, &[(IMAGE, Need::Optional)]),
        ingested(v1, &[(IMAGE, Need::Awaited)]),
        Event::IngestFailed { version: v1, failure: Failure::permanent("unreadable", "") },
        started(v1),
        started(v2),
        Event::JobProgressed { job: IMAGE, version: v1, percent: 30 },
        Event::JobProgressed { job: IMAGE, version: v2, percent: 90 },
        Event::JobReleased { job: IMAGE, version: v1 },
        succeeded(v1),
        succeeded(v2),
        failed(v1),
        failed(v2),
        Event::MessageSeen,
        Event::DeadlinePassed,
    ])
}

/// The rows of the table in the module documentation, and no others.
fn is_legal(asset: &Asset) -> bool {
    matches!(
        row(asset),
        (Pending, Queued, Stage::Uploading | Stage::Processing)
            | (Pending, Running, Stage::Processing)
            | (Sent | Seen, Done, Stage::Done)
            | (Pending, Failed, Stage::Failed)
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_order_loss_or_repetition_of_events_gives_an_illegal_regressing_or_stuck_state(
        events in prop::collection::vec((any_event(), 0_u64..6000), 0..40)
    ) {
        let mut asset = granted();
        let mut time = now();
        for (event, seconds) in events {
            time = time.plus(Duration::from_secs(seconds));
            let Ok(next) = asset.apply(&event, time).map(|transition| {
                let changed = transition.outcome == Outcome::Changed;
                assert_eq!(transition.asset.revision, asset.revision + u64::from(changed), "{event:?}");
                assert!(changed || transition.asset == asset, "{event:?} said it changed nothing");
                transition.asset
            }) else { continue };
            prop_assert!(is_legal(&next), "{event:?} gave {:?}", row(&next));
            prop_assert!(next.version >= asset.version);
            let revived = asset.failure_code() == Some(Failure::EXPIRED) && next.object.is_some();
            if next.version == asset.version && !revived {
                prop_assert!(next.message_status >= asset.message_status, "{event:?}");
                prop_assert!(next.processing_status >= asset.processing_status, "{event:?}");
                prop_assert!(next.stage >= asset.stage, "{event:?}");
                prop_assert!(next.progress >= asset.progress, "{event:?}");
            }
            prop_assert_eq!(asset.usage().plus(next.usage().since(asset.usage())), next.usage());
            prop_assert!(next.derivatives.iter().all(|made| made.version == next.version));
            prop_assert!(asset.object.is_none() || next.object.is_some(), "{event:?} lost the original");
            // every state that isn't terminal has a deadline, and the deadline's event ends it
            if next.stage.is_terminal() {
                prop_assert!(next.deadline.is_none() || next.grant.is_some());
            } else {
                let ended = next.apply(&Event::DeadlinePassed, next.deadline.unwrap()).unwrap().asset;
                prop_assert!(ended.stage.is_terminal());
            }
            asset = next;
        }
    }

    #[test]
    fn whatever_comes_twice_is_as_if_it_came_once(event in any_event(), before in prop::collection::vec(any_event(), 0..12)) {
        let mut asset = granted();
        for event in before {
            if let Ok(transition) = asset.apply(&event, now()) {
                asset = transition.asset;
            }
        }
        // a second grant is a new one by nature: it takes the place of the first
        prop_assume!(!matches!(event, Event::UpdateGranted(_)));
        if let Ok(once) = asset.apply(&event, now())
            && let Ok(twice) = once.asset.apply(&event, now())
        {
            prop_assert_eq!(twice.outcome, Outcome::Unchanged);
        }
    }

    #[test]
    fn complete_and_s3_event_give_one_state_in_either_order_and_number(times in 1_usize..5) {
        let mut asset = granted();
        for _ in 0..times {
            asset = asset.apply(&arrived(V1), now()).unwrap().asset;
        }
        prop_assert_eq!(asset, after(&granted(), &[arrived(V1)]));
    }
}
