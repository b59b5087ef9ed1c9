use std::ops::Range;

use sluice_media::sniff::{HEAD_BYTES, Kind, Probe, identify, sniff};

use crate::support::sample;

#[test]
fn every_sample_is_recognised_by_its_content() {
    const OFFICE: &str = "application/vnd.openxmlformats-officedocument.";
    let cases = [
        ("astronaut.jpg", "image/jpeg", Kind::Image),
        ("chelsea.png", "image/png", Kind::Image),
        ("chelsea.webp", "image/webp", Kind::Image),
        ("pan.gif", "image/gif", Kind::Image),
        ("pan.webp", "image/webp", Kind::Image),
        ("bomb-900mp.png", "image/png", Kind::Image),
        ("heads/chelsea.tif", "image/tiff", Kind::Image),
        ("heads/chelsea.bmp", "image/bmp", Kind::Image),
        ("heads/rocket.avif", "image/avif", Kind::Image),
        ("heads/rocket.heic", "image/heic", Kind::Image),
        ("heads/drawing.svg", "image/svg+xml", Kind::Image),
        ("heads/hostile-script.svg", "image/svg+xml", Kind::Image),
        ("heads/hostile-billion-laughs.svg", "image/svg+xml", Kind::Image),
        ("heads/rocket.mp4", "video/mp4", Kind::Video),
        ("heads/rocket.mov", "video/quicktime", Kind::Video),
        ("heads/rocket.webm", "video/webm", Kind::Video),
        ("heads/tone-cover.mp3", "audio/mpeg", Kind::Audio),
        ("heads/tone.flac", "audio/flac", Kind::Audio),
        ("heads/tone.wav", "audio/wav", Kind::Audio),
        ("heads/three-pages.pdf", "application/pdf", Kind::Document),
        ("heads/locked.pdf", "application/pdf", Kind::Document),
        ("heads/liar.jpg", "application/pdf", Kind::Document),
        ("heads/report.docx", "wordprocessingml.document", Kind::Document),
        ("heads/orders.xlsx", "spreadsheetml.sheet", Kind::Document),
        ("heads/launch.pptx", "presentationml.presentation", Kind::Document),
        ("heads/note.odt", "application/vnd.oasis.opendocument.text", Kind::Document),
        ("heads/table.csv", "text/plain", Kind::Document),
        ("heads/readme.md", "text/plain", Kind::Document),
        ("heads/latin1.txt", "text/plain", Kind::Document),
        ("heads/files.zip", "application/zip", Kind::Archive),
        ("heads/noext", "application/octet-stream", Kind::Other),
        ("heads/empty.bin", "application/octet-stream", Kind::Other),
    ];
    for (name, content_type, kind) in cases {
        let bytes = sample(name);
        let sniffed = sniff(&bytes[..bytes.len().min(HEAD_BYTES)]);
        let content_type = if content_type.contains('/') {
            content_type.to_owned()
        } else {
            format!("{OFFICE}{content_type}")
        };
        assert_eq!((sniffed.content_type, sniffed.kind), (content_type.as_str(), kind), "{name}");
        assert_eq!(sniff(&bytes), sniffed, "{name}: more bytes change nothing");
    }
}

/// What a file is, read in the pieces that are asked for; with them, the beginning left out.
fn asked(bytes: &[u8], announced: &str, filename: &str) -> (&'static str, Vec<Range<u64>>) {
    let mut probe = Probe::new(bytes.len() as u64).announced(announced, filename);
    let mut pieces = Vec::new();
    while let Some(wanted) = probe.wants() {
        let piece = usize::try_from(wanted.start).unwrap()..usize::try_from(wanted.end).unwrap();
        probe.give(wanted.start, &bytes[piece]);
        pieces.push(wanted);
        assert!(pieces.len() <= 5);
    }
    let found = probe.verdict();
    // Whole in memory and in passing it is the same.
    assert_eq!(identify(bytes, announced, filename), found, "{filename}");
    for step in [1_000, 70_000] {
        let mut probe = Probe::new(bytes.len() as u64).announced(announced, filename);
        bytes.chunks(step).for_each(|chunk| probe.pass(chunk));
        assert_eq!(probe.verdict(), found, "{filename} in steps of {step}");
    }
    pieces.retain(|piece| piece.start > 0);
    (found.content_type, pieces)
}

