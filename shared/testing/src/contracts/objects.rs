//! Originals: signed uploads, versions, multipart uploads, as their clients and their readers see them.

use std::time::Duration;

use bytes::Bytes;
use sluice_core::{
    asset::Grant,
    ids::{ETag, UploadId, Version},
    names::{Folder, ObjectKey},
    ports::{
        Clock, MultipartStore, NewObject, ObjectBody, ObjectHead, OriginalStore, Stitched, UploadSigner,
    },
    upload::{MIN_PART_SIZE, PartTag, SizeRange},
};

use crate::{
    build,
    signers::{Answer, Browser},
    time::CountingIds,
};

const TTL: Duration = Duration::from_mins(10);

/// A key in a folder whose name needs every kind of escape.
fn key(n: u64) -> ObjectKey {
    let folder: Folder = "users/alice/a b+c%20&d=é~(1)'*!;:@$,".parse().unwrap();
    ObjectKey::new(&folder, CountingIds::nth(n), &"photo.jpg".parse().unwrap())
}

fn grant(clock: &impl Clock, body: &Bytes, version: Version, replaces: Option<&ETag>) -> Grant {
    Grant {
        size: SizeRange::exactly(body.len() as u64),
        version,
        replaces: replaces.cloned(),
        ..build::grant(clock.now())
    }
}

/// Signs a PUT and sends it.
async fn put(
    signer: &impl UploadSigner,
    browser: &impl Browser,
    clock: &impl Clock,
    key: &ObjectKey,
    grant: &Grant,
    body: &Bytes,
) -> Answer {
    let request = signer.sign_put(key, grant, clock.now(), TTL).await.unwrap();
    browser.put(&request.url, &request.headers, body.clone()).await
}

async fn bytes_of(mut body: impl ObjectBody) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(body.next().await.unwrap(), None, "the end stays the end");
    bytes
}

async fn head(store: &impl OriginalStore, key: &ObjectKey) -> ObjectHead {
    store.head(key, None).await.unwrap().expect("something is there")
}

/// Runs on an empty bucket with versions.
pub async fn original_store_contract(
    store: &impl OriginalStore,
    signer: &impl UploadSigner,
    browser: &impl Browser,
    clock: &impl Clock,
) {
    let key = key(1);
    assert_eq!(store.head(&key, None).await.unwrap(), None);
    assert!(store.get(&key, None).await.unwrap().is_none());
    store.delete(&key, Some(&"no-such-version".parse().unwrap())).await.expect("nothing there is success");

    let second_version = Version::FIRST.next();
    let (first, second) = (Bytes::from(vec![1; 300_000]), Bytes::from_static(b"second"));
    let granted = grant(clock, &first, Version::FIRST, None);
    let granted = Grant { sha256: Some(build::digest(&first)), ..granted };
    let answer = put(signer, browser, clock, &key, &granted, &first).await;
    assert_eq!(answer.status, 200);
    let old = head(store, &key).await;
    assert_eq!((old.size, old.version), (300_000, Some(Version::FIRST)));
    assert_eq!(old.etag, answer.etag());
    assert_eq!(old.sha256, Some(build::digest(&first)), "S3 checked the digest");
    let old_id = old.version_id.clone().expect("the bucket has versions");

    let update = grant(clock, &second, second_version, Some(&old.etag));
    assert_eq!(put(signer, browser, clock, &key, &update, &second).await.status, 200);
    let new = head(store, &key).await;
    assert_eq!((new.size, new.version, new.sha256), (6, Some(second_version), None));
    let new_id = new.version_id.clone().expect("the bucket has versions");
    assert_ne!(old_id, new_id);

    assert_eq!(store.head(&key, Some(&old_id)).await.unwrap(), Some(old), "a reader is pinned to its bytes");
    assert_eq!(bytes_of(store.get(&key, Some(&old_id)).await.unwrap().unwrap()).await, first);
    assert_eq!(bytes_of(store.get(&key, None).await.unwrap().unwrap()).await, second);
    for unknown in ["no-such-version", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let unknown = unknown.parse().unwrap();
        assert_eq!(store.head(&key, Some(&unknown)).await.unwrap(), None);
        assert!(store.get(&key, Some(&unknown)).await.unwrap().is_none());
        store.delete(&key, Some(&unknown)).await.expect("nothing there is success");
    }

    for _ in 0..2 {
        store.delete(&key, Some(&new_id)).await.expect("a second time also");
        assert_eq!(head(store, &key).await.version_id, Some(old_id.clone()), "only that version went");
    }
    assert_eq!(store.head(&key, Some(&new_id)).await.unwrap(), None);
    store.delete(&key, None).await.unwrap();
    assert_eq!(store.head(&key, None).await.unwrap(), None);
    assert!(store.get(&key, None).await.unwrap().is_none());
    assert_eq!(store.head(&key, Some(&old_id)).await.unwrap().map(|head| head.size), Some(300_000));
    whole_objects(store).await;
}

