use std::cell::RefCell;

use proptest::prelude::*;

use super::*;
use crate::{
    asset::{Event, Grant, GrantMode, NewAsset, Overdue, StoredObject},
    ids::Version,
    ports::Page,
};

fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

fn later(seconds: u64) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

/// The last moment in which a job may start.
const IN_TIME: u64 = 3_599;

fn id(n: u8) -> AssetId {
    format!("0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e{n:02x}").parse().unwrap()
}

fn terms(size: SizeRange) -> Terms {
    Terms {
        filename: "clip.mp4".parse().unwrap(),
        size,
        content_type: "video/mp4".parse().unwrap(),
        sha256: None,
        placement: Placement {
            message_id: Some("message".parse().unwrap()),
            ..Placement::of_folder("users/alice".parse().unwrap())
        },
        quota: Quota { open_uploads: Some(3), stored_bytes: None },
        made: None,
    }
}

fn new_job(size: SizeRange) -> NewUploadJob {
    NewUploadJob {
        owner: "alice".parse().unwrap(),
        request_id: "job 1".parse().unwrap(),
        terms: terms(size),
        metadata: Map::from_iter([("album".to_owned(), Value::from("summer"))]),
        token: Sha256::new([7; 32]),
    }
}

fn job() -> UploadJob {
    UploadJob::create(new_job(SizeRange::exactly(100)), None, now()).unwrap()
}

fn asset(n: u8) -> Asset {
    let terms = job().terms();
    let grant = Grant {
        id: "grant-1".to_owned(),
        version: Version::FIRST,
        mode: GrantMode::OpenMultipart { upload_id: "upload".parse().unwrap() },
        size: terms.size,
        filename: terms.filename,
        content_type: terms.content_type,
        sha256: None,
        replaces: None,
        granted_at: now(),
        expires_at: later(7 * 86_400),
        quota: Quota::UNLIMITED,
        idle: false,
    };
    let new = NewAsset { id: id(n), owner: "alice".parse().unwrap(), placement: terms.placement, grant };
    Asset::create(new, now())
}

fn after(asset: &Asset, event: &Event) -> Asset {
    asset.apply(event, later(30 * 86_400)).unwrap().asset
}

fn progressed(n: u8, percent: u8) -> Asset {
    after(&asset(n), &Event::UploadProgressed { version: Version::FIRST, percent })
}

fn arrived(n: u8) -> Asset {
    let asset = asset(n);
    let object = StoredObject {
        key: asset.key().clone(),
        size: 100,
        etag: "etag".parse().unwrap(),
        version_id: None,
        version: Version::FIRST,
        upload_id: None,
        sha256: None,
    };
    after(&asset, &Event::UploadArrived(Box::new(object)))
}

fn cancelled(n: u8) -> Asset {
    after(&asset(n), &Event::UploadCancelled)
}

fn expired(n: u8) -> Asset {
    after(&asset(n), &Event::DeadlinePassed(Overdue::default()))
}

/// The job after events, each of them allowed, a second apart.
fn through(events: &[JobEvent<'_>]) -> UploadJob {
    events.iter().fold(job(), |job, event| job.apply(event, later(1)).unwrap().0)
}

fn started(n: u8) -> JobEvent<'static> {
    JobEvent::Started { asset_id: id(n) }
}

#[test]
fn a_job_is_followed_to_its_end() {
    use UploadJobStatus::{Cancelled, Completed, Expired, Uploading};
    for (events, status, progress) in [
        (vec![started(1)], Uploading, 0),
        (vec![JobEvent::Followed(&progressed(1, 40))], Uploading, 40),
        (vec![started(1), JobEvent::Followed(&progressed(1, 99))], Uploading, 99),
        (vec![started(1), JobEvent::Followed(&arrived(1))], Completed, 100),
        (vec![JobEvent::Followed(&arrived(1))], Completed, 100),
        (vec![started(1), JobEvent::Followed(&cancelled(1))], Cancelled, 0),
        (vec![started(1), JobEvent::Followed(&expired(1))], Expired, 0),
        (vec![started(1), JobEvent::Cancelled], Cancelled, 0),
    ] {
        let job = through(&events);
        assert_eq!((job.status(later(1)), job.progress()), (status, progress), "{events:?}");
        assert_eq!(job.asset_id(), Some(id(1)));
        assert_eq!(job.revision(), 1 + events.len() as u64);
    }
}

