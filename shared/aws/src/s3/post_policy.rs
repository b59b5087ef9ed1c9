//! Signed forms: a browser's `multipart/form-data` POST under a policy that S3 holds it to
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>). What is signed is the policy's
//! text itself, in base64
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html>).
//!
//! Every field but the policy and its signature stands in the policy with its exact value: a field that is changed, left
//! out or added makes S3 refuse the form, and so do a file of another size and a form that is late.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sluice_core::{ports::SignedForm, upload::SizeRange};

use super::presign::{ALGORITHM, Signing};

/// Signs a form for `bucket` that holds `fields` and then a file of `size` bytes.
pub(super) fn sign(
    signing: &Signing<'_>,
    bucket: &str,
    fields: &[(&str, &str)],
    size: SizeRange,
) -> SignedForm {
    let mut fields = fields.to_vec();
    fields.extend([
        ("x-amz-algorithm", ALGORITHM),
        ("x-amz-credential", &signing.credential),
        ("x-amz-date", &signing.date),
    ]);
    fields.extend(signing.token.as_deref().map(|token| ("x-amz-security-token", token)));
    let mut conditions = vec![json!(["eq", "$bucket", bucket])];
    conditions.extend(fields.iter().map(|(name, value)| json!(["eq", format!("${name}"), value])));
    conditions.push(json!(["content-length-range", size.min(), size.max()]));
    let policy = encode(&json!({ "expiration": signing.expires_at(), "conditions": conditions }));
    let signature = signing.sign(&policy);
    fields.extend([("policy", &*policy), ("x-amz-signature", &*signature)]);
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    SignedForm {
        url: signing.bucket_url(),
        fields: fields.into_iter().map(owned).collect(),
        expires_at: signing.expires_at(),
    }
}

fn encode(policy: &Value) -> String {
    STANDARD.encode(policy.to_string())
}
