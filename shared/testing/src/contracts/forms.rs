//! What clients send to S3 by themselves beside PUTs: forms, and multipart uploads of their own.

use std::time::Duration;

use bytes::Bytes;
use sluice_core::{
    asset::Grant,
    ids::{ETag, UploadId, Version},
    names::{Folder, ObjectKey},
    ports::{Clock, MultipartStep, OriginalStore, SignedRequest, UploadSigner},
    upload::SizeRange,
};

use crate::{
    build,
    signers::{Answer, Browser},
    time::CountingIds,
};

const TTL: Duration = Duration::from_mins(10);
const FILE: &[u8] = b"granted";

fn key(n: u64) -> ObjectKey {
    let folder: Folder = "users/alice/a b+c%20&d=é~(1)'*!;:@$,\"".parse().unwrap();
    ObjectKey::new(&folder, CountingIds::nth(n), &"photo.jpg".parse().unwrap())
}

/// Runs on an empty bucket with versions.
pub async fn upload_form_contract(
    store: &impl OriginalStore,
    signer: &impl UploadSigner,
    browser: &impl Browser,
    clock: &impl Clock,
) {
    let key = key(21);
    let size = SizeRange::exactly(FILE.len() as u64);
    let grant = Grant { size, ..build::grant(clock.now()) };
    let form = signer.sign_post(&key, &grant, clock.now(), TTL).await.unwrap();
    assert!(form.expires_at <= clock.now().plus(TTL) && form.expires_at > clock.now());
    assert!(form.url.ends_with('/'), "old clients add the key to it: {}", form.url);
    let names: Vec<&str> = form.fields.iter().map(|(name, _)| name.as_str()).take(4).collect();
    assert_eq!(names, ["key", "Content-Type", "success_action_status", "x-amz-meta-version"]);
    assert_eq!((form.field("key"), form.field("x-amz-meta-version")), (key.as_str(), "1"));
    let post = async |fields: &[(String, String)], file: &'static [u8]| {
        browser.post_form(&form.url, fields, Bytes::from_static(file)).await
    };

    // each field left out, each changed, one more, another size: nothing of it is taken
    for at in 0..form.fields.len() {
        let mut without = form.fields.clone();
        let (name, _) = without.remove(at);
        refused(&post(&without, FILE).await, &format!("without {name}"));
        let mut changed = form.fields.clone();
        changed[at].1.push('2');
        refused(&post(&changed, FILE).await, &format!("another {name}"));
    }
    let other_key = self::key(22);
    let mut moved = form.fields.clone();
    moved[0].1 = other_key.to_string();
    refused(&post(&moved, FILE).await, "another key");
    let mut more = form.fields.clone();
    more.push(("x-amz-meta-owner".to_owned(), "bob".to_owned()));
    refused(&post(&more, FILE).await, "a field more");
    refused(&post(&form.fields, b"granted!").await, "a byte more");
    refused(&post(&form.fields, b"grante").await, "a byte less");
    let then = clock.now().minus(TTL).minus(TTL);
    let long_ago = signer.sign_post(&key, &grant, then, TTL).await.unwrap();
    refused(&browser.post_form(&long_ago.url, &long_ago.fields, FILE.into()).await, "too late");
    assert_eq!(store.head(&key, None).await.unwrap(), None);
    assert_eq!(store.head(&other_key, None).await.unwrap(), None);

    let answer = post(&form.fields, FILE).await;
    assert_eq!(answer.status, 201);
    let first = store.head(&key, None).await.unwrap().expect("it is there");
    assert_eq!((first.size, first.version), (FILE.len() as u64, Some(Version::FIRST)));
    assert_eq!(first.etag, answer.etag());

    // a second time it is written again: beside the first, which stays readable
    assert_eq!(post(&form.fields, FILE).await.status, 201);
    let second = store.head(&key, None).await.unwrap().expect("it is there");
    assert_ne!(second.version_id, first.version_id);
    assert_eq!(store.head(&key, first.version_id.as_ref()).await.unwrap(), Some(first));

    let update = Grant { version: Version::FIRST.next(), size: SizeRange::at_most(100), ..grant };
    let form = signer.sign_post(&key, &update, clock.now(), TTL).await.unwrap();
    let post = async |bytes: usize| browser.post_form(&form.url, &form.fields, vec![7; bytes].into()).await;
    refused(&post(101).await, "over the most");
    for bytes in [0, 100] {
        assert_eq!(post(bytes).await.status, 201, "{bytes} bytes");
        let head = store.head(&key, None).await.unwrap().expect("it is there");
        assert_eq!((head.size, head.version), (bytes as u64, Some(update.version)));
    }
}

