//! Decoding PNG (PNG, third edition): by rows, from bytes in memory or as they come.
//!
//! The deflated data is inflated in bands of a few rows, their filters are undone, and each row goes into the resize;
//! nothing else of the picture is kept, unless it is interlaced. With two threads, one inflates while the other does
//! the rest.
//!
//! - Checksums aren't looked at: what they would refuse shows more when it is decoded.
//! - Data that ends early or breaks gives the rows before, and a warning.
//! - Colour is said by `cICP`, `iCCP` or `sRGB`. `gAMA` and `cHRM` alone are ignored, as browsers largely and libvips
//!   entirely do: writers put them into files that are sRGB.

pub(super) mod apng;
#[cfg(test)]
mod tests;
mod unfilter;

use std::{
    borrow::Cow,
    io::{self, BufRead, BufReader, Cursor, ErrorKind, Read},
    sync::mpsc,
    thread,
};

use fearless_simd::Level;
use flate2::{Decompress, FlushDecompress, Status};
use sluice_pixels::{
    planar::{Colour, Pixels},
    raster::{Model, Samples},
    resample::Resampler,
    simd,
};

use self::unfilter::{Band, SLACK};
use crate::{
    decode::{
        memory::resizing,
        still::{Still, Want},
    },
    error::{MediaError, Warning},
    exif::orientation_of,
    facts::Header,
    formats::png::{
        header::{ColourType, Png},
        motion::Motion,
        text::{MAX_TEXT_BYTES, Profiles, Text},
    },
};

/// Bytes that are inflated at a time, so that they are still in the cache when their filters are undone.
const BAND_BYTES: usize = 128 << 10;
/// Bands that are under way at once with two threads: one is inflated, one unfiltered, one waits.
const BANDS: usize = 3;
/// Bytes that are asked of a stream at a time.
const READ_BYTES: usize = 64 << 10;
/// What inflating takes: a window of 32 KiB and its tables.
const INFLATE_BYTES: u64 = 64 << 10;
/// Most bytes of EXIF fields that stand behind the pixels.
const MAX_EXIF_BYTES: u32 = 1 << 20;
/// H.273's code points of sRGB: primaries of BT.709, transfer of IEC 61966-2-1.
const CICP_SRGB: (u8, u8) = (1, 13);

/// Peak bytes beside the input that [`decode`] takes, from the header alone.
pub(crate) fn memory(header: &Header<'_, Png<'_>>, target: (u32, u32)) -> u64 {
    // A palette's row is smaller than what it becomes.
    let row = u64::from(header.facts.width) * u64::from(header.facts.bytes_per_pixel) + 1 + SLACK as u64;
    let band = (BAND_BYTES as u64).max(2 * row) + row;
    // The bands as inflated and one as unfiltered; a row as pixels.
    let rows = (BANDS as u64 + 1) * band + row;
    let inflating = INFLATE_BYTES + READ_BYTES as u64 + rows;
    header.facts.held.saturating_add(inflating).saturating_add(resizing(&header.facts, target))
}

/// Decodes the first or only frame of a file in memory.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    header: &Header<'a, Png<'a>>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let png = &header.head;
    let data = png.data.and_then(|start| bytes.get(start..)).ok_or_else(no_pixels)?;
    let mut inflater = Inflater::new(data, *b"IDAT");
    still(&mut inflater, png, want)
}

/// Decodes a still whose bytes come behind `head`, which must reach to its first `IDAT` at least.
pub(crate) fn stream(
    head: &[u8],
    rest: impl Read + Send,
    png: &Png<'_>,
    want: &Want<'_>,
) -> Result<Still<'static>, MediaError> {
    let begun = png.data.and_then(|start| head.get(start..)).ok_or_else(no_pixels)?;
    let reader = Cursor::new(begun).chain(BufReader::with_capacity(READ_BYTES, rest));
    let mut inflater = Inflater::new(reader, *b"IDAT");
    let mut still = still(&mut inflater, png, want)?;
    if png.exif.is_none() {
        // What stands behind the pixels counts as it does where the whole file is known: `eXIf` before any text.
        let Behind { exif, profile } = inflater.data.behind()?;
        still.orientation = match exif {
            Some(exif) => Some(orientation_of(&exif).unwrap_or(1)),
            None if Profiles::read(&png.profiles).exif.is_some() => None,
            None => profile.as_deref().and_then(orientation_of),
        };
    }
    Ok(still)
}

