//! The image engine, behind a trait: what a job does around it can be tried without decoding anything.

use std::future::Future;

use sluice_core::{Error, Result, ports::ObjectBody};
use sluice_media::{
    derive::{Derived, Profile, derive},
    error::MediaError,
    input::Input,
    limits::Limits,
};

use crate::body;

/// Makes derivatives.
pub trait Maker: Send + Sync {
    /// The derivatives of an original of `size` bytes, or why none can be made of it, which another try won't change.
    ///
    /// # Errors
    /// Only what another try can mend: a body that broke off.
    fn make(
        &self,
        size: u64,
        body: impl ObjectBody,
    ) -> impl Future<Output = Result<Result<Derived, MediaError>>> + Send;

    /// The names and file extensions under which derivatives may have been written.
    fn outputs(&self) -> impl Iterator<Item = (&str, &str)>;
}

/// `sluice-media`, on a thread that may block. It decodes while S3 still sends.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Which derivatives.
    pub profile: Profile,
    /// What a decoder may use.
    pub limits: Limits,
}

impl Maker for Engine {
    async fn make(&self, size: u64, body: impl ObjectBody) -> Result<Result<Derived, MediaError>> {
        let (feed, reader) = body::pipe();
        let (profile, limits) = (self.profile.clone(), self.limits);
        let making =
            tokio::task::spawn_blocking(move || derive(Input::stream(size, reader), &profile, &limits));
        let (fed, made) = tokio::join!(feed.run(body), making);
        // what was made of half a body says nothing about the image
        fed?;
        made.map_err(Error::internal)
    }

    fn outputs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.profile.derivatives.iter().flat_map(|spec| {
            spec.formats().into_iter().map(|format| (spec.name.as_str(), format.extension()))
        })
    }
}
