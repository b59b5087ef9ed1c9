//! Decoding TIFF (TIFF 6.0, and what libtiff made of it): by rows, whatever strips or tiles they are stored in.
//!
//! Strips are decompressed a row at a time, and of tiles all that stand beside each other, so that a picture in a
//! single strip takes no more than one in many. Only JPEG strips and tiles are decoded whole.
//!
//! Where a strip or tile ends early or breaks, the row above is repeated (a fax goes on in white), and the next is
//! tried: one that is broken says nothing of the others.

#[cfg(test)]
mod tests;

mod fax;

use std::{
    borrow::Cow,
    io::{Cursor, ErrorKind, Read},
};

use self::fax::FaxRows;
use crate::{
    decode::{
        jpeg,
        lzw::{Lzw, Stop},
        memory::resizing,
        still::{Still, Want},
    },
    error::{MediaError, Warning, contained, own_words},
    facts::{Facts, Header},
    formats::tiff::header::{
        Alpha, Compression, DECOMPRESSOR_BYTES, MAX_ZSTD_WINDOW, Photometric, Tiff, Values,
    },
    limits::MAX_SCANS,
    native,
};
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use sluice_jpeg::{Segment, Segments};
use sluice_pixels::{
    planar::{Colour, Pixels},
    raster::{Model, Raster, Samples},
    resample::{Resampler, Sample},
};

/// Peak bytes beside the input that [`decode`] takes, from the header alone.
pub(crate) fn memory(header: &Header<'_, Tiff<'_>>, target: (u32, u32)) -> u64 {
    // As stored, as samples and as pixels.
    let rows = 4 * u64::from(header.facts.width) * u64::from(header.facts.bytes_per_pixel.max(8));
    header.facts.held.saturating_add(rows).saturating_add(resizing(&header.facts, target))
}

/// Decodes the first page.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    header: &Header<'a, Tiff<'a>>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let tiff = &header.head;
    let run = if tiff.deep() { run::<u16> } else { run::<u8> };
    let (mut raster, mut warnings, seen) = run(bytes, tiff, want)?;
    if !seen {
        // An alpha that hides everything was meant for something else, or for nothing.
        let opaque = Tiff { alpha: Alpha::None, ..tiff.clone() };
        (raster, warnings, _) = run(bytes, &opaque, want)?;
    }
    let colour = tiff.icc.map_or(Colour::Srgb, |icc| Colour::Icc(Cow::Borrowed(icc)));
    Ok(Still { pixels: Pixels::Raster(raster), colour, orientation: None, warnings })
}

