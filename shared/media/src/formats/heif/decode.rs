//! Decoding AVIF and HEIC.
//!
//! The tiles of a picture are decoded a row of them at a time, and their rows of samples go into a resize: a
//! phone's photo, a grid of tiles of 512 × 512, never stands whole in memory. An opaque picture stays in planes.
//! One with alpha, or by a matrix that isn't one of `Y'CbCr`, becomes RGB row by row before its resize, so that
//! alpha can weigh colours.
//!
//! Invariants: what is decoded was asked for by the header that passed the limits; a coded picture that is
//! larger than its item says is refused before anything is allocated for it. A tile that can't be decoded is
//! grey and told.

mod av1;
mod depth;
mod hevc;
mod overlay;
mod planes;
mod rows;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use sluice_pixels::{
    planar::{Colour, Planar},
    raster::Model,
    resample::Resampler,
};

use self::{
    planes::Matrix,
    rows::{Band, Sink},
};
use crate::{
    decode::still::{Still, Want},
    error::{MediaError, Warning, contained},
    facts::Header,
    formats::heif::header::{Codec, Coded, Container, Heif, Mosaic, Nclx, Picture},
    limits::Limits,
};

/// The code point for what isn't told (ITU-T H.273).
const UNSPECIFIED: u8 = 2;
/// The transfers of HDR: perceptual quantiser and hybrid log-gamma.
const HDR_TRANSFERS: [u8; 2] = [16, 18];

/// The samples of one channel.
enum Store {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
    /// In the decoder's own memory, in bytes, of one or two for a sample.
    Av1(re_rav1d::Plane),
}

/// One channel of a decoded picture.
struct Channel {
    store: Store,
    /// Samples from row to row.
    stride: usize,
}

/// How a decoded picture holds its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    /// Bits of a sample: 8 in bytes, 9 to 16 in two.
    depth: u8,
    /// By how many powers of two chroma is smaller, across and down; `None` for a grey picture.
    chroma: Option<(u8, u8)>,
}

/// A decoded picture: luma, and two of chroma unless it is grey.
struct Frame {
    size: (u32, u32),
    layout: Layout,
    /// What the bitstream says of its colours.
    signal: Nclx,
    channels: Vec<Channel>,
    /// Not all of it could be decoded.
    damaged: bool,
}

/// Peak bytes beside the input, from the header alone: a row of tiles with the state of one decoder, the alpha
/// plane, the resize and the result.
pub(crate) fn memory(header: &Header<'_, Heif<'_>>, target: (u32, u32)) -> u64 {
    let Picture { mosaic, deep, alpha, .. } = &header.head.picture;
    let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    let sample = if *deep { 2 } else { 1 };
    let tile = area(mosaic.tile);
    // Measured with 4:2:0 at 8 bits: HEVC takes 5.7 bytes for a pixel, AV1 2.5; 4:4:4 takes 1.5 more.
    let decoder = tile.saturating_mul(if header.head.is_hevc() { 5 + 3 * sample } else { 4 * sample + 1 });
    let band =
        if mosaic.columns > 1 { tile.saturating_mul(u64::from(mosaic.columns) * 3 * sample) } else { 0 };
    // The plane is as large as the picture before any crop.
    let plane = if alpha.is_some() { area(mosaic.size).saturating_add(tile).saturating_mul(2) } else { 0 };
    let channels = if alpha.is_some() { 4 } else { 3 };
    // An overlay is put together whole, with one of its pictures at a time beside it.
    if let Some(overlay) = &header.head.picture.overlay {
        let layers = overlay.layers.iter().map(|(_, layer)| area(layer.mosaic.size).saturating_mul(16));
        let canvas = area(mosaic.size).saturating_mul(4);
        return layers.max().unwrap_or(0).saturating_add(canvas).saturating_add(area(target) * 16);
    }
    // A window of rows, and the result with a copy in another form.
    let window = u64::from(header.facts.width) * 64 * channels * sample;
    let result = area(target) * channels * (sample + 2);
    [band, plane, window, result].into_iter().fold(decoder, u64::saturating_add)
}