fn refused(answer: &Answer, what: &str) {
    assert!((400..=403).contains(&answer.status), "{what}: {}", answer.status);
}

/// Runs on an empty bucket.
pub async fn client_multipart_contract(
    store: &impl OriginalStore,
    signer: &impl UploadSigner,
    browser: &impl Browser,
    clock: &impl Clock,
) {
    let key = key(23);
    let send = async |method: &str, request: &SignedRequest, body: &str| {
        browser.step(method, &request.url, &request.headers, body.to_owned()).await
    };
    let start = async |version: Version| {
        let grant = Grant { version, ..build::grant(clock.now()) };
        let request = signer.sign_create(&key, &grant, clock.now(), TTL).await.unwrap();
        let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-type", "x-amz-meta-version"]);
        for (at, name) in names.iter().enumerate() {
            let mut changed = request.clone();
            changed.headers[at].1 = "9".to_owned();
            assert_eq!(send("POST", &changed, "").await.status, 403, "another {name}");
        }
        let answer = send("POST", &request, "").await;
        assert_eq!(answer.status, 200);
        answer.elements("UploadId").remove(0).parse::<UploadId>().unwrap()
    };
    let step = async |id: &UploadId, step: MultipartStep<'_>| {
        signer.sign_step(&key, id, step, clock.now(), TTL).await.unwrap()
    };
    let part = async |id: &UploadId, body: &'static [u8]| {
        let (parts, _) = signer.sign_parts(&key, id, 1..=1, clock.now(), TTL).await.unwrap();
        let answer = browser.put(&parts[0].url, &[], body.into()).await;
        assert_eq!(answer.status, 200);
        answer.etag()
    };

    let first = start(Version::FIRST).await;
    let etag = part(&first, FILE).await;
    let listed = send("GET", &step(&first, MultipartStep::List).await, "").await;
    assert_eq!((listed.status, listed.elements("PartNumber")), (200, vec!["1".to_owned()]));
    assert_eq!(ETag::from_header(&listed.elements("ETag")[0]).unwrap(), etag);

    let complete = step(&first, MultipartStep::Complete { replaces: None }).await;
    let bare = SignedRequest { headers: Vec::new(), ..complete.clone() };
    assert_eq!(send("POST", &bare, &part_list(&etag)).await.status, 403, "without its condition");
    assert_eq!(send("DELETE", &complete, "").await.status, 403, "signed for something else");
    let answer = send("POST", &complete, &part_list(&etag)).await;
    assert_eq!((answer.status, answer.elements("Key")), (200, vec![key.to_string()]));
    let head = store.head(&key, None).await.unwrap().expect("it is there");
    assert_eq!((head.size, head.version), (FILE.len() as u64, Some(Version::FIRST)));

    let late = start(Version::FIRST).await;
    let etag = part(&late, b"late").await;
    let complete = step(&late, MultipartStep::Complete { replaces: None }).await;
    assert_eq!(send("POST", &complete, &part_list(&etag)).await.status, 412, "something is there");
    assert_eq!(send("DELETE", &step(&late, MultipartStep::Abort).await, "").await.status, 204);
    let gone = send("GET", &step(&late, MultipartStep::List).await, "").await;
    assert_eq!(gone.status, 404);

    let next = start(Version::FIRST.next()).await;
    let etag = part(&next, b"the next").await;
    let complete = step(&next, MultipartStep::Complete { replaces: Some(&head.etag) }).await;
    assert_eq!(send("POST", &complete, &part_list(&etag)).await.status, 200);
    let head = store.head(&key, None).await.unwrap().expect("it is there");
    assert_eq!((head.size, head.version), (8, Some(Version::FIRST.next())));
    let address = signer.address(&key).await.unwrap();
    assert!(address.starts_with("http") && !address.contains('?'), "{address}");
}

fn part_list(etag: &ETag) -> String {
    format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    )
}
