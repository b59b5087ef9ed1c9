//! The server on ports in memory, as its clients and its crashes see it.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use sluice_core::{
    ErrorKind,
    asset::{Asset, Event, JobName, Stage},
    gate::GatePolicy,
    ids::RequestId,
    ports::{AssetRepository, MultipartStore, UploadJobRepository},
    tus::{LOCK_TTL, MAX_APPEND_BYTES},
    upload::{MIB, MULTIPART_TTL},
    usage::Quota,
};
use sluice_lambda::http::{Method, Response};
use sluice_testing::{When, build};

use self::support::{Server, base64, digest, noise};

fn status(response: &Response) -> u16 {
    response.status().as_u16()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

fn code(response: &Response) -> String {
    serde_json::from_str::<Value>(response.body()).unwrap()["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let server = Server::new();
    let answer = server.bare(Method::OPTIONS, "/files").send().await;
    assert_eq!((status(&answer), header(&answer, "tus-version")), (204, Some("1.0.0")));
    assert!(header(&answer, "tus-extension").unwrap().contains("concatenation"));
    assert!(header(&answer, "upload-limit").unwrap().contains("max-append-size=4500000"));
    let answer = server.bare(Method::POST, "/files").send().await;
    assert_eq!((status(&answer), header(&answer, "tus-version")), (412, Some("1.0.0")));
    let answer = server.to(Method::PUT, "/files/x").send().await;
    assert_eq!(status(&answer), 405);
    assert_eq!(status(&server.to(Method::GET, "/other").send().await), 404);
}

#[tokio::test]
async fn a_file_in_chunks_becomes_an_asset() {
    let server = Server::new();
    let bytes = noise(1, 11 * MIB);
    let metadata = "filename cGhvdG8uanBn,filetype aW1hZ2UvanBlZw==,purpose dGVzdA==";
    let created = server
        .to(Method::POST, "/files")
        .header("upload-length", bytes.len())
        .header("upload-metadata", metadata)
        .send()
        .await;
    assert_eq!((status(&created), header(&created, "tus-resumable")), (201, Some("1.0.0")));
    let location = header(&created, "location").unwrap();
    assert!(location.starts_with("files/"), "{location}");
    let url = format!("/{location}");
    assert!(header(&created, "upload-expires").unwrap().ends_with(" GMT"));

    let mut at = 0;
    for chunk in bytes.chunks(4 << 20) {
        let answer = server.append(&url, at, chunk).await;
        at += chunk.len() as u64;
        assert_eq!((status(&answer), header(&answer, "upload-offset").unwrap()), (204, &*at.to_string()));
    }
    let head = server.head(&url).await;
    assert_eq!((status(&head), header(&head, "cache-control")), (200, Some("no-store")));
    assert_eq!(header(&head, "upload-length").unwrap(), bytes.len().to_string());
    assert_eq!(header(&head, "upload-metadata"), Some(metadata));
    assert_eq!(header(&head, "upload-expires"), None, "it is complete");

    let asset = server.only_asset();
    assert_eq!((asset.stage(), asset.filename().as_str()), (Stage::Processing, "photo.jpg"));
    assert_eq!(asset.declared_type().as_str(), "image/jpeg");
    assert_eq!(server.bytes_of(&asset), bytes);
    assert_eq!(server.world.queue.orders().len(), 1);
    assert_eq!(server.staged(), Vec::<String>::new(), "no segment is left");
    assert!(server.world.originals.open_uploads().is_empty());
    let stages: Vec<u8> = server.world.table.written().iter().map(Asset::progress).collect();
    assert_eq!(stages, [0, 36, 72, 0], "the grant, two appends, the arrival");

    assert_eq!(status(&server.append(&url, at, b"").await), 204, "agrees");
    assert_eq!(status(&server.append(&url, 0, b"x").await), 409);
    assert_eq!(status(&server.append(&url, at, b"x").await), 413);
    assert_eq!(status(&server.delete(&url).await), 204, "the record goes");
    assert_eq!(status(&server.head(&url).await), 404);
    assert_eq!(server.bytes_of(&server.only_asset()), bytes, "the asset stays");
}

#[tokio::test]
async fn an_append_costs_few_calls() {
    let server = Server::new();
    let bytes = noise(2, 12 * MIB);
    let url = server.create(bytes.len()).await;
    server.append(&url, 0, &bytes[..4 << 20]).await;
    server.world.calls.reset();
    server.append(&url, 4 << 20, &bytes[4 << 20..8 << 20]).await;
    let counts: Vec<(&str, usize)> = server.world.calls.counts().into_iter().collect();
    assert_eq!(
        counts,
        [
            ("AssetRepository::get", 1),
            ("AssetRepository::save", 1),
            ("MultipartStore::upload_part", 1),
            ("StagingStore::get", 1),
            ("StagingStore::remove", 1),
            ("TusUploadRepository::lock", 1),
            ("TusUploadRepository::save", 1),
        ]
    );
}

#[tokio::test]
async fn nothing_is_a_file_too() {
    let server = Server::new();
    let url = server.create(0).await;
    let head = server.head(&url).await;
    assert_eq!((header(&head, "upload-offset"), header(&head, "upload-length")), (Some("0"), Some("0")));
    let asset = server.only_asset();
    assert_eq!((asset.stage(), asset.size()), (Stage::Processing, 0));
}

#[tokio::test]
async fn the_first_bytes_may_come_with_the_creation() {
    let server = Server::new();
    let first = server
        .to(Method::POST, "/files/")
        .header("upload-length", 10)
        .body(b"0123")
        .offset_type()
        .send()
        .await;
    assert_eq!((status(&first), header(&first, "upload-offset")), (201, Some("4")));
    let location = header(&first, "location").unwrap();
    assert!(!location.contains('/'), "it resolves against /files/");
    let url = format!("/files/{location}");
    assert_eq!(status(&server.append(&url, 4, b"456789").await), 204);
    assert_eq!(server.bytes_of(&server.only_asset()), b"0123456789");

    let wrong = server
        .to(Method::POST, "/files")
        .header("upload-length", 4)
        .header("upload-checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        .body(b"0123")
        .offset_type()
        .send()
        .await;
    assert_eq!(status(&wrong), 460);
    assert_eq!(server.world.table.assets().len(), 1, "it made no upload");
}

#[tokio::test]
async fn creations_that_are_none_are_refused() {
    let server = Server::new();
    let long = format!("filename {}", "YWFh".repeat(3_000));
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[], 400),
        (&[("upload-length", "-1")], 400),
        (&[("upload-length", "+1")], 400),
        (&[("upload-length", "1.5")], 400),
        (&[("upload-length", "99999999999999999999999")], 400),
        (&[("upload-length", "5"), ("upload-defer-length", "1")], 400),
        (&[("upload-defer-length", "2")], 400),
        (&[("upload-length", "999999999999999")], 413),
        (&[("upload-length", "1"), ("upload-metadata", "filename !!!")], 400),
        (&[("upload-length", "1"), ("upload-metadata", "a YQ==,a Yg==")], 400),
        (&[("upload-length", "1"), ("upload-metadata", "filename Li4vYQ==")], 400),
        (&[("upload-length", "1"), ("upload-metadata", &long)], 431),
        (&[("upload-length", "1"), ("upload-concat", "half")], 400),
        (&[("upload-concat", "final;")], 400),
        (&[("upload-concat", "final;/files/none")], 404),
    ];
    for (headers, expected) in cases {
        let request = headers
            .iter()
            .fold(server.to(Method::POST, "/files"), |request, (name, value)| request.header(name, value));
        assert_eq!(status(&request.send().await), *expected, "{headers:?}");
    }
    assert!(server.world.table.assets().is_empty() && server.world.tus.all().is_empty());
    let empty = server.to(Method::POST, "/files").header("upload-length", 1).header("upload-metadata", "");
    assert_eq!(status(&empty.send().await), 201);
}

#[tokio::test]
async fn appends_that_are_none_change_nothing() {
    let server = Server::new();
    let url = server.create(10).await;
    assert_eq!(status(&server.append(&url, 0, b"0123").await), 204);
    let patch = || server.to(Method::PATCH, &url).body(b"4567");
    let typed = || patch().offset_type();
    assert_eq!(status(&patch().header("upload-offset", 4).send().await), 415);
    assert_eq!(status(&typed().send().await), 400);
    assert_eq!(status(&typed().header("upload-offset", "zero").send().await), 400);
    let conflict = typed().header("upload-offset", 2).send().await;
    assert_eq!((status(&conflict), header(&conflict, "upload-offset")), (409, Some("4")));
    assert_eq!(status(&server.append(&url, 4, b"4567890").await), 413);
    for (sum, expected) in [
        ("sha1", 400),
        ("rot13 AAAA", 400),
        ("sha1 !!!", 400),
        ("sha1 AAAA", 460),
        ("sha256 AAAA", 460),
        ("sha1 hwM2hDV5ehbkUrUzzZ0zJ2EK8pM=", 460),
    ] {
        let answer = typed().header("upload-offset", 4).header("upload-checksum", sum).send().await;
        assert_eq!(status(&answer), expected, "{sum}");
    }
    let big = vec![0; usize::try_from(MAX_APPEND_BYTES).unwrap() + 1];
    let large = server.append(&url, 4, &big).await;
    assert_eq!((status(&large), header(&large, "upload-limit")), (413, Some("max-append-size=4500000")));
    assert_eq!(status(&server.append("/files/never", 0, b"x").await), 404);
    let head = server.head(&url).await;
    assert_eq!(header(&head, "upload-offset"), Some("4"));
    let good = format!("sha256 {}", support::base64(digest(b"4567").as_bytes()));
    let answer = typed().header("upload-offset", 4).header("upload-checksum", good).send().await;
    assert_eq!(status(&answer), 204);
}

#[tokio::test]
async fn a_length_may_come_late_and_once() {
    let server = Server::new();
    let created = server.to(Method::POST, "/files").header("upload-defer-length", 1).send().await;
    let url = format!("/{}", header(&created, "location").unwrap());
    assert_eq!(status(&server.append(&url, 0, b"01234").await), 204);
    let head = server.head(&url).await;
    assert_eq!((header(&head, "upload-defer-length"), header(&head, "upload-length")), (Some("1"), None));
    let with = |length: u64, at: u64, body: &[u8]| {
        let patch =
            server.to(Method::PATCH, &url).header("upload-offset", at).header("upload-length", length);
        patch.body(body).offset_type().send()
    };
    assert_eq!(status(&with(4, 5, b"").await), 400);
    assert_eq!(status(&with(7, 5, b"5").await), 204);
    assert_eq!(status(&with(8, 6, b"6").await), 400);
    assert_eq!(status(&with(7, 6, b"6").await), 204);
    assert_eq!(server.bytes_of(&server.only_asset()), b"0123456");

    let created = server.to(Method::POST, "/files").header("upload-defer-length", 1).send().await;
    let url = format!("/{}", header(&created, "location").unwrap());
    server.append(&url, 0, b"all").await;
    let end = server.to(Method::PATCH, &url).header("upload-offset", 3).header("upload-length", 3);
    assert_eq!(status(&end.offset_type().send().await), 204, "the end without bytes");
    assert_eq!(server.world.queue.orders().len(), 2);
}

#[tokio::test]
async fn uploads_are_their_owners_alone() {
    let server = Server::new();
    let nobody = server.to(Method::POST, "/files").token("").header("upload-length", 1).send().await;
    assert_eq!((status(&nobody), header(&nobody, "tus-resumable")), (401, Some("1.0.0")));
    let url = server.create(4).await;
    for method in [Method::HEAD, Method::PATCH, Method::DELETE] {
        let request = || server.to(method.clone(), &url).header("upload-offset", 0).body(b"x").offset_type();
        assert_eq!(status(&request().token("").send().await), 401, "{method}");
        assert_eq!(status(&request().token("forged").send().await), 401, "{method}");
        assert_eq!(status(&request().of("bob").send().await), 404, "{method}");
    }
    assert_eq!(header(&server.head(&url).await, "upload-offset"), Some("0"));
    let at_rest = format!("{:?}", server.world.tus.all());
    assert!(!at_rest.contains(url.trim_start_matches("/files/")), "the URL's secret isn't kept");
}

#[tokio::test]
async fn the_gate_is_asked() {
    let mut server = Server::new();
    let rules = r#"{"image": {"types": ["image/jpeg"], "max_bytes": 100}, "*": {"types": []}}"#;
    let quota = Quota { open_uploads: Some(1), stored_bytes: Some(150) };
    server.tus.gate.policy = GatePolicy::new(rules, 200, quota).unwrap();
    let create = |length: u64, metadata: &str| {
        server
            .to(Method::POST, "/files")
            .header("upload-length", length)
            .header("upload-metadata", metadata)
            .send()
    };
    assert_eq!(status(&create(10, "").await), 415);
    let jpeg = "filename cGhvdG8uanBn";
    assert_eq!(status(&create(101, jpeg).await), 413);
    assert_eq!(status(&create(201, jpeg).await), 413);
    assert_eq!(status(&create(100, jpeg).await), 201);
    assert_eq!(status(&create(10, jpeg).await), 429, "one may be open");
    let partial = |length: u64| {
        let post = server.to(Method::POST, "/files").header("upload-length", length);
        post.header("upload-concat", "partial").send()
    };
    assert_eq!(status(&partial(50).await), 201);
    assert_eq!(code(&partial(51).await), "quota_exceeded");
    assert_eq!(status(&partial(201).await), 413);
}

#[tokio::test]
async fn an_end_frees_everything() {
    let server = Server::new();
    let bytes = noise(3, 9 * MIB);
    let url = server.create(20 << 20).await;
    for (at, chunk) in
        [(0, &bytes[..4 << 20]), (4 << 20, &bytes[4 << 20..8 << 20]), (8 << 20, &bytes[8 << 20..])]
    {
        assert_eq!(status(&server.append(&url, at, chunk).await), 204);
    }
    assert_eq!((server.staged().len(), server.world.originals.open_uploads().len()), (1, 1));
    assert_eq!(status(&server.delete(&url).await), 204);
    assert_eq!((server.staged().len(), server.world.originals.open_uploads().len()), (0, 0));
    assert!(server.only_asset().is_cancelled());
    assert_eq!(status(&server.head(&url).await), 404);
    assert_eq!(status(&server.append(&url, 9 << 20, b"x").await), 404);
    assert_eq!(status(&server.delete(&url).await), 404);
}

#[tokio::test]
async fn what_has_expired_is_gone() {
    let server = Server::new();
    let url = server.create(10).await;
    server.world.clock.advance(MULTIPART_TTL);
    assert_eq!(status(&server.head(&url).await), 410);
    assert_eq!(status(&server.append(&url, 0, b"x").await), 410);
    assert_eq!(status(&server.delete(&url).await), 410);
}

#[tokio::test]
async fn an_upload_that_s3_freed_is_gone_and_never_complete() {
    let server = Server::new();
    let bytes = noise(4, 8 * MIB);
    let url = server.create(bytes.len()).await;
    let first = server.append(&url, 0, &bytes[..4 << 20]).await;
    assert_eq!(status(&first), 204);
    let (key, upload_id) =
        (server.only_asset().key().clone(), server.world.originals.open_uploads().remove(0));
    server.world.originals.abort(&key, &upload_id).await.unwrap();
    assert_eq!(status(&server.append(&url, 4 << 20, &bytes[4 << 20..]).await), 410);
    assert_eq!(server.only_asset().stage(), Stage::Uploading);

    // the same in the moment before S3 stitches
    let url = server.create(4).await;
    let asset = server.world.table.assets().pop().unwrap();
    let upload_id = server.world.originals.open_uploads().remove(0);
    let originals = server.world.originals.clone();
    server.world.calls.before("MultipartStore::complete", 1, move || {
        futures_util::FutureExt::now_or_never(originals.abort(asset.key(), &upload_id)).unwrap().unwrap();
    });
    assert_eq!(status(&server.append(&url, 0, b"0123").await), 410);
    assert_eq!(status(&server.head(&url).await), 410);
    assert!(server.world.queue.orders().is_empty());
}

#[tokio::test]
async fn an_asset_that_was_called_off_takes_no_bytes() {
    let server = Server::new();
    let url = server.create(10).await;
    let asset = server.only_asset();
    let world = &server.world;
    sluice_core::cancel::cancel_upload(&world.table, &world.originals, &world.clock, asset).await.unwrap();
    assert_eq!(status(&server.head(&url).await), 410);
    assert_eq!(status(&server.append(&url, 0, b"0123").await), 410, "also where no part is written yet");
    assert_eq!(status(&server.append(&url, 0, b"0123456789").await), 410);
}

#[tokio::test]
async fn of_two_at_once_one_wins_and_a_dead_ones_lock_ends() {
    let server = Server::new();
    let url = server.create(8).await;
    // it dies with the lock: neither the commit nor the unlocking comes through
    server.world.calls.fail_always("TusUploadRepository::save", When::Before, ErrorKind::Unavailable);
    assert_eq!(status(&server.append(&url, 0, b"dead").await), 503);
    server.world.calls.heal();
    let held = server.append(&url, 0, b"live").await;
    assert_eq!((status(&held), header(&held, "retry-after")), (423, Some("1")));
    assert_eq!(status(&server.delete(&url).await), 423);
    server.world.clock.advance(LOCK_TTL);
    assert_eq!(status(&server.append(&url, 0, b"live").await), 204);
    assert_eq!(status(&server.append(&url, 4, b"live").await), 204);
    assert_eq!(server.bytes_of(&server.only_asset()), b"livelive");
}

#[tokio::test]
async fn a_stitching_that_died_is_made_good_by_the_next_question() {
    for (method, when) in [
        ("MultipartStore::list_parts", When::Before),
        ("MultipartStore::complete", When::Before),
        ("MultipartStore::complete", When::After),
        ("AssetRepository::save", When::Before),
        ("JobQueue::enqueue", When::Before),
        ("JobQueue::enqueue", When::After),
    ] {
        let server = Server::new();
        let url = server.create(4).await;
        server.world.calls.fail(method, 1, when, ErrorKind::Unavailable);
        assert_eq!(status(&server.append(&url, 0, b"0123").await), 503, "{method}");
        let head = server.head(&url).await;
        assert_eq!((status(&head), header(&head, "upload-offset")), (200, Some("4")), "{method}");
        assert_eq!(server.only_asset().stage(), Stage::Processing, "{method}");
        assert_eq!(server.bytes_of(&server.only_asset()), b"0123");
        assert!(!server.world.queue.orders().is_empty(), "{method}");
    }
}

// Concatenation

#[tokio::test]
async fn partial_uploads_become_one() {
    let server = Server::new();
    let contents = [noise(5, 6 * MIB), noise(6, 3 * MIB), noise(7, 7 * MIB), noise(8, 10)];
    let mut urls = Vec::new();
    for content in &contents {
        urls.push(server.partial(content).await);
    }
    assert!(server.world.table.assets().is_empty(), "parts are no assets");
    let head = server.head(&urls[0]).await;
    assert_eq!(header(&head, "upload-concat"), Some("partial"));
    let concat = format!("final;https://api.example{} {} {} {}", urls[0], urls[1], &urls[2][1..], urls[3]);
    let join = || {
        let post = server.to(Method::POST, "/files").header("upload-concat", &concat);
        post.header("upload-metadata", "filename YS50eHQ=").send()
    };
    let joined = join().await;
    assert_eq!(status(&joined), 201, "{}", joined.body());
    assert_eq!(header(&join().await, "location"), header(&joined, "location"), "a repeat finds it");
    let asset = server.only_asset();
    assert_eq!((asset.stage(), asset.filename().as_str()), (Stage::Processing, "a.txt"));
    assert!(server.bytes_of(&asset) == contents.concat());

    let url = format!("/{}", header(&joined, "location").unwrap());
    let head = server.head(&url).await;
    assert_eq!(header(&head, "upload-concat"), Some(&*concat));
    assert_eq!(header(&head, "upload-offset"), header(&head, "upload-length"));
    let at = header(&head, "upload-offset").unwrap().parse().unwrap();
    assert_eq!(status(&server.append(&url, at, b"more").await), 403);
    assert_eq!(status(&server.append(&url, at, b"").await), 403);
    assert_eq!(status(&server.append(&url, 0, b"more").await), 403);
    assert_eq!(status(&server.delete(&url).await), 204);
    assert_eq!(server.only_asset().stage(), Stage::Processing);
    for url in &urls {
        assert_eq!(status(&server.delete(url).await), 204);
    }
    assert_eq!(server.staged(), Vec::<String>::new());
}

#[tokio::test]
async fn a_partial_upload_of_just_the_smallest_part_is_copied_whole() {
    let server = Server::new();
    let contents = [noise(5, 5 * MIB), noise(6, 5 * MIB), noise(7, 5 * MIB + 1)];
    let mut urls = Vec::new();
    for content in &contents {
        urls.push(server.partial(content).await);
    }
    let joined =
        server.to(Method::POST, "/files").header("upload-concat", format!("final;{}", urls.join(" ")));
    assert_eq!(status(&joined.header("upload-metadata", "filename YS50eHQ=").send().await), 201);
    assert!(server.bytes_of(&server.only_asset()) == contents.concat());
}

#[tokio::test]
async fn joins_that_are_none_are_refused() {
    let server = Server::new();
    let done = server.partial(b"done").await;
    let open =
        server.to(Method::POST, "/files").header("upload-length", 4).header("upload-concat", "partial");
    let open = format!("/{}", header(&open.send().await, "location").unwrap());
    let whole = server.create(4).await;
    server.append(&whole, 0, b"0123").await;
    let join =
        |urls: String| server.to(Method::POST, "/files").header("upload-concat", format!("final;{urls}"));
    for (urls, expected) in [
        (format!("{done} {open}"), 400),
        (whole, 400),
        (format!("{done} /files/never"), 404),
        ("https://example.com/files/1".to_owned(), 404),
    ] {
        assert_eq!(status(&join(urls.clone()).send().await), expected, "{urls}");
    }
    assert_eq!(status(&join(done.clone()).of("bob").send().await), 404);
    assert_eq!(status(&join(done.clone()).body(b"x").offset_type().send().await), 403);
    assert_eq!(server.world.table.assets().len(), 1, "the whole one");
    assert_eq!(status(&join(done).send().await), 201);
}

#[tokio::test]
async fn a_join_that_died_is_gone_on_with() {
    for (method, nth, when) in [
        ("StagingStore::copy_part", 1, When::Before),
        ("StagingStore::copy_part", 2, When::After),
        ("MultipartStore::upload_part", 1, When::After),
        ("MultipartStore::complete", 1, When::Before),
        ("MultipartStore::complete", 1, When::After),
        ("TusUploadRepository::save", 1, When::Before),
    ] {
        let server = Server::new();
        let contents = [noise(9, 6 * MIB), noise(10, 5 * MIB), noise(11, 4)];
        let mut urls = Vec::new();
        for content in &contents {
            urls.push(server.partial(content).await);
        }
        let join = || {
            server
                .to(Method::POST, "/files")
                .header("upload-concat", format!("final;{}", urls.join(" ")))
                .send()
        };
        server.world.calls.fail(method, nth, when, ErrorKind::Unavailable);
        assert_eq!(status(&join().await), 503, "{method}");
        server.world.clock.advance(Duration::from_secs(35));
        let joined = join().await;
        assert_eq!(status(&joined), 201, "{method}: {}", joined.body());
        assert!(server.bytes_of(&server.only_asset()) == contents.concat(), "{method}");
    }
}

#[tokio::test]
async fn a_join_whose_parts_were_removed_is_gone() {
    let server = Server::new();
    let url = server.partial(&noise(12, 6 * MIB)).await;
    let join = || server.to(Method::POST, "/files").header("upload-concat", format!("final;{url}")).send();
    server.world.calls.fail("StagingStore::copy_part", 1, When::Before, ErrorKind::Unavailable);
    assert_eq!(status(&join().await), 503);
    assert_eq!(status(&server.delete(&url).await), 204);
    assert_eq!(status(&join().await), 410);
    assert_eq!(server.only_asset().stage(), Stage::Uploading);
}

// Upload jobs

#[tokio::test]
async fn a_jobs_token_opens_one_upload() {
    let server = Server::new();
    let job = server.job("job 1", 10).await;
    let create = |metadata: String| {
        let post = server.to(Method::POST, "/files").token("").header("upload-length", 10);
        post.header("upload-metadata", metadata).send()
    };
    for wrong in [job.metadata("job 2"), "upload_request_id am9iIDE=,token Zm9yZ2Vk".to_owned()] {
        assert_eq!(code(&create(wrong).await), "invalid_token");
    }
    let longer = server.to(Method::POST, "/files").token("").header("upload-length", 11);
    assert_eq!(status(&longer.header("upload-metadata", job.metadata("job 1")).send().await), 413);

    let lost = create(job.metadata("job 1")).await;
    assert_eq!(status(&lost), 201);
    let first = server.only_asset();
    assert_eq!(first.upload_job().map(RequestId::as_str), Some("job 1"));
    let created = create(job.metadata("job 1")).await;
    assert_eq!(status(&created), 201, "its client never got the first answer");
    assert_eq!(header(&created, "location"), header(&lost, "location"), "one token, one asset");
    assert_eq!(server.only_asset().stage(), Stage::Uploading);
    let url = format!("/{}", header(&created, "location").unwrap());
    let patch = |at: u64, body: &[u8]| {
        server.to(Method::PATCH, &url).token("").header("upload-offset", at).body(body).offset_type().send()
    };
    assert_eq!(status(&patch(0, b"01234").await), 204, "the URL is enough");
    assert_eq!(code(&create(job.metadata("job 1")).await), "token_used");
    assert_eq!(status(&patch(5, b"56789").await), 204);
    let asset = server.world.table.assets().pop().unwrap();
    assert_eq!(server.bytes_of(&asset), b"0123456789");
    assert_eq!(
        server.world.jobs.get(asset.owner(), asset.upload_job().unwrap()).await.unwrap().unwrap().asset_id(),
        Some(asset.id())
    );
}

#[tokio::test]
async fn a_token_that_is_used_many_times_at_once_opens_one_upload() {
    let server = Server::new();
    let job = server.job("job 1", 10).await;
    let create = || {
        let post = server.to(Method::POST, "/files").token("").header("upload-length", 10);
        post.header("upload-metadata", job.metadata("job 1")).send()
    };
    let answers = futures_util::future::join_all((0..12).map(|_| create())).await;
    let urls: std::collections::BTreeSet<_> =
        answers.iter().filter_map(|answer| header(answer, "location")).collect();
    assert!(answers.iter().all(|answer| status(answer) == 201));
    assert_eq!(urls.len(), 1);
    assert_eq!(server.only_asset().stage(), Stage::Uploading);
}

#[tokio::test]
async fn a_token_opens_one_asset_whether_whole_or_in_parts() {
    let server = Server::new();
    let job = server.job("job 1", 10).await;
    let post =
        || server.to(Method::POST, "/files").token("").header("upload-metadata", job.metadata("job 1"));
    let partial = post().header("upload-length", 10).header("upload-concat", "partial");
    let partial = partial.body(b"0123456789").offset_type().send().await;
    assert_eq!(status(&post().header("upload-length", 10).send().await), 201);
    let joined = post().header("upload-concat", format!("final;{}", header(&partial, "location").unwrap()));
    assert_eq!(code(&joined.send().await), "token_used");
    server.only_asset();
}

#[tokio::test]
async fn a_creation_that_our_own_retry_finds_written_is_ours() {
    let server = Server::new();
    server.world.calls.fail("TusUploadRepository::create", 1, When::After, ErrorKind::Unavailable);
    let post = server.to(Method::POST, "/files").header("upload-length", 10);
    let created = post.header("upload-metadata", "filename YS50eHQ=").send().await;
    assert_eq!(status(&created), 201);
    assert_eq!(server.only_asset().stage(), Stage::Uploading);
}

#[tokio::test]
async fn a_length_that_is_not_told_is_at_most_what_the_owner_has_left() {
    let mut server = Server::new();
    let quota = Quota { stored_bytes: Some(15), ..Quota::UNLIMITED };
    server.tus.gate.policy = GatePolicy::new("{}", 1_000, quota).unwrap();
    let create = || {
        let post = server.to(Method::POST, "/files").header("upload-defer-length", 1);
        post.header("upload-metadata", "filename YS50eHQ=").send()
    };
    let (one, other) = (create().await, create().await);
    let patch = async |created: &Response, length: u64| {
        let url = format!("/{}", header(created, "location").unwrap());
        let body = vec![b'x'; usize::try_from(length).unwrap()];
        let patch = server.to(Method::PATCH, &url).header("upload-offset", 0).header("upload-length", length);
        status(&patch.body(&body).offset_type().send().await)
    };
    assert_eq!(patch(&one, 16).await, 413, "no more than there is room for");
    assert_eq!(patch(&one, 10).await, 204);
    patch(&other, 10).await;
    let mut codes: Vec<_> =
        server.world.table.assets().iter().map(|asset| asset.failure_code().map(str::to_owned)).collect();
    codes.sort();
    assert_eq!(codes, [None, Some("quota_exceeded".to_owned())]);
    let usage = server.world.table.usage(&build::owner("alice")).await.unwrap();
    assert_eq!((usage.stored_bytes, usage.open_uploads), (10, 0));
    assert_eq!(create().await.status().as_u16(), 201, "five are left");
}

#[tokio::test]
async fn a_jobs_token_ends_and_its_parts_keep_it() {
    let server = Server::new();
    let job = server.job("job 1", 10).await;
    let post =
        || server.to(Method::POST, "/files").token("").header("upload-metadata", job.metadata("job 1"));
    let partial = post()
        .header("upload-length", 10)
        .header("upload-concat", "partial")
        .body(b"0123456789")
        .offset_type();
    let partial = partial.send().await;
    assert_eq!(status(&partial), 201);
    server.world.clock.advance(Duration::from_hours(2));
    assert_eq!(code(&post().header("upload-length", 10).send().await), "token_expired");
    let url = header(&partial, "location").unwrap();
    let joined = post().header("upload-concat", format!("final;{url}")).send().await;
    assert_eq!(status(&joined), 201, "{}", joined.body());
    assert_eq!(server.bytes_of(&server.only_asset()), b"0123456789");
}

// The successor's draft

#[tokio::test]
async fn the_drafts_clients_are_served_too() {
    let server = Server::new();
    let draft = |method: Method, url: &str| server.draft(method, url);
    let created = draft(Method::POST, "/files")
        .header("upload-complete", "?1")
        .header("content-type", "text/plain")
        .header("content-disposition", "attachment; filename=\"a.txt\"")
        .body(b"hello")
        .send()
        .await;
    assert_eq!((status(&created), header(&created, "upload-complete")), (201, Some("?1")));
    assert_eq!(header(&created, "tus-resumable"), None);
    assert!(header(&created, "upload-limit").unwrap().contains("max-append-size=4500000"));
    let asset = server.only_asset();
    assert_eq!((asset.filename().as_str(), asset.declared_type().as_str()), ("a.txt", "text/plain"));

    let created = draft(Method::POST, "/files").header("upload-complete", "?0").send().await;
    let url = format!("/{}", header(&created, "location").unwrap());
    let patch = |at: u64, complete: &str, body: &[u8]| {
        let patch =
            draft(Method::PATCH, &url).header("upload-offset", at).header("upload-complete", complete);
        patch.header("content-type", "application/partial-upload").body(body).send()
    };
    assert_eq!(status(&patch(0, "?0", b"0123").await), 204);
    let conflict = patch(2, "?1", b"xx").await;
    assert_eq!((status(&conflict), header(&conflict, "upload-offset")), (409, Some("4")));
    let problem: Value = serde_json::from_str(conflict.body()).unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#mismatching-upload-offset");
    assert_eq!((&problem["expected-offset"], &problem["provided-offset"]), (&json!(4), &json!(2)));
    let head = draft(Method::HEAD, &url).send().await;
    assert_eq!((header(&head, "upload-offset"), header(&head, "upload-complete")), (Some("4"), Some("?0")));
    assert_eq!(header(&head, "upload-length"), None);
    let end = patch(4, "?1", b"45").await;
    assert_eq!((status(&end), header(&end, "upload-complete")), (204, Some("?1")));
    assert_eq!(status(&patch(6, "?1", b"").await), 204);
    let more = patch(6, "?1", b"x").await;
    assert_eq!((status(&more), more.body().contains("#completed-upload")), (400, true));

    let created = draft(Method::POST, "/files")
        .header("upload-complete", "?0")
        .header("upload-length", 10)
        .send()
        .await;
    let url = format!("/{}", header(&created, "location").unwrap());
    let short = draft(Method::PATCH, &url).header("upload-offset", 0).header("upload-complete", "?1");
    let short = short.header("content-type", "application/partial-upload").body(b"0123").send().await;
    assert_eq!((status(&short), short.body().contains("#inconsistent-upload-length")), (400, true));
    assert_eq!(status(&draft(Method::DELETE, &url).send().await), 204);
}

#[tokio::test]
async fn a_post_may_be_meant_otherwise() {
    let server = Server::new();
    let url = server.create(4).await;
    let post = |method: &str| server.to(Method::POST, &url).header("x-http-method-override", method);
    let patch = post("PATCH").header("upload-offset", 0).body(b"01").offset_type().send().await;
    assert_eq!((status(&patch), header(&patch, "upload-offset")), (204, Some("2")));
    assert_eq!(header(&post("HEAD").send().await, "upload-offset"), Some("2"));
    assert_eq!(status(&post("DELETE").send().await), 204);
    assert_eq!(status(&server.to(Method::POST, &url).send().await), 405);
}

#[tokio::test]
async fn many_small_appends_become_one_part() {
    let server = Server::new();
    let bytes = noise(13, 1_100);
    let url = server.create(bytes.len()).await;
    for (at, byte) in (0..).zip(&bytes) {
        assert_eq!(status(&server.append(&url, at, &[*byte]).await), 204);
    }
    assert_eq!(server.bytes_of(&server.only_asset()), bytes);
    assert_eq!(server.staged(), Vec::<String>::new());
}

#[tokio::test]
async fn the_golden_events_are_read() {
    let server = Server::new();
    for (event, expected) in [
        (include_str!("../../../events/tus/options.json"), 204),
        (include_str!("../../../events/tus/create.json"), 201),
        (include_str!("../../../events/tus/append.json"), 204),
        (include_str!("../../../events/tus/head.json"), 200),
        (include_str!("../../../events/tus/final.json"), 400),
        (include_str!("../../../events/tus/terminate.json"), 204),
        (include_str!("../../../events/tus/create-with-upload.json"), 201),
        (include_str!("../../../events/tus/draft.json"), 201),
    ] {
        let answer = server.event(event).await;
        assert_eq!(status(&answer), expected, "{event} {}", answer.body());
    }
    let names: Vec<String> =
        server.world.table.assets().iter().map(|asset| asset.filename().to_string()).collect();
    assert_eq!(names, ["photo.jpg", "a.txt", "a.txt"]);
}

#[tokio::test]
async fn a_creation_that_comes_again_with_its_key_opens_one_upload() {
    let server = Server::new();
    let create = async |key: &str, length: &str| {
        let post = server.to(Method::POST, "/files").header("upload-length", length);
        post.header("idempotency-key", key).send().await
    };
    let url_of = |created: &Response| format!("/{}", header(created, "location").unwrap());
    server.world.calls.fail("TusUploadRepository::create", 1, When::Before, ErrorKind::Unavailable);
    assert_eq!(create("k1", "6").await.status().as_u16(), 503);
    let first = create("k1", "6").await;
    let url = url_of(&first);
    assert_eq!(url_of(&create("k1", "6").await), url);
    assert_eq!(server.append(&url, 0, b"abc").await.status().as_u16(), 204);
    assert_eq!(url_of(&create("k1", "6").await), url);
    assert_eq!(server.world.table.assets().len(), 1);
    assert_eq!(create("k1", "7").await.status().as_u16(), 422);
    assert_ne!(url_of(&create("k2", "6").await), url);
}

#[tokio::test]
async fn an_update_that_comes_again_with_its_key_is_never_given_the_upload_of_another() {
    let server = Server::new();
    let world = &server.world;
    let asset = world.uploaded("alice", vec![0; 5]);
    let read = Event::Ingested(Box::new(build::ingest(asset.version(), build::digest(b"x"))));
    world.apply(asset.id(), &read);
    let done = Event::JobSucceeded {
        job: JobName::Image,
        version: asset.version(),
        derivatives: vec![],
        warnings: vec![],
        placeholder: None,
    };
    world.apply(asset.id(), &done);
    let update = async |key: &str| {
        let post = server.to(Method::POST, "/files").header("upload-length", 6);
        let metadata = format!("asset_id {}", base64(asset.id().to_string().as_bytes()));
        post.header("upload-metadata", metadata).header("idempotency-key", key).send().await
    };
    let first = update("k1").await;
    let url = format!("/{}", header(&first, "location").unwrap());
    assert_eq!(status(&server.delete(&url).await), 204);
    // whoever waits for the answer of the first one is told that it is over, and whoever comes later has its own
    assert_eq!((status(&update("k1").await), code(&update("k1").await).as_str()), (410, "upload_cancelled"));
    let others = update("k2").await;
    assert_eq!(status(&others), 201);
    assert_eq!(code(&update("k1").await), "version_superseded");
    let url = format!("/{}", header(&others, "location").unwrap());
    assert_eq!(status(&server.append(&url, 0, b"abcdef").await), 204);
}

#[tokio::test]
async fn what_a_client_does_not_say_is_made_up_for() {
    let server = Server::new();
    let pair = |key: &str, value: &str| format!("{key} {}", base64(value.as_bytes()));
    let metadata = [
        pair("filename", "a.png"),
        pair("filetype", "undefined"),
        pair("folder", "null"),
        pair("message_id", "null"),
        pair("relativePath", "rome/a.png"),
    ];
    let post = server.to(Method::POST, "/files").header("upload-length", 6);
    assert_eq!(status(&post.header("upload-metadata", metadata.join(",")).send().await), 201);
    assert_eq!(status(&server.to(Method::POST, "/files").header("upload-length", 6).send().await), 201);
    let names = [
        "attachment; FileName=a.png",
        r#"attachment; filename="say \"hi\".png""#,
        "attachment; filename=e.png; filename*=UTF-8''%e2%82%ac.png",
    ];
    for name in names {
        let post = server.draft(Method::POST, "/files").header("upload-complete", "?0");
        assert_eq!(status(&post.header("content-disposition", name).send().await), 201);
    }
    let assets = server.world.table.assets();
    let told: Vec<_> =
        assets.iter().map(|asset| (asset.filename().as_str(), asset.folder().as_str())).collect();
    assert_eq!(told[0], ("a.png", "users/alice/rome"));
    let names: Vec<_> = told[1..].iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["file", "a.png", "say \"hi\".png", "€.png"]);
    assert_eq!(assets[0].grant().unwrap().content_type.as_str(), "image/png");
    assert_eq!(assets[0].message_id(), None);
}
