//! What waits to become an original, and the records of who waits.

use std::time::Duration;

use bytes::Bytes;
use sluice_core::{
    ErrorKind,
    ids::Version,
    names::{Folder, ObjectKey},
    ports::{
        Copied, Locking, MultipartStore, ObjectBody, OriginalStore, Saved, StagingStore, Stitched,
        TusUploadRepository,
    },
    time::Timestamp,
    tus::{Form, Lock, NewTusUpload, StagingKey, State, Store, Target, TusUpload},
    upload::{MIN_PART_SIZE, PartTag, SizeRange},
};

use crate::{build, time::CountingIds};

fn key(n: u64) -> ObjectKey {
    let folder: Folder = "users/alice/a b+c%20&d=é".parse().unwrap();
    ObjectKey::new(&folder, CountingIds::nth(n), &"photo.jpg".parse().unwrap())
}

/// Runs on empty buckets; `partials` is the staging bucket's own multipart uploads.
pub async fn staging_store_contract(
    staging: &impl StagingStore,
    partials: &(impl MultipartStore + OriginalStore),
    originals: &(impl MultipartStore + OriginalStore),
) {
    let octets = "application/octet-stream".parse().unwrap();
    let [one, other, none] = [1, 2, 3].map(|n| StagingKey::from(&key(n)));
    staging.remove(&[one.clone(), other.clone()]).await.expect("nothing there is success");
    assert_eq!(staging.get(&one, 0..1).await.unwrap_err().kind(), ErrorKind::Internal);
    staging.put(&one, Bytes::from_static(b"to be replaced")).await.unwrap();
    staging.put(&one, Bytes::from_static(b"0123456789")).await.unwrap();
    staging.put(&other, Bytes::from_static(b"other")).await.unwrap();
    assert_eq!(staging.get(&one, 0..10).await.unwrap(), "0123456789");
    assert_eq!(staging.get(&one, 3..5).await.unwrap(), "34");
    assert_eq!(staging.get(&one, 3..3).await.unwrap(), "");
    assert!(staging.get(&one, 0..11).await.is_err(), "all of the bytes, or an error");

    // an object made of parts, and parts made of its ranges and of bytes
    let large: Bytes = (0..MIN_PART_SIZE + 7).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let source = key(4);
    let id = partials.create(&source, &octets, Version::FIRST).await.unwrap();
    let etag = partials.upload_part(&source, &id, 3, large.clone()).await.unwrap().expect("it is open");
    let tags = [PartTag { number: 3, etag }];
    assert_eq!(partials.complete(&source, &id, &tags, None).await.unwrap(), Stitched::Done);
    assert_eq!(partials.head(&source, None).await.unwrap().map(|head| head.size), Some(large.len() as u64));

    let target = key(5);
    let id = originals.create(&target, &octets, Version::FIRST).await.unwrap();
    let (source, whole) = (StagingKey::from(&source), large.len() as u64);
    let gone = "no-such-upload".parse().unwrap();
    let copy =
        async |range, id, number| staging.copy_part(&source, range, &target, id, number).await.unwrap();
    assert_eq!(copy(None, &gone, 1).await, Copied::NoSuchUpload);
    assert_eq!(originals.upload_part(&target, &gone, 1, large.clone()).await.unwrap(), None);
    assert_eq!(staging.copy_part(&none, None, &target, &id, 1).await.unwrap(), Copied::NoSuchSource);
    for _ in 0..2 {
        assert_eq!(copy(Some(7..whole), &id, 1).await, Copied::Done);
    }
    originals.upload_part(&target, &id, 2, Bytes::from_static(b"replaced")).await.unwrap();
    originals.upload_part(&target, &id, 2, Bytes::from_static(b"end")).await.unwrap();
    let parts = originals.list_parts(&target, &id).await.unwrap().expect("it is open");
    let sizes: Vec<(u16, u64)> = parts.iter().map(|part| (part.number, part.size)).collect();
    assert_eq!(sizes, [(1, MIN_PART_SIZE), (2, 3)]);
    let tags: Vec<PartTag> =
        parts.into_iter().map(|part| PartTag { number: part.number, etag: part.etag }).collect();
    assert_eq!(originals.complete(&target, &id, &tags, None).await.unwrap(), Stitched::Done);
    let (mut body, mut read) = (originals.get(&target, None).await.unwrap().unwrap(), Vec::new());
    while let Some(chunk) = body.next().await.unwrap() {
        read.extend_from_slice(&chunk);
    }
    assert!(read == [&large[7..], b"end"].concat());

    // S3 takes one part of nothing as an object of nothing
    let empty = key(6);
    let id = originals.create(&empty, &octets, Version::FIRST).await.unwrap();
    let etag = originals.upload_part(&empty, &id, 1, Bytes::new()).await.unwrap().expect("it is open");
    let tags = [PartTag { number: 1, etag }];
    assert_eq!(originals.complete(&empty, &id, &tags, None).await.unwrap(), Stitched::Done);
    assert_eq!(originals.head(&empty, None).await.unwrap().map(|head| head.size), Some(0));

    for _ in 0..2 {
        staging.remove(&[one.clone(), source.clone()]).await.expect("a second time also");
        assert!(staging.get(&one, 0..1).await.is_err());
        assert!(staging.get(&source, 0..1).await.is_err());
        assert_eq!(staging.get(&other, 0..5).await.unwrap(), "other");
    }
}

