//! Upload jobs and tasks.

use std::{collections::BTreeSet, time::Duration};

use sluice_core::{
    ids::{OwnerId, RequestId},
    job::{JobEvent, UploadJob},
    ports::{Clock, IdGenerator, Saved, TaskRepository, UploadJobRepository},
    task::{Refusal, Task},
    time::Timestamp,
};

use crate::{
    build,
    time::{CountingIds, FixedClock},
};

fn after(job: &UploadJob, event: &JobEvent<'_>, now: Timestamp) -> UploadJob {
    job.apply(event, now).unwrap().0
}

async fn job(table: &impl UploadJobRepository, owner: &OwnerId, id: &RequestId) -> Option<UploadJob> {
    table.get(owner, id).await.unwrap()
}

/// Runs on an empty table.
pub async fn upload_job_repository_contract(table: &impl UploadJobRepository) {
    let now = FixedClock::default().now();
    let (alice, bob): (OwnerId, OwnerId) = (build::owner("alice"), build::owner("bob"));
    let id: RequestId = "Auftrag 7-ü%".parse().unwrap();
    assert_eq!(job(table, &alice, &id).await, None);
    assert_eq!(table.by_token(build::digest(id.as_str().as_bytes())).await.unwrap(), None);

    let first = build::job("alice", id.as_str(), now);
    assert_eq!(table.save(&after(&first, &JobEvent::Cancelled, now)).await.unwrap(), Saved::Conflict);
    assert_eq!(table.create(&first, None).await.unwrap(), Saved::Yes);
    assert_eq!(job(table, &alice, &id).await.as_ref(), Some(&first));
    assert_eq!(table.by_token(first.token()).await.unwrap().as_ref(), Some(&first));
    assert_eq!(job(table, &bob, &id).await, None, "ids are their owner's own");
    let second = build::new_job("alice", id.as_str());
    let second = sluice_core::job::NewUploadJob { token: build::digest(b"second"), ..second };
    let untimely = UploadJob::create(second.clone(), None, now).unwrap();
    assert_eq!(table.create(&untimely, None).await.unwrap(), Saved::Conflict);
    assert_eq!(table.by_token(untimely.token()).await.unwrap(), None, "both are written, or neither");

    let later = now.plus(Duration::from_millis(1));
    let started = after(&first, &JobEvent::Started { asset_id: CountingIds::nth(1) }, later);
    assert_eq!(table.save(&started).await.unwrap(), Saved::Yes);
    assert_eq!(table.save(&started).await.unwrap(), Saved::Conflict, "once only");
    assert_eq!(table.by_token(first.token()).await.unwrap().as_ref(), Some(&started));

    let cancelled = after(&started, &JobEvent::Cancelled, later);
    let again = UploadJob::create(second, Some(&cancelled), later).unwrap();
    assert_eq!(
        table.create(&again, Some(&cancelled)).await.unwrap(),
        Saved::Conflict,
        "it isn't cancelled yet"
    );
    assert_eq!(table.save(&cancelled).await.unwrap(), Saved::Yes);
    assert_eq!(table.create(&again, Some(&cancelled)).await.unwrap(), Saved::Yes);
    assert_eq!(table.create(&again, Some(&cancelled)).await.unwrap(), Saved::Conflict, "once only");
    assert_eq!(table.by_token(first.token()).await.unwrap(), None, "the earlier token leads nowhere");
    assert_eq!(table.by_token(again.token()).await.unwrap().as_ref(), Some(&again));

    listing(table, &alice, &bob, &again, now).await;
}

async fn listing(
    table: &impl UploadJobRepository,
    alice: &OwnerId,
    bob: &OwnerId,
    present: &UploadJob,
    now: Timestamp,
) {
    assert!(table.list(bob, 10, None).await.unwrap().items.is_empty());
    let mut expected = BTreeSet::from([present.request_id().clone()]);
    for n in 0..4 {
        let job = build::job("alice", &format!("job {n}"), now);
        assert_eq!(table.create(&job, None).await.unwrap(), Saved::Yes);
        expected.insert(job.request_id().clone());
    }
    assert_eq!(table.create(&build::job("bob", "job 0", now), None).await.unwrap(), Saved::Yes);
    for limit in [0, 1, 2, 5, 100] {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = table.list(alice, limit, cursor.as_deref()).await.unwrap();
            assert!(page.items.len() <= usize::from(limit.max(1)));
            found.extend(page.items.iter().map(|job| job.request_id().clone()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert!(found.iter().eq(&expected), "by id, each once: {found:?}");
    }
    let cursor = table.list(alice, 1, None).await.unwrap().next.expect("there are more");
    for (owner, cursor) in [(bob, &*cursor), (alice, "x"), (alice, "")] {
        assert_eq!(table.list(owner, 1, Some(cursor)).await.unwrap_err().code(), "invalid_field");
    }
}

/// Runs on any table.
pub async fn task_repository_contract(table: &impl TaskRepository) {
    let ids = CountingIds::default();
    let refused = Refusal {
        filename: "Übersicht.exe".to_owned(),
        code: "type_not_allowed".to_owned(),
        message: "for people".to_owned(),
        retryable: false,
    };
    let task = Task {
        id: ids.task_id(),
        owner: build::owner("alice"),
        assets: vec![CountingIds::nth(2), CountingIds::nth(1)],
        refused: vec![refused],
        created_at: FixedClock::default().now(),
    };
    assert_eq!(table.get(task.id).await.unwrap(), None);
    for _ in 0..2 {
        table.create(&task).await.unwrap();
        assert_eq!(table.get(task.id).await.unwrap().as_ref(), Some(&task));
    }
    assert_eq!(table.get(ids.task_id()).await.unwrap(), None);
    let empty = Task { id: ids.task_id(), assets: Vec::new(), refused: Vec::new(), ..task };
    table.create(&empty).await.unwrap();
    assert_eq!(table.get(empty.id).await.unwrap(), Some(empty));
}