/// Decodes the primary picture.
pub(crate) fn decode<'a>(
    _bytes: &'a [u8],
    header: &Header<'a, Heif<'a>>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let Heif { container, picture, .. } = &header.head;
    let (icc, target) = (header.facts.icc.as_ref(), want.target);
    if let Some(overlay) = &picture.overlay {
        return overlay::decode(container, picture, overlay, want);
    }
    if let Some(thumbnail) = header.head.thumbnail_for(target)
        && let Ok(still) = single(container, thumbnail, icc, target, want.limits)
        && still.warnings.is_empty()
    {
        return Ok(still);
    }
    single(container, picture, icc, target, want.limits)
}

/// Decodes a picture that isn't laid together from others.
fn single<'a>(
    container: &Container<'_>,
    picture: &Picture<'_>,
    icc: Option<&Cow<'a, [u8]>>,
    target: (u32, u32),
    limits: &Limits,
) -> Result<Still<'a>, MediaError> {
    let mut faults = Faults::default();
    let alpha = picture.alpha.as_ref().and_then(|alpha| {
        let plane = alpha_plane(container, alpha, picture.mosaic.size, limits, &mut faults);
        faults.alpha |= plane.is_err();
        plane.ok()
    });
    let mut sink: Option<Sink> = None;
    let mut colours = None;
    let mut skipped = 0;
    let mut first_error = None;
    for row in 0..picture.mosaic.rows {
        let band =
            Band::decode(container, &picture.mosaic, row, sink.as_ref().map(Sink::layout), &mut faults);
        let band = match band {
            Ok(band) => band,
            Err(error) if sink.is_none() => {
                // Nothing is known of the picture yet, but that these rows of it are missing.
                first_error.get_or_insert(error);
                skipped += 1;
                continue;
            }
            Err(_) => Band::missing(&picture.mosaic),
        };
        if sink.is_none()
            && let Some(layout) = band.layout()
        {
            let signal = picture.nclx.or(band.nclx).unwrap_or(band.signal);
            let found = Colours::new(signal, icc.is_some(), layout);
            let mut started = Sink::new(layout, picture, &found, alpha.as_ref(), target)?;
            for row in 0..skipped {
                started.push(&Band::missing(&picture.mosaic), &picture.mosaic, row);
            }
            colours = Some(found);
            sink = Some(started);
        }
        if let Some(sink) = &mut sink {
            sink.push(&band, &picture.mosaic, row);
        }
    }
    let (Some(sink), Some(colours)) = (sink, colours) else {
        return Err(first_error.unwrap_or_else(|| MediaError::corrupt("there is no picture")));
    };
    let colour = match icc {
        Some(icc) => Colour::Icc(Cow::clone(icc)),
        None => colours.colour(),
    };
    let mut warnings = faults.warnings();
    if HDR_TRANSFERS.contains(&colours.signal.transfer) {
        warnings.push(Warning::new(
            "hdr_flattened",
            "the picture has a high dynamic range, its copies show it in the range of sRGB",
        ));
    }
    Ok(Still { pixels: sink.finish(&colours, target)?, colour, orientation: None, warnings })
}

/// What went wrong on the way.
#[derive(Debug, Default)]
struct Faults {
    truncated: bool,
    damaged: u32,
    alpha: bool,
}

impl Faults {
    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.truncated {
            warnings.push(Warning::new(
                "truncated",
                "the file ends before the image does, the rest is gray or blurred",
            ));
        } else if self.damaged > 0 {
            warnings.push(Warning::new(
                "corrupt_data",
                format!("the image data is damaged ({} tiles), parts of it may look wrong", self.damaged),
            ));
        }
        if self.alpha {
            warnings.push(Warning::new(
                "corrupt_data",
                "the image's transparency can't be read, it is shown opaque",
            ));
        }
        warnings
    }
}