fn is(bytes: &[u8]) -> &'static str {
    asked(bytes, "application/octet-stream", "file").0
}

/// A box of an ISO base media file.
fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len() + 8).unwrap().to_be_bytes(), &kind[..], content].concat()
}

fn movie(handlers: &[&[u8; 4]], filler: usize) -> Vec<u8> {
    let tracks = handlers.iter().map(|handler| {
        let handler = boxed(*b"hdlr", &[&[0; 8], &handler[..], &[0; 13]].concat());
        let media = boxed(*b"mdia", &[boxed(*b"mdhd", &[0; 24]), handler].concat());
        boxed(*b"trak", &[boxed(*b"tkhd", &[0; 84]), media, boxed(*b"free", &vec![0; filler])].concat())
    });
    boxed(*b"moov", &[boxed(*b"mvhd", &[0; 100]), tracks.collect::<Vec<_>>().concat()].concat())
}

#[test]
fn sound_alone_in_a_container_of_video_is_sound() {
    let ftyp = |brand: &[u8; 4]| boxed(*b"ftyp", &[&brand[..], &[0; 4], b"isom"].concat());
    let data = boxed(*b"mdat", &vec![7; 300 << 10]);
    for (handlers, sound) in [
        (&[b"soun"][..], true),
        (&[b"soun", b"soun", b"text"], true),
        (&[b"soun", b"vide"], false),
        (&[b"vide", b"soun"], false),
        (&[b"vide"], false),
        (&[b"hint"], false),
        (&[], false),
    ] {
        for (brand, video, audio) in [
            (b"isom", "video/mp4", "audio/mp4"),
            (b"mp42", "video/mp4", "audio/mp4"),
            (b"3gp5", "video/3gpp", "audio/3gpp"),
        ] {
            let expected = if sound { audio } else { video };
            for filler in [0, 40 << 10] {
                let movie = movie(handlers, filler);
                assert_eq!(is(&[&ftyp(brand)[..], &movie, &data].concat()), expected);
                assert_eq!(is(&[&ftyp(brand)[..], &data, &movie].concat()), expected);
                let large = [
                    &1_u32.to_be_bytes(),
                    &b"mdat"[..],
                    &(16 + 200_000_u64).to_be_bytes(),
                    &vec![7; 200_000],
                ]
                .concat();
                assert_eq!(is(&[&ftyp(brand)[..], &boxed(*b"free", &[]), &large, &movie].concat()), expected);
            }
        }
        assert_eq!(is(&[&ftyp(b"qt  ")[..], &movie(handlers, 0)].concat()), "video/quicktime");
    }
    for broken in
        [&b"\0\0\0\x07moov"[..], b"\0\0\0\x01mdat\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", b"\0\0\0\0moov", b""]
    {
        assert_eq!(is(&[&ftyp(b"isom")[..], broken].concat()), "video/mp4");
    }
}

#[test]
fn sound_alone_in_matroska_is_sound() {
    fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
        // Eight bytes of size, whose first is the marker alone.
        let size = [&[1], &(content.len() as u64).to_be_bytes()[1..]].concat();
        [id, &size, content].concat()
    }
    let file = |doctype: &[u8], types: &[u8], before: usize| {
        let tracks: Vec<u8> = types
            .iter()
            .flat_map(|kind| element(b"\xAE", &[element(b"\xD7", &[1]), element(b"\x83", &[*kind])].concat()))
            .collect();
        let header = [
            b"\x1A\x45\xDF\xA3",
            &[0x80 | u8::try_from(doctype.len() + 3).unwrap()][..],
            b"\x42\x82",
            &[0x80 | u8::try_from(doctype.len()).unwrap()],
            doctype,
        ]
        .concat();
        let cluster = element(b"\x1F\x43\xB6\x75", &vec![7; 100_000]);
        let content =
            [element(b"\xEC", &vec![0; before]), element(b"\x16\x54\xAE\x6B", &tracks), cluster].concat();
        // Of a size that isn't known, as recorders write it.
        [&header[..], b"\x18\x53\x80\x67\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF", &content].concat()
    };
    for before in [0, 200 << 10] {
        assert_eq!(is(&file(b"webm", &[2], before)), "audio/webm");
        assert_eq!(is(&file(b"webm", &[2, 0x11], before)), "audio/webm");
        assert_eq!(is(&file(b"webm", &[1, 2], before)), "video/webm");
        assert_eq!(is(&file(b"webm", &[2, 1], before)), "video/webm");
        assert_eq!(is(&file(b"webm", &[], before)), "video/webm");
        assert_eq!(is(&file(b"matroska", &[2], before)), "audio/x-matroska");
        assert_eq!(is(&file(b"matroska", &[1], before)), "video/x-matroska");
    }
    let whole = file(b"webm", &[2], 10);
    for length in 0..whole.len().min(200) {
        is(&whole[..length]);
    }
}

