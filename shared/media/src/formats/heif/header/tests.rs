//! Files made box by box.

use proptest::prelude::*;

use super::*;
use crate::limits::Limits;

pub(crate) fn boxed(kind: [u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = u32::try_from(length).unwrap().to_be_bytes().to_vec();
    bytes.extend(kind);
    bytes.extend(parts.concat());
    bytes
}

pub(crate) fn full_box(kind: [u8; 4], version: u8, flags: u8, parts: &[&[u8]]) -> Vec<u8> {
    boxed(kind, &[&[version, 0, 0, flags], &parts.concat()])
}

/// A file in the making. Items lie in `idat`.
#[derive(Default)]
pub(crate) struct Builder {
    primary: u16,
    infos: Vec<Vec<u8>>,
    locations: Vec<u8>,
    data: Vec<u8>,
    properties: Vec<Vec<u8>>,
    associations: Vec<u8>,
    references: Vec<Vec<u8>>,
}

impl Builder {
    pub fn new(primary: u16) -> Self {
        Self { primary, ..Self::default() }
    }

    pub fn item(mut self, id: u16, kind: [u8; 4], data: &[u8], properties: &[Vec<u8>]) -> Self {
        let id = id.to_be_bytes();
        let strings: &[u8] = if &kind == b"mime" { b"\0application/rdf+xml\0" } else { b"\0" };
        self.infos.push(full_box(*b"infe", 2, 0, &[&id, &[0, 0], &kind, strings]));
        let offset = u32::try_from(self.data.len()).unwrap().to_be_bytes();
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        self.locations.extend([&id[..], &[0, 1, 0, 0, 0, 1], &offset, &length].concat());
        self.data.extend(data);
        self.associations.extend(id);
        self.associations.push(u8::try_from(properties.len()).unwrap());
        for property in properties {
            self.properties.push(property.clone());
            self.associations.push(u8::try_from(self.properties.len()).unwrap());
        }
        self
    }

    pub fn reference(mut self, kind: [u8; 4], from: u16, to: &[u16]) -> Self {
        let to: Vec<u8> = to.iter().flat_map(|id| id.to_be_bytes()).collect();
        let count = u16::try_from(to.len() / 2).unwrap().to_be_bytes();
        self.references.push(boxed(kind, &[&from.to_be_bytes(), &count, &to]));
        self
    }

    pub fn build(self) -> Vec<u8> {
        let count = u16::try_from(self.infos.len()).unwrap().to_be_bytes();
        let meta = full_box(
            *b"meta",
            0,
            0,
            &[
                &full_box(*b"pitm", 0, 0, &[&self.primary.to_be_bytes()]),
                &full_box(*b"iloc", 1, 0, &[&[0x44, 0], &count, &self.locations]),
                &full_box(*b"iinf", 0, 0, &[&count, &self.infos.concat()]),
                &full_box(*b"iref", 0, 0, &[&self.references.concat()]),
                &boxed(
                    *b"iprp",
                    &[
                        &boxed(*b"ipco", &[&self.properties.concat()]),
                        &full_box(*b"ipma", 0, 0, &[&[0, 0], &count, &self.associations]),
                    ],
                ),
                &boxed(*b"idat", &[&self.data]),
            ],
        );
        [boxed(*b"ftyp", &[b"avif", &[0; 4], b"avifmif1miaf"]), meta].concat()
    }
}

pub(crate) fn ispe(width: u32, height: u32) -> Vec<u8> {
    full_box(*b"ispe", 0, 0, &[&width.to_be_bytes(), &height.to_be_bytes()])
}

pub(crate) fn irot(quarters: u8) -> Vec<u8> {
    boxed(*b"irot", &[&[quarters]])
}

fn imir(axis: u8) -> Vec<u8> {
    boxed(*b"imir", &[&[axis]])
}

pub(crate) fn clap(numbers: [i32; 8]) -> Vec<u8> {
    boxed(*b"clap", &[&numbers.map(i32::to_be_bytes).concat()])
}

pub(crate) fn grid(columns: u8, rows: u8, width: u16, height: u16) -> Vec<u8> {
    [&[0, 0, rows - 1, columns - 1][..], &width.to_be_bytes(), &height.to_be_bytes()].concat()
}

fn single(properties: &[Vec<u8>]) -> Vec<u8> {
    Builder::new(1).item(1, *b"av01", b"data", properties).build()
}

fn header(bytes: &[u8]) -> Result<Header<'_, Heif<'_>>, MediaError> {
    parse(bytes)
}

fn check(limits: &Limits, header: &Header<'_, Heif<'_>>, length: usize) -> Result<(), MediaError> {
    let decoder = crate::formats::heif::decode::memory(header, (64, 64));
    header.facts.check(limits, (64, 64), decoder, length)
}

fn reason(bytes: &[u8]) -> String {
    header(bytes).unwrap_err().to_string()
}

#[test]
fn turns_and_mirrors_add_up_in_their_order() {
    // Where the pixel at (x, y) of a picture of 3 × 2 goes, done box by box.
    let place = |steps: &[(bool, u8)]| {
        let (mut width, mut height) = (3_u32, 2_u32);
        let mut pixels: Vec<u32> = (0..6).collect();
        for &(turn, value) in steps {
            let repeat = if turn { value } else { 1 };
            for _ in 0..repeat {
                let at = |x: u32, y: u32| pixels[(y * width + x) as usize];
                (width, height, pixels) = match (turn, value) {
                    (true, _) => {
                        let (w, h) = (height, width);
                        let turned = (0..w * h).map(|i| at(width - 1 - i / w, i % w)).collect();
                        (w, h, turned)
                    }
                    (false, 0) => {
                        let flipped = (0..6).map(|i| at(i % width, height - 1 - i / width)).collect();
                        (width, height, flipped)
                    }
                    _ => {
                        let flipped = (0..6).map(|i| at(width - 1 - i % width, i / width)).collect();
                        (width, height, flipped)
                    }
                };
            }
        }
        pixels.into_iter().map(|pixel| u8::try_from(pixel).unwrap()).collect::<Vec<u8>>()
    };
    let mut seen = std::collections::BTreeSet::new();
    for quarters in 0..4 {
        for mirror in [None, Some(0), Some(1)] {
            for turn_first in [true, false] {
                let mut steps = vec![(true, quarters)];
                if let Some(axis) = mirror {
                    steps.insert(usize::from(turn_first), (false, axis));
                }
                let properties: Vec<_> = [ispe(3, 2)]
                    .into_iter()
                    .chain(steps.iter().map(|&(turn, value)| if turn { irot(value) } else { imir(value) }))
                    .collect();
                let bytes = single(&properties);
                let orientation = header(&bytes).unwrap().facts.orientation.unwrap();
                let canvas = sluice_pixels::raster::Canvas {
                    width: 3,
                    height: 2,
                    model: sluice_pixels::raster::Model::Gray,
                    pixels: (0..6).collect(),
                };
                assert_eq!(canvas.orient(orientation).pixels, place(&steps), "{steps:?}");
                seen.insert(orientation);
            }
        }
    }
    assert_eq!(seen, (1..=8).collect());
}

#[test]
fn derivations_of_derivations_crop_and_turn_what_they_are_derived_from() {
    use sluice_pixels::raster::{Canvas, Model};
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Turn(u8),
        Mirror(u8),
        /// The pixels that are cut off on the left, on top, on the right and at the bottom.
        Cut([u32; 4]),
    }
    let (width, height) = (9_u32, 7_u32);
    let cut = |canvas: &Canvas, [left, top, right, bottom]: [u32; 4]| {
        let (width, height) = (canvas.width - left - right, canvas.height - top - bottom);
        let pixels = (0..width * height)
            .map(|at| canvas.pixels[((top + at / width) * canvas.width + left + at % width) as usize])
            .collect();
        Canvas { width, height, model: Model::Gray, pixels }
    };
    let cuts = [[1, 0, 0, 0], [0, 2, 1, 0], [2, 1, 0, 1]].map(Step::Cut);
    let turns = [Step::Turn(1), Step::Turn(2), Step::Turn(3), Step::Mirror(0), Step::Mirror(1)];
    for chain in turns.iter().flat_map(|a| turns.iter().map(move |b| [cuts[0], *a, cuts[1], *b, cuts[2]])) {
        let mut shown = Canvas {
            width,
            height,
            model: Model::Gray,
            pixels: (0..u8::try_from(width * height).unwrap()).collect(),
        };
        let stored = shown.clone();
        let mut properties = Vec::new();
        for step in chain {
            properties.push(match step {
                Step::Turn(quarters) => {
                    shown = shown.orient([1, 8, 3, 6][usize::from(quarters)]);
                    irot(quarters)
                }
                Step::Mirror(axis) => {
                    shown = shown.orient([4, 2][usize::from(axis)]);
                    imir(axis)
                }
                Step::Cut(edges) => {
                    let number = |value: u32| i32::try_from(value).unwrap();
                    let offset = |start: u32, end: u32| number(start) - number(end);
                    let numbers = [
                        number(shown.width - edges[0] - edges[2]),
                        1,
                        number(shown.height - edges[1] - edges[3]),
                        1,
                        offset(edges[0], edges[2]),
                        2,
                        offset(edges[1], edges[3]),
                        2,
                    ];
                    shown = cut(&shown, edges);
                    clap(numbers)
                }
            });
        }
        // As one item's properties, and spread over derivations.
        let (inner, outer) = properties.split_at(3);
        let spread = Builder::new(3)
            .item(1, *b"av01", b"data", &[&[ispe(width, height)][..], &inner[..2]].concat())
            .item(2, *b"iden", b"", &inner[2..])
            .item(3, *b"iden", b"", outer)
            .reference(*b"dimg", 2, &[1])
            .reference(*b"dimg", 3, &[2])
            .build();
        for bytes in [single(&[vec![ispe(width, height)], properties].concat()), spread] {
            let header = header(&bytes).unwrap();
            let Crop { left, top, width: w, height: h } = header.head.picture.crop;
            let kept = cut(&stored, [left, top, width - left - w, height - top - h]);
            assert_eq!(kept.orient(header.head.picture.orientation), shown, "{chain:?}");
        }
    }
}

