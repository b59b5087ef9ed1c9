//! From rows of tiles to rows of samples, and from those into a resize.

use sluice_pixels::{
    planar::Pixels,
    raster::Model,
    resample::{Resampler, Sample},
};

use super::{
    Alpha, Channel, Colours, Faults, Frame, HALVED, Layout, coded,
    depth::Depth,
    planes::{self, Matrix},
    subsampled,
};
use crate::{
    error::MediaError,
    formats::heif::header::{Container, Crop, Mosaic, Nclx, Picture},
};

impl Channel {
    fn row<T: Depth>(&self, y: u32) -> &[T] {
        let start = y as usize * self.stride;
        let samples = T::of(&self.store);
        samples.get(start..(start + self.stride).min(samples.len())).unwrap_or_default()
    }
}

/// A row of tiles.
pub(super) struct Band {
    /// `None` for what couldn't be decoded.
    tiles: Vec<Option<Frame>>,
    /// What the first tile's item and bitstream say of colours.
    pub nclx: Option<Nclx>,
    pub signal: Nclx,
}

impl Band {
    /// Decodes the tiles of a row, which are to have `layout` if that is known. Fails when none can be.
    pub fn decode(
        container: &Container<'_>,
        mosaic: &Mosaic,
        row: u32,
        layout: Option<Layout>,
        faults: &mut Faults,
    ) -> Result<Self, MediaError> {
        let mut band = Self::missing(mosaic);
        let mut layout = layout;
        let mut first_error = None;
        let start = row as usize * mosaic.columns as usize;
        let items = mosaic.tiles.get(start..start + mosaic.columns as usize).unwrap_or_default();
        for (slot, &id) in band.tiles.iter_mut().zip(items) {
            let decoded = container.coded(id).and_then(|item| {
                faults.truncated |= !item.complete;
                if item.data.is_empty() {
                    return Err(MediaError::corrupt("the picture's data is missing"));
                }
                let frame = coded(&item)?;
                if layout.is_some_and(|layout| layout != frame.layout) {
                    return Err(MediaError::corrupt("the tiles of the grid differ in form"));
                }
                Ok((frame, item.nclx))
            });
            match decoded {
                Ok((frame, nclx)) => {
                    faults.damaged += u32::from(frame.damaged);
                    if layout.is_none() {
                        layout = Some(frame.layout);
                        (band.nclx, band.signal) = (nclx, frame.signal);
                    }
                    *slot = Some(frame);
                }
                Err(error) => {
                    faults.damaged += 1;
                    first_error.get_or_insert(error);
                }
            }
        }
        match first_error {
            Some(error) if band.tiles.iter().all(Option::is_none) => Err(error),
            _ => Ok(band),
        }
    }

    /// A row of tiles of which there is nothing.
    pub fn missing(mosaic: &Mosaic) -> Self {
        let signal = Nclx { primaries: 2, transfer: 2, matrix: 2, full_range: true };
        Self { tiles: (0..mosaic.columns).map(|_| None).collect(), nclx: None, signal }
    }

    pub fn layout(&self) -> Option<Layout> {
        self.tiles.iter().flatten().map(|frame| frame.layout).next()
    }