/// A zip archive of stored or deflated entries, with a directory.
fn zipped(entries: &[(&str, &[u8], bool)], comment: usize) -> Vec<u8> {
    use std::io::Write;
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for &(name, content, deflate) in entries {
        let start = u32::try_from(out.len()).unwrap().to_le_bytes();
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        let stored = if deflate { encoder.finish().unwrap() } else { content.to_vec() };
        let sizes =
            [stored.len(), content.len()].map(|size| u32::try_from(size).unwrap().to_le_bytes()).concat();
        let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let shared =
            [&[20, 0, 0, 0, if deflate { 8 } else { 0 }, 0][..], &[0; 8], &sizes, &name_length, &[0; 2]]
                .concat();
        out.extend([b"PK\x03\x04", &shared[..], name.as_bytes(), &stored].concat());
        directory.extend([b"PK\x01\x02\x14\0", &shared[..], &[0; 10], &start, name.as_bytes()].concat());
    }
    let (start, size) = (u32::try_from(out.len()).unwrap(), u32::try_from(directory.len()).unwrap());
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    out.extend(directory);
    out.extend(
        [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size.to_le_bytes(), &start.to_le_bytes()].concat(),
    );
    out.extend(u16::try_from(comment).unwrap().to_le_bytes());
    out.extend(vec![b' '; comment]);
    out
}

