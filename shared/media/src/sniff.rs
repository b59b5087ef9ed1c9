//! What a file is, by its first bytes, and where those leave it open by others: [`Probe`].
//!
//! Declared types and extensions are only claims. The table below reads signatures as the formats'
//! specifications give them, and decides text from binary as the WHATWG MIME Sniffing Standard does
//! (<https://mimesniff.spec.whatwg.org/#binary-data-byte>). Unknown bytes are
//! `application/octet-stream`; a name tells kinds of text apart, and nothing else.
//!
//! By its bytes text is `text/plain` (JSON, CSV and Markdown alike), but for what something would run: HTML, SVG and
//! scripts have types of their own, as programs have, so that whoever lets files in knows them by whatever
//! name they come. That, and the order in which the signatures are asked, is why this list is our own: crates that know more
//! signatures than these know raw files, markup and packages less well.

mod containers;
mod pieces;
mod probe;
mod text;
mod zip;

use std::borrow::Cow;

pub use self::probe::{Probe, identify};
use crate::{bytes::Bytes, ifd::Tiff};

/// How many leading bytes [`sniff`] wants; fewer are fine when the file has no more.
///
/// Drawing programs put licences of some kilobytes before a drawing, and films their tracks as far in.
pub const HEAD_BYTES: usize = 64 << 10;
/// Bytes that must all be text's for a file to be text.
const TEXT_BYTES: usize = 8 << 10;

/// What an asset is to the pipeline: it picks the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Still or animated pictures.
    Image,
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// Text, office files, PDF.
    Document,
    /// Containers of other files and compressed streams.
    Archive,
    /// Everything else.
    Other,
}

/// The verdict on a file's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sniffed {
    /// IANA media type, without parameters.
    pub content_type: &'static str,
    /// The profile it belongs to.
    pub kind: Kind,
}

const fn is(content_type: &'static str, kind: Kind) -> Sniffed {
    Sniffed { content_type, kind }
}

/// Programs of Apple's systems (`mach-o/loader.h`).
const MACH_O: &str = "application/x-mach-binary";