fn no_pixels() -> MediaError {
    MediaError::corrupt("the file ends before its pixels")
}

fn still<R: BufRead + Send>(
    inflater: &mut Inflater<R>,
    png: &Png<'_>,
    want: &Want<'_>,
) -> Result<Still<'static>, MediaError> {
    let threads = want.limits.threads;
    let size = (png.width, png.height);
    let model = model(png);
    let mut warnings = Vec::new();
    if let Motion::Broken(reason) = png.motion {
        warnings.push(Warning::new("animation_flattened", format!("{reason}, only one picture is shown")));
    }
    let mut told = |progress: Progress| progress.check(png.height).map(|warning| warnings.extend(warning));
    let raster = if png.depth == 16 {
        let mut resampler = Resampler::<u16>::new(size, want.target, model);
        told(rows(inflater, png, size, threads, &mut |row| {
            if let Row::Sixteen(row) = row {
                resampler.push(row);
            }
        }))?;
        resampler.finish()?
    } else {
        let mut resampler = Resampler::<u8>::new(size, want.target, model);
        told(rows(inflater, png, size, threads, &mut |row| {
            if let Row::Eight(row) = row {
                resampler.push(row);
            }
        }))?;
        resampler.finish()?
    };
    Ok(Still { pixels: Pixels::Raster(raster), colour: colour(png), orientation: None, warnings })
}

fn model(png: &Png<'_>) -> Model {
    match png.channels() {
        1 => Model::Gray,
        2 => Model::GrayAlpha,
        3 => Model::Rgb,
        _ => Model::Rgba,
    }
}