/// What the numbers of the picture mean.
#[derive(Debug)]
struct Colours {
    signal: Nclx,
    matrix: Matrix,
    /// They must be converted to be sRGB's.
    foreign: bool,
}

impl Colours {
    fn new(signal: Nclx, profile: bool, layout: Layout) -> Self {
        let matrix = Matrix::new(signal, layout);
        Self { signal, matrix, foreign: profile || !means_srgb(signal) }
    }

    fn colour(&self) -> Colour<'static> {
        if means_srgb(self.signal) {
            Colour::Srgb
        } else {
            Colour::Cicp { primaries: self.signal.primaries, transfer: self.signal.transfer }
        }
    }
}

/// Whether a picture looks right when it is taken for sRGB. The transfers of video (BT.709, BT.601, BT.2020) do:
/// cameras that say so mean what a screen shows, as browsers have it.
fn means_srgb(signal: Nclx) -> bool {
    matches!(signal.primaries, 1 | UNSPECIFIED)
        && matches!(signal.transfer, 1 | UNSPECIFIED | 6 | 13 | 14 | 15)
}

/// Decodes a coded item whose `ispe` passed the limits.
fn coded(item: &Coded<'_>) -> Result<Frame, MediaError> {
    let frame = contained(|| match item.codec {
        Codec::Hevc(config) => hevc::decode(config, item),
        Codec::Av1 => av1::decode(item),
    })?;
    if frame.size.0 < item.size.0 || frame.size.1 < item.size.1 {
        let ((width, height), (w, h)) = (item.size, frame.size);
        return Err(MediaError::corrupt(format!(
            "a picture of {width} × {height} has only {w} × {h} pixels"
        )));
    }
    Ok(frame)
}

/// The largest coded size for an item of `size`: encoders fill up to whole blocks.
fn largest(size: (u32, u32)) -> (u32, u32) {
    let filled_up = |edge: u32| edge.checked_next_multiple_of(64).unwrap_or(u32::MAX);
    (filled_up(size.0), filled_up(size.1))
}

/// Alpha at the size of the picture, each sample from 0 to 65,535.
struct Alpha {
    width: usize,
    samples: Vec<u16>,
}

fn alpha_plane(
    container: &Container<'_>,
    mosaic: &Mosaic,
    size: (u32, u32),
    limits: &Limits,
    faults: &mut Faults,
) -> Result<Alpha, MediaError> {
    let pixels = u64::from(mosaic.size.0) * u64::from(mosaic.size.1);
    if pixels > limits.max_pixels {
        return Err(MediaError::corrupt("the alpha plane is too large"));
    }
    // At its own size this is a copy.
    let mut resampler = Resampler::<u16>::new(mosaic.size, size, Model::Gray);
    let mut line = Vec::new();
    let mut layout = None;
    for row in 0..mosaic.rows {
        let band = Band::decode(container, mosaic, row, layout, faults)?;
        layout = layout.or(band.layout());
        let depth = layout.map_or(8, |layout| layout.depth);
        for y in Band::rows(mosaic, row) {
            band.sixteen(mosaic, y, depth, &mut line);
            resampler.push(&line);
        }
    }
    let sluice_pixels::raster::Samples::Sixteen(samples) = resampler.finish()?.samples else {
        return Err(MediaError::corrupt("the alpha plane has lost its depth"));
    };
    Ok(Alpha { width: size.0 as usize, samples })
}

/// The size of a chroma plane that stands for `size` pixels.
const fn subsampled(size: (u32, u32), (across, down): (u8, u8)) -> (u32, u32) {
    (size.0.div_ceil(1 << across), size.1.div_ceil(1 << down))
}

/// Chroma of a result in planes.
const HALVED: fn((u32, u32)) -> (u32, u32) = Planar::chroma_size;