#[test]
fn a_picture_that_is_not_decoded_still_tells_of_itself() {
    let described = |kind: [u8; 4], primary: u16| {
        Builder::new(primary)
            .item(1, kind, b"data", &[ispe(3, 2)])
            .item(2, *b"Exif", b"\0\0\0\0MM\0*\0\0\0\x08\0\x01\x01\x0F\0\x02\0\0\0\x03Me\0\0\0\0\0\0", &[])
            .reference(*b"cdsc", 2, &[1])
            .build()
    };
    for (kind, primary, code, text) in [
        (*b"avc1", 1, "unsupported_image", "coded by H.264"),
        (*b"xxxx", 1, "unsupported_image", "of an unknown kind"),
        (*b"hvc1", 1, "corrupt_image", "no HEVC configuration"),
        (*b"av01", 7, "corrupt_image", "no item 7"),
    ] {
        let bytes = described(kind, primary);
        let error = parse(&bytes).unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(crate::metadata::read(&bytes).camera_make.as_deref(), Some("Me"));
    }
    let mut h264 = described(*b"avc1", 1);
    h264[8..12].copy_from_slice(b"avci");
    assert_eq!(sniff(&h264).content_type, AVCI);
    assert_eq!(crate::metadata::read(&h264).camera_make.as_deref(), Some("Me"));
    assert_eq!(crate::inspect(&h264).unwrap_err().code(), "unsupported_image");
}