/// The picture, what it lacks, and whether anything of it is to be seen.
fn run<T: Tone>(
    bytes: &[u8],
    tiff: &Tiff<'_>,
    want: &Want<'_>,
) -> Result<(Raster, Vec<Warning>, bool), MediaError> {
    let (width, samples) = (tiff.width as usize, usize::from(tiff.samples));
    let model = model(tiff);
    let (channels, mut seen) = (model.channels(), tiff.alpha == Alpha::None);
    let mut resampler = Resampler::<T>::new((tiff.width, tiff.height), want.target, model);
    let mut stored = vec![T::default(); width * samples];
    let mut pixels = Vec::new();
    let mut line = vec![0; usize::try_from(tiff.tile_row_bytes()).map_err(MediaError::corrupt)?];
    let mut unpacked = Vec::new();
    let finish = Finish::new(tiff);
    let across = tiff.tiles_across() as usize;
    let planes = usize::from(tiff.planes());
    let down = tiff.height.div_ceil(tiff.tile.1) as usize;
    // Of a fax, where a row is missing: the sample of white.
    let paper = matches!(tiff.compression, Compression::Fax(_))
        .then(|| u32::from(tiff.photometric != Photometric::WhiteIsZero));
    // Rows of strips or tiles that were read, and what the first that couldn't be lacked, behind which row.
    let (mut good, mut fault) = (0_u64, None);
    for band in 0..down {
        let top = band * tiff.tile.1 as usize;
        let rows = (tiff.height as usize - top).min(tiff.tile.1 as usize);
        let mut sources: Vec<Option<Source<'_>>> = Vec::with_capacity(planes * across);
        let mut open = |plane: usize, column: usize| {
            let source = Source::open(bytes, tiff, (plane * down + band) * across + column, rows);
            match source {
                Ok(source) => Some(source),
                Err(broken) => {
                    fault.get_or_insert((broken, top));
                    None
                }
            }
        };
        for at in 0..planes * across {
            sources.push(open(at / across, at % across));
        }
        for row in 0..rows {
            for (at, opened) in sources.iter_mut().enumerate() {
                let (plane, left) = (at / across, at % across * tiff.tile.0 as usize);
                let columns = (width - left).min(tiff.tile.0 as usize);
                let read = opened.as_mut().map(|source| source.read(&mut line));
                if let Some(Err(broken)) = read {
                    *opened = None;
                    fault.get_or_insert((broken, top + row));
                }
                if opened.is_none() {
                    if let Some(paper) = paper {
                        stored[left..left + columns].fill(T::of(paper));
                    }
                    continue;
                }
                good += 1;
                let count = tiff.tile.0 as usize * samples / planes;
                unpacked.clear();
                T::unpack(&line, tiff, count, &mut unpacked);
                if tiff.differences {
                    sum(&mut unpacked, samples / planes);
                }
                if planes == 1 {
                    let length = columns * samples;
                    stored[left * samples..][..length].copy_from_slice(&unpacked[..length]);
                } else {
                    let places = stored[left * samples..].iter_mut().skip(plane).step_by(samples);
                    for (place, sample) in places.zip(&unpacked[..columns]) {
                        *place = *sample;
                    }
                }
            }
            let pixels = finish.row(tiff, &stored, &mut pixels);
            seen = seen || pixels.chunks_exact(channels).any(|pixel| pixel[channels - 1] > T::default());
            resampler.push(pixels);
        }
    }
    let Some((fault, row)) = fault else { return Ok((resampler.finish()?, Vec::new(), seen)) };
    let (code, reason) = match fault {
        Fault::Short => ("truncated", "a strip or tile ends too early".to_owned()),
        Fault::Broken(reason) => ("corrupt_data", format!("a strip or tile is damaged ({reason})")),
    };
    if good == 0 {
        return Err(MediaError::corrupt(reason));
    }
    let instead =
        if paper.is_some() { "what follows in it is white" } else { "what stands above is repeated" };
    let message = format!("{reason} behind row {row} of {}, {instead}", tiff.height);
    Ok((resampler.finish()?, vec![Warning::new(code, message)], seen))
}

fn model(tiff: &Tiff<'_>) -> Model {
    match (tiff.photometric, tiff.channels()) {
        (Photometric::Cmyk, _) => Model::Cmyk,
        (_, 1) => Model::Gray,
        (_, 2) => Model::GrayAlpha,
        (_, 3) => Model::Rgb,
        _ => Model::Rgba,
    }
}

/// Why a strip or tile gives no more rows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    Short,
    Broken(String),
}

impl Fault {
    /// Damaged, for a reason of ours; what a library says of it isn't repeated.
    fn broken(reason: impl std::fmt::Display + 'static) -> Self {
        Self::Broken(own_words(reason))
    }
}

