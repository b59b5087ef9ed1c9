//! The media crate from outside: real files, made-up files and broken files.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod animations;
mod colours;
mod damage;
mod limits;
mod metadata;
mod orientations;
mod raw;
mod references;
mod sniffing;
mod support;
mod svg;
