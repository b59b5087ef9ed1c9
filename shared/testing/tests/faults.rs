//! Faults come when they were ordered, and calls are counted.

use sluice_core::{
    ErrorKind,
    asset::{Event, JobName},
    ids::Version,
    ports::{AssetRepository, JobOrder, JobQueue, Saved},
    usage::{Quota, UsageChange},
};
use sluice_testing::{When, World};

#[tokio::test]
async fn a_fault_strikes_the_ordered_call_before_or_after_its_work() {
    let world = World::new();
    let asset = world.granted("alice");
    let order = JobOrder { asset_id: asset.id(), version: Version::FIRST, job: JobName::Image };
    world.calls.fail("JobQueue::enqueue", 2, When::Before, ErrorKind::Throttled);
    world.calls.fail("JobQueue::enqueue", 3, When::After, ErrorKind::Unavailable);
    assert!(world.queue.enqueue(&order).await.is_ok());
    assert_eq!(world.queue.enqueue(&order).await.unwrap_err().kind(), ErrorKind::Throttled);
    assert_eq!(world.queue.orders().len(), 1);
    assert_eq!(world.queue.enqueue(&order).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(world.queue.orders().len(), 2, "the work was done and the answer was lost");
    assert!(world.queue.enqueue(&order).await.is_ok());
    assert_eq!(world.calls.counts().into_iter().collect::<Vec<_>>(), [("JobQueue::enqueue", 4)]);
}

#[tokio::test]
async fn a_lasting_fault_ends_when_it_is_healed() {
    let world = World::new();
    let asset = world.granted("alice");
    world.calls.fail_always("AssetRepository::get", When::Before, ErrorKind::Unavailable);
    for _ in 0..3 {
        assert!(world.table.get(asset.id()).await.is_err());
    }
    world.calls.heal();
    assert_eq!(world.table.get(asset.id()).await.unwrap(), Some(asset));
}

#[tokio::test]
async fn another_writer_can_be_put_just_before_a_call() {
    let world = World::new();
    let asset = world.granted("alice");
    let mine =
        asset.apply(&Event::UploadCancelled, sluice_core::ports::Clock::now(&world.clock)).unwrap().asset;
    let (table, theirs) = (world.table.clone(), mine.clone());
    world.calls.before("AssetRepository::save", 1, move || table.put(&theirs));
    assert_eq!(world.table.save(&mine, UsageChange::NONE, &Quota::UNLIMITED).await.unwrap(), Saved::Conflict);
}

#[test]
#[should_panic(expected = "no port has a method")]
fn a_method_that_there_is_not_is_a_mistake_in_the_test() {
    World::new().calls.count("AssetRepository::fetch");
}