#[test]
fn a_clean_aperture_is_cut_out_around_its_centre() {
    let cut = |numbers| {
        let bytes = single(&[ispe(100, 50), clap(numbers)]);
        Container::parse(&bytes).unwrap().picture().unwrap().crop
    };
    let whole = Crop { left: 0, top: 0, width: 100, height: 50 };
    assert_eq!(cut([60, 1, 40, 1, 0, 1, 0, 1]), Crop { left: 20, top: 5, width: 60, height: 40 });
    assert_eq!(cut([60, 1, 40, 1, -40, 2, 5, 1]), Crop { left: 0, top: 10, width: 60, height: 40 });
    assert_eq!(cut([99, 1, 50, 1, 1, 2, 0, 1]), Crop { left: 1, top: 0, width: 99, height: 50 });
    // Not within the picture, empty, or no number at all.
    for hostile in [
        [60, 1, 40, 1, -41, 2, 5, 1],
        [101, 1, 40, 1, 0, 1, 0, 1],
        [0, 1, 40, 1, 0, 1, 0, 1],
        [60, 0, 40, 1, 0, 1, 0, 1],
        [60, 1, 40, 1, 0, 0, 0, 1],
        [60, 1, 40, 1, i32::MIN, 1, i32::MAX, i32::MIN],
    ] {
        assert_eq!(cut(hostile), whole, "{hostile:?}");
    }
}

