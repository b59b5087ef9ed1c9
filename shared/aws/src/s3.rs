//! The buckets and the signing of requests to them.

mod bucket;
mod derived;
mod disposition;
mod originals;
mod post_policy;
mod presign;
mod signers;
mod staging;

use aws_sdk_s3::{
    Client,
    types::{Delete, ObjectIdentifier},
};
use sluice_core::{Error, Result};

use crate::error::classify;

pub use derived::S3Derived;
pub use originals::S3Originals;
pub use signers::{S3LinkSigner, S3UploadSigner};
pub use staging::S3Staging;

/// The service's name in errors.
const SERVICE: &str = "S3";
/// The name of the user metadata (`x-amz-meta-version`) that holds the asset's version.
const VERSION_METADATA: &str = "version";
/// The most keys in one order to delete
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
const DELETE_BATCH: usize = 1_000;

/// Deletes objects of a bucket without versions. Deleting what isn't there is success.
async fn delete_all(client: &Client, bucket: &str, keys: impl Iterator<Item = &str> + Send) -> Result<()> {
    let objects = keys.map(|key| ObjectIdentifier::builder().key(key).build());
    let objects = objects.collect::<std::result::Result<Vec<_>, _>>().map_err(Error::internal)?;
    for batch in objects.chunks(DELETE_BATCH) {
        let order = Delete::builder().set_objects(Some(batch.to_vec())).quiet(true).build();
        let order = order.map_err(Error::internal)?;
        let answer = client.delete_objects().bucket(bucket).delete(order).send().await;
        let answer = answer.map_err(|error| classify(SERVICE, &error))?;
        // the answer is a 200 even if some stayed
        if let Some(failed) = answer.errors().first() {
            let code = failed.code().unwrap_or("no code");
            let count = answer.errors().len();
            return Err(Error::unavailable(SERVICE, format!("{count} not deleted, the first: {code}")));
        }
    }
    Ok(())
}