/// A strip or tile that is decompressed as it is read.
enum Source<'a> {
    Stored { data: Cow<'a, [u8]>, at: usize },
    PackBits { data: Cow<'a, [u8]>, at: usize, run: Run },
    Lzw { data: Cow<'a, [u8]>, decoder: Lzw },
    Deflate { data: Cow<'a, [u8]>, at: usize, inflate: Box<Decompress> },
    Fax(Box<FaxRows<'a>>),
    Zstd(Box<Zstd<'a>>),
    Groups(Box<Groups<'a>>),
}

type Zstd<'a> = StreamingDecoder<Cursor<Cow<'a, [u8]>>, FrameDecoder>;

/// `Y'CbCr` whose pixels share chroma: of each group all luma by rows, then `Cb` and `Cr` (TIFF 6.0, section 21).
struct Groups<'a> {
    source: Source<'a>,
    /// Pixels of a group.
    size: (usize, usize),
    /// Groups beside each other.
    line: Vec<u8>,
    /// The next row of them; past the last, others must be read.
    row: usize,
}

impl Groups<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<(), Fault> {
        let (across, down) = self.size;
        if self.row >= down {
            self.source.read(&mut self.line)?;
            self.row = 0;
        }
        let groups = self.line.chunks_exact(across * down + 2);
        for (pixels, group) in out.chunks_mut(3 * across).zip(groups) {
            let (luma, chroma) = group.split_at(across * down);
            for (pixel, luma) in pixels.chunks_exact_mut(3).zip(&luma[self.row * across..]) {
                pixel.copy_from_slice(&[*luma, chroma[0], chroma[1]]);
            }
        }
        self.row += 1;
        Ok(())
    }
}

/// What `PackBits` is in the midst of: bytes as they are, or one repeated.
#[derive(Debug, Clone, Copy)]
enum Run {
    Literal(usize),
    Repeat(usize, u8),
}

impl<'a> Source<'a> {
    /// The strip or tile at `index`, of which `rows` rows are wanted.
    fn open(bytes: &'a [u8], tiff: &Tiff<'_>, index: usize, rows: usize) -> Result<Self, Fault> {
        let row = usize::try_from(tiff.tile_row_bytes()).map_err(Fault::broken)?;
        let size @ (across, down) = (tiff.chroma.0 as usize, tiff.chroma.1 as usize);
        if size == (1, 1) {
            return Self::open_rows(bytes, tiff, index, (row, rows));
        }
        let row = (tiff.tile.0 as usize).div_ceil(across) * (across * down + 2);
        let source = Self::open_rows(bytes, tiff, index, (row, rows.div_ceil(down)))?;
        Ok(Self::Groups(Box::new(Groups { source, size, line: vec![0; row], row: down })))
    }

    /// The same, of `rows` rows of `row` bytes.
    fn open_rows(
        bytes: &'a [u8],
        tiff: &Tiff<'_>,
        index: usize,
        (row, rows): (usize, usize),
    ) -> Result<Self, Fault> {
        let start = tiff.offsets.get(index).and_then(|start| usize::try_from(start).ok());
        // At 0 stands the file's own header.
        let rest =
            start.filter(|start| *start > 0).and_then(|start| bytes.get(start..)).ok_or(Fault::Short)?;
        // Without a count, to the file's end. Of many strips or tiles an empty one is missing, unless rows end of
        // themselves.
        let length = match tiff.counts.get(index) {
            None => rest.len(),
            Some(0) if tiff.counts.len() == 1 || matches!(tiff.compression, Compression::Fax(_)) => {
                rest.len()
            }
            Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
        };
        let mut data = Cow::Borrowed(&rest[..length.min(rest.len())]);
        if data.is_empty() {
            return Err(Fault::Short);
        }
        // A JPEG is a stream of bytes, whatever the order of bits.
        if tiff.low_bit_first && !is_jpeg(tiff) {
            data = Cow::Owned(data.iter().map(|byte| byte.reverse_bits()).collect());
        }
        let mut source = match tiff.compression {
            Compression::None => return Ok(Self::Stored { data, at: 0 }),
            Compression::PackBits => return Ok(Self::PackBits { data, at: 0, run: Run::Literal(0) }),
            Compression::Fax(coding) => {
                return Ok(Self::Fax(Box::new(FaxRows::new(data, coding, tiff.tile.0))));
            }
            Compression::OldJpeg => {
                let file = old_jpeg_file(bytes, tiff, &data, rows)?;
                return jpeg_source(&file, tiff, rows);
            }
            Compression::Jpeg => return jpeg_source(&data, tiff, rows),
            Compression::WebP => return webp_source(&data, tiff, rows),
            Compression::Lzw => {
                // Before TIFF 6.0 codes began at the low bit: a clear code looks like this then.
                let old = matches!(*data, [0, second, ..] if second & 1 == 1);
                // Otherwise they are GIF's.
                let decoder = if old { Lzw::gif(8) } else { Lzw::tiff() };
                Self::Lzw { data, decoder }
            }
            // Two bytes of a zlib header (RFC 1950); the checksum behind it isn't looked at.
            Compression::Deflate => Self::Deflate { data, at: 2, inflate: Box::new(Decompress::new(false)) },
            Compression::Zstd => {
                let decoder = StreamingDecoder::new_with_max_window_size(Cursor::new(data), MAX_ZSTD_WINDOW);
                Self::Zstd(Box::new(decoder.map_err(Fault::broken)?))
            }
        };
        // Many small tiles would otherwise have a decompressor each.
        let whole = (row as u64).saturating_mul(rows as u64);
        if tiff.tiles_across() > 1 && whole <= DECOMPRESSOR_BYTES {
            let mut data = vec![0; row * rows];
            let mut filled = 0;
            for line in data.chunks_exact_mut(row) {
                match source.read(line) {
                    Ok(()) => filled += row,
                    Err(fault) if filled == 0 => return Err(fault),
                    Err(_) => break,
                }
            }
            data.truncate(filled);
            return Ok(Self::Stored { data: data.into(), at: 0 });
        }
        Ok(source)
    }

    /// Fills a row.
    fn read(&mut self, out: &mut [u8]) -> Result<(), Fault> {
        match self {
            Self::Stored { data, at } => {
                let end = at.saturating_add(out.len());
                out.copy_from_slice(data.get(*at..end).ok_or(Fault::Short)?);
                *at = end;
                Ok(())
            }
            Self::PackBits { data, at, run } => pack_bits(data, at, run, out),
            Self::Lzw { data, decoder } => decoder.read(data, out).map_err(|stop| match stop {
                Stop::Short => Fault::Short,
                Stop::Undefined => Fault::broken("an LZW code that isn't defined"),
            }),
            Self::Deflate { data, at, inflate } => {
                let mut done = 0;
                while done < out.len() {
                    let input = data.get(*at..).unwrap_or_default();
                    let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
                    let status = inflate
                        .decompress(input, &mut out[done..], FlushDecompress::None)
                        .map_err(Fault::broken)?;
                    let read = usize::try_from(inflate.total_in() - before_in).map_err(Fault::broken)?;
                    let made = usize::try_from(inflate.total_out() - before_out).map_err(Fault::broken)?;
                    *at += read;
                    done += made;
                    let ended = status == Status::StreamEnd || (read == 0 && made == 0);
                    if ended && done < out.len() {
                        return Err(Fault::Short);
                    }
                }
                Ok(())
            }
            Self::Fax(rows) => rows.read(out),
            Self::Zstd(decoder) => decoder.read_exact(out).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => Fault::Short,
                _ => Fault::broken(error),
            }),
            Self::Groups(groups) => groups.read(out),
        }
    }
}

/// TIFF 6.0, section 9.
fn pack_bits(data: &[u8], at: &mut usize, run: &mut Run, out: &mut [u8]) -> Result<(), Fault> {
    let mut done = 0;
    while done < out.len() {
        match run {
            Run::Literal(0) | Run::Repeat(0, _) => {
                let control = *data.get(*at).ok_or(Fault::Short)?;
                *at += 1;
                *run = match control {
                    0..=127 => Run::Literal(usize::from(control) + 1),
                    128 => Run::Literal(0),
                    129.. => {
                        let byte = *data.get(*at).ok_or(Fault::Short)?;
                        *at += 1;
                        Run::Repeat(257 - usize::from(control), byte)
                    }
                };
            }
            Run::Literal(left) => {
                let length = (*left).min(out.len() - done);
                let bytes = data.get(*at..*at + length).ok_or(Fault::Short)?;
                out[done..done + length].copy_from_slice(bytes);
                *at += length;
                *left -= length;
                done += length;
            }
            Run::Repeat(left, byte) => {
                let length = (*left).min(out.len() - done);
                out[done..done + length].fill(*byte);
                *left -= length;
                done += length;
            }
        }
    }
    Ok(())
}

/// Decodes a strip or tile that is a WebP file (libtiff's `COMPRESSION_WEBP`).
fn webp_source<'a>(data: &[u8], tiff: &Tiff<'_>, rows: usize) -> Result<Source<'a>, Fault> {
    // What stands before the picture tells nothing that isn't known.
    let mut image = data.get(12..).unwrap_or_default();
    while let Some((head, rest)) = image.split_first_chunk::<8>()
        && !matches!(head, [b'V', b'P', b'8', b' ' | b'L', ..] | [b'A', b'L', b'P', b'H', ..])
    {
        let [.., a, b, c, d] = *head;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).map_err(Fault::broken)?;
        image = rest.get(length.saturating_add(length % 2)..).unwrap_or_default();
    }
    let rows = u32::try_from(rows).map_err(Fault::broken)?;
    let stride = usize::try_from(tiff.tile_row_bytes()).map_err(Fault::broken)?;
    let layout = native::webp::Layout { offset: 0, stride, alpha: tiff.samples == 4 };
    let decode = |rows: u32| {
        let mut pixels = vec![0; stride * rows as usize];
        let size = (tiff.tile.0, rows);
        let (done, _) = contained(|| native::webp::raster(image, size, false, &mut pixels, layout))?;
        pixels.truncate(stride * done as usize);
        Ok::<Vec<u8>, MediaError>(pixels)
    };
    // A tile is whole where the picture ends within it; a strip isn't.
    let pixels = decode(tiff.tile.1).or_else(|_| decode(rows)).map_err(Fault::broken)?;
    Ok(Source::Stored { data: pixels.into(), at: 0 })
}