/// Signatures at a fixed offset, the more specific first.
const SIGNATURES: &[(usize, &[u8], &str, Kind)] = &[
    (0, b"\xFF\xD8\xFF", "image/jpeg", Kind::Image),
    (0, b"\x89PNG\r\n\x1a\n", "image/png", Kind::Image),
    (0, b"GIF87a", "image/gif", Kind::Image),
    (0, b"GIF89a", "image/gif", Kind::Image),
    (0, b"FUJIFILMCCD-RAW", "image/x-fuji-raf", Kind::Image),
    (0, b"IIRO", "image/x-olympus-orf", Kind::Image),
    (0, b"IIRS", "image/x-olympus-orf", Kind::Image),
    (0, b"MMOR", "image/x-olympus-orf", Kind::Image),
    (0, b"IIU\0", "image/x-panasonic-rw2", Kind::Image),
    (0, b"II*\0", "image/tiff", Kind::Image),
    (0, b"MM\0*", "image/tiff", Kind::Image),
    (0, b"II+\0\x08\0\0\0", "image/tiff", Kind::Image),
    (0, b"MM\0+\0\x08\0\0", "image/tiff", Kind::Image),
    (0, b"\xFF\x0A", "image/jxl", Kind::Image),
    (0, b"\0\0\0\x0CJXL \r\n\x87\n", "image/jxl", Kind::Image),
    (0, b"\0\0\0\x0CjP  \r\n\x87\n", "image/jp2", Kind::Image),
    (0, b"\0\0\x01\0", "image/vnd.microsoft.icon", Kind::Image),
    (0, b"qoif", "image/qoi", Kind::Image),
    (0, b"farbfeld", "image/x-farbfeld", Kind::Image),
    (0, b"8BPS\0", "image/vnd.adobe.photoshop", Kind::Image),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3", Kind::Other),
    (0, b"!<arch>\ndebian", "application/vnd.debian.binary-package", Kind::Other),
    (0, b"\xED\xAB\xEE\xDB", "application/x-rpm", Kind::Other),
    (0, b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed", Kind::Other),
    (0, b"fLaC", "audio/flac", Kind::Audio),
    (0, b"ID3", "audio/mpeg", Kind::Audio),
    (0, b"MThd\0\0\0\x06", "audio/midi", Kind::Audio),
    (0, b"#!AMR", "audio/amr", Kind::Audio),
    (0, b"FLV\x01", "video/x-flv", Kind::Video),
    (0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\0\xAA\0\x62\xCE\x6C", "video/x-ms-asf", Kind::Video),
    (0, b"\0\0\x01\xBA", "video/mpeg", Kind::Video),
    (0, b"\0\0\x01\xB3", "video/mpeg", Kind::Video),
    (0, b"{\\rtf", "application/rtf", Kind::Document),
    (0, b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "application/x-ole-storage", Kind::Document),
    (0, b"\x7FELF", "application/x-executable", Kind::Other),
    (0, b"\xFE\xED\xFA\xCE", MACH_O, Kind::Other),
    (0, b"\xFE\xED\xFA\xCF", MACH_O, Kind::Other),
    (0, b"\xCE\xFA\xED\xFE", MACH_O, Kind::Other),
    (0, b"\xCF\xFA\xED\xFE", MACH_O, Kind::Other),
    (0, b"\0asm", "application/wasm", Kind::Other),
    (0, b"dex\n0", "application/vnd.android.dex", Kind::Other),
    (0, b"\x1F\x8B\x08", "application/gzip", Kind::Archive),
    (0, b"7z\xBC\xAF\x27\x1C", "application/x-7z-compressed", Kind::Archive),
    (0, b"Rar!\x1A\x07", "application/vnd.rar", Kind::Archive),
    (0, b"\xFD7zXZ\0", "application/x-xz", Kind::Archive),
    (0, b"\x28\xB5\x2F\xFD", "application/zstd", Kind::Archive),
    (0, b"\x1F\x9D", "application/x-compress", Kind::Archive),
    (257, b"ustar", "application/x-tar", Kind::Archive),
];

/// Tells what a file is from its first [`HEAD_BYTES`] bytes, or from all of it when it has fewer.
pub fn sniff(head: &[u8]) -> Sniffed {
    let head = &head[..head.len().min(HEAD_BYTES)];
    raw_tiff(head)
        .or_else(|| {
            let signature = SIGNATURES.iter().find(|(offset, magic, ..)| at(head, *offset, magic));
            signature.map(|&(_, _, content_type, kind)| is(content_type, kind))
        })
        .or_else(|| riff(head))
        .or_else(|| iso_media(head))
        .or_else(|| matroska(head))
        .or_else(|| ogg(head))
        .or_else(|| aiff(head))
        .or_else(|| mpeg_audio(head))
        .or_else(|| transport_stream(head))
        .or_else(|| zip::sniff(head))
        .or_else(|| bitmap(head))
        .or_else(|| netpbm(head))
        .or_else(|| bzip2(head))
        .or_else(|| font(head))
        .or_else(|| certificate(head))
        .or_else(|| program(head))
        .or_else(|| script(head))
        .or_else(|| markup(head))
        .or_else(|| pdf(head))
        .or_else(|| armoured(head))
        .or_else(|| plain(head))
        .unwrap_or(is("application/octet-stream", Kind::Other))
}

fn at(head: &[u8], offset: usize, magic: &[u8]) -> bool {
    head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// Raw files in a TIFF's clothes. A picture that was developed keeps its camera's name, so that alone says nothing:
/// the first directory must hold what only raw files have.
fn raw_tiff(head: &[u8]) -> Option<Sniffed> {
    const MAKERS: [(&[u8], &str); 9] = [
        (b"NIKON", "image/x-nikon-nef"),
        (b"SONY", "image/x-sony-arw"),
        (b"PENTAX", "image/x-pentax-pef"),
        (b"RICOH", "image/x-pentax-pef"),
        (b"SAMSUNG", "image/x-samsung-srw"),
        (b"HASSELBLAD", "image/x-hasselblad-3fr"),
        (b"SEIKO EPSON", "image/x-epson-erf"),
        (b"EASTMAN KODAK", "image/x-kodak-dcr"),
        (b"KODAK", "image/x-kodak-dcr"),
    ];
    if !head.starts_with(b"II*\0") && !head.starts_with(b"MM\0*") {
        return None;
    }
    if at(head, 8, b"CR\x02") {
        return Some(is("image/x-canon-cr2", Kind::Image));
    }
    let first = Tiff::new(head)?.first()?;
    let uint = |tag| first.get(tag).and_then(|entry| entry.uint(0));
    // DNGVersion (DNG 1.7, chapter 4).
    if first.get(50_706).is_some() {
        return Some(is("image/x-adobe-dng", Kind::Image));
    }
    let make = first.get(271)?.text()?.trim_ascii_start().to_ascii_uppercase();
    // A colour filter array (TIFF/EP, 5.1), a maker's own compression, or a reduced picture in front of
    // sub-directories with the full one.
    let raw = uint(262) == Some(32_803)
        || matches!(uint(259), Some(32_767 | 34_713 | 65_000 | 65_535))
        || (uint(254).is_some_and(|subfile| subfile & 1 == 1) && first.get(330).is_some());
    let maker = MAKERS.iter().find(|(name, _)| make.starts_with(name));
    raw.then(|| is(maker.map_or("image/x-raw", |(_, content_type)| content_type), Kind::Image))
}

fn riff(head: &[u8]) -> Option<Sniffed> {
    if !head.starts_with(b"RIFF") {
        return None;
    }
    match head.get(8..12)? {
        b"WEBP" => Some(is("image/webp", Kind::Image)),
        b"WAVE" => Some(is("audio/wav", Kind::Audio)),
        b"AVI " => Some(is("video/x-msvideo", Kind::Video)),
        _ => None,
    }
}

/// ISO base media files: the major brand, then the compatible ones, of the leading `ftyp` box
/// (ISO/IEC 14496-12, 4.3; brands as registered at <https://mp4ra.org>).
fn iso_media(head: &[u8]) -> Option<Sniffed> {
    if !at(head, 4, b"ftyp") {
        return old_quicktime(head).then(|| is("video/quicktime", Kind::Video));
    }
    let size = u32::from_be_bytes(*head.first_chunk()?) as usize;
    let brands = &head[8..size.clamp(12, 512).min(head.len()).max(8)];
    let (major, compatible) = (brands.get(..4)?, brands.get(8..).unwrap_or_default());
    // Still pictures often have the generic `mif1` for their major brand.
    let named = |brands: &[&[u8]]| {
        std::iter::once(major).chain(compatible.chunks_exact(4)).any(|brand| brands.contains(&brand))
    };
    match major {
        b"qt  " => return Some(is("video/quicktime", Kind::Video)),
        b"M4A " | b"M4B " | b"M4P " => return Some(is("audio/mp4", Kind::Audio)),
        b"crx " => return Some(is("image/x-canon-cr3", Kind::Image)),
        b"avif" | b"avis" => return Some(is("image/avif", Kind::Image)),
        b"mif1" | b"msf1" | b"miaf" if named(&[b"avif", b"avis"]) => {
            return Some(is("image/avif", Kind::Image));
        }
        // H.264 within.
        b"avci" | b"avcs" => return Some(is("image/avci", Kind::Image)),
        b"mif1" | b"msf1" | b"miaf" if named(&[b"avci", b"avcs"]) && !named(&[b"heic", b"heix"]) => {
            return Some(is("image/avci", Kind::Image));
        }
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => {
            return Some(is("image/heic", Kind::Image));
        }
        _ => {}
    }
    if major.starts_with(b"3g") {
        Some(is("video/3gpp", Kind::Video))
    } else {
        Some(is("video/mp4", Kind::Video))
    }
}

/// `QuickTime` files older than `ftyp` start with one of these atoms. Their names are words, which begin texts too, so what
/// follows the atom counts as well: another one, or, where it reaches beyond the head, what no text holds.
fn old_quicktime(head: &[u8]) -> bool {
    const ATOMS: [&[u8; 4]; 8] = [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"PICT", b"uuid"];
    let is_atom = |start: usize, atoms: &[&[u8; 4]]| {
        Bytes(head).get(start, 4).is_some_and(|kind| atoms.iter().any(|atom| atom.as_slice() == kind))
    };
    // The last two only follow.
    if !is_atom(4, &ATOMS[..6]) {
        return false;
    }
    let Some(size) = Bytes(head).be32(0).and_then(|size| usize::try_from(size).ok()) else { return false };
    match size {
        0 | 1 => true,
        2..8 => false,
        size if size < head.len() => is_atom(size.saturating_add(4), &ATOMS),
        _ => !is_text(head),
    }
}

/// EBML's `DocType` element tells `WebM` from Matroska (RFC 8794, 11.2.6; RFC 9559, 4).
fn matroska(head: &[u8]) -> Option<Sniffed> {
    if !head.starts_with(b"\x1A\x45\xDF\xA3") {
        return None;
    }
    let ebml = &head[..head.len().min(128)];
    if contains(ebml, b"\x42\x82\x84webm") {
        Some(is("video/webm", Kind::Video))
    } else if contains(ebml, b"matroska") {
        Some(is("video/x-matroska", Kind::Video))
    } else {
        None
    }
}

fn ogg(head: &[u8]) -> Option<Sniffed> {
    if !head.starts_with(b"OggS") {
        return None;
    }
    let first_pages = &head[..head.len().min(512)];
    if contains(first_pages, b"\x80theora") {
        Some(is("video/ogg", Kind::Video))
    } else {
        Some(is("audio/ogg", Kind::Audio))
    }
}

fn aiff(head: &[u8]) -> Option<Sniffed> {
    let form = head.starts_with(b"FORM") && matches!(head.get(8..12), Some(b"AIFF" | b"AIFC"));
    form.then(|| is("audio/aiff", Kind::Audio))
}

/// A bare MPEG audio or ADTS frame. Eleven set bits alone are too weak a sign, so the next frame must
/// stand where the first one's header says.
fn mpeg_audio(head: &[u8]) -> Option<Sniffed> {
    // Layer III only: kbit/s by index, for MPEG-1 and for MPEG-2 and 2.5 (ISO/IEC 11172-3, 2.4.2.3).
    const V1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const V2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let &[first, second, third, ..] = head else { return None };
    if first != 0xFF || second & 0xE0 != 0xE0 {
        return None;
    }
    if second & 0xF6 == 0xF0 {
        let high = usize::from(head.get(3)? & 0x03) << 11;
        let length = high | usize::from(*head.get(4)?) << 3 | usize::from(head.get(5)? >> 5);
        return if length > 7 && at(head, length, &[0xFF, second]) {
            Some(is("audio/aac", Kind::Audio))
        } else {
            None
        };
    }
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    if version == 1 || layer != 1 {
        return None;
    }
    let (rates, samples) = if version == 3 { (V1, 144_000) } else { (V2, 72_000) };
    let rate = *rates.get(usize::from(third >> 4)).filter(|rate| **rate > 0)?;
    let hertz =
        [44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))? >> [2, 0, 1, 0][usize::from(version)];
    let length = samples * rate / hertz + usize::from(third >> 1 & 1);
    at(head, length, &[0xFF, second]).then(|| is("audio/mpeg", Kind::Audio))
}

/// MPEG transport stream: a sync byte every 188 bytes, four times over; with a time in front of each packet as cameras write it
/// (`.mts`), every 192.
fn transport_stream(head: &[u8]) -> Option<Sniffed> {
    let synced =
        |first: usize, length: usize| (0..4).all(|packet| head.get(first + packet * length) == Some(&0x47));
    (synced(0, 188) || synced(4, 192)).then(|| is("video/mp2t", Kind::Video))
}

/// `BM` alone also starts many a text: the header's length must be one of the known ones.
fn bitmap(head: &[u8]) -> Option<Sniffed> {
    let length = u32::from_le_bytes(*head.get(14..)?.first_chunk()?);
    let known = head.starts_with(b"BM") && matches!(length, 12 | 40 | 52 | 56 | 64 | 108 | 124);
    known.then(|| is("image/bmp", Kind::Image))
}

/// `BZh`, a level, and the first block's or the empty stream's magic.
fn bzip2(head: &[u8]) -> Option<Sniffed> {
    let level = head.starts_with(b"BZh") && matches!(head.get(3), Some(b'1'..=b'9'));
    let block = at(head, 4, b"1AY&SY") || at(head, 4, b"\x17\x72\x45\x38\x50\x90");
    (level && block).then(|| is("application/x-bzip2", Kind::Archive))
}

/// Netpbm's formats (<https://netpbm.sourceforge.net/doc/>). A letter and a digit also begin texts, so they count where the
/// header goes on as it must: with the size and, but for bits, the largest sample; with its fields in a `P7`. Where samples are
/// written in digits, nothing but digits follows.
fn netpbm(head: &[u8]) -> Option<Sniffed> {
    let (&[b'P', sort @ b'1'..=b'7'], mut rest) = head.split_first_chunk::<2>()? else { return None };
    let found = is("image/x-portable-anymap", Kind::Image);
    if sort == b'7' {
        let start = &head[..head.len().min(1_024)];
        return (rest.starts_with(b"\n") && contains(start, b"WIDTH ") && contains(start, b"HEIGHT "))
            .then_some(found);
    }
    let numbers = if matches!(sort, b'1' | b'4') { 2 } else { 3 };
    for _ in 0..numbers {
        let before = rest.len();
        rest = rest.trim_ascii_start();
        while rest.starts_with(b"#") {
            rest = rest.get(memchr::memchr(b'\n', rest)?..)?.trim_ascii_start();
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || rest.len() == before {
            return None;
        }
        rest = &rest[digits..];
    }
    if !rest.first()?.is_ascii_whitespace() {
        return None;
    }
    let sample = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_whitespace();
    (sort > b'3' || rest.iter().all(sample)).then_some(found)
}

/// Readers accept a PDF's header anywhere in the first 1,024 bytes (ISO 32000-1, annex H.3, note 13).
fn pdf(head: &[u8]) -> Option<Sniffed> {
    let found = contains(&head[..head.len().min(1_024)], b"%PDF-");
    found.then(|| is("application/pdf", Kind::Document))
}

/// Fonts (OpenType 1.9.1, "Organization of an OpenType Font"; WOFF 1.0 and 2.0, 4): a sort, a small number of tables, and
/// the first table's name.
fn font(head: &[u8]) -> Option<Sniffed> {
    let data = Bytes(head);
    let tables = data.be16(4)?;
    let named = data.get(12, 4)?.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    let content_type = match head.first_chunk()? {
        b"\0\x01\0\0" | b"true" if (1..256).contains(&tables) && named => "font/ttf",
        b"OTTO" if (1..256).contains(&tables) && named => "font/otf",
        b"ttcf" if matches!(data.be32(4), Some(0x1_0000 | 0x2_0000)) => "font/collection",
        b"wOFF" | b"wOF2" if !matches!(data.get(4, 4)?, b"\0\x01\0\0" | b"OTTO" | b"true" | b"ttcf") => {
            return None;
        }
        b"wOFF" => "font/woff",
        b"wOF2" => "font/woff2",
        _ => return None,
    };
    Some(is(content_type, Kind::Other))
}

/// Certificates and keys in DER: a sequence whose length is written in two bytes, and how its first member begins
/// (RFC 5280, 4.1; RFC 5208, 5; RFC 7292, 4).
fn certificate(head: &[u8]) -> Option<Sniffed> {
    let content = head.strip_prefix(b"\x30\x82")?.get(2..)?;
    let content_type = match content {
        // A sequence that begins with the version 3.
        [0x30, 0x82, _, _, 0xA0, 3, 2, 1, 2, ..] => "application/pkix-cert",
        [2, 1, 0 | 1, 0x30, _, 6, ..] => "application/pkcs8",
        [2, 1, 3, 0x30, ..] => "application/pkcs12",
        _ => return None,
    };
    Some(is(content_type, Kind::Other))
}

/// The same, and what PGP makes, in letters (RFC 7468; RFC 4880, 6.2; for chains RFC 8555, 9.1).
fn armoured(head: &[u8]) -> Option<Sniffed> {
    let label = without_mark(head).trim_ascii_start().strip_prefix(b"-----BEGIN ")?;
    let label = &label[..memchr::memmem::find(&label[..label.len().min(64)], b"-----")?];
    let content_type = match label {
        b"CERTIFICATE" | b"X509 CERTIFICATE" | b"TRUSTED CERTIFICATE" => "application/pem-certificate-chain",
        b"PGP PUBLIC KEY BLOCK" | b"PGP PRIVATE KEY BLOCK" => "application/pgp-keys",
        b"PGP MESSAGE" => "application/pgp-encrypted",
        b"PGP SIGNATURE" => "application/pgp-signature",
        b"PGP SIGNED MESSAGE" => return None,
        _ => "application/x-pem-file",
    };
    Some(is(content_type, Kind::Other))
}

/// Programs whose first bytes alone could be others'.
fn program(head: &[u8]) -> Option<Sniffed> {
    // `MZ` also starts words, so it counts where no text follows: DOS and all that came of it (PE/COFF, section 3).
    if head.starts_with(b"MZ") && !is_text(head) {
        return Some(is("application/vnd.microsoft.portable-executable", Kind::Other));
    }
    // Mach-O for several processors and Java's classes share their signature. What follows is the number of
    // processors, which is small, or the version of the format, which began at 45 (JVM specification, 4.1).
    if head.starts_with(b"\xCA\xFE\xBA\xBE") {
        let number = u32::from_be_bytes(*head.get(4..)?.first_chunk()?);
        return Some(is(if number < 45 { MACH_O } else { "application/java-vm" }, Kind::Other));
    }
    None
}

/// What a Unix system hands to the interpreter that it names.
fn script(head: &[u8]) -> Option<Sniffed> {
    let named = without_mark(head).starts_with(b"#!");
    named.then(|| is("application/x-shellscript", Kind::Other))
}

/// Text of another encoding than UTF-8 says so in its first bytes.
fn is_utf16(head: &[u8]) -> bool {
    head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF")
}

/// Text with a letter a byte: of UTF-16 the lower halves. Markup may lack the mark and is known by its first character
/// (XML 1.0, appendix F).
fn narrowed(head: &[u8]) -> Cow<'_, [u8]> {
    let (mark, lower) = match head {
        [0xFF, 0xFE, ..] => (2, 0),
        [0xFE, 0xFF, ..] => (2, 1),
        [b'<', 0, next, 0, ..] if *next != 0 => (0, 0),
        [0, b'<', 0, next, ..] if *next != 0 => (0, 1),
        _ => return Cow::Borrowed(without_mark(head)),
    };
    Cow::Owned(head[mark..].chunks_exact(2).map(|pair| pair[lower]).collect())
}

/// Without the mark of UTF-8.
fn without_mark(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head)
}

/// Whether there is no byte that no text holds.
fn is_text(head: &[u8]) -> bool {
    let head = &head[..head.len().min(TEXT_BYTES)];
    let binary = |byte: &u8| matches!(byte, 0x00..=0x08 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F);
    !head.is_empty() && (is_utf16(head) || !without_mark(head).iter().any(binary))
}

fn plain(head: &[u8]) -> Option<Sniffed> {
    is_text(head).then(|| is("text/plain", Kind::Document))
}

/// SVG and HTML, which carry script. A browser reads both past bytes that no text holds, so those don't excuse them; and
/// text of two bytes a letter is read like any other.
fn markup(head: &[u8]) -> Option<Sniffed> {
    let body = &*narrowed(head);
    if is_svg(body) {
        Some(is("image/svg+xml", Kind::Image))
    } else if is_html(body) {
        Some(is("text/html", Kind::Document))
    } else {
        None
    }
}

/// Whether a browser takes it for HTML: the WHATWG's signatures, each followed by a space, an end or nothing
/// (<https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type>), past declaration and comments.
fn is_html(body: &[u8]) -> bool {
    const STARTS: [&[u8]; 16] = [
        b"<!doctype html",
        b"<html",
        b"<head",
        b"<script",
        b"<iframe",
        b"<h1",
        b"<div",
        b"<font",
        b"<table",
        b"<a",
        b"<style",
        b"<title",
        b"<b",
        b"<body",
        b"<br",
        b"<p",
    ];
    let starts = |rest: &[u8], start: &[u8]| {
        let named = rest.get(..start.len()).is_some_and(|name| name.eq_ignore_ascii_case(start));
        named && rest.get(start.len()).is_none_or(|next| b" \t\r\n/>".contains(next))
    };
    let mut rest = body.trim_ascii_start();
    while rest.starts_with(b"<?") || rest.starts_with(b"<!--") {
        let Some(end) = prolog_end(rest) else { return false };
        rest = rest[end..].trim_ascii_start();
    }
    STARTS.iter().any(|start| starts(rest, start))
}

/// Whether it is announced or named as what a browser runs as a page.
fn is_html_name(content_type: &str, extension: &str) -> bool {
    matches!(content_type, "text/html" | "application/xhtml+xml")
        || matches!(extension, "html" | "htm" | "xhtml" | "xht" | "shtml")
}

/// Whether the first element, past declaration, comments and document type, is `svg`.
fn is_svg(body: &[u8]) -> bool {
    let mut rest = body.trim_ascii_start();
    while rest.starts_with(b"<?") || rest.starts_with(b"<!") {
        let Some(end) = prolog_end(rest) else {
            // The head ends inside the document type: its name decides.
            return rest.starts_with(b"<!DOCTYPE svg");
        };
        rest = rest[end..].trim_ascii_start();
    }
    let Some(name) = rest.strip_prefix(b"<") else { return false };
    let name = &name[..name.iter().position(|byte| b" \t\r\n/>".contains(byte)).unwrap_or(name.len())];
    name == b"svg" || name.ends_with(b":svg")
}

/// Where the leading processing instruction, comment or document type ends.
fn prolog_end(rest: &[u8]) -> Option<usize> {
    let until = |end: &[u8]| memchr::memmem::find(rest, end).map(|start| start + end.len());
    if rest.starts_with(b"<?") {
        until(b"?>")
    } else if rest.starts_with(b"<!--") {
        until(b"-->")
    } else {
        let subset = memchr::memchr2(b'[', b'>', rest)?;
        if rest[subset] == b'[' {
            let close = subset + memchr::memchr(b']', &rest[subset..])?;
            Some(close + memchr::memchr(b'>', &rest[close..])? + 1)
        } else {
            Some(subset + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_start_like_signatures_stay_text() {
        for words in [
            "BMW and others",
            "BZhello",
            "ID of it",
            "FORM A",
            "II",
            "GIF is a format",
            "{\"a\":1}",
            "a,b\n1,2",
        ] {
            assert_eq!(sniff(words.as_bytes()).content_type, "text/plain", "{words}");
        }
    }

    #[test]
    fn nothing_and_binary_are_octet_streams() {
        for bytes in [&b""[..], b"\0\x01\x02\x70", b"\xFF\xFB"] {
            let sniffed = sniff(bytes);
            if bytes != b"\xFF\xFB" {
                assert_eq!(sniffed.content_type, "application/octet-stream", "{bytes:?}");
                assert_eq!(sniffed.kind, Kind::Other);
            }
        }
    }

    #[test]
    fn svg_is_found_behind_its_prolog() {
        for svg in [
            "<svg/>",
            "\u{feff}<?xml version='1.0'?>\n<!-- <html> -->\n<svg xmlns='…'>",
            "<!DOCTYPE svg [<!ENTITY a \"b\">]><svg:svg>",
        ] {
            assert_eq!(sniff(svg.as_bytes()).content_type, "image/svg+xml", "{svg}");
        }
        for other in ["<svgx>", "<!-- <svg> -->"] {
            assert_eq!(sniff(other.as_bytes()).content_type, "text/plain", "{other}");
        }
    }

    #[test]
    fn what_a_browser_would_run_is_no_plain_text() {
        let utf16 = |text: &str| -> Vec<u8> {
            std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
        };
        for html in
            ["<html><svg/></html>", "\u{feff} <!DOCTYPE html>", "<!-- a --><Script>x</script>", "<a href=x>"]
        {
            assert_eq!(sniff(html.as_bytes()).content_type, "text/html", "{html}");
            assert_eq!(
                sniff(&utf16(html.trim_start_matches('\u{feff}'))).content_type,
                "text/html",
                "{html}"
            );
        }
        assert_eq!(sniff(b"<html>\0%PDF-1.7").content_type, "text/html");
        assert_eq!(sniff(&utf16("<svg/>")).content_type, "image/svg+xml");
        for words in ["<address>", "<beta", "a < b", "<?xml version='1.0'?><feed/>"] {
            assert_eq!(sniff(words.as_bytes()).content_type, "text/plain", "{words}");
        }
    }

    #[test]
    fn programs_and_scripts_are_known_by_whatever_name_they_come() {
        let windows = [b"MZ\x90\0".as_slice(), &[0; 56], b"\x80\0\0\0", &[0; 64], b"PE\0\0"].concat();
        for (bytes, content_type) in [
            (&b"\x7FELF\x02\x01\x01"[..], "application/x-executable"),
            (&windows, "application/vnd.microsoft.portable-executable"),
            (b"\xCF\xFA\xED\xFE\x07\0\0\x01", "application/x-mach-binary"),
            (b"\xCA\xFE\xBA\xBE\0\0\0\x02", "application/x-mach-binary"),
            (b"\xCA\xFE\xBA\xBE\0\0\0\x3D", "application/java-vm"),
            (b"\0asm\x01\0\0\0", "application/wasm"),
            (b"#!/bin/sh\necho %PDF-", "application/x-shellscript"),
            (b"\xEF\xBB\xBF#!/usr/bin/env python3\n", "application/x-shellscript"),
        ] {
            assert_eq!(sniff(bytes), is(content_type, Kind::Other));
        }
        assert_eq!(sniff(b"MZ is no program").content_type, "text/plain");
        assert_eq!(sniff(b"# no script").content_type, "text/plain");
    }

    #[test]
    fn a_zip_with_a_folder_named_word_is_no_document() {
        let mut zip = b"PK\x03\x04".to_vec();
        zip.extend([0; 22]);
        zip.extend([9, 0, 0, 0]);
        zip.extend(b"word/a.md");
        assert_eq!(sniff(&zip).content_type, "application/zip");
    }

    #[test]
    fn bare_mp3_needs_a_second_frame() {
        // MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes a frame.
        let mut frame = vec![0xFF, 0xFB, 0x90, 0x00];
        frame.resize(417, 0);
        assert_eq!(sniff(&frame).content_type, "application/octet-stream");
        frame.extend([0xFF, 0xFB, 0x90, 0x00]);
        assert_eq!(sniff(&frame).content_type, "audio/mpeg");
    }

    #[test]
    fn every_prefix_of_every_signature_is_handled() {
        for (offset, magic, ..) in SIGNATURES {
            let mut bytes = vec![0; *offset];
            bytes.extend(*magic);
            for length in 0..bytes.len() {
                let _ = sniff(&bytes[..length]);
            }
        }
    }

    #[test]
    fn a_letter_and_a_digit_are_no_picture_alone() {
        for picture in [
            &b"P1\n2 1\n0 1\n"[..],
            b"P2 # said by hand\n2 1 # and here\n15\n0 15",
            b"P3\n1 1\n255\n1 2 3\n",
            b"P4\n9 1\n\xAA\x80",
            b"P5\n1 1\n255\n\xFF",
            b"P6 1 1 255\n\xFFab",
            b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\n\xFF",
        ] {
            let Sniffed { content_type, kind } = sniff(picture);
            assert_eq!((content_type, kind), ("image/x-portable-anymap", Kind::Image));
        }
        for text in [
            &b"P1 is the first"[..],
            b"P2 12 30 pm",
            b"P1 12 30 pm",
            b"P5",
            b"P6\n1 1\n",
            b"P7\nWIDTH",
            b"P8\n1 1\n255\n",
            b"P612 1 255\n",
            b"P3 1 1 255 red",
        ] {
            assert_eq!(sniff(text).content_type, "text/plain", "{}", text.escape_ascii());
        }
        assert_eq!(sniff(b"qoif\0\0\0\x01").content_type, "image/qoi");
        assert_eq!(sniff(b"farbfeld\0\0\0\x01").content_type, "image/x-farbfeld");
    }
}
