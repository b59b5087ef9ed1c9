//! Derivatives, and the links to what is stored.

use std::time::Duration;

use bytes::Bytes;
use sluice_core::{
    asset::Grant,
    ids::Version,
    names::{DerivedKey, Folder, ObjectKey},
    ports::{Clock, DerivedStore, Disposition, LinkSigner, OriginalLink, OriginalStore, UploadSigner},
    upload::SizeRange,
};

use crate::{build, signers::Browser, time::CountingIds};

/// Runs on an empty bucket.
pub async fn derived_store_contract(
    store: &impl DerivedStore,
    links: &impl LinkSigner,
    browser: &impl Browser,
) {
    let key = |name: &str| DerivedKey::new(CountingIds::nth(1), Version::FIRST, name, "webp");
    let (thumb, preview) = (key("thumb"), key("preview"));
    let webp = "image/webp".parse().unwrap();
    let fetch = async |key: &DerivedKey| browser.get(&links.derivative(key).await.unwrap().url).await;
    store.delete(std::slice::from_ref(&thumb)).await.expect("removing what isn't there is success");
    store.delete(&[]).await.expect("removing nothing also");

    for body in [&b"one"[..], b"two"] {
        store.put(&thumb, &webp, Bytes::copy_from_slice(body)).await.unwrap();
        let answer = fetch(&thumb).await;
        assert_eq!((answer.status, &answer.body[..]), (200, body), "writing again replaces");
        assert_eq!(answer.headers["content-type"], "image/webp");
    }
    store.put(&preview, &webp, Bytes::from_static(b"three")).await.unwrap();
    for _ in 0..2 {
        store.delete(&[thumb.clone(), key("never")]).await.unwrap();
        assert_ne!(fetch(&thumb).await.status, 200);
        assert_eq!(fetch(&preview).await.status, 200);
    }
}

/// Runs on an empty bucket with versions.
pub async fn link_signer_contract(
    links: &impl LinkSigner,
    store: &impl OriginalStore,
    signer: &impl UploadSigner,
    browser: &impl Browser,
    clock: &impl Clock,
) {
    let folder: Folder = "users/alice/Übersicht & mehr".parse().unwrap();
    let key = ObjectKey::new(&folder, CountingIds::nth(1), &"a.jpg".parse().unwrap());
    let body = Bytes::from_static(b"original");
    let grant = Grant { size: SizeRange::exactly(body.len() as u64), ..build::grant(clock.now()) };
    let request = signer.sign_put(&key, &grant, clock.now(), Duration::from_mins(1)).await.unwrap();
    assert_eq!(browser.put(&request.url, &request.headers, body.clone()).await.status, 200);
    let stored = store.head(&key, None).await.unwrap().expect("it was just put");

    let filename = "Grüße \"1\" %41.jpg".parse().unwrap();
    let link = OriginalLink {
        key: &key,
        version_id: stored.version_id.as_ref(),
        filename: &filename,
        content_type: &"image/png".parse().unwrap(),
        disposition: Disposition::Attachment,
    };
    let pinned = browser.get(&links.original(link).await.unwrap().url).await;
    assert_eq!((pinned.status, &pinned.body), (200, &body));

    let newest = OriginalLink { version_id: None, ..link };
    let answer = browser.get(&links.original(newest).await.unwrap().url).await;
    assert_eq!((answer.status, answer.body), (200, body));
    assert_eq!(answer.headers["content-type"], "image/png", "as the link says, not as it was sent");
    let disposition = &answer.headers["content-disposition"];
    assert!(disposition.starts_with("attachment;"), "{disposition}");
    assert!(disposition.contains("filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22%20%2541"), "{disposition}");
    let inline = OriginalLink { disposition: Disposition::Inline, ..newest };
    let answer = browser.get(&links.original(inline).await.unwrap().url).await;
    assert!(answer.headers["content-disposition"].starts_with("inline"));

    let other = ObjectKey::new(&folder, CountingIds::nth(2), &"a.jpg".parse().unwrap());
    let missing = OriginalLink { key: &other, ..newest };
    assert_ne!(browser.get(&links.original(missing).await.unwrap().url).await.status, 200);
}
