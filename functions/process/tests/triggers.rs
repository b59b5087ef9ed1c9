//! The triggers' shapes, from the files that `sam local invoke` uses too.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use sluice_lambda::ingest::IngestMessage;
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
    for (file, is_order) in [
        (include_str!("../../../events/process/order.json"), true),
        (include_str!("../../../events/process/queued-object-created.json"), false),
        (include_str!("../../../events/process/queued-test-event.json"), false),
    ] {
        let Trigger::Messages(event) = read(file) else { panic!("messages of the queue: {file}") };
        let [message] = &event.records[..] else { panic!("one message: {file}") };
        let body: IngestMessage = serde_json::from_str(message.body.as_deref().unwrap()).unwrap();
        assert_eq!(matches!(body, IngestMessage::Order(_)), is_order, "{file}");
    }
    assert!(matches!(read("7"), Trigger::Unknown));
}