#[test]
fn a_job_starts_within_an_hour() {
    let job = job();
    assert_eq!(job.status(later(IN_TIME)), UploadJobStatus::Queued);
    assert!(job.apply(&started(1), later(IN_TIME)).is_ok());
    assert_eq!(job.status(later(IN_TIME + 1)), UploadJobStatus::Expired);
    assert_eq!(job.apply(&started(1), later(IN_TIME + 1)).unwrap_err().code(), "job_expired");

    let (job, _) = job.apply(&started(1), later(1)).unwrap();
    assert_eq!(job.status(later(90_000)), UploadJobStatus::Uploading, "what has started may take its time");
    assert_eq!(job.apply(&started(1), later(90_000)).unwrap().1, Outcome::Unchanged);
    assert_eq!(job.apply(&started(2), later(90_000)).unwrap_err().code(), "job_expired");
}

#[test]
fn what_ended_does_not_start() {
    let code = |last: JobEvent<'_>| {
        let job = through(&[started(1), last]);
        let error = job.apply(&started(2), later(2)).unwrap_err();
        assert_eq!(job.check_start(later(2)).unwrap_err().code(), error.code());
        (error.kind(), error.code())
    };
    assert_eq!(code(JobEvent::Cancelled), (ErrorKind::Conflict, "job_cancelled"));
    assert_eq!(code(JobEvent::Followed(&arrived(1))), (ErrorKind::Conflict, "already_completed"));
    assert_eq!(code(JobEvent::Followed(&expired(1))), (ErrorKind::Conflict, "job_expired"));
}

#[test]
fn a_cancel_is_told_once_and_never_takes_a_file_back() {
    let (job, outcome) = job().apply(&JobEvent::Cancelled, now()).unwrap();
    assert_eq!((job.status(now()), outcome), (UploadJobStatus::Cancelled, Outcome::Changed));
    assert_eq!(job.apply(&JobEvent::Cancelled, now()).unwrap(), (job.clone(), Outcome::Unchanged));
    assert_eq!(job.apply(&JobEvent::Followed(&cancelled(1)), now()).unwrap().1, Outcome::Unchanged);

    let done = through(&[JobEvent::Followed(&arrived(1))]);
    let error = done.apply(&JobEvent::Cancelled, now()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "already_completed"));

    let never_started = self::job().apply(&JobEvent::Cancelled, later(IN_TIME + 1)).unwrap();
    assert_eq!(never_started.1, Outcome::Unchanged, "it is off already");
}

#[test]
fn a_start_that_was_asked_for_twice_is_followed_by_its_last_answer() {
    let job = through(&[started(1), JobEvent::Followed(&progressed(1, 40)), started(2)]);
    assert_eq!((job.asset_id(), job.progress()), (Some(id(2)), 0));
    for of_the_first in [progressed(1, 50), cancelled(1), expired(1)] {
        assert_eq!(job.apply(&JobEvent::Followed(&of_the_first), later(2)).unwrap().1, Outcome::Unchanged);
    }
    let (job, _) = job.apply(&JobEvent::Followed(&arrived(1)), later(2)).unwrap();
    assert_eq!((job.status(later(2)), job.asset_id()), (UploadJobStatus::Completed, Some(id(1))));
}

#[test]
fn other_assets_are_not_followed() {
    let elsewhere = |owner: &str, request: Option<&str>| {
        let asset = asset(1);
        Asset::create(
            NewAsset {
                id: asset.id(),
                owner: owner.parse().unwrap(),
                placement: Placement {
                    upload_job: request.map(|text| text.parse().unwrap()),
                    ..Placement::of_folder(asset.folder().clone())
                },
                grant: asset.grant().unwrap().clone(),
            },
            now(),
        )
    };
    let was_never_started = cancelled(1);
    for asset in [
        was_never_started,
        elsewhere("bob", Some("job 1")),
        elsewhere("alice", Some("job 2")),
        elsewhere("alice", None),
    ] {
        assert_eq!(job().apply(&JobEvent::Followed(&asset), now()).unwrap().1, Outcome::Unchanged);
    }
}

