//! Items as the table's stream brings them.

use sluice_core::{Error, Result, asset::Asset, job::UploadJob, task::Task};

use crate::dynamodb::schema;

/// The asset in an image of the state table's stream (`NewImage`, `OldImage`); none if the item is of another type or
/// there is no image.
///
/// # Errors
/// `Internal` for an item that says it is an asset and can't be read as one.
pub fn asset_from_item(image: &serde_dynamo::Item) -> Result<Option<Asset>> {
    if !schema::is_asset(image.get("sk").and_then(text)) {
        return Ok(None);
    }
    schema::asset_of(image.inner().clone()).map(Some)
}

/// The upload job in such an image; none if the item is of another type or there is no image.
///
/// # Errors
/// `Internal` for an item that says it is an upload job and can't be read as one.
pub fn job_from_item(image: &serde_dynamo::Item) -> Result<Option<UploadJob>> {
    if !schema::is_job(image.get("sk").and_then(text)) {
        return Ok(None);
    }
    schema::job_of(image.inner().clone()).map(Some)
}

/// The task in such an image; none if the item is of another type or there is no image.
///
/// # Errors
/// `Internal` for an item that says it is a task and can't be read as one.
pub fn task_from_item(image: &serde_dynamo::Item) -> Result<Option<Task>> {
    if !schema::is_task(image.get("sk").and_then(text)) {
        return Ok(None);
    }
    serde_dynamo::from_item(image.clone()).map(Some).map_err(Error::internal)
}

fn text(value: &serde_dynamo::AttributeValue) -> Option<&str> {
    match value {
        serde_dynamo::AttributeValue::S(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_dynamo::{AttributeValue, Item};
    use sluice_core::{ErrorKind, time::Timestamp};
    use sluice_testing::{CountingIds, build};

    use super::*;

    #[test]
    fn an_image_is_read_as_it_was_written() {
        let now = Timestamp::from_seconds(1_769_847_330);
        let asset = build::everything(CountingIds::nth(1), "alice", now);
        let image = Item::from(schema::asset_item(&asset).unwrap());
        // as the event has it: by way of JSON, {"S": "…"}
        let image: Item = serde_json::from_str(&serde_json::to_string(&image).unwrap()).unwrap();
        assert_eq!(asset_from_item(&image).unwrap(), Some(asset));

        let job = build::job("alice", "job 1", now);
        let image = Item::from(schema::job_item(&job).unwrap());
        let image: Item = serde_json::from_str(&serde_json::to_string(&image).unwrap()).unwrap();
        assert_eq!(job_from_item(&image).unwrap(), Some(job));
    }

    #[test]
    fn other_items_are_no_assets_and_a_broken_asset_is_an_error() {
        let item = |sk: &str| {
            let mut item = Item::from(std::collections::HashMap::<String, AttributeValue>::new());
            item.inner_mut().insert("sk".to_owned(), AttributeValue::S(sk.to_owned()));
            item
        };
        for other in ["H", "T", "C", "C#1", "U", "E", "F", "K", "J"] {
            assert_eq!(asset_from_item(&item(other)).unwrap(), None, "{other}");
            assert_eq!(job_from_item(&item(other)).unwrap(), None, "{other}");
        }
        assert_eq!(
            (asset_from_item(&item("J#1")).unwrap(), job_from_item(&item("A")).unwrap()),
            (None, None)
        );
        assert_eq!(asset_from_item(&Item::default()).unwrap(), None, "a removed item has no new image");
        assert_eq!(job_from_item(&Item::default()).unwrap(), None);
        assert_eq!(job_from_item(&item("J#1")).unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(asset_from_item(&item("A")).unwrap_err().kind(), ErrorKind::Internal);
    }
}
