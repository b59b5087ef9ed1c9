//! Doing what a transition asks for, one function for each effect that several functions do. Each may be done twice.

use crate::{
    asset::{Effect, JobName, Transition},
    error::Result,
    ports::{JobOrder, JobQueue, MultipartStore},
};

/// Frees the parts of multipart uploads that are off.
pub async fn abort_uploads(multipart: &impl MultipartStore, transition: &Transition) -> Result<()> {
    for effect in &transition.effects {
        if let Effect::AbortUpload { upload_id } = effect {
            multipart.abort(transition.asset.key(), upload_id).await?;
        }
    }
    Ok(())
}

/// Orders the reading of content that arrived.
pub async fn order_ingest(ingest: &impl JobQueue, transition: &Transition) -> Result<()> {
    for effect in &transition.effects {
        if let Effect::Ingest { version } = *effect {
            let asset_id = transition.asset.id();
            ingest.enqueue(&JobOrder { asset_id, version, job: JobName::Ingest }).await?;
        }
    }
    Ok(())
}