#[test]
fn an_id_is_taken_over_where_no_file_came_of_it() {
    let again =
        |earlier: &UploadJob, at| UploadJob::create(new_job(SizeRange::exactly(1)), Some(earlier), at);
    for busy in [job(), through(&[started(1)]), through(&[JobEvent::Followed(&arrived(1))])] {
        let error = again(&busy, later(2)).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "job_exists"));
    }
    assert!(again(&job(), later(IN_TIME + 1)).is_ok(), "one that was never started is in nobody's way");

    let earlier = through(&[started(5), JobEvent::Cancelled]);
    let job = again(&earlier, later(2)).unwrap();
    assert_eq!((job.status(later(2)), job.asset_id()), (UploadJobStatus::Queued, None));
    assert_eq!(job.revision(), earlier.revision() + 1, "clients take it for the newer one");
    for late in [arrived(5), arrived(4)] {
        let followed = job.apply(&JobEvent::Followed(&late), later(3)).unwrap();
        assert_eq!(followed.1, Outcome::Unchanged, "an asset of the job before");
    }
    assert_eq!(job.apply(&JobEvent::Followed(&asset(6)), later(3)).unwrap().1, Outcome::Changed);
}

#[test]
fn what_the_gate_let_through_is_kept() {
    for size in [SizeRange::exactly(0), SizeRange::exactly(1 << 40), SizeRange::at_most(5)] {
        let job = UploadJob::create(new_job(size), None, now()).unwrap();
        let plain = terms(size);
        let placement = Placement {
            upload_job: Some("job 1".parse().unwrap()),
            custom: Map::from_iter([("album".to_owned(), Value::from("summer"))]),
            ..plain.placement
        };
        let expected = Terms { placement, ..plain };
        assert_eq!(format!("{:?}", job.terms()), format!("{expected:?}"));
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<UploadJob>(&text).unwrap(), job);
    }
}

#[test]
fn metadata_is_kept_up_to_its_limit() {
    let with = |bytes: usize| {
        // {"x":"…"}
        let metadata = Map::from_iter([("x".to_owned(), Value::from("y".repeat(bytes - 8)))]);
        UploadJob::create(NewUploadJob { metadata, ..new_job(SizeRange::exactly(1)) }, None, now())
    };
    assert!(with(MAX_METADATA_BYTES).is_ok());
    assert_eq!(with(MAX_METADATA_BYTES + 1).unwrap_err().code(), "invalid_field");
}

#[test]
fn a_document_shows_everything_but_the_token() {
    let document = UploadJobDocument::render(&job(), now());
    let expected = serde_json::json!({
        "request_id": "job 1", "filename": "clip.mp4", "size": 100, "content_type": "video/mp4", "type": "video/mp4",
        "custom": {"album": "summer"}, "metadata": {"album": "summer"}, "status": "queued", "progress": 0, "asset_id": null, "revision": 1,
        "start_before": "2027-01-15T09:00:00.000Z",
        "created_at": "2027-01-15T08:00:00.000Z", "updated_at": "2027-01-15T08:00:00.000Z",
        "poll": { "after_seconds": 2 },
    });
    assert_eq!(serde_json::to_value(&document).unwrap(), expected);
    let document = UploadJobDocument::render(&job(), later(IN_TIME + 1));
    assert_eq!(document.status, UploadJobStatus::Expired);
}

/// One job, at whose saves another writer may be first.
struct Contended {
    stored: std::sync::Mutex<UploadJob>,
    first: std::sync::Mutex<RefCell<Vec<JobEvent<'static>>>>,
}

impl UploadJobRepository for Contended {
    async fn create(&self, _: &UploadJob, _: Option<&UploadJob>) -> Result<Saved> {
        Ok(Saved::Conflict)
    }

    async fn get(&self, _: &OwnerId, _: &RequestId) -> Result<Option<UploadJob>> {
        Ok(Some(self.stored.lock().unwrap().clone()))
    }

