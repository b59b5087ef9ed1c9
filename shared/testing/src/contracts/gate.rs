//! The operator's own gate.

use sluice_core::{
    gate::{GateAnswer, GatePhase, GateRequest, Roots},
    names::Kind,
    ports::GateFunction,
};

use crate::build;

/// Runs on a function that answers `{"allow": true, "max_bytes": 5}`, and on one that fails.
pub async fn gate_function_contract(allowing: &impl GateFunction, failing: &impl GateFunction) {
    let (owner, folder) = (build::owner("alice"), "users/alice".parse().unwrap());
    let (filename, content_type) = ("a.mp4".parse().unwrap(), "video/mp4".parse().unwrap());
    let request = GateRequest {
        phase: GatePhase::Grant,
        owner: &owner,
        roots: &Roots::new(["stores/42"]),
        root: "users/alice",
        folder: &folder,
        filename: &filename,
        content_type: &content_type,
        kind: Kind::Video,
        size: Some(7),
        message_id: None,
        upload_job: None,
        metadata: &serde_json::Map::new(),
        refused_by_policy: Some("file_too_large"),
    };
    let allowed = GateAnswer { allow: true, max_bytes: Some(5), ..GateAnswer::default() };
    assert_eq!(allowing.judge(&request).await.unwrap(), allowed);
    let error = failing.judge(&request).await.unwrap_err();
    assert!(error.kind().is_transient(), "{error:?}");
}
