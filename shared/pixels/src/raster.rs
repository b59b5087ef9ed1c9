//! Decoded pixels, and what is done to them before they are encoded: orient, flatten.
//!
//! Invariants: a raster's buffer has exactly width × height × channels samples; alpha is never
//! premultiplied outside of a resize.

use crate::error::PixelError;

/// What the channels of a pixel mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// One channel of light.
    Gray,
    /// Light and alpha.
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
    /// Inks: 0 is no ink.
    Cmyk,
}

impl Model {
    /// Samples of a pixel.
    pub const fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    /// Whether the last channel is alpha.
    pub const fn has_alpha(self) -> bool {
        matches!(self, Self::GrayAlpha | Self::Rgba)
    }
}

/// Samples of 8 or 16 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// Of 8 bits.
    Eight(Vec<u8>),
    /// Of 16 bits.
    Sixteen(Vec<u16>),
}

/// A picture in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// What the channels mean.
    pub model: Model,
    /// Pixel after pixel, row after row, without gaps.
    pub samples: Samples,
}

/// A picture of 8-bit sRGB samples in [`Model::Gray`], `GrayAlpha`, `Rgb` or `Rgba`: what encoders take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canvas {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// What the channels mean.
    pub model: Model,
    /// Pixel after pixel, row after row, without gaps.
    pub pixels: Vec<u8>,
}

impl Raster {
    /// The same as a canvas.
    ///
    /// # Errors
    /// [`PixelError::NotConverted`] for inks and for 16 bits, which a colour conversion leaves none of.
    pub fn into_canvas(self) -> Result<Canvas, PixelError> {
        match (self.samples, self.model) {
            (_, Model::Cmyk) | (Samples::Sixteen(_), _) => Err(PixelError::NotConverted),
            (Samples::Eight(pixels), model) => {
                Ok(Canvas { width: self.width, height: self.height, model, pixels })
            }
        }
    }
}

impl Canvas {
    /// Width and height in pixels.
    pub const fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Turns and mirrors the stored picture so that it stands as it was taken. `orientation` is EXIF's,
    /// 1 to 8; anything else counts as 1.
    #[must_use]
    pub fn orient(self, orientation: u8) -> Self {
        if !(2..=8).contains(&orientation) {
            return self;
        }
        let size = self.size();
        let (pixels, (width, height)) = match self.model.channels() {
            1 => orient_pixels::<1>(&self.pixels, size, orientation),
            2 => orient_pixels::<2>(&self.pixels, size, orientation),
            3 => orient_pixels::<3>(&self.pixels, size, orientation),
            _ => orient_pixels::<4>(&self.pixels, size, orientation),
        };
        Self { width, height, model: self.model, pixels }
    }

    /// The same without an alpha channel that is 255 everywhere.
    #[must_use]
    pub fn without_opaque_alpha(self) -> Self {
        let (model, channels) = match self.model {
            Model::GrayAlpha => (Model::Gray, 2),
            Model::Rgba => (Model::Rgb, 4),
            _ => return self,
        };
        if self.pixels.chunks_exact(channels).any(|pixel| pixel[channels - 1] != u8::MAX) {
            return self;
        }
        let pixels = self.pixels.chunks_exact(channels).flat_map(|pixel| &pixel[..channels - 1]).copied();
        Self { width: self.width, height: self.height, model, pixels: pixels.collect() }
    }

    /// The picture on white, without alpha.
    pub fn flattened(&self) -> std::borrow::Cow<'_, Self> {
        let (model, channels) = match self.model {
            Model::GrayAlpha => (Model::Gray, 2),
            Model::Rgba => (Model::Rgb, 4),
            _ => return std::borrow::Cow::Borrowed(self),
        };
        let mut pixels = Vec::with_capacity(self.pixels.len() / channels * (channels - 1));
        for pixel in self.pixels.chunks_exact(channels) {
            let (colour, alpha) = pixel.split_at(channels - 1);
            pixels.extend(colour.iter().map(|&sample| over_white(sample, alpha[0])));
        }
        std::borrow::Cow::Owned(Self { width: self.width, height: self.height, model, pixels })
    }

    /// The same picture as RGB or, with alpha, RGBA.
    pub fn coloured(&self) -> std::borrow::Cow<'_, Self> {
        let (model, pixels): (_, Vec<u8>) = match self.model {
            Model::Gray => (Model::Rgb, self.pixels.iter().flat_map(|&gray| [gray; 3]).collect()),
            Model::GrayAlpha => (
                Model::Rgba,
                self.pixels
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .flat_map(|&[gray, alpha]| [gray, gray, gray, alpha])
                    .collect(),
            ),
            _ => return std::borrow::Cow::Borrowed(self),
        };
        std::borrow::Cow::Owned(Self { width: self.width, height: self.height, model, pixels })
    }

    /// The picture as RGBA bytes.
    pub fn rgba(&self) -> Vec<u8> {
        let coloured = self.coloured();
        match coloured.model {
            Model::Rgb => {
                coloured.pixels.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, u8::MAX]).collect()
            }
            _ => coloured.into_owned().pixels,
        }
    }
}

