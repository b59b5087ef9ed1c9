//! The two triggers' shapes, from the files that `sam local invoke` uses too.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use sluice_process::handler::Trigger;

fn read(file: &str) -> Trigger {
    serde_json::from_str(file).unwrap()
}

#[test]
fn each_trigger_is_known_by_its_shape() {
    let created = read(include_str!("../../../events/process/object-created.json"));
    let Trigger::Objects(notification) = created else { panic!("an event of S3: {created:?}") };
    assert_eq!(
        notification.into_objects().filter(sluice_lambda::s3_event::ObjectEvent::is_created).count(),
        1
    );
    let test = read(include_str!("../../../events/process/test-event.json"));
    let Trigger::Objects(notification) = test else { panic!("S3's test message: {test:?}") };
    assert_eq!(notification.into_objects().count(), 0);
    let order = read(include_str!("../../../events/process/order.json"));
    assert!(matches!(&order, Trigger::Orders(event) if event.records.len() == 1), "{order:?}");
    assert!(matches!(read("7"), Trigger::Unknown));
}