/// By the chunk that counts most (PNG, third edition, 4.3 and 12.1).
fn colour(png: &Png<'_>) -> Colour<'static> {
    match png.cicp {
        Some([primaries, transfer, 0, 1]) if (primaries, transfer) == CICP_SRGB => Colour::Srgb,
        Some([primaries, transfer, 0, 1]) => Colour::Cicp { primaries, transfer },
        _ => png.profile().map_or(Colour::Srgb, |profile| Colour::Icc(profile.into())),
    }
}

/// Why data came to an end.
#[derive(Debug)]
enum Stop {
    /// The chunks or the deflated data end as they should.
    End,
    /// The file ends within the data.
    Truncated,
    /// The data makes no sense.
    Corrupt(Cow<'static, str>),
    /// The reader failed.
    Read(io::Error),
}

/// How far the decoder came.
struct Progress {
    /// Rows that were given.
    rows: u32,
    /// What came before the last row.
    stop: Option<Stop>,
}

impl Progress {
    /// A warning if rows are missing, an error if all are.
    fn check(self, height: u32) -> Result<Option<Warning>, MediaError> {
        let rows = self.rows;
        let (code, reason) = match self.stop {
            None => return Ok(None),
            Some(Stop::Read(error)) => return Err(MediaError::read(error)),
            Some(Stop::End | Stop::Truncated) => ("truncated", "the file ends".to_owned()),
            Some(Stop::Corrupt(reason)) => ("corrupt_data", format!("the image data is damaged ({reason})")),
        };
        if rows == 0 {
            return Err(MediaError::corrupt(format!("{reason} before its first row")));
        }
        let message = if rows == height {
            format!("{reason} before the picture is complete, it is coarse")
        } else {
            format!("{reason} after {rows} of {height} rows, the last one is repeated")
        };
        Ok(Some(Warning::new(code, message)))
    }
}

/// What stands in a run of `IDAT` or `fdAT` chunks.
struct Data<R> {
    reader: R,
    kind: [u8; 4],
    /// Bytes left of the chunk.
    left: u32,
    run: Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// Before the first chunk, or behind the checksum of the last.
    Before,
    Within,
    /// Behind the header of another chunk, whose type this is.
    Behind([u8; 4]),
    /// The file's end.
    Ended,
}

impl<R: BufRead> Data<R> {
    /// The next bytes.
    fn fill(&mut self) -> Result<&[u8], Stop> {
        while self.left == 0 {
            match self.run {
                Run::Before => {}
                Run::Within => self.skip(4)?,
                Run::Behind(_) => return Err(Stop::End),
                Run::Ended => return Err(Stop::Truncated),
            }
            let kind = self.chunk()?;
            self.run = if kind == self.kind { Run::Within } else { Run::Behind(kind) };
            if kind == self.kind && &kind == b"fdAT" {
                // A number in the sequence of frames stands first.
                self.skip(4)?;
                self.left = self.left.saturating_sub(4);
            }
        }
        if self.run != Run::Within {
            return Err(Stop::End);
        }
        let available = loop {
            match self.reader.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Read(error)),
                Ok(bytes) => break bytes.len(),
            }
        };
        if available == 0 {
            (self.run, self.left) = (Run::Ended, 0);
            return Err(Stop::Truncated);
        }
        // The same again: a borrow can't leave the loop.
        let bytes = self.reader.fill_buf().map_err(Stop::Read)?;
        Ok(&bytes[..available.min(self.left as usize)])
    }

    fn consume(&mut self, length: usize) {
        self.reader.consume(length);
        self.left = self.left.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX));
    }

    /// Reads the length and type of a chunk.
    fn chunk(&mut self) -> Result<[u8; 4], Stop> {
        let mut header = [0; 8];
        if let Err(error) = self.reader.read_exact(&mut header) {
            self.run = Run::Ended;
            return Err(if error.kind() == ErrorKind::UnexpectedEof {
                Stop::Truncated
            } else {
                Stop::Read(error)
            });
        }
        let [a, b, c, d, kind @ ..] = header;
        self.left = u32::from_be_bytes([a, b, c, d]);
        Ok(kind)
    }

    fn skip(&mut self, length: u64) -> Result<(), Stop> {
        let skipped = io::copy(&mut (&mut self.reader).take(length), &mut io::sink()).map_err(Stop::Read)?;
        if skipped < length {
            self.run = Run::Ended;
            return Err(Stop::Truncated);
        }
        Ok(())
    }

    /// Reads on to the file's end for EXIF fields behind the pixels. What is damaged there doesn't matter.
    fn behind(&mut self) -> Result<Behind, MediaError> {
        let mut behind = Behind::default();
        while behind.exif.is_none() {
            match self.next_behind(&mut behind) {
                Ok(()) => {}
                Err(Stop::Read(error)) => return Err(MediaError::read(error)),
                Err(_) => break,
            }
        }
        Ok(behind)
    }

    fn next_behind(&mut self, behind: &mut Behind) -> Result<(), Stop> {
        match self.run {
            Run::Before => {}
            Run::Behind(kind) if &kind == b"eXIf" && self.left <= MAX_EXIF_BYTES => {
                behind.exif = Some(self.content()?);
                self.skip(4)?;
            }
            Run::Behind(kind)
                if matches!(&kind, b"tEXt" | b"zTXt" | b"iTXt")
                    && behind.profile.is_none()
                    && self.left as usize <= MAX_TEXT_BYTES =>
            {
                let chunk = self.content()?;
                behind.profile = Text::new(&kind, &chunk).and_then(|text| Profiles::read(&[text]).exif);
                self.skip(4)?;
            }
            Run::Behind(kind) if &kind == b"IEND" => return Err(Stop::End),
            Run::Behind(_) | Run::Within => self.skip(u64::from(self.left) + 4)?,
            Run::Ended => return Err(Stop::Truncated),
        }
        self.left = 0;
        let kind = self.chunk()?;
        self.run = Run::Behind(kind);
        Ok(())
    }

    /// What is left of the chunk.
    fn content(&mut self) -> Result<Vec<u8>, Stop> {
        let mut content = Vec::new();
        (&mut self.reader).take(u64::from(self.left)).read_to_end(&mut content).map_err(Stop::Read)?;
        Ok(content)
    }
}

/// What stands behind the pixels.
#[derive(Debug, Default)]
struct Behind {
    /// Of `eXIf`.
    exif: Option<Vec<u8>>,
    /// Of the first text chunk with such fields.
    profile: Option<Vec<u8>>,
}

/// The filtered rows of a picture: a zlib stream (RFC 1950) in a run of chunks.
struct Inflater<R> {
    data: Data<R>,
    inflate: Decompress,
    /// Bytes of the zlib header that were read, of 2.
    header: u8,
}