#[test]
fn packages_are_known_by_their_directory_wherever_their_parts_stand() {
    const OFFICE: &str = "application/vnd.openxmlformats-officedocument.";
    let noise: Vec<u8> = (0..400_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for (folder, content_type) in [
        ("word/document.xml", "wordprocessingml.document"),
        ("xl/workbook.xml", "spreadsheetml.sheet"),
        ("ppt/presentation.xml", "presentationml.presentation"),
    ] {
        for comment in [0, 5_000] {
            let media = format!("{}media/a.png", folder.split_once('/').unwrap().0.to_owned() + "/");
            let late = zipped(
                &[
                    ("image.png", &noise, false),
                    (&media, b"", false),
                    (folder, b"<a/>", true),
                    ("[Content_Types].xml", b"<a/>", true),
                ],
                comment,
            );
            let (found, pieces) = asked(&late, "application/octet-stream", "file");
            assert_eq!(found, format!("{OFFICE}{content_type}"));
            assert_eq!(pieces.len(), 1, "{pieces:?}");
        }
    }
    for (declared, expected) in [
        ("application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
        ("application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet"),
        ("application/epub+zip", "application/epub+zip"),
        ("text/plain", "application/zip"),
    ] {
        for deflate in [false, true] {
            let late = zipped(
                &[
                    ("a.png", &noise, false),
                    ("mimetype", declared.as_bytes(), deflate),
                    ("content.xml", b"", false),
                ],
                0,
            );
            let (found, pieces) = asked(&late, "application/octet-stream", "file");
            assert_eq!(found, expected);
            assert!(pieces.len() <= 2, "{pieces:?}");
        }
    }
    let many: Vec<String> = (0..3_000).map(|at| format!("word/media/image{at}.png")).collect();
    let mut entries: Vec<(&str, &[u8], bool)> = vec![("[Content_Types].xml", b"", false)];
    entries.extend(many.iter().map(|name| (name.as_str(), &b""[..], false)));
    let (first, rest) = entries.split_at(1);
    for entries in [[first, rest].concat(), [rest, first].concat()] {
        let large = zipped(&entries, 0);
        assert_eq!(is(&large), format!("{OFFICE}wordprocessingml.document"));
    }
    let plain = zipped(&[("word/readme.txt", b"", false), ("a", &noise, false)], 0);
    assert_eq!(is(&plain), "application/zip");
    for length in (4..plain.len()).step_by(4_001) {
        assert_eq!(is(&plain[..length]), "application/zip");
    }
}

#[test]
fn kinds_of_text_are_told_by_content_announcement_and_name() {
    let table = b"a,b\n1,2\n";
    for (content, announced, filename, expected) in [
        (&table[..], "text/csv", "a", "text/csv"),
        (table, "Text/CSV; charset=utf-8", "a.txt", "text/csv"),
        (table, "application/vnd.ms-excel", "a.CSV", "text/csv"),
        (table, "text/plain", "a.csv", "text/csv"),
        (table, "text/plain", "a.txt", "text/plain"),
        (table, "application/octet-stream", "a", "text/plain"),
        (b"a\tb\n", "", "a.tsv", "text/tab-separated-values"),
        (b"# A\n", "", "a.md", "text/markdown"),
        (b"# A\n", "text/markdown", "a", "text/markdown"),
        (b"{\"a\": 1}", "", "a", "application/json"),
        (b"{\"a\": 1}", "text/plain", "a.txt", "text/plain"),
        (b"{\"a\": 1", "", "a.json", "application/json"),
        (b"{\"a\": 1", "", "a", "text/plain"),
        (b"hello", "application/json", "a.json", "text/plain"),
        (b"<?xml version='1.0'?><feed/>", "", "a", "application/xml"),
        (b"<?xml version='1.0'?><feed/>", "text/xml", "a.xml", "text/xml"),
        (b"<?xml version='1.0'?><feed/>", "application/gpx+xml", "a.gpx", "text/plain"),
        (b"<feed/>", "", "a.xml", "application/xml"),
        (b"a: 1", "application/x-yaml", "a", "application/yaml"),
        (b"a: 1", "", "a.yml", "application/yaml"),
        (b"BEGIN:VCALENDAR\r\n", "", "a", "text/calendar"),
        (b"hello", "text/calendar", "a.ics", "text/plain"),
        (b"begin:vcard\r\n", "", "a", "text/vcard"),
        (b"BEGIN:VCARD\r\n", "text/x-vcard", "a.vcf", "text/vcard"),
        // What a browser runs is that by whatever name, and what is announced or named so is treated so.
        (b"<script>a</script>", "text/csv", "a.csv", "text/html"),
        (b"<!doctype html>", "text/markdown", "a.md", "text/html"),
        (b"<html xmlns='a'>", "application/xml", "a.xml", "text/html"),
        (b"<svg/>", "application/xml", "a.xml", "image/svg+xml"),
        (b"hello", "text/html", "a.csv", "text/html"),
        (b"hello", "text/csv", "a.html", "text/html"),
        (b"#!/bin/sh", "text/csv", "a.csv", "application/x-shellscript"),
        // Nothing binary becomes text by its name.
        (b"a,b\0\x01", "text/csv", "a.csv", "application/octet-stream"),
        (b"\x89PNG\r\n\x1a\n", "text/csv", "a.csv", "image/png"),
        (b"%PDF-1.7", "text/markdown", "a.md", "application/pdf"),
        (b"", "text/csv", "a.csv", "application/octet-stream"),
    ] {
        let (found, pieces) = asked(content, announced, filename);
        assert_eq!(
            (found, pieces.len()),
            (expected, 0),
            "{} as {announced} {filename}",
            content.escape_ascii()
        );
    }
    let utf16: Vec<u8> =
        std::iter::once(0xFEFF).chain("a,b".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(asked(&utf16, "text/csv", "a").0, "text/csv");
}

#[test]
fn drawings_are_known_behind_long_prologs_and_in_utf_16() {
    let letters = "a licence ".repeat(900);
    let drawing =
        "<svg xmlns='http://www.w3.org/2000/svg' width='20' height='10'><rect width='9' height='9'/></svg>";
    for text in [
        format!("<!-- {letters} -->{drawing}"),
        format!("<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a '{letters}'>]>{drawing}"),
        drawing.to_owned(),
        format!("<?xml version='1.0' encoding='UTF-16'?>\n{drawing}"),
    ] {
        let utf16 = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            format!("{mark}{text}").encode_utf16().flat_map(order).collect()
        };
        let mut written = vec![text.clone().into_bytes()];
        for mark in ["\u{feff}", ""] {
            written.extend([utf16(u16::to_le_bytes, mark), utf16(u16::to_be_bytes, mark)]);
        }
        for bytes in written {
            assert_eq!(is(&bytes), "image/svg+xml");
            let header = sluice_media::inspect(&bytes).unwrap();
            assert_eq!((header.width, header.height), (2_048, 1_024));
        }
    }
}

#[test]
fn films_of_cameras_are_known() {
    let packets = |first: usize| {
        let mut packet = vec![0x11; 188 + first];
        packet[first] = 0x47;
        packet.repeat(5)
    };
    assert_eq!((is(&packets(0)), is(&packets(4))), ("video/mp2t", "video/mp2t"));
    let film = [boxed(*b"mdat", &vec![7; 90_000]), movie(&[b"vide"], 0)].concat();
    for atom in [b"free", b"skip", b"wide", b"pnot"] {
        assert_eq!(is(&[&boxed(*atom, &[0; 12])[..], &film].concat()), "video/quicktime");
    }
    assert_eq!((is(&film), is(&movie(&[b"soun"], 0))), ("video/quicktime", "video/quicktime"));
    for words in ["The free world", "The wide world", "and skip it", "Our mdat is here", "\n\n\n\nfree"] {
        assert_eq!(is(words.as_bytes()), "text/plain", "{words}");
    }
}

#[test]
fn fonts_databases_and_keys_have_types_of_their_own() {
    let font = |start: &[u8]| [start, &[0, 12, 0, 128, 0, 3, 0, 64], b"DSIG\0\0\0\0"].concat();
    let der = |content: &[u8]| [b"\x30\x82\x02\x00", content, &[0; 512]].concat();
    for (bytes, expected) in [
        (font(b"\0\x01\0\0"), "font/ttf"),
        (font(b"true"), "font/ttf"),
        (font(b"OTTO"), "font/otf"),
        (font(b"ttcf\0\x01\0\0"), "font/collection"),
        (font(b"wOFF\0\x01\0\0"), "font/woff"),
        (font(b"wOF2OTTO"), "font/woff2"),
        (b"OTTO is a name that begins texts".to_vec(), "text/plain"),
        (b"true as it can be said".to_vec(), "text/plain"),
        (b"SQLite format 3\0\x10\0".to_vec(), "application/vnd.sqlite3"),
        (b"-----BEGIN CERTIFICATE-----\nMII".to_vec(), "application/pem-certificate-chain"),
        (b"-----BEGIN RSA PRIVATE KEY-----\nMII".to_vec(), "application/x-pem-file"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n".to_vec(), "application/pgp-keys"),
        (b"-----BEGIN of a story".to_vec(), "text/plain"),
        (der(b"\x30\x82\x01\x00\xA0\x03\x02\x01\x02"), "application/pkix-cert"),
        (der(b"\x02\x01\x00\x30\x0D\x06"), "application/pkcs8"),
        (der(b"\x02\x01\x03\x30\x82"), "application/pkcs12"),
        (b"OggS\0\x02\0\0\0\0\0\0\0\0aaaabbbbcccc\x01\x13OpusHead\x01".to_vec(), "audio/ogg"),
        (b"!<arch>\ndebian-binary   ".to_vec(), "application/vnd.debian.binary-package"),
    ] {
        assert_eq!(is(&bytes), expected, "{}", bytes.escape_ascii());
    }
    let image = [vec![7; 70_000], b"koly".to_vec(), vec![0; 508]].concat();
    assert_eq!(asked(&image, "", "a.dmg").0, "application/x-apple-diskimage");
    assert_eq!(asked(&image, "", "a.bin"), ("application/octet-stream", Vec::new()));
}
