//! Whatever the bytes: no panic, rows of the sizes that are told, and the same ones on one thread and on two.
#![no_main]

use sluice_jpeg::{Frame, Picture, Plane, Scale, Sink, decode, encode, memory, scaled};

/// Larger pictures would only make a case slow.
const MOST_PIXELS: u64 = 1 << 20;

#[derive(Default, PartialEq)]
struct Planes([Vec<u8>; 3]);

impl Sink for Planes {
    fn row(&mut self, component: usize, row: &[u8]) {
        self.0[component].extend_from_slice(row);
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::parse(bytes) else { return };
    if u64::from(frame.width) * u64::from(frame.height) > MOST_PIXELS {
        return;
    }
    // A scale for each axis, by whatever the file ends with.
    let last = bytes.last().copied().unwrap_or(0);
    let scale = Scale { across: 1 + (last & 7), down: 1 + (last >> 3 & 7) };
    assert!(memory(&frame, [scale; 3], 2) > 0);
    let (mut one, mut two) = (Planes::default(), Planes::default());
    let found = decode(bytes, [scale; 3], 1, &mut one);
    assert_eq!(found, decode(bytes, [scale; 3], 2, &mut two), "a thread changes what is found");
    if found.is_err() {
        return;
    }
    assert!(one == two, "a thread changes the samples");
    for component in 0..frame.components().len() {
        let (width, height) = scaled(&frame, component, scale);
        assert_eq!(one.0[component].len(), width as usize * height as usize, "component {component}");
    }
    let (width, height) = scaled(&frame, 0, scale);
    let luma = Plane { width, height, samples: &one.0[0] };
    let file = encode(&Picture { luma, chroma: None }, 1 + last % 100).expect("whole planes are encoded");
    let again = Frame::parse(&file).expect("what is encoded is decoded");
    assert_eq!((again.width, again.height), (width, height));
});