/// What is put by ourselves is as what a client PUTs, and never takes another object's place.
async fn whole_objects(store: &impl OriginalStore) {
    let key = key(7);
    let object = |bytes: &'static [u8]| NewObject {
        content_type: "image/jpeg".parse().unwrap(),
        version: Version::FIRST,
        sha256: build::digest(bytes),
        bytes: Bytes::from_static(bytes),
    };
    let written = store.put(&key, object(b"whole")).await.unwrap().expect("nothing was there");
    assert_eq!(
        (written.size, written.version, written.sha256),
        (5, Some(Version::FIRST), Some(build::digest(b"whole")))
    );
    assert!(written.version_id.is_some());
    assert_eq!(head(store, &key).await, written);
    assert_eq!(bytes_of(store.get(&key, None).await.unwrap().unwrap()).await, b"whole");
    assert_eq!(store.put(&key, object(b"other")).await.unwrap(), None);
    assert_eq!(head(store, &key).await, written);

    let broken = NewObject { sha256: build::digest(b"other"), ..object(b"bytes") };
    let elsewhere = self::key(8);
    assert!(store.put(&elsewhere, broken).await.is_err(), "the digest is another");
    assert_eq!(store.head(&elsewhere, None).await.unwrap(), None);
    let empty = store.put(&elsewhere, object(b"")).await.unwrap().expect("nothing was there");
    assert_eq!(empty.size, 0);
    assert_eq!(head(store, &elsewhere).await, empty);
}

/// Runs on a bucket that takes only what was signed.
pub async fn upload_signer_contract(
    store: &impl OriginalStore,
    signer: &impl UploadSigner,
    browser: &impl Browser,
    clock: &impl Clock,
) {
    let (body, key) = (Bytes::from_static(b"granted"), key(2));
    let granted = grant(clock, &body, Version::FIRST, None);
    let granted = Grant { sha256: Some(build::digest(&body)), ..granted };
    let request = signer.sign_put(&key, &granted, clock.now(), TTL).await.unwrap();
    assert!(request.expires_at <= clock.now().plus(TTL));
    assert!(request.expires_at > clock.now());
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "if-none-match", "x-amz-meta-version", "x-amz-checksum-sha256"]);

    // another length, each header left out, each header changed: nothing of it is taken
    let longer = Bytes::from_static(b"granted, and then some");
    assert_eq!(browser.put(&request.url, &request.headers, longer).await.status, 403);
    for at in 0..request.headers.len() {
        let mut without = request.headers.clone();
        without.remove(at);
        assert_eq!(browser.put(&request.url, &without, body.clone()).await.status, 403, "{without:?}");
        let mut changed = request.headers.clone();
        changed[at].1 = "2".to_owned();
        assert_eq!(browser.put(&request.url, &changed, body.clone()).await.status, 403, "{changed:?}");
    }
    let other_bytes = Bytes::from_static(b"GRANTED");
    let status = browser.put(&request.url, &request.headers, other_bytes).await.status;
    assert_eq!(status, 400, "the digest is another");
    assert_eq!(store.head(&key, None).await.unwrap(), None);

    assert_eq!(browser.put(&request.url, &request.headers, body.clone()).await.status, 200);
    let stored = head(store, &key).await;
    assert_eq!(browser.put(&request.url, &request.headers, body.clone()).await.status, 412, "once only");
    assert_eq!(head(store, &key).await, stored);

    let next = Bytes::from_static(b"the next");
    let update = grant(clock, &next, Version::FIRST.next(), Some(&stored.etag));
    assert_eq!(put(signer, browser, clock, &key, &update, &next).await.status, 200);
    assert_eq!(put(signer, browser, clock, &key, &update, &next).await.status, 412, "it came too late");

    let (empty, empty_key) = (Bytes::new(), self::key(3));
    let granted = grant(clock, &empty, Version::FIRST, None);
    assert_eq!(put(signer, browser, clock, &empty_key, &granted, &empty).await.status, 200);
    assert_eq!(head(store, &empty_key).await.size, 0);
}