/// All of a picture is decoded, however little of it is shown.
#[test]
fn a_crop_hides_nothing_from_the_limits() {
    let limits = Limits::for_memory(1 << 30);
    let open = Limits { max_pixels: u64::MAX, max_edge: u32::MAX, ..limits };
    let hvc1 = |properties: &[Vec<u8>]| {
        let properties = [properties, &[boxed(*b"hvcC", &[&[0; 23]])]].concat();
        Builder::new(1).item(1, *b"hvc1", b"data", &properties).build()
    };
    let small = clap([64, 1, 64, 1, 0, 1, 0, 1]);
    for (width, height, refusal) in [
        (64, 64, None),
        (65_535, 64, None),
        (65_536, 64, Some("edge_too_long")),
        (40_000, 40_000, Some("too_many_pixels")),
        // Eight bytes for each pixel, and five, are more than 64 bits can count, by little.
        (1 << 31, 1 << 30, Some("edge_too_long")),
        (u32::MAX, u32::MAX, Some("edge_too_long")),
    ] {
        for bytes in
            [single(&[ispe(width, height), small.clone()]), hvc1(&[ispe(width, height), small.clone()])]
        {
            let header = header(&bytes).unwrap();
            assert_eq!(
                (header.facts.width, header.facts.height, header.facts.whole),
                (64, 64, (width, height))
            );
            let refused = check(&limits, &header, bytes.len()).err().map(|error| error.code());
            assert_eq!(refused, refusal, "{width} × {height}");
            let memory = check(&open, &header, bytes.len()).err().map(|error| error.code());
            assert_eq!(memory, refusal.filter(|_| height > 64).map(|_| "out_of_memory_budget"));
        }
    }
    // With alpha, and of many tiles: what they take together is counted, too.
    let alpha = boxed(*b"auxC", &[&[0; 4], b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"]);
    let bytes = Builder::new(1)
        .item(1, *b"av01", b"data", &[ispe(u32::MAX, u32::MAX), small])
        .item(2, *b"av01", b"data", &[ispe(u32::MAX, u32::MAX), alpha])
        .reference(*b"auxl", 2, &[1])
        .build();
    let header = header(&bytes).unwrap();
    assert!(header.head.picture.alpha.is_some());
    assert_eq!(check(&open, &header, bytes.len()).unwrap_err().code(), "out_of_memory_budget");
}

#[test]
fn metadata_is_found_behind_its_prefix() {
    let bytes = Builder::new(1)
        .item(1, *b"av01", b"data", &[ispe(3, 2)])
        .item(2, *b"Exif", b"\0\0\0\x06Exif\0\0MM\0*tiff", &[])
        .item(3, *b"mime", b"<x:xmpmeta/>", &[])
        .reference(*b"cdsc", 2, &[1])
        .reference(*b"cdsc", 3, &[1])
        .build();
    let header = header(&bytes).unwrap();
    assert_eq!(header.facts.exif, Some(&b"MM\0*tiff"[..]));
    assert_eq!(header.head.container.xmp().as_deref(), Some(&b"<x:xmpmeta/>"[..]));
    assert_eq!((header.facts.width, header.facts.height, header.facts.frames), (3, 2, 1));
    // A prefix that leads out of the item.
    let bytes = Builder::new(1)
        .item(1, *b"av01", b"data", &[ispe(3, 2)])
        .item(2, *b"Exif", b"\xFF\xFF\xFF\xFFMM\0*", &[])
        .build();
    assert_eq!(super::parse(&bytes).unwrap().facts.exif, None);
}

#[test]
fn grids_are_covered_by_tiles_of_one_size() {
    let with = |columns: u8, rows: u8, width: u16, height: u16, last: Vec<u8>| {
        let ids: Vec<u16> = (2..2 + u16::from(columns) * u16::from(rows)).collect();
        let mut builder = Builder::new(1).item(1, *b"grid", &grid(columns, rows, width, height), &[]);
        for &id in &ids {
            let size = if Some(&id) == ids.last() { last.clone() } else { ispe(64, 64) };
            builder = builder.item(id, *b"av01", b"data", &[size]);
        }
        builder.reference(*b"dimg", 1, &ids).build()
    };
    let bytes = with(3, 2, 130, 128, ispe(64, 64));
    let parsed = header(&bytes).unwrap();
    assert_eq!(parsed.facts.size(), (130, 128));
    assert_eq!(parsed.head.picture.mosaic.columns, 3);
    for (width, height) in [(129, 65), (192, 128)] {
        assert!(header(&with(3, 2, width, height, ispe(64, 64))).is_ok());
    }
    // A tile outside of the picture, or too little of them.
    for (width, height) in [(128, 65), (129, 64), (193, 128), (192, 129), (0, 128)] {
        assert!(reason(&with(3, 2, width, height, ispe(64, 64))).contains("make up"));
    }
    assert!(reason(&with(3, 2, 130, 128, ispe(64, 65))).contains("differ in size"));
    let short = Builder::new(1)
        .item(1, *b"grid", &grid(2, 1, 100, 64), &[])
        .item(2, *b"av01", b"data", &[ispe(64, 64)])
        .reference(*b"dimg", 1, &[2])
        .build();
    assert!(reason(&short).contains("has 1 tiles"));
}

#[test]
fn loops_end() {
    let itself = Builder::new(1).item(1, *b"iden", b"", &[ispe(3, 2)]).reference(*b"dimg", 1, &[1]).build();
    assert!(reason(&itself).contains("without end"));
    let grid = Builder::new(1)
        .item(1, *b"grid", &grid(1, 1, 3, 2), &[ispe(3, 2)])
        .reference(*b"dimg", 1, &[1])
        .build();
    assert_eq!(header(&grid).unwrap_err().code(), "unsupported_image");
    let each_other = Builder::new(1)
        .item(1, *b"iden", b"", &[])
        .item(2, *b"iden", b"", &[])
        .reference(*b"dimg", 1, &[2])
        .reference(*b"dimg", 2, &[1])
        .build();
    assert!(reason(&each_other).contains("without end"));
    let nowhere = Builder::new(1).item(1, *b"iden", b"", &[]).reference(*b"dimg", 1, &[9]).build();
    assert!(reason(&nowhere).contains("no item 9"));
}

#[test]
fn places_out_of_the_file_are_no_data() {
    let mut bytes = single(&[ispe(3, 2)]);
    // The length is the last number of `iloc`, its offset the one before.
    let at = bytes.windows(4).position(|window| window == b"iloc").unwrap() + 24;
    for (offset, length, expected, complete) in [
        (0_u32, 4_u32, &b"data"[..], true),
        (1, 3, b"ata", true),
        (1, 4, b"ata", false),
        (0, u32::MAX, b"data", false),
        (2, 0, b"ta", true),
        (5, 1, b"", false),
        (u32::MAX, u32::MAX, b"", false),
    ] {
        bytes[at - 4..at].copy_from_slice(&offset.to_be_bytes());
        bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
        let container = Container::parse(&bytes).unwrap();
        let coded = container.coded(1).unwrap();
        assert_eq!((&*coded.data, coded.complete), (expected, complete), "{offset} {length}");
    }
}

#[test]
fn extents_together_are_no_longer_than_the_file() {
    let item = Item { extents: vec![Extent { offset: 0, length: 0 }; 100], ..Item::default() };
    let bytes = vec![7; 1_000];
    let container = Container {
        bytes: &bytes,
        idat: &[],
        primary: 1,
        items: BTreeMap::new(),
        properties: Vec::new(),
        references: Vec::new(),
    };
    let (data, complete) = container.data(&item);
    assert_eq!((data.len(), complete), (1_000, false));
}

#[test]
fn sequences_without_a_still_are_told() {
    let bytes = [boxed(*b"ftyp", &[b"avis", &[0; 4], b"avismsf1"]), boxed(*b"moov", &[])].concat();
    assert_eq!(Container::parse(&bytes).unwrap_err().code(), "unsupported_image");
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_in_bounds(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn broken_boxes_are_parsed_in_bounds(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Builder::new(1)
            .item(1, *b"grid", &grid(2, 1, 100, 64), &[irot(1), imir(0), clap([60, 1, 40, 1, 0, 1, 0, 1])])
            .item(2, *b"av01", b"data", &[ispe(64, 64)])
            .item(3, *b"av01", b"more", &[ispe(64, 64)])
            .item(4, *b"iden", b"", &[])
            .reference(*b"dimg", 1, &[2, 3])
            .reference(*b"auxl", 4, &[1])
            .build();
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(length.index(bytes.len()) + 1);
        if let Ok(container) = Container::parse(&bytes) {
            let _ = container.picture();
            for id in 0..6 {
                let _ = container.coded(id);
            }
        }
        let _ = parse(&bytes);
    }
}
