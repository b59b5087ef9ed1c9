use std::{io::Cursor, time::Duration};

use image::{
    AnimationDecoder, Delay, Frame, RgbaImage,
    codecs::{
        gif::{GifEncoder, Repeat},
        webp::WebPDecoder,
    },
    metadata::LoopCount,
};
use sluice_media::{
    derive::{Profile, derive},
    inspect,
    limits::Limits,
};

use crate::support::{assert_close, derived, limits, sample, seen};

fn frames(webp: &[u8]) -> Vec<Frame> {
    WebPDecoder::new(Cursor::new(webp)).unwrap().into_frames().collect_frames().unwrap()
}

fn gif(frames: &[(image::Rgba<u8>, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.set_repeat(Repeat::Infinite).unwrap();
    for (colour, milliseconds) in frames {
        let buffer = RgbaImage::from_pixel(300, 200, *colour);
        let delay = Delay::from_numer_denom_ms(*milliseconds, 1);
        encoder.encode_frame(Frame::from_parts(buffer, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    bytes
}

#[test]
fn all_derivatives_keep_moving() {
    for name in ["pan.gif", "pan.webp"] {
        let bytes = sample(name);
        let header = inspect(&bytes).unwrap();
        assert_eq!((header.animated, header.frames), (true, 18), "{name}");
        let derived = derived(&bytes);
        assert_eq!(derived.warnings, [], "{name}");
        for made in &derived.derivatives {
            assert_eq!((made.content_type, made.extension), ("image/webp", "webp"));
            assert_eq!((made.width, made.height), (240, 240));
            let frames = frames(&made.bytes);
            assert_eq!(frames.len(), 18, "{name}");
            // It pans: the ends differ.
            assert_ne!(frames[0].buffer(), frames[17].buffer(), "{name}");
        }
        // They are one file, whose size no profile reduces.
        assert_eq!([0, 1, 2, 3].map(|index| derived.same_as(index)), [None, Some(0), Some(0), None]);
    }
}

#[test]
fn durations_loops_and_colours_survive() {
    let red = image::Rgba([200, 20, 20, 255]);
    let blue = image::Rgba([20, 20, 200, 255]);
    // A frame of no time is shown for 100 ms, as browsers do.
    let derived = derived(&gif(&[(red, 50), (blue, 120), (red, 0)]));
    let thumb = &derived.derivatives[0];
    assert_eq!((thumb.width, thumb.height), (256, 171));
    let frames = frames(&thumb.bytes);
    let shown: Vec<_> = frames.iter().map(|frame| Duration::from(frame.delay()).as_millis()).collect();
    assert_eq!(shown, [50, 120, 100]);
    for (frame, colour) in frames.iter().zip([red, blue, red]) {
        assert_close(&frame.buffer().get_pixel(100, 100).0, &colour.0, 12);
    }
    let loops = WebPDecoder::new(Cursor::new(&thumb.bytes)).unwrap().loop_count();
    assert!(matches!(loops, LoopCount::Infinite));
}

#[test]
fn an_animation_beyond_pixels_or_frames_stands_still_with_a_warning() {
    let bytes = sample("pan.gif");
    let all = 18 * 240 * 240;
    let moving = |limits: &Limits| {
        let derived = derive(&bytes, &Profile::default(), limits).unwrap();
        let codes: Vec<_> = derived.warnings.iter().map(|warning| warning.code).collect();
        let moves = |bytes: &[u8]| memchr::memmem::find(bytes, b"ANMF").is_some();
        (derived.derivatives.iter().map(|made| moves(&made.bytes)).collect::<Vec<_>>(), codes)
    };
    assert_eq!(moving(&Limits { max_pixels: all, ..limits() }), (vec![true; 3], vec![]));
    assert_eq!(moving(&Limits { max_frames: 18, ..limits() }), (vec![true; 3], vec![]));
    for limits in [Limits { max_pixels: all - 1, ..limits() }, Limits { max_frames: 17, ..limits() }] {
        assert_eq!(moving(&limits), (vec![false; 3], vec!["animation_flattened"]));
    }
}

#[test]
fn an_animation_that_breaks_off_keeps_what_it_has() {
    let bytes = sample("pan.gif");
    let derived = derived(&bytes[..bytes.len() / 2]);
    let codes: Vec<_> = derived.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["truncated"]);
    let frames = frames(&derived.derivatives[0].bytes).len();
    assert!((2..18).contains(&frames), "{frames}");
}

#[test]
fn a_png_of_more_frames_than_allowed_is_its_default_image() {
    let png = |frames: u32| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 4, 3);
        encoder.set_animated(frames, 0).unwrap();
        let mut writer = encoder.write_header().unwrap();
        for frame in 0..frames {
            writer.write_image_data(&[u8::try_from(frame * 97 % 251).unwrap(); 12]).unwrap();
        }
        writer.finish().unwrap();
        bytes
    };
    for (frames, moves) in [(1_000, true), (1_001, false)] {
        let bytes = png(frames);
        let header = inspect(&bytes).unwrap();
        assert_eq!((header.animated, header.frames), (true, frames));
        let derived = derived(&bytes);
        let warnings: Vec<_> = derived.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(warnings, if moves { &[][..] } else { &["animation_flattened"] });
        let thumb = &derived.derivatives[0];
        assert_eq!((thumb.content_type, thumb.width, thumb.height), ("image/webp", 4, 3));
        assert_eq!(self::frames_or_one(&thumb.bytes), if moves { 1_000 } else { 1 });
    }
}

/// Frames of a WebP; a still has one.
fn frames_or_one(webp: &[u8]) -> usize {
    if WebPDecoder::new(Cursor::new(webp)).unwrap().has_animation() { frames(webp).len() } else { 1 }
}

#[test]
fn an_animation_cut_within_its_first_frame_shows_its_beginning() {
    let bytes = sample("pan.gif");
    let cut = derived(&bytes[..10_000]);
    assert!(cut.warnings.iter().all(|warning| warning.code == "truncated"), "{:?}", cut.warnings);
    let whole = seen(&derived(&bytes), "large");
    let beginning = seen(&cut, "large");
    assert_close(&beginning.get_pixel(100, 10).0, &whole.get_pixel(100, 10).0, 8);
}

#[test]
fn what_moves_keeps_its_alpha_its_times_and_its_loops_in_every_size() {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.set_repeat(Repeat::Finite(4)).unwrap();
    for (number, milliseconds) in (0..).zip([40, 250, 90]) {
        let buffer = RgbaImage::from_fn(1_500, 600, |x, _| {
            let hidden = x / 100 % 3 == number;
            image::Rgba(if hidden { [0; 4] } else { [200, 40, 40, 255] })
        });
        let delay = Delay::from_numer_denom_ms(milliseconds, 1);
        encoder.encode_frame(Frame::from_parts(buffer, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    let derived = derived(&bytes);
    assert_eq!(derived.warnings, []);
    let sizes: Vec<_> = derived.derivatives.iter().map(|made| (made.width, made.height)).collect();
    assert_eq!(sizes, [(256, 102), (1_024, 410), (1_500, 600)]);
    for made in &derived.derivatives {
        let decoder = WebPDecoder::new(Cursor::new(&made.bytes)).unwrap();
        assert!(matches!(decoder.loop_count(), LoopCount::Finite(times) if times.get() == 5));
        let frames = frames(&made.bytes);
        let shown: Vec<_> = frames.iter().map(|frame| Duration::from(frame.delay()).as_millis()).collect();
        assert_eq!(shown, [40, 250, 90], "{}", made.name);
        let middle = |band: u32| made.width * (2 * band + 1) / 30;
        for (number, frame) in (0..).zip(&frames) {
            let alpha = |band: u32| frame.buffer().get_pixel(middle(band), made.height / 2).0[3];
            assert_eq!([0, 1, 2].map(|band| alpha(band) == 0), [0, 1, 2].map(|band| band == number));
        }
    }
}
