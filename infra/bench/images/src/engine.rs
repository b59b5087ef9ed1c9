//! How the engine is called: the one place that follows its interface.

use std::{fs, io, path::Path};

use sluice_media::{
    MediaError,
    derive::{Derived, Profile, derive},
    limits::Limits,
};

/// Of the function that makes derivatives (`template.yaml`).
const FUNCTION_MEMORY: u64 = 1769 << 20;

/// One file and what is to be made of it.
pub(crate) struct Work {
    bytes: Vec<u8>,
    profile: Profile,
    limits: Limits,
}

impl Work {
    /// Reads the file. `threads` is how many the engine may use.
    pub(crate) fn read(input: &Path, _threads: usize) -> io::Result<Self> {
        let limits = Limits::for_memory(FUNCTION_MEMORY);
        Ok(Self { bytes: fs::read(input)?, profile: Profile::default(), limits })
    }

    /// Makes all derivatives.
    pub(crate) fn run(&self) -> Result<Derived, MediaError> {
        derive(&self.bytes, &self.profile, &self.limits)
    }
}