/// Runs on an empty bucket.
pub async fn multipart_store_contract<S: OriginalStore + MultipartStore>(
    store: &S,
    signer: &impl UploadSigner,
    browser: &impl Browser,
    clock: &impl Clock,
) {
    let key = key(4);
    let start = async |version| {
        let id = store.create(&key, &"image/jpeg".parse().unwrap(), version).await.unwrap();
        assert_eq!(store.list_parts(&key, &id).await.unwrap(), Some(Vec::new()));
        id
    };
    let send = async |id: &UploadId, bodies: &[Bytes]| {
        let last = u16::try_from(bodies.len()).unwrap();
        let (urls, expires_at) = signer.sign_parts(&key, id, 1..=last, clock.now(), TTL).await.unwrap();
        assert!(expires_at > clock.now() && expires_at <= clock.now().plus(TTL));
        assert!(urls.iter().map(|part| part.number).eq(1..=last));
        let mut tags = Vec::new();
        for (part, body) in urls.iter().zip(bodies) {
            let answer = browser.put(&part.url, &[], body.clone()).await;
            assert_eq!(answer.status, 200);
            tags.push(PartTag { number: part.number, etag: answer.etag() });
        }
        tags
    };
    let large = Bytes::from(vec![7; usize::try_from(MIN_PART_SIZE).unwrap()]);
    let small = Bytes::from_static(b"end");

    let first = start(Version::FIRST).await;
    let tags = send(&first, &[large.clone(), small.clone()]).await;
    let listed = store.list_parts(&key, &first).await.unwrap().expect("it is open");
    let sizes: Vec<(u16, u64)> = listed.iter().map(|part| (part.number, part.size)).collect();
    assert_eq!(sizes, [(1, MIN_PART_SIZE), (2, 3)]);
    assert!(listed.iter().zip(&tags).all(|(part, tag)| part.etag == tag.etag));

    let complete = async |id: &UploadId, tags: &[PartTag], replaces: Option<&ETag>| {
        store.complete(&key, id, tags, replaces).await.unwrap()
    };
    let mut wrong = tags.clone();
    wrong[1].etag = tags[0].etag.clone();
    assert_eq!(complete(&first, &wrong, None).await, Stitched::PartsRefused, "another receipt");
    wrong = tags.clone();
    wrong[1].number = 3;
    assert_eq!(complete(&first, &wrong, None).await, Stitched::PartsRefused, "never uploaded");
    let nothing = "no-such-upload".parse().unwrap();
    assert_eq!(complete(&nothing, &tags, None).await, Stitched::NoSuchUpload);
    assert_eq!(store.list_parts(&key, &nothing).await.unwrap(), None);
    store.abort(&key, &nothing).await.expect("aborting what isn't there is success");

    assert_eq!(complete(&first, &tags, None).await, Stitched::Done);
    let stitched = head(store, &key).await;
    assert_eq!((stitched.size, stitched.version), (MIN_PART_SIZE + 3, Some(Version::FIRST)));
    assert_eq!(stitched.sha256, None, "a digest of digests is none of the object");
    assert!(matches!(complete(&first, &tags, None).await, Stitched::NoSuchUpload | Stitched::Done));
    store.abort(&key, &first).await.unwrap();
    assert_eq!(head(store, &key).await, stitched, "an object that was stitched stays");

    let rival = start(Version::FIRST).await;
    let tags = send(&rival, std::slice::from_ref(&small)).await;
    assert_eq!(complete(&rival, &tags, None).await, Stitched::PreconditionFailed, "something is there");
    let stale: ETag = "00000000000000000000000000000000".parse().unwrap();
    assert_eq!(complete(&rival, &tags, Some(&stale)).await, Stitched::PreconditionFailed);
    assert_eq!(head(store, &key).await, stitched);
    assert_eq!(complete(&rival, &tags, Some(&stitched.etag)).await, Stitched::Done);
    assert_eq!(bytes_of(store.get(&key, None).await.unwrap().unwrap()).await, small);

    let dropped = start(Version::FIRST).await;
    send(&dropped, std::slice::from_ref(&small)).await;
    for _ in 0..2 {
        store.abort(&key, &dropped).await.expect("a second time also");
        assert_eq!(store.list_parts(&key, &dropped).await.unwrap(), None);
    }

    // more than one page of S3's, which holds 1,000
    let long = start(Version::FIRST).await;
    send(&long, &vec![Bytes::from_static(b"x"); 1_001]).await;
    let listed = store.list_parts(&key, &long).await.unwrap().expect("it is open");
    assert!(listed.iter().map(|part| part.number).eq(1..=1_001));
    store.abort(&key, &long).await.unwrap();
}