/// The pixels of `N` bytes as they stand upright, and their size. `orientation` is EXIF's, 2 to 8.
pub(crate) fn orient_pixels<const N: usize>(
    pixels: &[u8],
    size: (u32, u32),
    orientation: u8,
) -> (Vec<u8>, (u32, u32)) {
    let (width, height) = (size.0 as usize, size.1 as usize);
    let (source, _) = pixels.as_chunks::<N>();
    let mut upright = vec![0; pixels.len()];
    let (target, _) = upright.as_chunks_mut::<N>();
    // Whether the upright picture's columns and rows run against the stored ones.
    let (against_x, against_y) = match orientation {
        2 | 6 => (true, false),
        3 | 7 => (true, true),
        5 => (false, false),
        _ => (false, true),
    };
    if orientation < 5 {
        let rows = target.chunks_exact_mut(width.max(1)).enumerate();
        for (y, row) in rows {
            let from = if against_y { height - 1 - y } else { y } * width;
            row.copy_from_slice(&source[from..from + width]);
            if against_x {
                row.reverse();
            }
        }
        return (upright, size);
    }
    // Rows become columns, in tiles, so that both are within the cache.
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            let (rows, columns) = (TILE.min(height - top), TILE.min(width - left));
            let mut tile = [[[0; N]; TILE]; TILE];
            for (y, row) in tile.iter_mut().enumerate().take(rows) {
                let from = (top + y) * width + left;
                row[..columns].copy_from_slice(&source[from..from + columns]);
            }
            let tile = transposed(&tile);
            for (y, row) in tile.iter().enumerate().take(columns) {
                let to_y = if against_y { width - 1 - (left + y) } else { left + y };
                let to_x = if against_x { height - top - rows } else { top };
                let to = &mut target[to_y * height + to_x..][..rows];
                to.copy_from_slice(&row[..rows]);
                if against_x {
                    to.reverse();
                }
            }
        }
    }
    (upright, (size.1, size.0))
}

/// Pixels on an edge of a tile.
const TILE: usize = 16;

#[inline]
fn transposed<const N: usize>(tile: &[[[u8; N]; TILE]; TILE]) -> [[[u8; N]; TILE]; TILE] {
    std::array::from_fn(|y| std::array::from_fn(|x| tile[x][y]))
}

/// `sample` at `alpha` over white, rounded.
fn over_white(sample: u8, alpha: u8) -> u8 {
    let (sample, alpha) = (u32::from(sample), u32::from(alpha));
    u8::try_from((sample * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
}

/// The largest size of the same shape whose longer edge has at most `max_edge` pixels; never larger than
/// `size`, never 0.
pub fn fit(size: (u32, u32), max_edge: u32) -> (u32, u32) {
    let longer = size.0.max(size.1);
    if longer <= max_edge {
        return size;
    }
    let scale = |edge: u32| {
        let scaled = (u64::from(edge) * u64::from(max_edge) + u64::from(longer) / 2) / u64::from(longer);
        u32::try_from(scaled).unwrap_or(max_edge).max(1)
    };
    (scale(size.0), scale(size.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fit_keeps_the_shape_and_never_enlarges() {
        assert_eq!(fit((4000, 3000), 2048), (2048, 1536));
        assert_eq!(fit((3000, 4000), 256), (192, 256));
        assert_eq!(fit((2048, 1), 2048), (2048, 1));
        assert_eq!(fit((2049, 1), 2048), (2048, 1));
        assert_eq!(fit((60_000, 2), 256), (256, 1));
        assert_eq!(fit((10, 20), 256), (10, 20));
    }

    /// ```text
    /// 1 2 3
    /// 4 5 6
    /// ```
    fn letter() -> Canvas {
        Canvas { width: 3, height: 2, model: Model::Gray, pixels: vec![1, 2, 3, 4, 5, 6] }
    }

    #[test]
    fn every_orientation_is_undone() {
        let cases: [(u8, (u32, u32), [u8; 6]); 10] = [
            (0, (3, 2), [1, 2, 3, 4, 5, 6]),
            (1, (3, 2), [1, 2, 3, 4, 5, 6]),
            (2, (3, 2), [3, 2, 1, 6, 5, 4]),
            (3, (3, 2), [6, 5, 4, 3, 2, 1]),
            (4, (3, 2), [4, 5, 6, 1, 2, 3]),
            (5, (2, 3), [1, 4, 2, 5, 3, 6]),
            (6, (2, 3), [4, 1, 5, 2, 6, 3]),
            (7, (2, 3), [6, 3, 5, 2, 4, 1]),
            (8, (2, 3), [3, 6, 2, 5, 1, 4]),
            (9, (3, 2), [1, 2, 3, 4, 5, 6]),
        ];
        for (orientation, size, pixels) in cases {
            let upright = letter().orient(orientation);
            assert_eq!((upright.size(), upright.pixels.as_slice()), (size, &pixels[..]), "{orientation}");
        }
    }

    #[test]
    fn alpha_lies_on_white() {
        let canvas =
            Canvas { width: 3, height: 1, model: Model::GrayAlpha, pixels: vec![0, 0, 0, 128, 0, 255] };
        assert_eq!(canvas.flattened().pixels, [255, 127, 0]);
        assert_eq!(canvas.rgba(), [0, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0, 255]);
    }
}
