//! The two buckets and the signing of requests to them.

mod bucket;
mod derived;
mod disposition;
mod originals;
mod post_policy;
mod presign;
mod signers;
mod staging;

pub use derived::S3Derived;
pub use originals::S3Originals;
pub use signers::{S3LinkSigner, S3UploadSigner};
pub use staging::S3Staging;

/// The service's name in errors.
const SERVICE: &str = "S3";
/// The name of the user metadata (`x-amz-meta-version`) that holds the asset's version.
const VERSION_METADATA: &str = "version";