    /// The rows of a band that are in the picture, the `row`th of its mosaic.
    pub fn rows(mosaic: &Mosaic, row: u32) -> std::ops::Range<u32> {
        let top = u64::from(row) * u64::from(mosaic.tile.1);
        let left = u64::from(mosaic.size.1).saturating_sub(top);
        0..mosaic.tile.1.min(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// `columns` of row `y` of a channel whose tiles are `tile` samples wide, as they are in a tile or put
    /// together in `line`.
    fn samples<'l, T: Depth>(
        &'l self,
        channel: usize,
        y: u32,
        tile: u32,
        columns: std::ops::Range<u32>,
        grey: T,
        line: &'l mut Vec<T>,
    ) -> &'l [T] {
        let (start, end) = (columns.start as usize, columns.end as usize);
        if let [Some(frame)] = self.tiles.as_slice()
            && let Some(samples) = frame.channels[channel].row::<T>(y).get(start..end)
        {
            return samples;
        }
        line.clear();
        for (at, frame) in self.tiles.iter().enumerate() {
            let left = at * tile as usize;
            let from = start.max(left);
            let to = end.min(left + tile as usize);
            if from >= to {
                continue;
            }
            let row = frame.as_ref().map_or(&[][..], |frame| frame.channels[channel].row::<T>(y));
            match row.get(from - left..to - left) {
                Some(samples) => line.extend_from_slice(samples),
                None => line.resize(line.len() + to - from, grey),
            }
        }
        line.resize(end - start, grey);
        line
    }

    /// Row `y` of luma, stretched from `depth` to 16 bits.
    pub fn sixteen(&self, mosaic: &Mosaic, y: u32, depth: u8, line: &mut Vec<u16>) {
        let columns = 0..mosaic.size.0;
        line.clear();
        let most = (1_u32 << depth) - 1;
        let stretch =
            |sample: u32| u16::try_from((sample.min(most) * 0xFFFF + most / 2) / most).unwrap_or(u16::MAX);
        if depth == 8 {
            let mut bytes = Vec::new();
            let samples = self.samples(0, y, mosaic.tile.0, columns, u8::MAX, &mut bytes);
            line.extend(samples.iter().map(|&sample| u16::from(sample) * 0x101));
        } else {
            let mut words = Vec::new();
            let samples = self.samples(0, y, mosaic.tile.0, columns, u16::MAX, &mut words);
            line.extend(samples.iter().map(|&sample| stretch(sample.into())));
        }
    }
}