impl<R: BufRead> Inflater<R> {
    /// `reader` stands before a chunk of pixels, `IDAT` or `fdAT`.
    fn new(reader: R, kind: [u8; 4]) -> Self {
        let data = Data { reader, kind, left: 0, run: Run::Before };
        Self { data, inflate: Decompress::new(false), header: 0 }
    }

    /// Fills `out`. Gives how much of it was filled and, if that is not all, why.
    fn read(&mut self, out: &mut [u8]) -> (usize, Option<Stop>) {
        let mut done = 0;
        while done < out.len() {
            let (input, stop) = match self.data.fill() {
                Ok(input) => (input, None),
                // Something may still be on its way out.
                Err(stop) => (&[][..], Some(stop)),
            };
            if self.header < 2 {
                let (Some(&byte), None) = (input.first(), &stop) else { return (done, stop) };
                // RFC 1950, 2.2: method 8; no dictionary. Its own check isn't looked at.
                let wrong = if self.header == 0 { byte & 0x0F != 8 } else { byte & 0x20 != 0 };
                if wrong {
                    return (done, Some(Stop::Corrupt("it isn't compressed as it must be".into())));
                }
                self.header += 1;
                self.data.consume(1);
                continue;
            }
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let result = self.inflate.decompress(input, &mut out[done..], FlushDecompress::None);
            let grown = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
            let read = grown(self.inflate.total_in(), before_in);
            let made = grown(self.inflate.total_out(), before_out);
            self.data.consume(read);
            done += made;
            match (result, stop) {
                (Err(_), _) => return (done, Some(Stop::Corrupt("its compression makes no sense".into()))),
                (Ok(Status::StreamEnd), _) => {
                    return (done, (done < out.len()).then_some(Stop::End));
                }
                (Ok(_), Some(stop)) if made == 0 => return (done, Some(stop)),
                (Ok(_), None) if read == 0 && made == 0 => {
                    return (done, Some(Stop::Corrupt("its compression makes no sense".into())));
                }
                (Ok(_), _) => {}
            }
        }
        (done, None)
    }
}

/// A row as pixels.
enum Row<'r> {
    Eight(&'r [u8]),
    Sixteen(&'r [u16]),
}

/// Rows as they are stored, filtered.
#[derive(Default)]
struct Filtered {
    bytes: Vec<u8>,
    rows: usize,
    stop: Option<Stop>,
}

impl Filtered {
    /// Takes the next `rows` rows of `length` bytes, or as many as there are.
    fn fill<R: BufRead>(&mut self, inflater: &mut Inflater<R>, length: usize, rows: usize) {
        let whole = rows * (length + 1);
        self.bytes.resize(whole + SLACK, 0);
        let (filled, stop) = inflater.read(&mut self.bytes[..whole]);
        self.rows = filled / (length + 1);
        self.stop = stop.filter(|_| self.rows < rows);
    }
}

/// Makes pixels of filtered rows of one length.
struct Unpacker<'p> {
    level: Level,
    band: Band,
    form: &'p Form,
    width: usize,
    /// Rows of the last batch.
    before: usize,
    pixels: Vec<u8>,
    deep: Vec<u16>,
}

impl<'p> Unpacker<'p> {
    fn new(png: &Png<'_>, form: &'p Form, width: u32, rows: usize) -> Self {
        let width = width as usize;
        let bits = png.colour.channels() * usize::from(png.depth);
        let band = Band::new(row_bytes(png, width), (bits / 8).max(1), rows);
        Self { level: simd::level(), band, form, width, before: 0, pixels: Vec::new(), deep: Vec::new() }
    }