fn upload(n: u64, job: Option<&str>, now: Timestamp) -> TusUpload {
    let target = Target {
        asset_id: CountingIds::nth(n),
        key: key(n),
        version: Version::FIRST,
        upload_id: "upload-1".parse().unwrap(),
    };
    let new = NewTusUpload {
        owner: build::owner("alice"),
        job: job.map(|id| id.parse().unwrap()),
        told: "sealed".to_owned(),
        form: Form::Whole(target),
        length: Some(20),
        size: SizeRange::exactly(20),
    };
    TusUpload::create(new, None, now)
}

/// Runs on an empty repository.
pub async fn tus_upload_repository_contract(uploads: &impl TusUploadRepository) {
    let now = Timestamp::from_millis(1_769_847_330_250);
    let lock = |holder: &str| Lock { holder: holder.to_owned(), until: now.plus(Duration::from_secs(8)) };
    let id = |name: &str| build::digest(name.as_bytes());
    let (alice, bob) = (build::owner("alice"), build::owner("bob"));
    let mine = upload(1, None, now);

    assert_eq!(uploads.get(id("one")).await.unwrap(), None);
    assert_eq!(uploads.save(id("one"), &mine).await.unwrap(), Saved::Conflict);
    assert_eq!(uploads.remove(id("one"), 1).await.unwrap(), Saved::Conflict);
    let refused = uploads.lock(id("one"), Some(&alice), 0, &lock("a")).await.unwrap();
    assert_eq!(refused, Locking::Refused(None));
    assert_eq!(uploads.create(id("one"), &mine).await.unwrap(), Saved::Yes);
    assert_eq!(uploads.create(id("one"), &mine).await.unwrap(), Saved::Conflict);
    assert_eq!(uploads.get(id("one")).await.unwrap(), Some(mine.clone()));

    let as_it_is = |upload: &TusUpload| Locking::Refused(Some(Box::new(upload.clone())));
    for (owner, offset) in [(None, 0), (Some(&bob), 0), (Some(&alice), 1)] {
        let refused = uploads.lock(id("one"), owner, offset, &lock("a")).await.unwrap();
        assert_eq!(refused, as_it_is(&mine), "{owner:?} at {offset}");
    }
    let taken = |locking| match locking {
        Locking::Taken(upload) => Some(*upload),
        Locking::Refused(_) => None,
    };
    let (a, b, c) = (lock("a"), lock("b"), lock("c"));
    let (a, b, c) = tokio::join!(
        uploads.lock(id("one"), Some(&alice), 0, &a),
        uploads.lock(id("one"), Some(&alice), 0, &b),
        uploads.lock(id("one"), Some(&alice), 0, &c),
    );
    let winners: Vec<TusUpload> = [a, b, c].into_iter().filter_map(|result| taken(result.unwrap())).collect();
    let [locked] = &winners[..] else { panic!("of many takers one wins") };
    assert_eq!(*locked, mine.locked(locked.lock().unwrap().clone()));
    assert_eq!(uploads.lock(id("one"), Some(&alice), 0, &lock("d")).await.unwrap(), as_it_is(locked));

    // whoever was overtaken writes no more
    let overtaken = locked.locked(lock("e"));
    assert_eq!(uploads.save(id("one"), &overtaken).await.unwrap(), Saved::Yes);
    let late = locked.appended(Store::Segment, "a", 10);
    assert_eq!(uploads.save(id("one"), &late).await.unwrap(), Saved::Conflict);
    let appended = overtaken.appended(Store::Segment, "e", 10);
    assert_eq!(uploads.save(id("one"), &appended).await.unwrap(), Saved::Yes);
    assert_eq!(uploads.get(id("one")).await.unwrap(), Some(appended.clone()));
    let again = taken(uploads.lock(id("one"), Some(&alice), 10, &lock("f")).await.unwrap()).unwrap();
    assert_eq!(again, appended.locked(lock("f")));
    let complete = again.completed();
    assert_eq!(uploads.save(id("one"), &complete).await.unwrap(), Saved::Yes);
    assert_eq!(complete.state(), State::Complete);
    assert_eq!(uploads.lock(id("one"), Some(&alice), 20, &lock("g")).await.unwrap(), as_it_is(&complete));

    let by_job = upload(2, Some("job 1"), now);
    uploads.create(id("two"), &by_job).await.unwrap();
    let locked = taken(uploads.lock(id("two"), None, 0, &lock("a")).await.unwrap());
    assert_eq!(locked, Some(by_job.locked(lock("a"))), "the job's token was enough");

    assert_eq!(uploads.remove(id("one"), complete.revision() - 1).await.unwrap(), Saved::Conflict);
    assert_eq!(uploads.remove(id("one"), complete.revision()).await.unwrap(), Saved::Yes);
    assert_eq!(uploads.get(id("one")).await.unwrap(), None);
    assert_eq!(uploads.save(id("one"), &complete.completed()).await.unwrap(), Saved::Conflict, "it is gone");
}
