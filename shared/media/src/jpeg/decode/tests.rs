//! Against libjpeg, and against itself: every scale, level and number of threads.

use std::path::Path;
use std::time::Instant;

use super::*;

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// Keeps what it is given.
#[derive(Default)]
struct Kept {
    rows: [Vec<u8>; 3],
}

impl Sink for Kept {
    fn row(&mut self, component: usize, row: &[u8]) {
        self.rows[component].extend_from_slice(row);
    }
}

struct Nothing(u64);

impl Sink for Nothing {
    fn row(&mut self, component: usize, row: &[u8]) {
        self.0 += u64::from(row[0]) + component as u64;
    }
}

/// All components at N/8, decoded by libjpeg, without upsampling or colour conversion.
fn libjpeg(bytes: &[u8]) -> [Vec<u8>; 3] {
    let frame = Frame::parse(bytes).unwrap();
    let decoder = mozjpeg::Decompress::new_mem(bytes).unwrap();
    let gray = frame.components().len() == 1;
    if gray {
        let mut decoder = decoder.grayscale().unwrap();
        let samples = decoder.read_scanlines::<u8>().unwrap();
        return [samples, Vec::new(), Vec::new()];
    }
    let mut decoder = decoder.raw().unwrap();
    let mut planes = [Vec::new(), Vec::new(), Vec::new()];
    {
        let [a, b, c] = &mut planes;
        decoder.read_raw_data(&mut [a, b, c]);
    }
    let mut cropped = [Vec::new(), Vec::new(), Vec::new()];
    for (component, (plane, cropped)) in planes.iter().zip(&mut cropped).enumerate() {
        let (width, height) = frame.samples(component);
        let stride = width.next_multiple_of(8) as usize;
        for row in plane.chunks(stride).take(height as usize) {
            cropped.extend_from_slice(&row[..width as usize]);
        }
    }
    cropped
}

fn ours(bytes: &[u8], scale: Scale, threads: usize, level: Level) -> Kept {
    let mut kept = Kept::default();
    let found = decode(bytes, [scale; 3], threads, level, &mut kept).unwrap();
    assert_eq!(found, Found::default());
    kept
}

#[track_caller]
fn assert_same(ours: &[u8], theirs: &[u8], tolerance: u8) {
    assert_eq!(ours.len(), theirs.len());
    let worst = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    let count = ours.iter().zip(theirs).filter(|(a, b)| a != b).count();
    assert!(worst <= tolerance, "{worst} apart, {count} of {} differ", ours.len());
}

#[test]
fn samples_are_those_of_libjpeg() {
    for name in
        ["astronaut.jpg", "astronaut-grey.jpg", "astronaut-progressive.jpg", "photo-12mp-exif6-gps.jpg"]
    {
        let bytes = sample(name);
        let ours = ours(&bytes, Scale::FULL, 1, crate::simd::level());
        for (component, theirs) in libjpeg(&bytes).iter().enumerate() {
            println!("{name} {component}");
            assert_same(&ours.rows[component], theirs, 1);
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let path = std::env::var("JPEG").unwrap_or_default();
    let bytes =
        if path.is_empty() { sample("photo-12mp-exif6-gps.jpg") } else { std::fs::read(path).unwrap() };
    let frame = Frame::parse(&bytes).unwrap();
    println!("{frame:?} {} bytes", bytes.len());
    let least = |mut work: Box<dyn FnMut()>| {
        (0..std::env::var("RUNS").map_or(15, |runs| runs.parse().unwrap()))
            .map(|_| {
                let start = Instant::now();
                work();
                start.elapsed()
            })
            .min()
            .unwrap()
            .as_secs_f64()
            * 1e3
    };
    for n in [8, 5, 4, 2, 1] {
        let scale = Scale { across: n, down: n };
        let bytes = bytes.clone();
        let entropy = if frame.progressive {
            0.0
        } else {
            let bytes = bytes.clone();
            least(Box::new(move || {
                let mut markers = Markers::new(&bytes);
                let Ok(Event::Frame(frame)) = markers.next() else { panic!() };
                let Ok(Event::Scan(scan)) = markers.next() else { panic!() };
                let layout = Layout::new(&frame, &scan.selected).unwrap();
                let (rows, groups) = (layout.mcus.1, layout.groups);
                let mut sequential = Sequential::new(&bytes, &markers, &scan, layout, &[scale; 3]).unwrap();
                let mut band = Band::new(groups);
                for _ in 0..rows {
                    sequential.row(&mut band).unwrap();
                    band.clear();
                }
            }))
        };
        let whole = [1, 2].map(|threads| {
            let bytes = bytes.clone();
            least(Box::new(move || {
                let mut sink = Nothing(0);
                decode(&bytes, [scale; 3], threads, crate::simd::level(), &mut sink).unwrap();
                std::hint::black_box(sink.0);
            }))
        });
        println!(
            "{n}/8: entropy {entropy:.2} ms, whole {:.2} ms, on two threads {:.2} ms",
            whole[0], whole[1]
        );
    }
    let theirs = least(Box::new(move || {
        let mut decoder = mozjpeg::Decompress::new_mem(&bytes).unwrap().raw().unwrap();
        let mut planes = [Vec::new(), Vec::new(), Vec::new()];
        let [a, b, c] = &mut planes;
        decoder.read_raw_data(&mut [a, b, c]);
    }));
    println!("libjpeg, raw, full size: {theirs:.2} ms");
}
