//! Every URL is the SDK's own, byte for byte.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_s3::{
    Client,
    presigning::{PresignedRequest, PresigningConfig},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use sluice_core::{
    asset::Grant,
    names::{DerivedKey, Folder, ObjectKey},
    ports::{Clock, Disposition, LinkSigner, OriginalLink, UploadSigner},
    upload::SizeRange,
};
use sluice_testing::{CountingIds, FixedClock, build};

use super::*;
use crate::{
    Clients, S3LinkSigner, S3UploadSigner,
    clients::loader,
    s3::{bucket::SigningBucket, disposition::content_disposition},
};

const BUCKET: &str = "originals-123";
const TTL: Duration = Duration::from_secs(3_599);

fn now() -> Timestamp {
    Timestamp::from_millis(1_769_847_330_250)
}

fn system_time(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(time.as_millis()).unwrap())
}

async fn clients(
    region: &str,
    endpoint: Option<&str>,
    token: Option<&str>,
    ends: Option<Timestamp>,
) -> Clients {
    let token = token.map(str::to_owned);
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, token, ends.map(system_time), "test");
    let mut loader =
        loader().region(aws_config::Region::new(region.to_owned())).credentials_provider(credentials);
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    Clients::of(loader.load().await)
}

/// Everything that an address or credentials can be.
async fn worlds() -> Vec<(Clients, &'static str)> {
    let token = "IQoJb3JpZ2luX2VjEOb//////////wEaCXVzLWVhc3QtMSJHMEUCIQC+/=&x y";
    let mut worlds = Vec::new();
    for (region, endpoint, base) in [
        ("us-east-1", None, "https://originals-123.s3.us-east-1.amazonaws.com/"),
        ("eu-central-1", None, "https://originals-123.s3.eu-central-1.amazonaws.com/"),
        ("cn-north-1", None, "https://originals-123.s3.cn-north-1.amazonaws.com.cn/"),
        ("us-gov-west-1", None, "https://originals-123.s3.us-gov-west-1.amazonaws.com/"),
        ("us-east-1", Some("http://127.0.0.1:4566"), "http://127.0.0.1:4566/originals-123/"),
        ("us-east-1", Some("http://localhost:4566"), "http://localhost:4566/originals-123/"),
        ("us-east-1", Some("http://10.0.0.1:80"), "http://10.0.0.1:80/originals-123/"),
        ("us-east-1", Some("https://s3.example.com"), "https://originals-123.s3.example.com/"),
        ("us-east-1", Some("https://10.0.0.1:443"), "https://10.0.0.1:443/originals-123/"),
    ] {
        for token in [None, Some(token)] {
            worlds.push((clients(region, endpoint, token, None).await, base));
        }
    }
    worlds
}

fn keys() -> Vec<ObjectKey> {
    ["users/alice", "users/alice/a b+c%20&d=é~(1)'*!;:@$,", "users/a|b/写真/[x]{y}^`\"<>#?"]
        .into_iter()
        .map(|folder| {
            let folder: Folder = folder.parse().unwrap();
            ObjectKey::new(&folder, CountingIds::nth(1), &"photo.jpg".parse().unwrap())
        })
        .collect()
}

fn config(start: Timestamp, ttl: Duration) -> PresigningConfig {
    PresigningConfig::builder().start_time(system_time(start)).expires_in(ttl).build().unwrap()
}

