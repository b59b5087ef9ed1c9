use sluice_media::sniff::{HEAD_BYTES, Kind, sniff};

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