/// A JPEG of a strip or tile of the old kind, of which the file may have the coded pixels alone (TIFF 6.0, section 22).
fn old_jpeg_file(bytes: &[u8], tiff: &Tiff<'_>, data: &[u8], rows: usize) -> Result<Vec<u8>, Fault> {
    if data.starts_with(b"\xFF\xD8") {
        return Ok(data.to_vec());
    }
    let incomplete = || Fault::broken("a JPEG without its tables");
    let slice = |start: u64, length: usize| {
        let start = usize::try_from(start).ok()?;
        bytes.get(start..start.checked_add(length)?)
    };
    let mut file = vec![0xFF, 0xD8];
    let mut segment = |marker: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 2).map_err(Fault::broken)?.to_be_bytes();
        file.extend([0xFF, marker, length[0], length[1]]);
        file.extend(content);
        Ok::<(), Fault>(())
    };
    let height = u16::try_from(rows).map_err(Fault::broken)?.to_be_bytes();
    let width = u16::try_from(tiff.tile.0).map_err(Fault::broken)?.to_be_bytes();
    // Of each component: its number, its sampling, its tables.
    let samples = u8::try_from(tiff.samples.min(4)).map_err(Fault::broken)?;
    let (across, down) = tiff.old_jpeg.chroma;
    let sampling = |component: u8| if component == 0 && samples == 3 { across << 4 | down } else { 0x11 };
    let mut frame = vec![8, height[0], height[1], width[0], width[1], samples];
    frame.extend((0..samples).flat_map(|it| [it + 1, sampling(it), it]));
    let mut scan = vec![samples];
    scan.extend((0..samples).flat_map(|it| [it + 1, it << 4 | it]));
    scan.extend([0, 63, 0]);
    if tiff.old_jpeg.restart_interval > 0 {
        segment(0xDD, &tiff.old_jpeg.restart_interval.to_be_bytes())?;
    }
    if let Some(start) = tiff.old_jpeg.interchange {
        let start = usize::try_from(start).map_err(Fault::broken)?;
        for Segment { marker, payload, .. } in Segments::new(bytes.get(start..).ok_or_else(incomplete)?) {
            match marker {
                0xC4 | 0xDB | 0xDD => segment(marker, payload)?,
                0xC0 if payload.len() > 6 => {
                    frame = payload.to_vec();
                    frame[1..5].copy_from_slice(&[height[0], height[1], width[0], width[1]]);
                }
                0xDA => {
                    scan = payload.to_vec();
                    break;
                }
                0xD9 => break,
                _ => {}
            }
        }
    } else {
        for component in 0..samples {
            let at = |kind: usize| tiff.old_jpeg.tables[kind].get(component.into());
            let quantisation = at(0).and_then(|start| slice(start, 64)).ok_or_else(incomplete)?;
            segment(0xDB, &[&[component], quantisation].concat())?;
            for (kind, class) in [(1, 0x00), (2, 0x10)] {
                // How many codes there are of each length, then what they mean.
                let start = at(kind).ok_or_else(incomplete)?;
                let counts = slice(start, 16).ok_or_else(incomplete)?;
                let codes = counts.iter().map(|count| usize::from(*count)).sum::<usize>();
                let table = slice(start, 16 + codes).ok_or_else(incomplete)?;
                segment(0xC4, &[&[class | component], table].concat())?;
            }
        }
    }
    segment(0xC0, &frame)?;
    segment(0xDA, &scan)?;
    file.extend(data);
    if !data.ends_with(b"\xFF\xD9") {
        file.extend(b"\xFF\xD9");
    }
    Ok(file)
}

