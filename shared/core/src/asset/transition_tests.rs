// the table of states, read aloud, and the properties that no order of events may break
use proptest::prelude::*;

use super::*;
use crate::{
    asset::Cover,
    ids::Sha256,
    upload::SizeRange,
    usage::{Quota, Usage},
};

const NOW: i64 = 1_800_000_000_000;

fn now() -> Timestamp {
    Timestamp::from_millis(NOW)
}

fn later(seconds: u64) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

fn grant(version: Version) -> Grant {
    Grant {
        id: format!("grant-{version}"),
        version,
        mode: GrantMode::Multipart { upload_id: "upload".parse().unwrap(), part_size: 5 << 20, num_parts: 3 },
        size: SizeRange::exactly(11 << 20),
        filename: "photo.jpg".parse().unwrap(),
        content_type: "image/jpeg".parse().unwrap(),
        sha256: None,
        replaces: None,
        granted_at: now(),
        expires_at: later(3600),
        quota: Quota::UNLIMITED,
        idle: false,
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
            placement: Placement::of_folder(folder),
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
        dimensions: Some(Dimensions { width: 3, height: 2 }),
        placeholder: None,
        warnings: Vec::new(),
        jobs: jobs.to_vec(),
    }))
}

const IMAGE: JobName = JobName::Image;
const V1: Version = Version::FIRST;

fn started(version: Version) -> Event {
    Event::JobStarted { job: IMAGE, version, lease: lease("message", 60) }
}

fn lease(holder: &str, seconds: u64) -> Lease {
    Lease { holder: holder.to_owned(), until: later(seconds) }
}

fn overdue() -> Event {
    Event::DeadlinePassed(Overdue::default())
}

fn released(holder: &str) -> Event {
    Event::JobReleased { job: IMAGE, version: V1, holder: holder.to_owned() }
}

fn granted_update(version: Version) -> Event {
    Event::UpdateGranted(Box::new(grant(version)))
}

/// What is left behind of an object.
fn left(object: &StoredObject) -> Effect {
    Effect::Free(Leftover::Object(object.version_id.clone().unwrap()))
}

fn left_upload() -> Effect {
    Effect::Free(Leftover::Upload("upload".parse().unwrap()))
}