/// Where the rows of a picture go.
pub(super) enum Sink<'a> {
    Eight(Layout, Engine<'a, u8>),
    Sixteen(Layout, Engine<'a, u16>),
}

pub(super) enum Engine<'a, T: Sample> {
    Planes(Planes<T>),
    Pixels(Interleaved<'a, T>),
}

impl<'a> Sink<'a> {
    pub fn new(
        layout: Layout,
        picture: &Picture<'_>,
        colours: &Colours,
        alpha: Option<&'a Alpha>,
        target: (u32, u32),
    ) -> Result<Self, MediaError> {
        if let Some((across, down)) = layout.chroma {
            let mosaic = &picture.mosaic;
            let odd = |edge: u32, shift: u8, count: u32| count > 1 && !edge.is_multiple_of(1 << shift);
            if odd(mosaic.tile.0, across, mosaic.columns) || odd(mosaic.tile.1, down, mosaic.rows) {
                return Err(MediaError::corrupt("tiles end within a sample of chroma"));
            }
        }
        Ok(if layout.depth == 8 {
            Self::Eight(layout, Engine::new(layout, picture, colours, alpha, target))
        } else {
            Self::Sixteen(layout, Engine::new(layout, picture, colours, alpha, target))
        })
    }

    pub fn layout(&self) -> Layout {
        match self {
            Self::Eight(layout, _) | Self::Sixteen(layout, _) => *layout,
        }
    }

    /// Takes the `row`th row of tiles.
    pub fn push(&mut self, band: &Band, mosaic: &Mosaic, row: u32) {
        match self {
            Self::Eight(_, engine) => engine.push(band, mosaic, row),
            Self::Sixteen(_, engine) => engine.push(band, mosaic, row),
        }
    }

    pub fn finish(self, colours: &Colours, target: (u32, u32)) -> Result<Pixels, MediaError> {
        match self {
            Self::Eight(layout, engine) => engine.finish(layout, colours, target),
            Self::Sixteen(layout, engine) => engine.finish(layout, colours, target),
        }
    }
}

impl<'a, T: Depth> Engine<'a, T> {
    fn new(
        layout: Layout,
        picture: &Picture<'_>,
        colours: &Colours,
        alpha: Option<&'a Alpha>,
        target: (u32, u32),
    ) -> Self {
        let crop = picture.crop;
        if alpha.is_some() || !colours.matrix.is_luma_and_differences() {
            let model = if alpha.is_some() { Model::Rgba } else { Model::Rgb };
            return Self::Pixels(Interleaved {
                crop,
                layout,
                matrix: colours.matrix,
                alpha: alpha.map(|plane| (plane, picture.premultiplied)),
                resampler: Resampler::new((crop.width, crop.height), target, model),
                lines: Default::default(),
                pixels: Vec::new(),
            });
        }
        // What is converted from more than 8 bits goes as RGB of 16, for which chroma is needed in full.
        let in_full = layout.depth > 8 && colours.foreign;
        Self::Planes(Planes::new(crop, layout, target, in_full))
    }

    fn push(&mut self, band: &Band, mosaic: &Mosaic, row: u32) {
        match self {
            Self::Planes(planes) => planes.push(band, mosaic, row),
            Self::Pixels(pixels) => pixels.push(band, mosaic, row),
        }
    }

    fn finish(self, layout: Layout, colours: &Colours, target: (u32, u32)) -> Result<Pixels, MediaError> {
        match self {
            Self::Planes(Planes { luma, chroma, in_full, .. }) => {
                let luma = planes::samples::<T>(luma.finish()?)?;
                let chroma = match chroma {
                    Some([cb, cr]) => {
                        Some([planes::samples::<T>(cb.finish()?)?, planes::samples::<T>(cr.finish()?)?])
                    }
                    None => None,
                };
                Ok(match chroma {
                    Some(chroma) if in_full => {
                        Pixels::Raster(planes::rgb(&luma, &chroma, colours.matrix, layout.depth, target))
                    }
                    chroma => {
                        Pixels::Planar(planes::planar(luma, chroma, colours.matrix, layout.depth, target))
                    }
                })
            }
            Self::Pixels(pixels) => Ok(Pixels::Raster(pixels.resampler.finish()?)),
        }
    }
}

/// Each channel resized by itself.
pub(super) struct Planes<T: Sample> {
    crop: Crop,
    layout: Layout,
    luma: Resampler<T>,
    chroma: Option<[Resampler<T>; 2]>,
    /// Chroma becomes as large as luma.
    in_full: bool,
    line: Vec<T>,
}

impl<T: Depth> Planes<T> {
    fn new(crop: Crop, layout: Layout, target: (u32, u32), in_full: bool) -> Self {
        let size = (crop.width, crop.height);
        let ratio = |source: u32, target: u32| f64::from(source) / f64::from(target);
        let scale = (ratio(size.0, target.0), ratio(size.1, target.1));
        let chroma = layout.chroma.map(|shift| {
            let source = subsampled(size, shift);
            let (chroma, covered) = if in_full { (target, 1.0) } else { (HALVED(target), 2.0) };
            // How many source samples stand where one of the target does.
            let scale =
                (scale.0 * covered / f64::from(1 << shift.0), scale.1 * covered / f64::from(1 << shift.1));
            [(); 2].map(|()| Resampler::scaled(source, chroma, Model::Gray, scale))
        });
        let luma = Resampler::new(size, target, Model::Gray);
        Self { crop, layout, luma, chroma, in_full, line: Vec::new() }
    }

    fn push(&mut self, band: &Band, mosaic: &Mosaic, row: u32) {
        let Self { crop, layout, luma, chroma, line, .. } = self;
        let grey = T::from_i32(1 << (layout.depth - 1));
        let top = row * mosaic.tile.1;
        let columns = crop.left..crop.left + crop.width;
        for y in Band::rows(mosaic, row) {
            if (crop.top..crop.top + crop.height).contains(&(top + y)) {
                luma.push(band.samples(0, y, mosaic.tile.0, columns.clone(), grey, line));
            }
        }
        let (Some(chroma), Some((across, down))) = (chroma, layout.chroma) else { return };
        let (width, height) = subsampled((crop.width, crop.height), (across, down));
        let columns = crop.left >> across..(crop.left >> across) + width;
        let first = crop.top >> down;
        let (_, rows) = subsampled((1, Band::rows(mosaic, row).end), (across, down));
        for y in 0..rows {
            if (first..first + height).contains(&((top >> down) + y)) {
                for (channel, resampler) in (1..).zip(chroma.iter_mut()) {
                    let tile = subsampled(mosaic.tile, (across, down)).0;
                    resampler.push(band.samples(channel, y, tile, columns.clone(), grey, line));
                }
            }
        }
    }
}

/// RGB, or with alpha RGBA, made before the resize.
pub(super) struct Interleaved<'a, T: Sample> {
    crop: Crop,
    layout: Layout,
    matrix: Matrix,
    /// With whether colours are multiplied by it.
    alpha: Option<(&'a Alpha, bool)>,
    resampler: Resampler<T>,
    lines: [Vec<T>; 3],
    pixels: Vec<T>,
}

impl<T: Depth> Interleaved<'_, T> {
    fn push(&mut self, band: &Band, mosaic: &Mosaic, row: u32) {
        let crop = self.crop;
        let depth = self.layout.depth;
        let grey = T::from_i32(1 << (depth - 1));
        let converter = self.matrix.to_rgb(depth, T::MAX);
        let top = row * mosaic.tile.1;
        let columns = crop.left..crop.left + crop.width;
        let [l0, l1, l2] = &mut self.lines;
        for y in Band::rows(mosaic, row) {
            if !(crop.top..crop.top + crop.height).contains(&(top + y)) {
                continue;
            }
            let luma = band.samples(0, y, mosaic.tile.0, columns.clone(), grey, l0);
            let (cb, cr, shift) = match self.layout.chroma {
                Some((across, down)) => {
                    let tile = subsampled(mosaic.tile, (across, down)).0;
                    let columns = crop.left >> across..((columns.end - 1) >> across) + 1;
                    (
                        band.samples(1, y >> down, tile, columns.clone(), grey, l1),
                        band.samples(2, y >> down, tile, columns, grey, l2),
                        across,
                    )
                }
                None => (&[][..], &[][..], 0),
            };
            let odd = (crop.left as usize) & ((1 << shift) - 1);
            self.pixels.clear();
            let sources = luma.iter().enumerate().map(|(x, &luma)| {
                let at = (x + odd) >> shift;
                let chroma = |plane: &[T]| plane.get(at).copied().unwrap_or(grey).into();
                converter.rgb(luma.into(), chroma(cb), chroma(cr))
            });
            match self.alpha {
                None => self.pixels.extend(sources.flat_map(|rgb| rgb.map(T::from_i32))),
                Some((plane, premultiplied)) => {
                    let start = (top + y) as usize * plane.width + crop.left as usize;
                    let alphas = plane.samples.get(start..).unwrap_or_default();
                    for (mut rgb, &alpha) in sources.zip(alphas) {
                        let alpha = (i64::from(alpha) * i64::from(T::MAX) + 0x7FFF) / 0xFFFF;
                        if premultiplied && alpha > 0 {
                            rgb = rgb.map(|sample| {
                                let whole = (i64::from(sample) * i64::from(T::MAX) + alpha / 2) / alpha;
                                i32::try_from(whole).unwrap_or(T::MAX).min(T::MAX)
                            });
                        }
                        self.pixels.extend(rgb.map(T::from_i32));
                        self.pixels.push(T::from_i32(i32::try_from(alpha).unwrap_or(T::MAX)));
                    }
                }
            }
            self.resampler.push(&self.pixels);
        }
    }
}