/// Decodes a JPEG strip or tile, whose tables may stand apart (TIFF Technical Note 2).
fn jpeg_source<'a>(data: &[u8], tiff: &Tiff<'_>, rows: usize) -> Result<Source<'a>, Fault> {
    // Without Adobe's marker a decoder can only guess whether the colours are Y'CbCr.
    let transform = match tiff.photometric {
        Photometric::YCbCr => Some(1),
        Photometric::Rgb => Some(0),
        _ => None,
    };
    let mut file = vec![0xFF, 0xD8];
    if let Some(transform) = transform {
        file.extend(b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0");
        file.push(transform);
    }
    let within = |stream: &'_ [u8]| stream.strip_prefix(b"\xFF\xD8").map(<[u8]>::to_vec);
    if let Some(tables) = tiff.jpeg_tables.and_then(within) {
        file.extend(tables.strip_suffix(b"\xFF\xD9").unwrap_or(&tables));
    }
    file.extend(within(data).ok_or_else(|| Fault::broken("no JPEG"))?);
    if !file.starts_with(b"\xFF\xD8\xFF") {
        return Err(Fault::broken("no JPEG"));
    }
    let Facts { width, height, scans, bytes_per_pixel, .. } =
        jpeg::parse(&file).map_err(Fault::broken)?.facts;
    let samples = u16::from(bytes_per_pixel);
    let expected = if tiff.planar { 1 } else { tiff.samples };
    if width != tiff.tile.0 || height > tiff.tile.1 || (height as usize) < rows {
        return Err(Fault::broken("a JPEG of another size"));
    }
    if samples != expected || scans > MAX_SCANS {
        return Err(Fault::broken(format!("a JPEG of {samples} components in {scans} scans")));
    }
    let decoded = contained(|| native::jpeg::decode(&file, 8)).map_err(Fault::broken)?;
    match decoded.raster.samples {
        Samples::Eight(samples) => Ok(Source::Stored { data: samples.into(), at: 0 }),
        Samples::Sixteen(_) => Err(Fault::broken("a JPEG of 16 bits")),
    }
}

