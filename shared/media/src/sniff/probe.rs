//! What a file is, where its first bytes don't tell: in the middle or at the end of it, and by what was announced.
//!
//! A [`Probe`] reads nothing itself. It is given the file's beginning, then says which further bytes would tell more, if any would;
//! whoever has the file reads them, or hands over what passes by. A few such pieces are asked for at most, each
//! of at most [`HEAD_BYTES`], and the verdict may be asked for at any time.

use std::{borrow::Cow, ops::Range};

use super::{HEAD_BYTES, Kind, Sniffed, at, containers, is, pieces::Pieces, sniff, text, zip};

/// Most pieces that are asked for, the beginning among them.
const MAX_PIECES: usize = 5;

/// What is known of a file.
#[derive(Debug, Clone)]
pub struct Probe<'a> {
    file: Pieces<'a>,
    announced: Option<&'a str>,
    filename: Option<&'a str>,
    /// Bytes that passed by.
    passed: u64,
    /// What would tell more.
    wants: Option<Range<u64>>,
}

impl<'a> Probe<'a> {
    /// A file of `size` bytes.
    pub fn new(size: u64) -> Self {
        let mut probe = Self {
            file: Pieces { size, known: vec![(0, Cow::Borrowed(&[]))] },
            announced: None,
            filename: None,
            passed: 0,
            wants: None,
        };
        probe.wants = probe.missing();
        probe
    }

    /// A file that is in memory.
    pub fn whole(bytes: &'a [u8]) -> Self {
        let file = Pieces { size: bytes.len() as u64, known: vec![(0, Cow::Borrowed(bytes))] };
        Self { file, announced: None, filename: None, passed: 0, wants: None }
    }

    /// What its sender says of it: claims, which count between kinds of text alone.
    #[must_use]
    pub fn announced(mut self, content_type: &'a str, filename: &'a str) -> Self {
        (self.announced, self.filename) = (Some(content_type), Some(filename));
        self.wants = self.missing();
        self
    }

    /// The bytes that would tell more: first of all the beginning. `None` when nothing would.
    pub fn wants(&self) -> Option<Range<u64>> {
        self.wants.clone()
    }

    /// Takes bytes from `offset` on: those that were wanted, or the first of them.
    pub fn give(&mut self, offset: u64, bytes: &[u8]) {
        let end = |(start, piece): &(u64, Cow<'_, [u8]>)| start.saturating_add(piece.len() as u64);
        let room = self.file.known.len() < MAX_PIECES;
        match self.file.known.iter_mut().find(|piece| end(piece) == offset) {
            Some((_, piece)) => piece.to_mut().extend_from_slice(bytes),
            None if room => self.file.known.push((offset, Cow::Owned(bytes.to_vec()))),
            None => {}
        }
        self.wants = self.missing();
    }

    /// The same for who reads the file from its first byte on anyway: takes what is wanted of the next `bytes`.
    pub fn pass(&mut self, bytes: &[u8]) {
        let start = self.passed;
        self.passed = start.saturating_add(bytes.len() as u64);
        // Each turn takes a byte at least. What passed by before it was wanted isn't had.
        while let Some(wanted) =
            self.wants.clone().filter(|wanted| (start..self.passed).contains(&wanted.start))
        {
            let part = |at: u64| usize::try_from(at.min(self.passed) - start).unwrap_or(bytes.len());
            let (from, to) = (part(wanted.start), part(wanted.end));
            self.give(wanted.start, &bytes[from..to]);
            if self.wants.as_ref() == Some(&wanted) {
                break;
            }
        }
    }

    /// Whether all of the beginning is known, so that the verdict tells pictures from what isn't one.
    pub fn has_head(&self) -> bool {
        self.file.head().len() as u64 >= self.file.size.min(HEAD_BYTES as u64)
    }

    /// What the file is, by what is known of it.
    pub fn verdict(&self) -> Sniffed {
        let found = sniff(self.file.head());
        self.closer(found).unwrap_or(found)
    }

    fn missing(&self) -> Option<Range<u64>> {
        let head = self.file.head().len() as u64;
        let wanted = self.file.size.min(HEAD_BYTES as u64);
        if head < wanted {
            return Some(head..wanted);
        }
        let missing = self.closer(sniff(self.file.head())).err()?;
        let continued =
            self.file.known.iter().any(|(start, piece)| start + piece.len() as u64 == missing.start);
        (continued || self.file.known.len() < MAX_PIECES).then_some(missing)
    }

    /// What the file is, where its beginning leaves it open.
    ///
    /// # Errors
    /// The bytes that are missing to tell.
    fn closer(&self, found: Sniffed) -> Result<Sniffed, Range<u64>> {
        match found.content_type {
            "application/zip" => Ok(zip::package(&self.file)?.unwrap_or(found)),
            "video/mp4" if containers::sound_alone_iso(&self.file)? => Ok(is("audio/mp4", Kind::Audio)),
            "video/3gpp" if containers::sound_alone_iso(&self.file)? => Ok(is("audio/3gpp", Kind::Audio)),
            "video/webm" if containers::sound_alone_matroska(&self.file)? => {
                Ok(is("audio/webm", Kind::Audio))
            }
            "video/x-matroska" if containers::sound_alone_matroska(&self.file)? => {
                Ok(is("audio/x-matroska", Kind::Audio))
            }
            "text/plain" => {
                let head = self.file.head();
                let whole = head.len() as u64 == self.file.size;
                Ok(text::kind(head, whole, self.announced, self.filename))
            }
            "application/octet-stream" if self.is_named("dmg") => {
                // Apple's disk images say what they are in their last 512 bytes.
                let trailer = self.file.read(self.file.size.saturating_sub(512), 512)?;
                Ok(if at(trailer, 0, b"koly") {
                    is("application/x-apple-diskimage", Kind::Other)
                } else {
                    found
                })
            }
            _ => Ok(found),
        }
    }

    fn is_named(&self, wanted: &str) -> bool {
        let extension = self.filename.and_then(|name| name.rsplit_once('.'));
        extension.is_some_and(|(_, extension)| extension.eq_ignore_ascii_case(wanted))
    }
}

/// What a file in memory is, by all that is known of it.
pub fn identify(bytes: &[u8], announced: &str, filename: &str) -> Sniffed {
    Probe::whole(bytes).announced(announced, filename).verdict()
}