    /// Gives each row of a batch to `each`; what stopped the batch, or stops it here.
    fn unpack(
        &mut self,
        filtered: &mut Filtered,
        rows: &mut u32,
        each: &mut dyn FnMut(Row<'_>),
    ) -> Option<Stop> {
        let mut stop = filtered.stop.take();
        let mut right = filtered.rows;
        if let Err((count, filter)) = self.band.unfilter(self.level, &filtered.bytes, right, self.before) {
            right = count;
            stop = Some(Stop::Corrupt(format!("there is no filter {}", filter.0).into()));
        }
        self.before = right;
        for index in 0..right {
            let stored = self.band.row(index);
            each(self.form.row(stored, self.width, &mut self.pixels, &mut self.deep));
            *rows += 1;
        }
        stop
    }
}

/// Bytes of a row as stored, without its filter.
fn row_bytes(png: &Png<'_>, width: usize) -> usize {
    (width * png.colour.channels() * usize::from(png.depth)).div_ceil(8)
}

/// Decodes a picture of `size` (the file's own, or a frame's) and gives `each` its rows from top to bottom.
fn rows<R: BufRead + Send>(
    inflater: &mut Inflater<R>,
    png: &Png<'_>,
    size: (u32, u32),
    threads: usize,
    each: &mut dyn FnMut(Row<'_>),
) -> Progress {
    let form = Form::of(png);
    if png.interlaced {
        return interlaced(inflater, png, size, &form, each);
    }
    let length = row_bytes(png, size.0 as usize);
    // Even, since filters are undone for two rows at a time.
    let most = (BAND_BYTES / (length + 1)).max(1).next_multiple_of(2).min(size.1 as usize);
    let mut unpacker = Unpacker::new(png, &form, size.0, most);
    let mut progress = Progress { rows: 0, stop: None };
    let batches = (size.1 as usize).div_ceil(most);
    let of_batch = |index: usize| most.min(size.1 as usize - index * most);
    if threads > 1 && batches > BANDS {
        let spawned = thread::scope(|scope| {
            let (full, batch) = mpsc::sync_channel::<Filtered>(BANDS);
            let (empty, recycled) = mpsc::sync_channel::<Filtered>(BANDS);
            for _ in 0..BANDS {
                let _ = empty.send(Filtered::default());
            }
            let inflater = &mut *inflater;
            let producer = thread::Builder::new().name("inflate".to_owned()).spawn_scoped(scope, move || {
                for index in 0..batches {
                    let Ok(mut filtered) = recycled.recv() else { break };
                    filtered.fill(inflater, length, of_batch(index));
                    let last = filtered.stop.is_some();
                    if full.send(filtered).is_err() || last {
                        break;
                    }
                }
            });
            if producer.is_err() {
                return false;
            }
            for mut filtered in batch {
                progress.stop = unpacker.unpack(&mut filtered, &mut progress.rows, each);
                if progress.stop.is_some() {
                    break;
                }
                let _ = empty.send(filtered);
            }
            true
        });
        if spawned {
            return progress;
        }
    }
    let mut filtered = Filtered::default();
    for index in 0..batches {
        filtered.fill(inflater, length, of_batch(index));
        progress.stop = unpacker.unpack(&mut filtered, &mut progress.rows, each);
        if progress.stop.is_some() {
            break;
        }
    }
    progress
}

/// How stored samples become pixels.
enum Form {
    /// They are.
    Eight,
    /// They are, from big-endian.
    Sixteen,
    /// Gray of 1, 2 or 4 bits.
    Bits(u8),
    /// Gray of at most 8 bits, of which one (as stored) is transparent.
    GrayKey(u8, u8),
    RgbKey([u8; 3]),
    GrayKeySixteen(u16),
    RgbKeySixteen([u16; 3]),
    Palette(u8, Box<[[u8; 3]; 256]>),
    PaletteAlpha(u8, Box<[[u8; 4]; 256]>),
}

impl Form {
    fn of(png: &Png<'_>) -> Self {
        let key = |at: usize| {
            let bytes = png.transparency.and_then(|key| key.get(2 * at..2 * at + 2)).unwrap_or_default();
            bytes.first_chunk().map_or(0, |&bytes| u16::from_be_bytes(bytes))
        };
        // Of a key only as many bits count as a sample has.
        let low = |at: usize| key(at).to_be_bytes()[1];
        match (png.colour, png.depth, png.transparency) {
            (ColourType::Palette, depth, alphas) => {
                let mut colours = Box::new([[0, 0, 0]; 256]);
                for (entry, colour) in colours.iter_mut().zip(png.palette.as_chunks::<3>().0) {
                    *entry = *colour;
                }
                if !png.has_alpha() {
                    return Self::Palette(depth, colours);
                }
                let mut table = Box::new([[0, 0, 0, u8::MAX]; 256]);
                for (entry, &[red, green, blue]) in table.iter_mut().zip(colours.iter()) {
                    *entry = [red, green, blue, u8::MAX];
                }
                for (entry, alpha) in table.iter_mut().zip(alphas.unwrap_or_default()) {
                    entry[3] = *alpha;
                }
                Self::PaletteAlpha(depth, table)
            }
            (ColourType::Gray, 16, Some(_)) => Self::GrayKeySixteen(key(0)),
            (ColourType::Rgb, 16, Some(_)) => Self::RgbKeySixteen([key(0), key(1), key(2)]),
            (ColourType::Gray, depth, Some(_)) => Self::GrayKey(depth, low(0) & (u8::MAX >> (8 - depth))),
            (ColourType::Rgb, _, Some(_)) => Self::RgbKey([low(0), low(1), low(2)]),
            (_, 16, _) => Self::Sixteen,
            (ColourType::Gray, depth @ ..8, _) => Self::Bits(depth),
            _ => Self::Eight,
        }
    }

    /// The pixels of a row of `width`, kept in `pixels` or `deep` unless they are stored as such.
    fn row<'r>(
        &self,
        stored: &'r [u8],
        width: usize,
        pixels: &'r mut Vec<u8>,
        deep: &'r mut Vec<u16>,
    ) -> Row<'r> {
        pixels.clear();
        deep.clear();
        match self {
            Self::Eight => return Row::Eight(stored),
            Self::Sixteen => deep.extend(sixteen(stored)),
            Self::Bits(depth) => {
                let white = u8::MAX / (u8::MAX >> (8 - depth));
                pixels.extend(unpacked(stored, *depth, width).map(|gray| gray * white));
            }
            Self::GrayKey(depth, key) => {
                let white = u8::MAX / (u8::MAX >> (8 - depth));
                let opaque = |gray| if gray == *key { 0 } else { u8::MAX };
                pixels.extend(unpacked(stored, *depth, width).flat_map(|gray| [gray * white, opaque(gray)]));
            }
            Self::RgbKey(key) => {
                let opaque = |colour| if colour == *key { 0 } else { u8::MAX };
                let colours = stored.as_chunks::<3>().0;
                pixels.extend(colours.iter().flat_map(|&[r, g, b]| [r, g, b, opaque([r, g, b])]));
            }
            Self::GrayKeySixteen(key) => {
                let opaque = |gray| if gray == *key { 0 } else { u16::MAX };
                deep.extend(sixteen(stored).flat_map(|gray| [gray, opaque(gray)]));
            }
            Self::RgbKeySixteen(key) => {
                let opaque = |colour| if colour == *key { 0 } else { u16::MAX };
                let colours = stored.as_chunks::<6>().0.iter().map(|&[a, b, c, d, e, f]| {
                    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), u16::from_be_bytes([e, f])]
                });
                deep.extend(colours.flat_map(|[r, g, b]| [r, g, b, opaque([r, g, b])]));
            }
            Self::Palette(8, table) => {
                pixels.extend(stored.iter().flat_map(|&index| table[usize::from(index)]));
            }
            Self::Palette(depth, table) => {
                pixels.extend(unpacked(stored, *depth, width).flat_map(|index| table[usize::from(index)]));
            }
            Self::PaletteAlpha(depth, table) => {
                pixels.extend(unpacked(stored, *depth, width).flat_map(|index| table[usize::from(index)]));
            }
        }
        match self {
            Self::Sixteen | Self::GrayKeySixteen(_) | Self::RgbKeySixteen(_) => Row::Sixteen(deep),
            _ => Row::Eight(pixels),
        }
    }
}