fn is_jpeg(tiff: &Tiff<'_>) -> bool {
    matches!(tiff.compression, Compression::Jpeg | Compression::OldJpeg)
}

/// Samples as they are kept between file and resize.
trait Tone: Sample + Copy + Default + PartialOrd + Into<u32> {
    /// White, opaque.
    const MAX: u32;

    /// `value` must be at most [`Tone::MAX`].
    fn of(value: u32) -> Self;

    fn plus(self, other: Self) -> Self;

    /// Appends `count` samples of a stored row.
    fn unpack(line: &[u8], tiff: &Tiff<'_>, count: usize, out: &mut Vec<Self>);
}

impl Tone for u8 {
    const MAX: u32 = 255;

    fn of(value: u32) -> Self {
        value.try_into().unwrap_or(Self::MAX)
    }

    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn unpack(line: &[u8], tiff: &Tiff<'_>, count: usize, out: &mut Vec<Self>) {
        if tiff.bits == 8 {
            out.extend(&line[..count.min(line.len())]);
        } else {
            out.extend(bits(line, tiff.bits).take(count).map(Self::of));
        }
        out.resize(count, 0);
    }
}

impl Tone for u16 {
    const MAX: u32 = 65_535;

    fn of(value: u32) -> Self {
        value.try_into().unwrap_or(Self::MAX)
    }

    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn unpack(line: &[u8], tiff: &Tiff<'_>, count: usize, out: &mut Vec<Self>) {
        let (halves, words) = (line.as_chunks::<2>().0.iter(), line.as_chunks::<4>().0.iter());
        match (tiff.bits, tiff.big_endian) {
            (16, false) => out.extend(halves.take(count).map(|&bytes| Self::from_le_bytes(bytes))),
            (16, true) => out.extend(halves.take(count).map(|&bytes| Self::from_be_bytes(bytes))),
            (32, big_endian) => out.extend(words.take(count).map(|&bytes| {
                let word = if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
                if tiff.float { from_float(f32::from_bits(word)) } else { Self::of(word >> 16) }
            })),
            (bits_each, _) => out.extend(bits(line, bits_each).take(count).map(Self::of)),
        }
        out.resize(count, 0);
    }
}

/// 0 to 1 as 0 to 65,535; what lies outside is cut off.
fn from_float(value: f32) -> u16 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped; NaN is 0")]
    let sample = (value.clamp(0.0, 1.0) * 65_535.0 + 0.5) as u16;
    sample
}