/// An asset whose first version is done, without a job.
fn done() -> Asset {
    after(&granted(), &[arrived(V1), ingested(V1, &[])])
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
    Event::JobSucceeded {
        job: IMAGE,
        version,
        derivatives: vec![derivative],
        warnings: Vec::new(),
        placeholder: None,
    }
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
    assert!([&success, &failure, &seen].iter().all(|asset| asset.deadline().is_none()));
    assert!([&prepared, &complete, &waiting, &running].iter().all(|asset| asset.deadline().is_some()));
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
fn one_order_has_a_job_until_its_lease_ends_or_it_gives_it_back() {
    let running = after(&granted(), &[arrived(V1), ingested(V1, &[(IMAGE, Need::Required)]), started(V1)]);
    let other = Event::JobStarted { job: IMAGE, version: V1, lease: lease("other", 120) };
    assert_eq!(running.apply(&other, later(59)).unwrap_err().code(), "job_leased");
    let taken_over = running.apply(&other, later(60)).unwrap();
    assert_eq!(taken_over.asset.jobs[&IMAGE].attempts, 2);
    let again = running.apply(&started(V1), later(1)).unwrap();
    assert_eq!(again.outcome, Outcome::Changed, "the same order, delivered again, has its own lease");
    assert_eq!(running.apply(&released("other"), now()).unwrap().outcome, Outcome::Unchanged);
    let released = after(&running, &[released("message")]);
    assert_eq!(row(&released), (Pending, Running, Stage::Processing), "no status goes back");
    assert_eq!(released.apply(&other, now()).unwrap().outcome, Outcome::Changed);
}

#[test]
fn a_cancel_frees_the_parts_and_never_an_assembled_object() {
    let cancelled = granted().apply(&Event::UploadCancelled, now()).unwrap();
    assert_eq!(cancelled.effects, [left_upload()]);
    assert_eq!(row(&cancelled.asset), (Pending, ProcessingStatus::Cancelled, Stage::Cancelled));
    assert_eq!(
        (cancelled.asset.failure(), cancelled.asset.is_settled()),
        (None, true),
        "no fault of anybody's"
    );
    assert!(cancelled.asset.deadline().is_some(), "somebody frees them, whoever cancelled died");
    let again = cancelled.asset.apply(&Event::UploadCancelled, now()).unwrap();
    assert_eq!((again.outcome, again.effects), (Outcome::Unchanged, vec![left_upload()]));
    let freed = after(&cancelled.asset, &[Event::Freed(Leftover::Upload("upload".parse().unwrap()))]);
    assert_eq!((freed.leftovers(), freed.deadline()), (&[][..], None));
    for there in [after(&granted(), &[arrived(V1)]), done()] {
        assert_eq!(there.apply(&Event::UploadCancelled, now()).unwrap_err().code(), "already_uploaded");
    }
}

#[test]
fn bytes_that_come_after_a_cancel_are_let_go_and_after_a_mere_expiry_kept() {
    let cancelled = after(&granted(), &[Event::UploadCancelled]);
    let stray = cancelled.apply(&arrived(V1), now()).unwrap();
    assert_eq!((stray.outcome, stray.effects), (Outcome::Changed, vec![left_upload(), left(&object(V1))]));
    assert_eq!(stray.asset.object, None);

    let expired = granted().apply(&overdue(), later(3600 + 900)).unwrap();
    assert_eq!(expired.asset.failure_code(), Some(Failure::EXPIRED));
    assert_eq!(row(&after(&expired.asset, &[arrived(V1)])), (Pending, Queued, Stage::Processing));
}

#[test]
fn an_open_upload_is_looked_at_ever_more_seldom_until_its_time_is_over() {
    let mut asset = granted();
    let mut looks = Vec::new();
    while let Some(deadline) = asset.deadline().filter(|_| asset.stage == Stage::Uploading) {
        looks.push(now().until(deadline).as_secs() / 60);
        asset = asset.apply(&overdue(), deadline).unwrap().asset;
    }
    assert_eq!(looks, [10, 20, 40, 75]);
    assert_eq!(asset.failure_code(), Some(Failure::EXPIRED));
    assert_eq!(granted().apply(&overdue(), later(599)).unwrap().outcome, Outcome::Unchanged);
}

#[test]
fn a_grant_that_nobody_makes_use_of_stops_counting_after_minutes_and_still_lets_its_bytes_in() {
    let ghost = granted().apply(&overdue(), later(600)).unwrap();
    assert_eq!((ghost.asset.stage, ghost.asset.usage()), (Stage::Uploading, Usage::default()));
    let there = after(&ghost.asset, &[arrived(V1)]);
    assert_eq!(there.usage().stored_bytes, 11 << 20);
    let begun = Event::DeadlinePassed(Overdue { begun: true, backlog: false });
    assert_eq!(granted().apply(&begun, later(600)).unwrap().asset.usage(), granted().usage());
    let slow = after(&granted(), &[Event::UploadProgressed { version: V1, percent: 1 }]);
    assert_eq!(slow.apply(&overdue(), later(600)).unwrap().asset.usage(), granted().usage());
}

/// Lets deadlines pass until the asset is settled or `most` did; tells the effects of each.
fn let_pass(asset: &Asset, found: Overdue, most: usize) -> (Asset, Vec<Vec<Effect>>) {
    let (mut asset, mut effects) = (asset.clone(), Vec::new());
    while let Some(deadline) = asset.deadline().filter(|_| !asset.is_settled() && effects.len() < most) {
        let passed = asset.apply(&Event::DeadlinePassed(found), deadline).unwrap();
        effects.push(passed.effects);
        asset = passed.asset;
    }
    (asset, effects)
}

#[test]
fn work_whose_order_was_lost_is_driven_again_and_only_then_given_up() {
    let unread = after(&granted(), &[arrived(V1)]);
    let (ended, effects) = let_pass(&unread, Overdue::default(), 100);
    assert_eq!(effects[..6], vec![vec![Effect::Ingest { version: V1 }]; 6]);
    assert_eq!((ended.failure_code(), ended.failure.as_ref().unwrap().retryable), (Some("timed_out"), true));
    assert!(ended.object.is_some(), "the original is kept");

    let running = after(&granted(), &[arrived(V1), ingested(V1, &[(IMAGE, Need::Awaited)]), started(V1)]);
    let (ended, effects) = let_pass(&running, Overdue::default(), 100);
    assert_eq!(effects[0], [Effect::Enqueue { job: IMAGE, version: V1 }], "its worker is dead");
    assert_eq!((ended.stage, &*ended.warnings[0].code), (Stage::Done, "timed_out"), "shown by its original");
}

#[test]
fn what_waits_its_turn_in_a_long_queue_is_not_given_up() {
    let backlog = Overdue { begun: false, backlog: true };
    let (waiting, effects) = let_pass(&after(&granted(), &[arrived(V1)]), backlog, 100);
    assert_eq!((waiting.stage, effects.len()), (Stage::Processing, 100));
    assert_eq!(effects.iter().filter(|effects| !effects.is_empty()).count(), 6, "orders don't pile up");
}

#[test]
fn a_dead_letter_drives_again_first() {
    let exhausted = |job, version| Event::Exhausted { job, version };
    let unread = after(&granted(), &[arrived(V1)]);
    let rested = after(&unread, &[exhausted(JobName::Ingest, V1)]);
    assert_eq!((rested.stage, rested.deadline()), (Stage::Processing, Some(later(300))));
    let driven = rested.apply(&overdue(), later(300)).unwrap();
    assert_eq!(driven.effects, [Effect::Ingest { version: V1 }]);
    let early = driven.asset.apply(&exhausted(JobName::Ingest, V1), later(301)).unwrap();
    assert_eq!(early.outcome, Outcome::Unchanged, "an older order's letter");
    let mut asset = driven.asset;
    for _ in 0..20 {
        let Some(deadline) = asset.deadline() else { break };
        asset = asset.apply(&overdue(), deadline).unwrap().asset;
        let dead = asset.apply(&exhausted(JobName::Ingest, V1), deadline.plus(Duration::from_mins(6)));
        asset = dead.unwrap().asset;
    }
    assert_eq!(asset.failure_code(), Some(Failure::EXHAUSTED));

    let waiting = after(&granted(), &[arrived(V1), ingested(V1, &[(IMAGE, Need::Awaited)])]);
    let again = waiting.apply(&exhausted(IMAGE, V1), later(600)).unwrap();
    assert_eq!(again.effects, [Effect::Enqueue { job: IMAGE, version: V1 }], "a preview at once");
    let ended = again.asset.apply(&exhausted(IMAGE, V1), later(1200)).unwrap().asset;
    assert_eq!((ended.stage, &*ended.warnings[0].code), (Stage::Done, Failure::EXHAUSTED));
}

#[test]
fn a_dead_letter_of_another_version_says_nothing() {
    let v2 = V1.next();
    let waiting = after(&done(), &[granted_update(v2), arrived(v2)]);
    let old = waiting.apply(&Event::Exhausted { job: JobName::Ingest, version: V1 }, now()).unwrap();
    assert_eq!(old.outcome, Outcome::Unchanged);
}

#[test]
fn fewer_or_more_bytes_than_granted_are_refused_and_let_go() {
    let short = StoredObject { size: (11 << 20) - 1, ..object(V1) };
    let refused = granted().apply(&Event::UploadArrived(Box::new(short.clone())), now()).unwrap();
    let asset = refused.asset;
    assert_eq!(
        (row(&asset), asset.failure_code()),
        ((Pending, Failed, Stage::Failed), Some("size_mismatch"))
    );
    assert_eq!((refused.effects, asset.object), (vec![left(&short)], None));
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
    let ask_again = Effect::Free(Leftover::Object("s3-other".parse().unwrap()));
    assert_eq!((told.outcome, told.effects), (Outcome::Changed, vec![ask_again]));
    assert_eq!(told.asset.object, first.object);
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
    let update = after(&done, &[granted_update(V1.next())]);
    assert_eq!(counts(&update), (1, 2 * bytes));
    assert_eq!(
        counts(&after(&update, &[arrived(V1.next())])),
        (0, 2 * bytes),
        "both are kept until it was read"
    );
    let copy = granted_as("0190a6d4-7c5e-7b3a-8f2d-000000000002");
    let own = StoredObject { key: copy.key.clone(), ..object(V1) };
    let copy = after(
        &copy,
        &[Event::UploadArrived(Box::new(own)), Event::Deduplicated { version: V1, original: Box::new(done) }],
    );
    assert_eq!(counts(&copy), (0, 0), "a duplicate keeps none of its own");
    let expired = open.apply(&overdue(), later(3600 + 900)).unwrap();
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
    assert_eq!(found.effects, [left(&own)]);
    assert_eq!((row(&found.asset), found.asset.duplicate_of), ((Sent, Done, Stage::Done), Some(original.id)));
    assert_eq!((&found.asset.derivatives, &found.asset.object), (&original.derivatives, &original.object));
    let again = found.asset.apply(&Event::UploadArrived(Box::new(own.clone())), now()).unwrap();
    assert_eq!((again.outcome, again.effects), (Outcome::Unchanged, vec![left(&own)]));
    assert_eq!(found.asset.replaced_by_next(), None, "nothing lies at its own key");
    assert_eq!(
        original
            .apply(&Event::Deduplicated { version: V1, original: Box::new(original.clone()) }, now())
            .unwrap()
            .outcome,
        Outcome::Unchanged
    );
}

#[test]
fn an_update_is_shown_once_it_was_read_and_takes_nothing_of_the_old_version_along() {
    let done = after(
        &granted(),
        &[arrived(V1), ingested(V1, &[(IMAGE, Need::Required)]), started(V1), succeeded(V1)],
    );
    let v2 = V1.next();
    let shown = |asset: &Asset| (row(asset), asset.version, asset.derivatives.len());
    let stage = |asset: &Asset| asset.update.as_ref().map(|update| update.stage);
    let v1 = ((Sent, Done, Stage::Done), V1, 1);
    let open = after(&done, &[granted_update(v2)]);
    assert_eq!((shown(&open), stage(&open)), (v1, Some(Stage::Uploading)));
    let there = after(&open, &[arrived(v2)]);
    assert_eq!((shown(&there), stage(&there)), (v1, Some(Stage::Processing)));
    assert!(!there.is_settled());
    let read = after(&there, &[ingested(v2, &[(IMAGE, Need::Required)])]);
    assert_eq!((shown(&read), stage(&read)), (((Pending, Queued, Stage::Processing), v2, 0), None));
    for stale in [arrived(V1), started(V1), succeeded(V1), failed(V1), ingested(V1, &[])] {
        assert_eq!(read.apply(&stale, now()).unwrap().outcome, Outcome::Unchanged, "{stale:?}");
    }
    assert_eq!(read.key, done.key);
    assert_eq!(done.apply(&granted_update(V1), now()).unwrap_err().code(), "stale_version");
}

#[test]
fn an_update_that_is_refused_leaves_what_was_shown() {
    let v2 = V1.next();
    let there = after(&done(), &[granted_update(v2), arrived(v2)]);
    let failure = Failure::permanent("checksum_mismatch", "other bytes");
    let refused = there.apply(&Event::IngestFailed { version: v2, failure }, now()).unwrap();
    assert_eq!(refused.effects, [left(&object(v2))]);
    let asset = refused.asset;
    assert_eq!((row(&asset), asset.version, &asset.object), ((Sent, Done, Stage::Done), V1, &done().object));
    let update = asset.update.as_ref().unwrap();
    assert_eq!((update.stage, &*update.failure.as_ref().unwrap().code), (Stage::Failed, "checksum_mismatch"));
    assert!(asset.is_settled());
    assert_eq!(asset.replaced_by_next(), done().replaced_by_next());
    let next = after(&asset, &[granted_update(v2.next())]);
    assert_eq!(next.update.unwrap().stage, Stage::Uploading);
}

#[test]
fn a_version_number_is_granted_once_and_bytes_count_only_for_their_own_grant() {
    let (v2, v3) = (V1.next(), V1.next().next());
    let first = after(&done(), &[granted_update(v2)]);
    assert_eq!(first.apply(&granted_update(v2), now()).unwrap_err().code(), "stale_version");
    let second = first.apply(&granted_update(v3), now()).unwrap();
    assert_eq!(second.effects, [left_upload()], "the parts of the first");
    let late = second.asset.apply(&arrived(v2), now()).unwrap();
    assert_eq!(late.effects, [left_upload(), left(&object(v2))]);
    assert_eq!((late.asset.superseded(), late.asset.version), (Some(v2), V1));
    let taken = after(&late.asset, &[arrived(v3), ingested(v3, &[])]);
    assert_eq!(taken.version, v3);

    // after a cancel too the number is gone for good
    let cancelled = after(&first, &[Event::UploadCancelled]);
    assert!(cancelled.is_update_cancelled());
    assert_eq!((row(&cancelled), cancelled.version), ((Sent, Done, Stage::Done), V1));
    assert_eq!(cancelled.apply(&granted_update(v2), now()).unwrap_err().code(), "stale_version");
    let again = cancelled.apply(&Event::UploadCancelled, now()).unwrap();
    assert_eq!(again.outcome, Outcome::Unchanged, "a repeat gives the same");
}

#[test]
fn a_second_grant_takes_the_place_of_a_first_that_brought_nothing_yet() {
    let v2 = V1.next();
    for before in [granted(), after(&granted(), &[Event::UploadCancelled])] {
        let again = after(&before, &[granted_update(v2)]);
        assert_eq!((row(&again), again.version), ((Pending, Queued, Stage::Uploading), v2));
        let late = again.apply(&arrived(V1), now()).unwrap();
        assert!(late.effects.contains(&left(&object(V1))));
        assert_eq!(after(&late.asset, &[arrived(v2), ingested(v2, &[])]).version, v2);
    }
}

#[test]
fn an_asset_that_an_update_made_a_copy_can_be_updated_again() {
    let other = after(&granted_as("0190a6d4-7c5e-7b3a-8f2d-000000000002"), &[]);
    let own = StoredObject { key: other.key.clone(), etag: "other".parse().unwrap(), ..object(V1) };
    let other = after(&other, &[Event::UploadArrived(Box::new(own)), ingested(V1, &[])]);
    let v2 = V1.next();
    let copy = after(
        &done(),
        &[
            granted_update(v2),
            arrived(v2),
            Event::Deduplicated { version: v2, original: Box::new(other.clone()) },
        ],
    );
    assert_eq!((copy.version, copy.duplicate_of, &copy.object), (v2, Some(other.id), &other.object));
    assert_eq!(copy.leftovers(), [Leftover::Object("s3-2".parse().unwrap())]);
    assert_eq!(copy.replaced_by_next(), done().replaced_by_next(), "its first version lies at its key still");
}

#[test]
fn a_late_event_of_an_earlier_version_never_lets_it_go() {
    let v2 = V1.next();
    let asset = after(&done(), &[granted_update(v2), arrived(v2), ingested(v2, &[])]);
    let late = asset.apply(&arrived(V1), now()).unwrap();
    assert_eq!((late.outcome, late.effects), (Outcome::Unchanged, vec![]), "copies may show it");
}

#[test]
fn a_copy_is_done_at_once_under_its_own_name() {
    let original = after(
        &granted(),
        &[arrived(V1), ingested(V1, &[(IMAGE, Need::Awaited)]), started(V1), succeeded(V1)],
    );
    let warned = Asset { warnings: vec![Warning { code: "w".into(), message: String::new() }], ..original };
    let new = NewCopy {
        id: "0190a6d4-7c5e-7b3a-8f2d-000000000002".parse().unwrap(),
        placement: Placement { message_id: Some("m".parse().unwrap()), ..warned.placement.clone() },
        filename: "other.jpg".parse().unwrap(),
        content_type: "image/jpeg".parse().unwrap(),
    };
    let copy = Asset::copy(new, &warned, now());
    assert_eq!((row(&copy), copy.progress, copy.revision), ((Sent, Done, Stage::Done), 100, 1));
    assert_eq!((copy.duplicate_of, copy.usage()), (Some(warned.id), Usage::default()));
    assert_eq!((copy.filename.to_string(), copy.warnings.len()), ("other.jpg".to_owned(), 0));
    assert_eq!((copy.dimensions, copy.size), (Some(Dimensions { width: 3, height: 2 }), warned.size));
    assert_eq!(copy.deadline(), None);
}

#[test]
fn a_new_asset_is_what_was_granted() {
    let asset = granted();
    assert_eq!((asset.size, asset.upload_id.clone()), (11 << 20, Some("upload".parse().unwrap())));
    assert_eq!(asset.signed_until, None, "an upload in parts is aborted");
    let digest = Some(Sha256::new([7; 32]));
    let direct = Grant { mode: GrantMode::Direct, sha256: digest, ..grant(V1) };
    let new = NewAsset {
        id: asset.id,
        owner: asset.owner.clone(),
        placement: asset.placement.clone(),
        grant: direct.clone(),
    };
    let asset = Asset::create(new, now());
    assert_eq!((asset.sha256, asset.upload_id.clone()), (digest, None));
    assert_eq!(asset.signed_until, Some(direct.expires_at.plus(UPLOAD_GRACE)));
}

#[test]
fn a_cover_is_pending_until_it_is_known_whether_there_will_be_one() {
    let with = |need| [(IMAGE, need)];
    let picture = |events: &[Event]| after(&granted(), events).cover();
    let there = [arrived(V1), ingested(V1, &with(Need::Awaited))];
    let and = |event: Event| [&there[..], &[started(V1), event]].concat();
    for (events, cover, why) in [
        (vec![], Cover::Pending, "announced as an image"),
        (vec![Event::UploadCancelled], Cover::None, "it won't come"),
        (vec![arrived(V1)], Cover::Pending, "it isn't read yet"),
        (there.to_vec(), Cover::Pending, "its job waits"),
        (and(succeeded(V1)), Cover::Available, "it was made"),
        (and(failed(V1)), Cover::Impossible, "it can't be made"),
        (vec![arrived(V1), ingested(V1, &[])], Cover::Impossible, "an image that nothing is made of"),
        (
            vec![arrived(V1), ingested(V1, &with(Need::Required)), started(V1), failed(V1)],
            Cover::Impossible,
            "required",
        ),
    ] {
        assert_eq!(picture(&events), cover, "{why}");
    }
    let Event::Ingested(read) = ingested(V1, &[]) else { unreachable!() };
    let archive = Ingest { kind: Kind::Archive, content_type: "application/zip".parse().unwrap(), ..*read };
    assert_eq!(
        picture(&[arrived(V1), Event::Ingested(Box::new(archive))]),
        Cover::None,
        "no picture of an archive"
    );
    let nothing = Event::JobSucceeded {
        job: IMAGE,
        version: V1,
        derivatives: vec![],
        warnings: vec![],
        placeholder: None,
    };
    assert_eq!(picture(&and(nothing)), Cover::None, "none is ordered");
}

/// Everything that can be told of an asset of two versions.
fn any_event() -> impl Strategy<Value = Event> {
    let (v1, v2) = (V1, V1.next());
    let required = [(IMAGE, Need::Required)];
    prop::sample::select(vec![
        granted_update(v2),
        granted_update(v2.next()),
        arrived(v1),
        arrived(v2.next()),
        ingested(v2.next(), &[]),
        Event::IngestFailed { version: v2, failure: Failure::permanent("unreadable", "") },
        Event::Exhausted { job: JobName::Ingest, version: v1 },
        Event::Exhausted { job: JobName::Ingest, version: v2 },
        Event::Exhausted { job: IMAGE, version: v1 },
        Event::Freed(Leftover::Object("s3-1".parse().unwrap())),
        Event::Freed(Leftover::Upload("upload".parse().unwrap())),
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
        released("message"),
        succeeded(v1),
        succeeded(v2),
        failed(v1),
        failed(v2),
        Event::MessageSeen,
        overdue(),
        Event::DeadlinePassed(Overdue { begun: true, backlog: true }),
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
            | (Pending, ProcessingStatus::Cancelled, Stage::Cancelled)
    )
}

#[test]
fn the_key_of_a_form_is_looked_at_when_its_signature_is_void() {
    let direct = |mode| {
        let mut asset = granted();
        asset.signed_until = Some(later(4500));
        if let Some(grant) = &mut asset.grant {
            grant.mode = mode;
        }
        after(&asset, &[arrived(Version::FIRST)]).look_at
    };
    assert_eq!(direct(GrantMode::Form), Some(later(4500)));
    assert_eq!(direct(GrantMode::Direct), None);
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
            prop_assert!(next.granted >= next.version);
            let refused = matches!(event, Event::IngestFailed { .. });
            prop_assert!(asset.object.is_none() || next.object.is_some() || refused, "{event:?} lost the original");
            prop_assert!(asset.stage != Stage::Done || next.object.is_some(), "{event:?} lost what was done");
            let shown = next.object.as_ref().and_then(|object| object.version_id.clone());
            let is_left = shown.is_some_and(|id| next.leftovers.contains(&Leftover::Object(id)));
            prop_assert!(!is_left, "{event:?} lets go of what is shown");
            // whatever isn't settled, or left something behind, has a deadline; and deadlines end it
            let waits = !next.is_settled() || !next.leftovers.is_empty() || next.look_at.is_some();
            prop_assert_eq!(next.deadline().is_some(), waits);
            let mut ended = next.clone();
            for _ in 0..400 {
                let Some(deadline) = ended.deadline().filter(|_| !ended.is_settled()) else { break };
                ended = ended.apply(&overdue(), deadline).unwrap().asset;
            }
            prop_assert!(ended.is_settled());
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
        // a second grant and a second start are new ones by nature: each takes the place of the first
        prop_assume!(!matches!(event, Event::UpdateGranted(_) | Event::JobStarted { .. }));
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