fn sixteen(stored: &[u8]) -> impl Iterator<Item = u16> {
    stored.as_chunks::<2>().0.iter().map(|&bytes| u16::from_be_bytes(bytes))
}

/// Samples of `depth` bits, the first in a byte's high bits.
fn unpacked(stored: &[u8], depth: u8, width: usize) -> impl Iterator<Item = u8> {
    let mask = u8::MAX >> (8 - depth);
    let samples = stored
        .iter()
        .flat_map(move |&byte| (0..8 / depth).map(move |at| (byte >> (8 - depth - at * depth)) & mask));
    samples.take(width)
}

/// A pass of Adam7: the first column and row, and the steps between them (PNG, third edition, 8.1).
struct Pass {
    left: usize,
    top: usize,
    across: usize,
    down: usize,
    /// Once it is done, every pixel whose column and row are multiples of these is known.
    known: (usize, usize),
}

const PASSES: [Pass; 7] = [
    Pass { left: 0, top: 0, across: 8, down: 8, known: (8, 8) },
    Pass { left: 4, top: 0, across: 8, down: 8, known: (4, 8) },
    Pass { left: 0, top: 4, across: 4, down: 8, known: (4, 4) },
    Pass { left: 2, top: 0, across: 4, down: 4, known: (2, 4) },
    Pass { left: 0, top: 2, across: 2, down: 4, known: (2, 2) },
    Pass { left: 1, top: 0, across: 2, down: 2, known: (1, 2) },
    Pass { left: 0, top: 1, across: 1, down: 2, known: (1, 1) },
];