/// Samples of `depth` bits, 1 to 16, high bits first.
fn bits(line: &[u8], depth: u8) -> impl Iterator<Item = u32> {
    let mut bytes = line.iter();
    let (mut window, mut held) = (0_u32, 0);
    std::iter::from_fn(move || {
        while held < depth {
            window = window << 8 | u32::from(*bytes.next()?);
            held += 8;
        }
        held -= depth;
        let sample = window >> held & ((1 << depth) - 1);
        Some(sample)
    })
}

/// Undoes differences to the pixel before (TIFF 6.0, section 14).
fn sum<T: Tone>(samples: &mut [T], channels: usize) {
    fn by<T: Tone, const N: usize>(samples: &mut [T]) {
        let mut before = [T::default(); N];
        for pixel in samples.as_chunks_mut::<N>().0 {
            for (sample, before) in pixel.iter_mut().zip(&mut before) {
                *before = before.plus(*sample);
                *sample = *before;
            }
        }
    }
    match channels {
        1 => by::<T, 1>(samples),
        3 => by::<T, 3>(samples),
        4 => by::<T, 4>(samples),
        _ => {
            for at in channels..samples.len() {
                samples[at] = samples[at - channels].plus(samples[at]);
            }
        }
    }
}

/// Makes pixels of stored samples.
struct Finish {
    /// Samples are pixels already.
    plain: bool,
    /// The highest value of a stored sample.
    most: u32,
    /// Of a palette, as 8 bits.
    colours: Vec<[u8; 3]>,
}

