//! A function that does nothing, behind the front.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use sluice_bench::front::{Front, Function};
use tokio::net::TcpStream;

const ENVIRONMENT: [(&str, &str); 5] = [
    ("AWS_LAMBDA_FUNCTION_NAME", "bare"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bare"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "bare"),
];

async fn send(front: &Front, path: &str, bytes: usize) -> StatusCode {
    let stream = TcpStream::connect(front.address()).await.expect("it listens");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("it speaks HTTP");
    tokio::spawn(connection);
    let request = Request::patch(path).header("host", "bench").header("content-type", "application/x");
    let request = request.body(Full::new(Bytes::from(vec![0; bytes]))).expect("a request");
    sender.send_request(request).await.expect("an answer").status()
}

#[tokio::test]
async fn processes_are_started_on_demand_and_kept() {
    let function = Function {
        binary: env!("CARGO_BIN_EXE_bare").into(),
        environment: BTreeMap::from(ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        log: "/dev/null".into(),
    };
    let front = Front::start(function, "files").await.expect("a free port");
    assert_eq!(send(&front, "/elsewhere", 1).await, StatusCode::NOT_FOUND);
    // more than Lambda takes, in base64
    assert_eq!(send(&front, "/files/1", 5_000_000).await, StatusCode::PAYLOAD_TOO_LARGE);
    // more than API Gateway takes
    assert_eq!(send(&front, "/files/1", 10_000_001).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(front.processes().is_empty());
    for _ in 0..3 {
        // it answers with the event, which is no response
        assert_eq!(send(&front, "/files/1", 4_500_000).await, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(front.processes().len(), 1);
    }
}
