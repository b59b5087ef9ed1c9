use serde_json::json;
use sluice_media::metadata::read;

use crate::support::{
    Around, Field, derived, iptc, jpeg, png, quarters, sample, tiff, webp, with_segment, xmp,
};

#[test]
fn the_photo_tells_everything() {
    let found = serde_json::Value::Object(read(&sample("photo-12mp-exif6-gps.jpg")).to_map());
    assert_eq!(
        found,
        json!({
            "width": 4000,
            "height": 3000,
            "orientation": 6,
            "animated": false,
            "frames": 1,
            "camera_make": "Canon",
            "camera_model": "EOS R5",
            "lens": "RF24-105mm F4",
            "exposure": "1/250",
            "f_number": 4.0,
            "iso": 400,
            "focal_length": 50.0,
            "taken_at": "2025-07-04T10:11:12+02:00",
            "gps": {"latitude": 48.8584, "longitude": 2.2945},
            "description": "Tasse de café ☕",
            "artist": "Corpus",
            "copyright": "CC0",
        })
    );
}

#[test]
fn no_derivative_carries_metadata() {
    let photo = sample("photo-12mp-exif6-gps.jpg");
    let secrets: [&[u8]; 10] = [
        b"Exif",
        b"EXIF",
        b"II*\0",
        b"MM\0*",
        b"Canon",
        b"EOS R5",
        b"RF24",
        b"012345678",
        b"ICC",
        b"adobe.com",
    ];
    assert!(
        secrets.iter().filter(|secret| contains(&photo, secret)).count() >= 5,
        "the photo has what is looked for"
    );
    let quarters = quarters(300, 200);
    let image = image::DynamicImage::ImageRgb8(quarters.clone());
    let around = Around { exif: Some(crate::support::exif(3)), icc: None };
    for bytes in [photo, jpeg(&quarters, &around), png(&image, &around), webp(&image, &around)] {
        for derivative in derived(&bytes).derivatives {
            for secret in secrets {
                assert!(!contains(&derivative.bytes, secret), "{} has {secret:?}", derivative.name);
            }
        }
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(bytes, needle).is_some()
}

#[test]
fn heic_and_avif_are_read_without_being_decoded() {
    for name in ["heads/rocket.heic", "heads/rocket.avif"] {
        let found = read(&sample(name));
        assert_eq!((found.width, found.height), (Some(640), Some(427)), "{name}");
    }
}

#[test]
fn broken_exif_gives_what_it_can_and_never_fails() {
    let photo = sample("photo-12mp-exif6-gps.jpg");
    let start = memchr::memmem::find(&photo, b"Exif\0\0").unwrap() + 6;
    // Every byte of the first directories, turned around; only the head of the photo is needed.
    for at in start..start + 700 {
        let mut bytes = photo[..16 << 10].to_vec();
        bytes[at] = !bytes[at];
        let found = read(&bytes);
        assert!(found.width.is_some() && found.height.is_some(), "byte {at}");
    }
    let mut cut = photo[..16 << 10].to_vec();
    cut.truncate(start + 200);
    read(&cut);
}

#[test]
fn text_is_cleaned_and_bounded() {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x0E\x01\x02\0".to_vec();
    let description = format!("  a\u{7}b\tcaf\u{e9}{}\0", "x".repeat(5_000));
    let latin1: Vec<u8> = description.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    tiff.extend(u32::try_from(latin1.len()).unwrap().to_le_bytes());
    tiff.extend(26_u32.to_le_bytes());
    tiff.extend([0; 4]);
    tiff.extend(latin1);
    let found = read(&jpeg(&quarters(8, 8), &Around { exif: Some(tiff), icc: None }));
    let description = found.description.unwrap();
    assert!(description.starts_with("a b café"), "{description}");
    assert!(description.chars().count() <= 1_024);
}

/// Everything that XMP may tell.
fn packet() -> String {
    xmp(
        "xmp:Rating='4' photoshop:City='Paris' photoshop:Headline='Coffee again' \
         exif:GPSLatitude='48,51.504N' exif:GPSLongitude='2,17.67W' exif:GPSAltitude='350/10' \
         exif:DateTimeOriginal='2024-05-01T12:30:59.12+02:00' tiff:Orientation='6'",
        "<photoshop:Country>France</photoshop:Country>\
         <dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Tasse</rdf:li></rdf:Alt></dc:title>\
         <dc:description><rdf:Alt><rdf:li xml:lang='x-default'>Une tasse ☕</rdf:li></rdf:Alt></dc:description>\
         <dc:creator><rdf:Seq><rdf:li>Ann</rdf:li></rdf:Seq></dc:creator>\
         <dc:rights><rdf:Alt><rdf:li xml:lang='x-default'>CC0</rdf:li></rdf:Alt></dc:rights>\
         <dc:subject><rdf:Bag><rdf:li>coffee</rdf:li><rdf:li>cup</rdf:li></rdf:Bag></dc:subject>",
    )
}

fn told(bytes: &[u8]) -> serde_json::Value {
    let mut map = read(bytes).to_map();
    for facts in ["width", "height", "animated", "frames"] {
        map.remove(facts);
    }
    serde_json::Value::Object(map)
}

fn by_packet() -> serde_json::Value {
    json!({
        "orientation": 1,
        "title": "Tasse",
        "headline": "Coffee again",
        "description": "Une tasse ☕",
        "artist": "Ann",
        "copyright": "CC0",
        "keywords": ["coffee", "cup"],
        "rating": 4,
        "city": "Paris",
        "country": "France",
        "taken_at": "2024-05-01T12:30:59.12+02:00",
        "gps": {"latitude": 48.8584, "longitude": -2.2945, "altitude": 35.0},
    })
}

/// A PNG chunk, its checksum left out: nothing here reads it.
fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    [&u32::try_from(data.len()).unwrap().to_be_bytes(), kind, data, &[0; 4]].concat()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn xmp_is_read_wherever_a_format_keeps_it() {
    let packet = packet();
    let pixels = quarters(16, 16);
    let image = image::DynamicImage::ImageRgb8(pixels.clone());
    let plain = Around::default();

    let jpeg = with_segment(
        &jpeg(&pixels, &plain),
        0xE1,
        &[b"http://ns.adobe.com/xap/1.0/\0", packet.as_bytes()].concat(),
    );
    let png_with = |compressed: bool| {
        let text = if compressed { deflated(packet.as_bytes()) } else { packet.clone().into_bytes() };
        let head = [&b"XML:com.adobe.xmp\0"[..], &[u8::from(compressed), 0], b"en\0\0"].concat();
        let bytes = png(&image, &plain);
        let text = chunk(b"iTXt", &[head, text].concat());
        // Behind the header chunk.
        [&bytes[..33], &text, &bytes[33..]].concat()
    };
    let webp = {
        let mut bytes = webp(&image, &plain);
        let mut data = packet.clone().into_bytes();
        let length = u32::try_from(data.len()).unwrap();
        data.resize(data.len().next_multiple_of(2), 0);
        bytes.extend([b"XMP ".as_slice(), &length.to_le_bytes(), &data].concat());
        bytes
    };
    let gif = {
        let mut bytes = b"GIF89a\x10\0\x10\0\0\0\0\x21\xFF\x0BXMP DataXMP".to_vec();
        bytes.extend(packet.as_bytes());
        bytes.push(1);
        bytes.extend((0..=255).rev());
        bytes.extend(b"\0;");
        bytes
    };
    let png_behind = {
        let bytes = png(&image, &plain);
        let text = chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", packet.as_bytes()].concat());
        let (all, end) = bytes.split_at(bytes.len() - 12);
        [all, &text, end].concat()
    };
    for (name, bytes) in [
        ("png behind its pixels", png_behind),
        ("jpeg", jpeg),
        ("png", png_with(false)),
        ("compressed png", png_with(true)),
        ("webp", webp),
        ("gif", gif),
    ] {
        assert_eq!(told(&bytes), by_packet(), "{name}");
    }
    let found = read(&tiff(b"II*\0", vec![vec![(700, Field::Bytes(packet.into_bytes()))]]));
    assert_eq!((found.rating, found.city.as_deref()), (Some(4), Some("Paris")));
}

#[test]
fn iptc_is_read_from_jpeg_and_tiff() {
    let datasets: [(u8, &[u8]); 9] = [
        (5, b"Cup"),
        (25, b"coffee"),
        (25, b"cup"),
        (55, b"20240501"),
        (60, b"123059+0200"),
        (80, b"Ren\xE9e"),
        (90, b"Paris"),
        (105, b"Coffee"),
        (120, b"A cup\nof coffee"),
    ];
    let resource = iptc(&datasets);
    let expected = json!({
        "orientation": 1,
        "title": "Cup",
        "headline": "Coffee",
        "description": "A cup of coffee",
        "artist": "Renée",
        "keywords": ["coffee", "cup"],
        "city": "Paris",
        "taken_at": "2024-05-01T12:30:59+02:00",
    });
    let plain = jpeg(&quarters(16, 16), &Around::default());
    assert_eq!(told(&with_segment(&plain, 0xED, &resource)), expected);
    let iim = resource[26..].to_vec();
    for entry in [(33_723, Field::Bytes(iim)), (34_377, Field::Bytes(resource[14..].to_vec()))] {
        let found = read(&tiff(b"II*\0", vec![vec![entry]]));
        assert_eq!((found.city.as_deref(), found.artist.as_deref()), (Some("Paris"), Some("Renée")));
    }
}

#[test]
fn exif_goes_before_xmp_and_xmp_before_iptc() {
    let exif = tiff(
        b"II*\0",
        vec![vec![
            (270, Field::Text("by EXIF")),
            (0x4746, Field::Short(2)),
            (
                0x8825,
                Field::Directory(vec![
                    (1, Field::Text("N")),
                    (2, Field::Fractions(vec![(1, 1), (0, 1), (0, 1)])),
                    (3, Field::Text("E")),
                    (4, Field::Fractions(vec![(2, 1), (0, 1), (0, 1)])),
                ]),
            ),
        ]],
    );
    let plain = jpeg(&quarters(16, 16), &Around { exif: Some(exif), icc: None });
    let bytes =
        with_segment(&plain, 0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", packet().as_bytes()].concat());
    let bytes = with_segment(
        &bytes,
        0xED,
        &iptc(&[(5, b"by IPTC"), (25, b"by IPTC"), (90, b"by IPTC"), (120, b"by IPTC"), (116, b"by IPTC")]),
    );
    let found = read(&bytes);
    assert_eq!(found.description.as_deref(), Some("by EXIF"));
    assert_eq!(found.rating, Some(2));
    assert_eq!(found.gps.map(|gps| (gps.latitude, gps.longitude)), Some((1.0, 2.0)));
    assert_eq!((found.title.as_deref(), found.city.as_deref()), (Some("Tasse"), Some("Paris")));
    assert_eq!(found.keywords, ["coffee", "cup"]);
    // An orientation in XMP is what an editor saw, not how the pixels are stored.
    assert_eq!(found.orientation, Some(1));
}

/// A profile as `ImageMagick` writes it into a text chunk.
fn raw_profile(kind: [u8; 4], name: &str, profile: &[u8]) -> Vec<u8> {
    use std::fmt::Write;
    let mut text = format!("\n{name}\n{:8}\n", profile.len());
    for line in profile.chunks(36) {
        for byte in line {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    let keyword = format!("Raw profile type {name}\0");
    let content = match kind {
        [b't', ..] => text.into_bytes(),
        [b'z', ..] => [&[0], &deflated(text.as_bytes())[..]].concat(),
        _ => [b"\x01\0\0\0", &deflated(text.as_bytes())[..]].concat(),
    };
    chunk(&kind, &[keyword.as_bytes(), &content].concat())
}

#[test]
fn profiles_in_text_chunks_of_a_png_are_read() {
    let exif = tiff(
        b"II*\0",
        vec![vec![
            (271, Field::Text("Canon")),
            (274, Field::Short(6)),
            (0x8298, Field::Text("CC0")),
            (0x8769, Field::Directory(vec![(0x9003, Field::Text("2024:05:01 12:30:59"))])),
        ]],
    );
    let segment = [b"Exif\0\0", &exif[..]].concat();
    let resource = iptc(&[(90, b"Paris")]);
    let packet = packet();
    let xmp_segment = [b"http://ns.adobe.com/xap/1.0/\0", packet.as_bytes()].concat();
    let plain = png(&image::DynamicImage::ImageRgb8(quarters(16, 8)), &Around::default());
    let by_exif = json!({
        "orientation": 6,
        "camera_make": "Canon",
        "taken_at": "2024-05-01T12:30:59",
        "copyright": "CC0",
    });
    let by_iptc = json!({"orientation": 1, "city": "Paris"});
    for kind in [*b"tEXt", *b"zTXt", *b"iTXt"] {
        for (name, profile, expected) in [
            ("exif", &segment[..], &by_exif),
            ("exif", &exif, &by_exif),
            ("APP1", &segment, &by_exif),
            ("APP1", &xmp_segment, &by_packet()),
            ("xmp", packet.as_bytes(), &by_packet()),
            ("iptc", &resource, &by_iptc),
            ("iptc", &resource[14..], &by_iptc),
            ("iptc", &resource[26..], &by_iptc),
            ("8bim", &resource[14..], &by_iptc),
        ] {
            let text = raw_profile(kind, name, profile);
            let (all, end) = plain.split_at(plain.len() - 12);
            let before = [&plain[..33], &text, &plain[33..]].concat();
            let behind = [all, &text, end].concat();
            for bytes in [before, behind] {
                assert_eq!(told(&bytes), *expected, "{name} in {}", kind.escape_ascii());
                let turned = expected["orientation"] == 6;
                let upright = if turned { (8, 16) } else { (16, 8) };
                let streamed = sluice_media::input::Input::stream(bytes.len() as u64, &bytes[..]);
                let limits = crate::support::limits();
                let profile = crate::support::only(16, sluice_media::derive::OutputFormat::Png);
                for input in [sluice_media::input::Input::from(&bytes), streamed] {
                    let made = sluice_media::derive::derive(input, &profile, &limits).unwrap();
                    assert_eq!((made.derivatives[0].width, made.derivatives[0].height), upright, "{name}");
                }
            }
        }
    }
    // What the file says where its own format has room for it goes first.
    let own = chunk(b"eXIf", &tiff(b"II*\0", vec![vec![(274, Field::Short(3))]]));
    let both = [&plain[..33], &raw_profile(*b"zTXt", "exif", &exif), &own, &plain[33..]].concat();
    let found = read(&both);
    assert_eq!((found.orientation, found.camera_make.as_deref()), (Some(3), Some("Canon")));
}

#[test]
fn broken_profiles_in_text_chunks_give_nothing_and_take_no_time() {
    let started = std::time::Instant::now();
    let plain = png(&image::DynamicImage::ImageRgb8(quarters(16, 8)), &Around::default());
    let named = |content: &[u8]| chunk(b"zTXt", &[b"Raw profile type exif\0\0", content].concat());
    let bomb = deflated(&[b"\nexif\n 999999999\n".to_vec(), vec![b'4'; 64 << 20]].concat());
    for content in [&b""[..], b"\x78", &deflated(b""), &deflated(b"\nexif\n 4\nMM"), &bomb] {
        let bytes = [&plain[..33], &named(content).repeat(20), &plain[33..]].concat();
        assert_eq!(told(&bytes), json!({"orientation": 1}));
    }
    assert!(started.elapsed().as_secs() < 5);
}

/// A photo with EXIF fields, an XMP packet and IPTC datasets, each as far as given.
fn described(exif: Vec<(u16, Field)>, packet: &str, datasets: &[(u8, &[u8])]) -> Vec<u8> {
    let exif = (!exif.is_empty()).then(|| tiff(b"II*\0", vec![exif]));
    let mut bytes = jpeg(&quarters(16, 16), &Around { exif, icc: None });
    if !packet.is_empty() {
        let packet = [b"http://ns.adobe.com/xap/1.0/\0", packet.as_bytes()].concat();
        bytes = with_segment(&bytes, 0xE1, &packet);
    }
    if datasets.is_empty() { bytes } else { with_segment(&bytes, 0xED, &iptc(datasets)) }
}

#[test]
fn the_day_of_the_last_edit_is_the_last_word_on_when_it_was_taken() {
    let sources = 7;
    for first in 0..sources {
        let has = |source: usize| source >= first;
        let mut photo = Vec::new();
        if has(0) {
            photo.push((0x9003, Field::Text("2000:01:01 00:00:00")));
        }
        if has(1) {
            photo.push((0x9004, Field::Text("2001:01:01 00:00:00")));
        }
        let attributes = [
            (2, "exif:DateTimeOriginal='2002-01-01T00:00:00'"),
            (3, "photoshop:DateCreated='2003-01-01T00:00:00'"),
            (5, "xmp:CreateDate='2005-01-01T00:00:00'"),
        ];
        let attributes = attributes.iter().filter(|(source, _)| has(*source)).map(|(_, text)| *text);
        let modified = "xmp:ModifyDate='2009-01-01T00:00:00'";
        let packet = xmp(&attributes.chain([modified]).collect::<Vec<_>>().join(" "), "");
        let datasets: &[(u8, &[u8])] = if has(4) { &[(55, b"20040101"), (60, b"000000")] } else { &[] };
        let exif = vec![(306, Field::Text("2006:01:01 00:00:00")), (0x8769, Field::Directory(photo))];
        let found = read(&described(exif, &packet, datasets)).taken_at;
        assert_eq!(found, Some(format!("200{first}-01-01T00:00:00")));
    }
}

#[test]
fn a_day_without_a_time_is_better_than_the_day_of_another_event() {
    let edited = || vec![(306, Field::Text("2024:05:09 12:00:00"))];
    let taken =
        |packet: &str, datasets: &[(u8, &[u8])]| read(&described(edited(), packet, datasets)).taken_at;
    let day = Some("2024-05-01".to_owned());
    assert_eq!(taken("", &[(55, b"20240501")]), day);
    assert_eq!(taken(&xmp("photoshop:DateCreated='2024-05-01'", ""), &[]), day);
    let both = xmp("photoshop:DateCreated='2024-05-01' xmp:CreateDate='2024-05-01T08:00:00Z'", "");
    assert_eq!(taken(&both, &[]).as_deref(), Some("2024-05-01T08:00:00Z"));
    assert_eq!(taken("", &[(55, b"00000000")]).as_deref(), Some("2024-05-09T12:00:00"));
    let original = |text: &'static str| {
        let mut exif = edited();
        exif.push((0x8769, Field::Directory(vec![(0x9003, Field::Text(text))])));
        read(&described(exif, "", &[])).taken_at
    };
    for blank in ["2024:05:01", "2024:05:01 ", "2024:05:01   :  :  "] {
        assert_eq!(original(blank), day, "{blank}");
    }
    for none in ["    :  :     :  :  ", "0000:00:00 00:00:00", "2024:05:01 99:99:99", "2024:05"] {
        assert_eq!(original(none).as_deref(), Some("2024-05-09T12:00:00"), "{none}");
    }
}

#[test]
fn the_camera_is_known_by_xmp_where_exif_is_lost() {
    let namespaces = "xmlns:aux='http://ns.adobe.com/exif/1.0/aux/' xmlns:exifEX='http://cipa.jp/exif/1.0/'";
    let settings =
        "exif:ExposureTime='10/2500' exif:FNumber='28/10' exif:FocalLength='50/1' tiff:Model='EOS R5'";
    let seq = "<exif:ISOSpeedRatings><rdf:Seq><rdf:li>400</rdf:li></rdf:Seq></exif:ISOSpeedRatings>";
    let by_aux = xmp(
        &format!("{namespaces} {settings} aux:Lens='RF50mm F1.8'"),
        &format!("<tiff:Make>Canon</tiff:Make>{seq}"),
    );
    let by_ex = xmp(
        &format!(
            "{namespaces} {settings} tiff:Make='Canon' exifEX:LensModel='RF50mm F1.8' aux:Lens='50.0 mm' \
             exifEX:PhotographicSensitivity='400'"
        ),
        "",
    );
    for packet in [by_aux, by_ex] {
        let expected = json!({
            "orientation": 1,
            "camera_make": "Canon",
            "camera_model": "EOS R5",
            "lens": "RF50mm F1.8",
            "exposure": "1/250",
            "f_number": 2.8,
            "iso": 400,
            "focal_length": 50.0,
        });
        assert_eq!(told(&described(Vec::new(), &packet, &[])), expected);
        let exif = vec![(271, Field::Text("by EXIF"))];
        assert_eq!(read(&described(exif, &packet, &[])).camera_make.as_deref(), Some("by EXIF"));
    }
}

/// How a number is stored.
type Stored = fn(u32) -> Vec<u8>;

/// The types that a number may be of: number, bytes of a value, and how one is stored.
const NUMERIC: [(u16, usize, Stored); 11] = [
    (1, 1, |value| vec![u8::try_from(value).unwrap()]),
    (6, 1, |value| vec![u8::try_from(value).unwrap()]),
    (3, 2, |value| u16::try_from(value).unwrap().to_le_bytes().to_vec()),
    (8, 2, |value| u16::try_from(value).unwrap().to_le_bytes().to_vec()),
    (4, 4, |value| value.to_le_bytes().to_vec()),
    (9, 4, |value| value.to_le_bytes().to_vec()),
    (13, 4, |value| value.to_le_bytes().to_vec()),
    (5, 8, |value| [(2 * value).to_le_bytes(), 2_u32.to_le_bytes()].concat()),
    (10, 8, |value| [(2 * value).wrapping_neg().to_le_bytes(), 2_u32.wrapping_neg().to_le_bytes()].concat()),
    (11, 4, |value| f32::from(u16::try_from(value).unwrap()).to_le_bytes().to_vec()),
    (12, 8, |value| f64::from(value).to_le_bytes().to_vec()),
];

#[test]
fn every_number_is_read_by_whatever_type_it_is_written() {
    for (kind, size, stored) in NUMERIC {
        let values =
            |values: &[u32]| Field::Values(kind, size, values.iter().copied().flat_map(stored).collect());
        let one = |value: u32| values(&[value]);
        let photo = vec![(0x829A, one(2)), (0x829D, one(4)), (0x8827, one(100)), (0x920A, one(50))];
        let gps = vec![
            (1, Field::Text("S")),
            (2, values(&[33, 51, 36])),
            (3, Field::Text("E")),
            (4, values(&[120, 30])),
            (5, one(1)),
            (6, one(12)),
        ];
        let exif = vec![
            (274, one(6)),
            (0x4746, one(3)),
            (0x8769, Field::Directory(photo)),
            (0x8825, Field::Directory(gps)),
        ];
        let expected = json!({
            "orientation": 6,
            "exposure": "2",
            "f_number": 4.0,
            "iso": 100,
            "focal_length": 50.0,
            "rating": 3,
            "gps": {"latitude": -33.86, "longitude": 120.5, "altitude": -12.0},
        });
        assert_eq!(told(&described(exif, "", &[])), expected, "type {kind}");

        // One byte is too short for where a directory lies.
        if size > 1 {
            let exif = vec![
                (0x8769, Field::DirectoryAs(kind, stored, vec![(0x8827, one(100))])),
                (
                    0x8825,
                    Field::DirectoryAs(
                        kind,
                        stored,
                        vec![(1, Field::Text("N")), (2, one(1)), (3, Field::Text("W")), (4, one(2))],
                    ),
                ),
            ];
            let expected = json!({
                "orientation": 1,
                "iso": 100,
                "gps": {"latitude": 1.0, "longitude": -2.0},
            });
            assert_eq!(told(&described(exif, "", &[])), expected, "type {kind}");
        }
    }
}

#[test]
fn a_signed_place_is_where_its_sign_says() {
    let place = |latitude: i32, reference: Field, seconds: i32| {
        let fractions = |parts: [i32; 3]| {
            let pairs = parts.iter().flat_map(|part| [part.to_le_bytes(), 1_i32.to_le_bytes()].concat());
            Field::Values(10, 8, pairs.collect())
        };
        let gps = vec![
            (1, reference),
            (2, fractions([latitude, 30, seconds])),
            (3, Field::Text("E")),
            (4, fractions([10, 0, 0])),
        ];
        read(&described(vec![(0x8825, Field::Directory(gps))], "", &[])).gps.map(|gps| gps.latitude)
    };
    assert_eq!(place(10, Field::Text("N"), 0), Some(10.5));
    assert_eq!(place(10, Field::Text("S"), 0), Some(-10.5));
    assert_eq!(place(-10, Field::Text("S"), 0), Some(-10.5));
    assert_eq!(place(-10, Field::Text("N"), 0), Some(-10.5));
    assert_eq!(place(-10, Field::Text(""), 0), Some(-10.5));
    assert_eq!(place(10, Field::Text(""), 0), None);
    assert_eq!(place(90, Field::Text("N"), 0), None);
}

#[test]
fn what_stands_behind_a_packet_is_not_its_own() {
    let packet = packet();
    let bare = &packet[packet.find("<x:xmpmeta").unwrap()..packet.find("<?xpacket end").unwrap()];
    let rdf = {
        let attributes = "xmlns:x='adobe:ns:meta/'";
        let inner = &bare[bare.find("<rdf:RDF").unwrap()..bare.find("</x:xmpmeta>").unwrap()];
        assert!(!inner.contains(attributes));
        inner
    };
    for text in [
        format!("{packet}</x:xmpmeta>\n<?xpacket end='w'?>"),
        format!("{packet}{packet}"),
        format!("{packet} \0\0 & <b> \u{1}"),
        format!("{bare} text behind its end >"),
        format!("{rdf}</x:xmpmeta>"),
        format!("\u{feff}  {packet}"),
        bare.replace("x:xmpmeta", "x:xapmeta"),
        bare.replace("<x:xmpmeta", "<meta:m")
            .replace("</x:xmpmeta", "</meta:m")
            .replace("xmlns:x=", "xmlns:meta="),
    ] {
        assert_eq!(told(&described(Vec::new(), &text, &[])), by_packet(), "{text}");
    }
    let plain = jpeg(&quarters(16, 16), &Around::default());
    let broken = [b"http://ns.adobe.com/xap/1.0/\0", packet.as_bytes(), b"\xFF\xFE\x80"].concat();
    assert_eq!(told(&with_segment(&plain, 0xE1, &broken)), by_packet());
}

#[test]
fn packets_of_two_and_four_bytes_a_letter_are_read() {
    let plain = jpeg(&quarters(16, 16), &Around::default());
    let marked = packet();
    let unmarked = marked.replace('\u{feff}', "");
    for packet in [&marked, &unmarked, &format!("\u{feff}{unmarked}")] {
        let utf16 = |order: fn(u16) -> [u8; 2]| packet.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let utf32 =
            |order: fn(u32) -> [u8; 4]| packet.chars().map(u32::from).flat_map(order).collect::<Vec<u8>>();
        for written in [
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
            utf32(u32::to_le_bytes),
            utf32(u32::to_be_bytes),
        ] {
            let segment = [b"http://ns.adobe.com/xap/1.0/\0".as_slice(), &written, b"\0"].concat();
            assert_eq!(told(&with_segment(&plain, 0xE1, &segment)), by_packet());
        }
    }
}

#[test]
fn hostile_packets_give_nothing_and_take_no_time() {
    let started = std::time::Instant::now();
    let pixels = image::DynamicImage::ImageRgb8(quarters(16, 16));
    let png = png(&pixels, &Around::default());
    let head = b"XML:com.adobe.xmp\0\x01\0\0\0";
    let bomb = deflated(&vec![b' '; 64 << 20]);
    let long = xmp("", &format!("<dc:title>{}</dc:title>", "x".repeat(10 << 20)));
    let plain = [&b"XML:com.adobe.xmp\0\0\0\0\0"[..], long.as_bytes()].concat();
    for data in [[&head[..], &bomb].concat(), plain, head.to_vec(), b"XML:com.adobe.xmp\0".to_vec()] {
        let bytes = [&png[..33], &chunk(b"iTXt", &data), &png[33..]].concat();
        assert_eq!(told(&bytes), json!({"orientation": 1}));
    }
    assert!(started.elapsed().as_secs() < 5);
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        #[test]
        fn mutated_metadata_never_panics(
            mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            resource in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut xmp = [b"http://ns.adobe.com/xap/1.0/\0", packet().as_bytes()].concat();
            let mut iptc = [iptc(&[(5, b"title"), (25, b"word"), (55, b"20240501"), (60, b"123059+0200")]), resource].concat();
            for (at, value) in mutations {
                let at_xmp = at.index(xmp.len());
                xmp[at_xmp] = value;
                let at_iptc = at.index(iptc.len());
                iptc[at_iptc] = value;
            }
            let bytes = jpeg(&quarters(8, 8), &Around::default());
            let found = read(&with_segment(&with_segment(&bytes, 0xE1, &xmp), 0xED, &iptc));
            prop_assert!(found.keywords.len() <= 64);
            prop_assert!(found.rating.is_none_or(|rating| (-1..=5).contains(&rating)));
        }
    }
}
