//! Whatever dies, and wherever: what was acknowledged is never lost, and the file in the end is the one that was sent.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

mod support;

use std::sync::Arc;

use futures_util::FutureExt;
use proptest::prelude::*;
use sluice_core::{ErrorKind, asset::Stage, tus::LOCK_TTL, upload::MIB};
use sluice_testing::When;

use self::support::{Server, noise};

/// What an append calls, in its order.
const CALLS: [&str; 11] = [
    "TusUploadRepository::lock",
    "StagingStore::get",
    "StagingStore::put",
    "MultipartStore::upload_part",
    "TusUploadRepository::save",
    "StagingStore::remove",
    "AssetRepository::save",
    "MultipartStore::list_parts",
    "MultipartStore::complete",
    "OriginalStore::head",
    "JobQueue::enqueue",
];

/// How an append goes.
#[derive(Debug, Clone)]
enum Fate {
    /// Well.
    Lives,
    /// Its function dies at a call.
    Dies(&'static str, When),
    /// A call fails, and the function goes on.
    Stumbles(&'static str, When),
    /// It hangs at a call until it is taken for dead; another appends so many bytes, and then it goes on.
    IsOvertaken(&'static str, usize),
}

fn fates() -> impl Strategy<Value = Fate> {
    let call = || prop::sample::select(CALLS.to_vec());
    let when = || prop_oneof![Just(When::Before), Just(When::After)];
    prop_oneof![
        2 => Just(Fate::Lives),
        3 => (call(), when()).prop_map(|(call, when)| Fate::Dies(call, when)),
        1 => (call(), when()).prop_map(|(call, when)| Fate::Stumbles(call, when)),
        2 => (call(), sizes()).prop_map(|(call, size)| Fate::IsOvertaken(call, size)),
    ]
}

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![1..2_000_usize, 1..4_500_000_usize, Just(4 << 20)]
}

/// Sends so many bytes from where the upload stands; what was acknowledged.
async fn send(server: &Server, url: &str, content: &[u8], at: usize, size: usize) -> Option<usize> {
    let end = content.len().min(at + size);
    let answer = server.append(url, at as u64, &content[at..end]).await;
    let status = answer.status().as_u16();
    assert!([204, 409, 423, 503].contains(&status), "{status}: {}", answer.body());
    (status == 204).then_some(end)
}

/// Where the upload stands, once nothing fails any more.
async fn offset(server: &Server, url: &str) -> usize {
    server.world.calls.heal();
    server.world.clock.advance(LOCK_TTL);
    let head = server.head(url).await;
    assert_eq!(head.status().as_u16(), 200, "{}", head.body());
    head.headers()["upload-offset"].to_str().unwrap().parse().unwrap()
}

async fn run(length: u64, steps: Vec<(usize, Fate)>) {
    let server = Arc::new(Server::new());
    let content: Arc<Vec<u8>> = Arc::new(noise(length, length));
    let url = server.create(content.len()).await;
    let (mut at, mut steps) = (0, steps.into_iter());
    while at < content.len() {
        let (size, fate) = steps.next().unwrap_or((4 << 20, Fate::Lives));
        let calls = &server.world.calls;
        let acknowledged = Arc::new(std::sync::Mutex::new(at));
        match fate {
            Fate::Lives => {}
            Fate::Dies(call, when) => {
                calls.fail(call, 1, when, ErrorKind::Unavailable);
                // and the dead unlock nothing
                calls.fail_always("TusUploadRepository::save", When::Before, ErrorKind::Unavailable);
                if call != "TusUploadRepository::save" && CALLS.iter().position(|c| *c == call) > Some(4) {
                    // it dies after its commit
                    calls.heal();
                    calls.fail(call, 1, when, ErrorKind::Unavailable);
                }
            }
            Fate::Stumbles(call, when) => calls.fail(call, 1, when, ErrorKind::Unavailable),
            Fate::IsOvertaken(call, size) => {
                let (server, url, content, acknowledged) =
                    (Arc::clone(&server), url.clone(), Arc::clone(&content), Arc::clone(&acknowledged));
                calls.before(call, 1, move || {
                    server.world.clock.advance(LOCK_TTL);
                    let theirs = async {
                        let at = offset(&server, &url).await;
                        send(&server, &url, &content, at, size).await
                    };
                    // ports in memory never wait
                    if let Some(end) = theirs.now_or_never().unwrap() {
                        *acknowledged.lock().unwrap() = end;
                    }
                });
            }
        }
        let mine = send(&server, &url, &content, at, size).await;
        let acknowledged = mine.unwrap_or(0).max(*acknowledged.lock().unwrap());
        let stands = offset(&server, &url).await;
        assert!(stands >= acknowledged, "{stands} of {acknowledged} that were acknowledged");
        at = stands;
    }
    let asset = server.only_asset();
    assert_eq!(asset.stage(), Stage::Processing);
    assert!(server.bytes_of(&asset) == *content, "the file is another");
    assert!(!server.world.queue.orders().is_empty(), "its reading was ordered");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_was_acknowledged_is_lost(
        length in prop_oneof![1..20_000_u64, 1..18 * MIB],
        steps in prop::collection::vec((sizes(), fates()), 0..14),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(length, steps));
    }
}