/// Collects an interlaced picture before its rows are given. Where passes are missing, the pixels of the earlier ones
/// stand for their neighbours.
fn interlaced<R: BufRead>(
    inflater: &mut Inflater<R>,
    png: &Png<'_>,
    (width, height): (u32, u32),
    form: &Form,
    each: &mut dyn FnMut(Row<'_>),
) -> Progress {
    let (width, height) = (width as usize, height as usize);
    let channels = usize::from(png.channels());
    let length = width * height * channels;
    let mut picture =
        if png.depth == 16 { Samples::Sixteen(vec![0; length]) } else { Samples::Eight(vec![0; length]) };
    // By rows: up to `fine` they are known as finely as the pass under way makes them, from there coarser.
    let (mut coarse, mut fine) = (None, 0);
    let mut stop = None;
    let mut last = None;
    for pass in &PASSES {
        let (across, down) = (
            width.saturating_sub(pass.left).div_ceil(pass.across),
            height.saturating_sub(pass.top).div_ceil(pass.down),
        );
        if across == 0 || down == 0 {
            coarse = Some(pass.known);
            continue;
        }
        let row = row_bytes(png, across);
        let most = (BAND_BYTES / (row + 1)).max(1).next_multiple_of(2).min(down);
        #[expect(clippy::cast_possible_truncation, reason = "no more than the width")]
        let mut unpacker = Unpacker::new(png, form, across as u32, most);
        let mut filtered = Filtered::default();
        let mut given = 0;
        let mut y = pass.top;
        for start in (0..down).step_by(most) {
            filtered.fill(inflater, row, most.min(down - start));
            stop = unpacker.unpack(&mut filtered, &mut given, &mut |row| {
                let line = y * width * channels..(y + 1) * width * channels;
                match (row, &mut picture) {
                    (Row::Eight(row), Samples::Eight(picture)) => {
                        scatter(row, &mut picture[line], channels, pass);
                    }
                    (Row::Sixteen(row), Samples::Sixteen(picture)) => {
                        scatter(row, &mut picture[line], channels, pass);
                    }
                    _ => {}
                }
                y += pass.down;
            });
            if stop.is_some() {
                break;
            }
        }
        if stop.is_some() {
            fine = y.min(height);
            last = Some(pass.known);
            break;
        }
        coarse = Some(pass.known);
    }
    let mut progress = Progress { rows: 0, stop };
    for y in 0..height {
        let (known, down) = match (last, coarse) {
            (Some(last), _) if y < fine => (Some(last), last.1),
            (_, Some(coarse)) => (Some(coarse), coarse.1),
            _ => (None, 1),
        };
        let Some((across, _)) = known else { break };
        let line = y / down * down * width * channels..(y / down * down + 1) * width * channels;
        match &mut picture {
            Samples::Eight(picture) => {
                spread(&mut picture[line.clone()], channels, across);
                each(Row::Eight(&picture[line]));
            }
            Samples::Sixteen(picture) => {
                spread(&mut picture[line.clone()], channels, across);
                each(Row::Sixteen(&picture[line]));
            }
        }
        progress.rows += 1;
    }
    progress
}

fn scatter<T: Copy>(row: &[T], line: &mut [T], channels: usize, pass: &Pass) {
    let places = line.chunks_exact_mut(channels).skip(pass.left).step_by(pass.across);
    for (place, pixel) in places.zip(row.chunks_exact(channels)) {
        place.copy_from_slice(pixel);
    }
}

/// Repeats each pixel whose column is a multiple of `across` up to the next.
fn spread<T: Copy>(line: &mut [T], channels: usize, across: usize) {
    if across > 1 {
        for block in line.chunks_mut(across * channels) {
            for at in channels..block.len() {
                block[at] = block[at - channels];
            }
        }
    }
}
