//! What every target does with its bytes.

pub mod agree;

use std::{panic, sync::Once};

use sluice_media::{
    MediaError, derive,
    derive::{OutputFormat, Profile, Spec},
    input::Input,
    limits::Limits,
    placeholder, sniff,
};

/// Small enough that a mutated header can't make a case slow.
fn limits() -> Limits {
    Limits { max_pixels: 1 << 20, max_frames: 16, max_edge: 4_096, ..Limits::for_memory(192 << 20) }
}

/// Derivatives and placeholder of `bytes`, if they are of a type that starts with one of `types`. Every refusal must be permanent, and a panic is a
/// find, though a worker would survive it.
///
/// # Panics
/// On a find.
pub fn decode(types: &[&str], bytes: &[u8]) {
    tell_panics();
    let found = sniff::sniff(bytes).content_type;
    if !types.iter().any(|wanted| found.starts_with(wanted)) {
        return;
    }
    let profile = Profile {
        derivatives: vec![
            Spec::new("thumb", 48, OutputFormat::WebP, 50),
            Spec::new("preview", 96, OutputFormat::Jpeg, 50),
        ],
    };
    let whole = derive::derive(Input::from(bytes), &profile, &limits());
    let threaded = Limits { threads: 2, ..limits() };
    let streamed = Input::stream(bytes.len() as u64, bytes);
    assert_eq!(
        whole,
        derive::derive(streamed, &profile, &threaded),
        "a stream or a thread changes the picture"
    );
    for error in [whole.err(), placeholder::thumbhash(bytes, &limits()).err()].into_iter().flatten() {
        assert!(error.is_permanent(), "{error}");
        assert!(!matches!(error, MediaError::Encode { .. }), "{error}");
    }
}

/// Decoders run contained, so that a panic ends as an error. Here it ends the process.
fn tell_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            hook(info);
            std::process::abort();
        }));
    });
}
