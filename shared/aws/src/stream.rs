//! Items as the table's stream brings them.

use sluice_core::{Result, asset::Asset};

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

fn text(value: &serde_dynamo::AttributeValue) -> Option<&str> {
    match value {
        serde_dynamo::AttributeValue::S(text) => Some(text),
        _ => None,
    }
}