/// The headers that a presigned request of the SDK wants sent; a tracing header that it never signs is none of them.
fn headers(request: &PresignedRequest) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = request
        .headers()
        .filter(|(name, _)| !matches!(*name, "x-amzn-trace-id" | "host" | "content-length"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    headers.sort_unstable();
    headers
}

async fn sdk_put(client: &Client, key: &ObjectKey, grant: &Grant) -> PresignedRequest {
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key(key.as_str())
        .content_length(i64::try_from(grant.size.max()).unwrap())
        .content_type(grant.content_type.as_str())
        .metadata("version", grant.version.to_string())
        .set_checksum_sha256(grant.sha256.map(|sha256| STANDARD.encode(sha256.as_bytes())));
    let put = match &grant.replaces {
        Some(etag) => put.if_match(etag.quoted()),
        None => put.if_none_match("*"),
    };
    put.presigned(config(now(), TTL)).await.unwrap()
}

#[tokio::test]
async fn a_put_is_the_sdks_with_all_its_headers() {
    let first = build::grant(now());
    let hashed = Grant { sha256: Some(build::digest(b"x")), ..first.clone() };
    let update = Grant {
        version: first.version.next(),
        replaces: Some("0123456789abcdef0123456789abcdef-3".parse().unwrap()),
        size: SizeRange::exactly(0),
        ..hashed.clone()
    };
    for (clients, base) in worlds().await {
        let signer = S3UploadSigner::new(&clients, BUCKET);
        for key in keys() {
            for grant in [&first, &hashed, &update] {
                let ours = signer.sign_put(&key, grant, now(), TTL).await.unwrap();
                let theirs = sdk_put(&clients.s3(), &key, grant).await;
                assert!(ours.url.starts_with(base), "{} isn't below {base}", ours.url);
                assert_eq!(ours.url, theirs.uri());
                let mut sent = ours.headers;
                sent.sort_unstable();
                assert_eq!(sent, headers(&theirs));
                assert_eq!(ours.expires_at, Timestamp::from_seconds(1_769_847_330 + 3_599));
            }
        }
    }
}

#[tokio::test]
async fn parts_are_the_sdks() {
    let upload_id = "VXBsb2FkIElE.fO_r~6i+/=2Q--".parse().unwrap();
    for (clients, _) in worlds().await {
        let signer = S3UploadSigner::new(&clients, BUCKET);
        for key in keys() {
            let (parts, expires_at) =
                signer.sign_parts(&key, &upload_id, 9_998..=10_000, now(), TTL).await.unwrap();
            assert_eq!(expires_at, Timestamp::from_seconds(1_769_847_330 + 3_599));
            assert_eq!(parts.len(), 3);
            let one = signer.sign_parts(&key, &upload_id, 1..=1, now(), TTL).await.unwrap().0;
            for part in parts.iter().chain(&one) {
                let theirs = clients
                    .s3()
                    .upload_part()
                    .bucket(BUCKET)
                    .key(key.as_str())
                    .upload_id(upload_id.as_str())
                    .part_number(part.number.into())
                    .presigned(config(now(), TTL))
                    .await
                    .unwrap();
                assert_eq!(part.url, theirs.uri());
                assert_eq!(headers(&theirs), [], "a part is sent without headers");
            }
        }
    }
}

/// When a URL was signed.
fn signed_at(url: &str) -> Timestamp {
    let date = url.split_once("X-Amz-Date=").unwrap().1;
    let [year, month, day, hour, minute, second] =
        [0..4, 4..6, 6..8, 9..11, 11..13, 13..15].map(|digits| &date[digits]);
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().unwrap()
}

#[tokio::test]
async fn links_are_the_sdks() {
    let (filename, content_type) =
        ("Grüße \"1\" & 50%.jpg".parse().unwrap(), "image/svg+xml".parse().unwrap());
    let version_id = "3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY/=&".parse().unwrap();
    for (clients, _) in worlds().await {
        let links = S3LinkSigner::new(&clients, BUCKET, "derived-123", TTL);
        for key in keys() {
            for version_id in [None, Some(&version_id)] {
                let disposition = Disposition::Attachment;
                let link = OriginalLink {
                    key: &key,
                    version_id,
                    filename: &filename,
                    content_type: &content_type,
                    disposition,
                };
                let ours = links.original(link).await.unwrap().url;
                let theirs = clients
                    .s3()
                    .get_object()
                    .bucket(BUCKET)
                    .key(key.as_str())
                    .set_version_id(version_id.map(ToString::to_string))
                    .response_content_type(content_type.as_str())
                    .response_content_disposition(content_disposition(disposition, &filename))
                    .presigned(config(signed_at(&ours), TTL))
                    .await
                    .unwrap();
                assert_eq!(ours, theirs.uri());
            }
        }
        let key = DerivedKey::new(CountingIds::nth(1), build::grant(now()).version, "thumb", "webp");
        let ours = links.derivative(&key).await.unwrap().url;
        let theirs = clients.s3().get_object().bucket("derived-123").key(key.as_str());
        let theirs = theirs.presigned(config(signed_at(&ours), TTL)).await.unwrap();
        assert_eq!(ours, theirs.uri());
    }
}

#[tokio::test]
async fn a_link_stays_the_same_for_half_of_its_life_and_always_has_the_other_half_left() {
    let key = DerivedKey::new(CountingIds::nth(1), build::grant(now()).version, "thumb", "webp");
    let life = Duration::from_secs(900);
    let world = clients("eu-central-1", None, Some("session 1"), None).await;
    let clock = FixedClock::at(now());
    let links = S3LinkSigner::new(&world, BUCKET, "derived-123", life).with_clock(clock.clone());
    let (mut links_seen, mut last) = (Vec::new(), String::new());
    for _ in 0..180 {
        let url = links.derivative(&key).await.unwrap().url;
        let ends = signed_at(&url).plus(Duration::from_secs(expires(&url).parse().unwrap()));
        assert!(signed_at(&url) <= clock.now(), "a signature of the future is refused");
        assert!(clock.now().until(ends) >= life / 2, "{url} has less than half of its life left");
        if url != last {
            links_seen.push(clock.now());
            last = url;
        }
        clock.advance(Duration::from_secs(10));
    }
    // 30 minutes touch four or five windows of seven and a half
    assert!(links_seen.len() <= 5, "{links_seen:?}");
    let another = clients("eu-central-1", None, Some("session 2"), None).await;
    let others = S3LinkSigner::new(&another, BUCKET, "derived-123", life).with_clock(clock.clone());
    assert_ne!(others.derivative(&key).await.unwrap().url, links.derivative(&key).await.unwrap().url);
}

#[tokio::test]
async fn a_link_ends_with_the_session_that_signed_it() {
    let key = DerivedKey::new(CountingIds::nth(1), build::grant(now()).version, "thumb", "webp");
    let ends = now().plus(Duration::from_mins(10));
    let world = clients("eu-central-1", None, Some("session"), Some(ends)).await;
    let clock = FixedClock::at(now());
    let links =
        S3LinkSigner::new(&world, BUCKET, "derived-123", Duration::from_hours(1)).with_clock(clock.clone());
    let url = links.derivative(&key).await.unwrap().url;
    let until = signed_at(&url).plus(Duration::from_secs(expires(&url).parse().unwrap()));
    assert_eq!(until.as_seconds(), ends.as_seconds());
    clock.advance(Duration::from_mins(10));
    assert_eq!(links.derivative(&key).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

fn expires(url: &str) -> &str {
    url.split_once("X-Amz-Expires=").unwrap().1.split('&').next().unwrap()
}

#[tokio::test]
async fn no_url_is_promised_for_longer_than_the_credentials_live_or_a_week() {
    let (key, grant) = (&keys()[0], build::grant(now()));
    let sign = async |ends: Option<Timestamp>, ttl: Duration| {
        let clients = clients("us-east-1", None, Some("token"), ends).await;
        let put = S3UploadSigner::new(&clients, BUCKET).sign_put(key, &grant, now(), ttl).await?;
        let until = put.expires_at.as_seconds() - now().as_seconds();
        assert_eq!(expires(&put.url), until.to_string(), "the URL says the same");
        Ok::<_, Error>(until)
    };
    let after = |millis: u64| Some(now().plus(Duration::from_millis(millis)));
    assert_eq!(sign(None, TTL).await.unwrap(), 3_599);
    assert_eq!(sign(after(86_400_000), TTL).await.unwrap(), 3_599);
    assert_eq!(sign(after(600_999), TTL).await.unwrap(), 600);
    assert_eq!(sign(None, Duration::from_hours(9_999)).await.unwrap(), 604_800);
    for ended in [after(0), after(999), Some(Timestamp::from_seconds(1))] {
        assert_eq!(sign(ended, TTL).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_key_and_any_value_is_escaped_as_the_sdk_does(
        key in "[^\\p{C}/]\\P{C}{0,40}",
        upload_id in "\\P{C}{1,40}",
        number in 1_u16..=10_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, theirs) = runtime.block_on(async {
            let clients = clients("us-east-1", None, Some("token/+="), None).await;
            let bucket = SigningBucket::new(&clients, BUCKET.to_owned());
            let signing = bucket.signing(now(), TTL).await.unwrap();
            let ours = signing.part_urls(&key, &upload_id, number..=number).remove(0).url;
            let theirs = clients.s3().upload_part().bucket(BUCKET).key(&key).upload_id(&upload_id);
            let theirs = theirs.part_number(number.into()).presigned(config(now(), TTL)).await.unwrap();
            (ours, theirs.uri().to_owned())
        });
        prop_assert_eq!(ours, theirs);
    }
}

/// The policy, the credentials and the signature of
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html>.
#[tokio::test]
async fn a_forms_signature_is_that_of_awss_example() {
    let policy = [
        r#"{ "expiration": "2015-12-30T12:00:00.000Z","#,
        r#"  "conditions": ["#,
        r#"    {"bucket": "sigv4examplebucket"},"#,
        r#"    ["starts-with", "$key", "user/user1/"],"#,
        r#"    {"acl": "public-read"},"#,
        r#"    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},"#,
        r#"    ["starts-with", "$Content-Type", "image/"],"#,
        r#"    {"x-amz-meta-uuid": "14365123651274"},"#,
        r#"    {"x-amz-server-side-encryption": "AES256"},"#,
        r#"    ["starts-with", "$x-amz-meta-tag", ""],"#,
        "",
        r#"    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},"#,
        r#"    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},"#,
        r#"    {"x-amz-date": "20151229T000000Z" }"#,
        "  ]",
        "}",
    ];
    let clients = clients("us-east-1", None, None, None).await;
    let bucket = SigningBucket::new(&clients, "sigv4examplebucket".to_owned());
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, None, None, "example");
    let then = "2015-12-29T00:00:00Z".parse().unwrap();
    let signing = Signing::new(bucket.endpoint().await.unwrap(), &credentials, then, TTL).unwrap();
    assert_eq!(signing.credential, "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request");
    assert_eq!(signing.date, "20151229T000000Z");
    assert_eq!(
        signing.sign(&STANDARD.encode(policy.join("\r\n"))),
        "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
    );
}

#[tokio::test]
async fn a_forms_policy_holds_every_field_and_ends_with_the_credentials() {
    let (key, grant) = (&keys()[1], Grant { size: SizeRange::at_most(7), ..build::grant(now()) });
    let ends = now().plus(Duration::from_mins(10));
    let clients = clients("us-east-1", None, Some("to/ken="), Some(ends)).await;
    let signer = S3UploadSigner::new(&clients, BUCKET);
    let form = signer.sign_post(key, &grant, now(), TTL).await.unwrap();
    assert_eq!(form.url, "https://originals-123.s3.us-east-1.amazonaws.com/");
    let policy: serde_json::Value =
        serde_json::from_slice(&STANDARD.decode(form.field("policy")).unwrap()).unwrap();
    assert_eq!(
        policy,
        serde_json::json!({
            "expiration": "2026-01-31T08:25:30.000Z",
            "conditions": [
                ["eq", "$bucket", BUCKET],
                ["eq", "$key", key.as_str()],
                ["eq", "$Content-Type", "image/jpeg"],
                ["eq", "$success_action_status", "201"],
                ["eq", "$x-amz-meta-version", "1"],
                ["eq", "$x-amz-algorithm", "AWS4-HMAC-SHA256"],
                ["eq", "$x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20260131/us-east-1/s3/aws4_request"],
                ["eq", "$x-amz-date", "20260131T081530Z"],
                ["eq", "$x-amz-security-token", "to/ken="],
                ["content-length-range", 0, 7],
            ]
        })
    );
    assert_eq!(form.expires_at.to_string(), "2026-01-31T08:25:30.000Z");
    assert_eq!(
        signer.address(key).await.unwrap(),
        format!(
            "{}users/alice/a%20b%2Bc%2520%26d%3D%C3%A9~%281%29%27%2A%21%3B%3A%40%24%2C/{}.jpg",
            form.url,
            key.asset_id()
        )
    );
}