impl Finish {
    fn new(tiff: &Tiff<'_>) -> Self {
        let most = if tiff.bits >= 16 { 65_535 } else { (1 << tiff.bits) - 1 };
        let kept = matches!(tiff.photometric, Photometric::BlackIsZero | Photometric::Rgb | Photometric::Cmyk)
            // A decoder of JPEG has converted it.
            || (tiff.photometric == Photometric::YCbCr && is_jpeg(tiff));
        let plain = kept
            && matches!(tiff.bits, 8 | 16 | 32)
            && tiff.alpha != Alpha::Associated
            && tiff.samples == u16::from(tiff.channels());
        let colours = if tiff.photometric == Photometric::Palette {
            palette(tiff.palette, 1 << tiff.bits.min(8))
        } else {
            Vec::new()
        };
        Self { plain, most, colours }
    }

    fn row<'r, T: Tone>(&self, tiff: &Tiff<'_>, stored: &'r [T], pixels: &'r mut Vec<T>) -> &'r [T] {
        if self.plain {
            return stored;
        }
        pixels.clear();
        let scaled = |sample: T| {
            let sample: u32 = sample.into();
            if self.most == T::MAX { sample } else { (sample * T::MAX + self.most / 2) / self.most }
        };
        for pixel in stored.chunks_exact(usize::from(tiff.samples)) {
            match tiff.photometric {
                Photometric::Palette => {
                    let index: u32 = pixel[0].into();
                    let colour = self.colours.get(index as usize).copied().unwrap_or_default();
                    pixels.extend(colour.map(|sample| T::of(sample.into())));
                }
                Photometric::YCbCr if !is_jpeg(tiff) => {
                    pixels.extend(rgb([pixel[0], pixel[1], pixel[2]].map(Into::into)).map(T::of));
                }
                _ => {
                    let colours = usize::from(tiff.photometric.colours());
                    let alpha = match tiff.alpha {
                        Alpha::None => None,
                        _ => pixel.get(tiff.alpha_sample).map(|&alpha| scaled(alpha)),
                    };
                    for &sample in &pixel[..colours] {
                        let mut light = scaled(sample);
                        if tiff.photometric == Photometric::WhiteIsZero {
                            light = T::MAX - light;
                        }
                        if let (Alpha::Associated, Some(alpha @ 1..)) = (tiff.alpha, alpha) {
                            light = ((light * T::MAX + alpha / 2) / alpha).min(T::MAX);
                        }
                        pixels.push(T::of(light));
                    }
                    pixels.extend(alpha.map(T::of));
                }
            }
        }
        pixels
    }
}

/// The colours of a palette: all reds, all greens, all blues, of 16 bits each. Some writers give 8.
fn palette(values: Values<'_>, count: usize) -> Vec<[u8; 3]> {
    let value = |at: usize| values.get(at).unwrap_or(0);
    let deep = (0..3 * count).any(|at| value(at) > 255);
    let sample = |at: usize| {
        // A field of 64 bits may hold any number.
        let value = if deep { value(at).saturating_add(128) / 257 } else { value(at) };
        u8::try_from(value).unwrap_or(u8::MAX)
    };
    (0..count).map(|at| [sample(at), sample(count + at), sample(2 * count + at)]).collect()
}

/// `Y'CbCr` of 8 bits by BT.601, full range.
fn rgb([luma, blue, red]: [u32; 3]) -> [u32; 3] {
    let [luma, blue, red] = [luma, blue, red].map(u32::cast_signed);
    let (blue, red) = (blue - 128, red - 128);
    // In 65,536ths.
    let half = 1 << 15;
    let clamp = |value: i32| value.clamp(0, 255).cast_unsigned();
    [
        clamp(luma + ((91_881 * red + half) >> 16)),
        clamp(luma - ((22_554 * blue + 46_802 * red + half) >> 16)),
        clamp(luma + ((116_130 * blue + half) >> 16)),
    ]
}
