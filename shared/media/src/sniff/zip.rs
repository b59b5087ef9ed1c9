//! What a zip archive is a package of, by its directory.
//!
//! The directory stands at the file's end (APPNOTE 6.3.10, 4.3.12 and 4.3.16), and writers put the parts in any order, so the
//! names at the beginning needn't say anything.

use std::{io::Read, ops::Range};

use super::{Kind, Sniffed, is, pieces::Pieces};
use crate::bytes::Bytes;

/// Bytes of the end that are looked at: its record with the longest comment, and of the directory what else they hold.
const TAIL_BYTES: usize = 22 + 0xFFFF;
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
/// Entries that are looked at.
const MAX_ENTRIES: usize = 4_096;

/// Office Open XML's kinds by the folder of their main part.
const OFFICE: [(&[u8], &str); 3] = [
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
];

/// What an entry named `mimetype` may say (`OpenDocument` 1.3 part 2, 3.3; EPUB 3.3, 4.2.2).
const DECLARED: [&str; 9] = [
    "application/vnd.oasis.opendocument.text-template",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet-template",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation-template",
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.oasis.opendocument.graphics-template",
    "application/vnd.oasis.opendocument.graphics",
    "application/epub+zip",
];

/// What a package says of itself in its `mimetype`.
pub(super) fn declared(content: &[u8]) -> Option<Sniffed> {
    let found = DECLARED.iter().find(|name| content.starts_with(name.as_bytes()))?;
    Some(is(found, Kind::Document))
}

/// What a package's names make of it. A plain archive may hold a folder named `word`, too; a package has one of its
/// own parts as well.
pub(super) fn office(names: &[&[u8]]) -> Option<Sniffed> {
    let own = |name: &[u8]| {
        name.starts_with(b"[Content_Types].xml")
            || name.starts_with(b"_rels/")
            || name.starts_with(b"docProps/")
    };
    if !names.iter().any(|name| own(name)) {
        return None;
    }
    let found = OFFICE.iter().find(|(folder, _)| names.iter().any(|name| name.starts_with(folder)))?;
    Some(is(found.1, Kind::Document))
}

/// An entry of the directory.
struct Entry<'a> {
    name: &'a [u8],
    /// Where its own header stands.
    start: u64,
}

/// The package that a zip archive is, if it is one.
///
/// # Errors
/// The bytes that are missing to tell.
pub(super) fn package(file: &Pieces<'_>) -> Result<Option<Sniffed>, Range<u64>> {
    let tail_start = file.size.saturating_sub(TAIL_BYTES as u64);
    let tail = file.read(tail_start, TAIL_BYTES)?;
    let Some(end) = memchr::memmem::rfind(tail, END) else { return Ok(None) };
    let (size, start) = (Bytes(tail).le32(end + 12), Bytes(tail).le32(end + 16));
    let (Some(size), Some(start)) = (size, start) else { return Ok(None) };
    // In archives of 4 GiB and more the numbers stand elsewhere, and those who glue something in front don't adapt them: what
    // the tail holds of the directory does then.
    let (size, start) = (u64::from(size), u64::from(start));
    let directory_end = tail_start + end as u64;
    let adjacent = start.checked_add(size) == Some(directory_end);
    // Mostly the tail holds all of it, or says enough.
    let rest = &tail[..end];
    if let Some(found) = told(file, &[rest])? {
        return Ok(Some(found));
    }
    if !adjacent || start >= tail_start {
        return Ok(None);
    }
    let length = usize::try_from(size).unwrap_or(TAIL_BYTES).min(TAIL_BYTES);
    told(file, &[file.read(start, length)?, rest])
}

/// What the parts of a directory tell.
fn told(file: &Pieces<'_>, directory: &[&[u8]]) -> Result<Option<Sniffed>, Range<u64>> {
    let entries = || {
        directory.iter().flat_map(|part| {
            memchr::memmem::find_iter(part, ENTRY).take(MAX_ENTRIES).filter_map(|at| {
                let length = usize::from(Bytes(part).le16(at + 28)?);
                let name = Bytes(part).get(at + 46, length)?;
                Some(Entry { name, start: Bytes(part).le32(at + 42)?.into() })
            })
        })
    };
    let names: Vec<&[u8]> = entries().map(|entry| entry.name).collect();
    if let Some(found) = office(&names) {
        return Ok(Some(found));
    }
    match entries().find(|entry| entry.name == b"mimetype") {
        Some(entry) => declaration(file, entry.start),
        None => Ok(None),
    }
}

/// What the entry at `start`, a `mimetype`, says: it should be stored, but not all writers know that.
fn declaration(file: &Pieces<'_>, start: u64) -> Result<Option<Sniffed>, Range<u64>> {
    const LENGTH: usize = 256;
    let local = file.read(start, 30 + LENGTH)?;
    let lengths = Bytes(local).le16(26).zip(Bytes(local).le16(28));
    let Some((name, extra)) = lengths.filter(|_| local.starts_with(b"PK\x03\x04")) else { return Ok(None) };
    let content = local.get(30 + usize::from(name) + usize::from(extra)..).unwrap_or_default();
    if Bytes(local).le16(8) != Some(8) {
        return Ok(declared(content));
    }
    let mut inflated = [0; 96];
    let read = flate2::read::DeflateDecoder::new(content).read(&mut inflated).unwrap_or(0);
    Ok(declared(&inflated[..read]))
}

/// A zip archive, or the package that its entries in the head make of it.
pub(super) fn sniff(head: &[u8]) -> Option<Sniffed> {
    const DIRECTORY_ONLY: [&[u8]; 2] = [END, b"PK\x07\x08"];
    let archive = is("application/zip", Kind::Archive);
    if DIRECTORY_ONLY.iter().any(|magic| head.starts_with(magic)) {
        return Some(archive);
    }
    if !head.starts_with(b"PK\x03\x04") {
        return None;
    }
    // Where it is as it should be, the first entry says it, stored.
    if head.get(30..).is_some_and(|rest| rest.starts_with(b"mimetype"))
        && let Some(found) = declared(&head[38..])
    {
        return Some(found);
    }
    // Local headers are looked for by their signature, since an entry written as a stream doesn't say its length up front.
    let names: Vec<&[u8]> = memchr::memmem::find_iter(head, b"PK\x03\x04")
        .filter_map(|start| {
            let length = usize::from(Bytes(head).le16(start + 26)?);
            let name = head.get(start + 30..)?;
            Some(&name[..length.min(name.len())])
        })
        .collect();
    office(&names).or(Some(archive))
}