    async fn by_token(&self, _: Sha256) -> Result<Option<UploadJob>> {
        Ok(None)
    }

    async fn save(&self, job: &UploadJob) -> Result<Saved> {
        let mut stored = self.stored.lock().unwrap();
        if let Some(event) = self.first.lock().unwrap().borrow_mut().pop() {
            *stored = stored.apply(&event, now()).unwrap().0;
        }
        if stored.revision() + 1 != job.revision() {
            return Ok(Saved::Conflict);
        }
        *stored = job.clone();
        Ok(Saved::Yes)
    }

    async fn list(&self, _: &OwnerId, _: u16, _: Option<&str>) -> Result<Page<UploadJob>> {
        Ok(Page { items: Vec::new(), next: None })
    }
}

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep(&self, _: Duration) {}

    async fn back_off(&self, _: Duration) {}
}

/// The value of a future that never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn a_change_that_comes_second_is_made_of_what_the_first_left() {
    let contended = |events: Vec<JobEvent<'static>>| Contended {
        stored: job().into(),
        first: RefCell::new(events).into(),
    };
    let table = contended(vec![started(1)]);
    let (job, outcome) = ready(apply_to(&table, &Now, job(), &JobEvent::Cancelled)).unwrap();
    assert_eq!((job.asset_id(), job.revision(), outcome), (Some(id(1)), 3, Outcome::Changed));

    let table = contended(vec![JobEvent::Cancelled]);
    let (_, outcome) = ready(apply_to(&table, &Now, self::job(), &JobEvent::Cancelled)).unwrap();
    assert_eq!(outcome, Outcome::Unchanged, "two that cancel tell it once");

    let table = contended((1..=20).rev().map(started).collect());
    let error = ready(apply_to(&table, &Now, self::job(), &JobEvent::Cancelled)).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Throttled, "busy"));
}

#[derive(Debug, Clone)]
enum Happening {
    Start(u8),
    Follow(Box<Asset>),
    Cancel,
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let n = 0_u8..4;
    prop_oneof![
        n.clone().prop_map(Happening::Start),
        (n.clone(), 0_u8..=100).prop_map(|(n, percent)| Happening::Follow(Box::new(if percent == 0 {
            asset(n)
        } else {
            progressed(n, percent)
        }))),
        n.clone().prop_map(|n| Happening::Follow(Box::new(arrived(n)))),
        n.clone().prop_map(|n| Happening::Follow(Box::new(cancelled(n)))),
        n.prop_map(|n| Happening::Follow(Box::new(expired(n)))),
        Just(Happening::Cancel),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_order_loss_or_repetition_of_events_turns_a_job_back(
        happenings in prop::collection::vec((any_happening(), 0_u64..2000), 0..30)
    ) {
        let mut job = job();
        let mut time = now();
        for (happening, seconds) in happenings {
            time = time.plus(Duration::from_secs(seconds));
            let event = match &happening {
                Happening::Start(n) => started(*n),
                Happening::Follow(asset) => JobEvent::Followed(asset),
                Happening::Cancel => JobEvent::Cancelled,
            };
            let Ok((next, outcome)) = job.apply(&event, time) else { continue };
            let changed = outcome == Outcome::Changed;
            prop_assert_eq!(next.revision, job.revision + u64::from(changed));
            prop_assert!(changed || next == job, "{:?} said it changed nothing", event);
            prop_assert!(!job.status.is_end() || !changed, "{:?} changed an ended job", event);
            prop_assert!(next.status >= job.status);
            prop_assert!(next.progress >= job.progress || next.asset_id > job.asset_id);
            prop_assert_eq!(next.status == UploadJobStatus::Completed, next.progress == 100);
            prop_assert!(next.status == UploadJobStatus::Queued || next.asset_id.is_some()
                || next.status == UploadJobStatus::Cancelled);
            // the same once more says nothing new
            let repeated = next.apply(&event, time).map(|(_, outcome)| outcome);
            prop_assert!(!matches!(repeated, Ok(Outcome::Changed)), "{:?} changed it twice", event);
            job = next;
        }
    }
}
