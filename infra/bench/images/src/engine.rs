//! How the engine is called: the one place that follows its interface.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sluice_media::{
    derive::{Derived, Profile, derive},
    input::Input,
    limits::Limits,
};

/// Of the function that makes derivatives (`template.yaml`).
const FUNCTION_MEMORY: u64 = 1769 << 20;

enum Source {
    Held(Vec<u8>),
    Streamed(PathBuf),
}

/// One file and what is to be made of it.
pub(crate) struct Work {
    /// A PNG is read as it would come from S3; others are held whole, as the function would.
    source: Source,
    profile: Profile,
    limits: Limits,
}

impl Work {
    /// Reads the file. `threads` is how many the engine may use.
    pub(crate) fn read(input: &Path, threads: usize) -> io::Result<Self> {
        let limits = Limits { threads, ..Limits::for_memory(FUNCTION_MEMORY) };
        let source = if input.extension().is_some_and(|extension| extension == "png") {
            Source::Streamed(input.to_owned())
        } else {
            Source::Held(fs::read(input)?)
        };
        Ok(Self { source, profile: Profile::default(), limits })
    }

    /// Makes all derivatives.
    pub(crate) fn run(&self) -> Result<Derived, Box<dyn Error>> {
        let input = match &self.source {
            Source::Held(bytes) => Input::from(bytes),
            Source::Streamed(path) => {
                let file = File::open(path)?;
                Input::stream(file.metadata()?.len(), file)
            }
        };
        Ok(derive(input, &self.profile, &self.limits)?)
    }
}
