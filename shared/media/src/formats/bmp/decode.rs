//! Decoding BMP: by rows, which mostly stand in the file from the bottom to the top and are taken from its end.
//!
//! Only runs are unpacked to a whole picture first, of a byte a pixel: they can leave pixels out.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use sluice_pixels::{
    planar::{Colour, Pixels},
    raster::Model,
    resample::Resampler,
};

use crate::{
    decode::{
        memory::resizing,
        still::{Still, Want},
    },
    error::{MediaError, Warning},
    facts::Header,
    formats::bmp::header::{Bmp, Encoding},
};

/// Peak bytes beside the input that [`decode`] takes, from the header alone.
pub(crate) fn memory(header: &Header<'_, Bmp<'_>>, target: (u32, u32)) -> u64 {
    header
        .facts
        .held
        .saturating_add(4 * u64::from(header.facts.width))
        .saturating_add(resizing(&header.facts, target))
}

/// Decodes the picture.
pub(crate) fn decode<'a>(
    _bytes: &'a [u8],
    header: &Header<'a, Bmp<'a>>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let bmp = &header.head;
    let model = if bmp.has_alpha() { Model::Rgba } else { Model::Rgb };
    let (stored, mut warnings) = match bmp.encoding {
        Encoding::Runs => runs(bmp),
        _ => (Cow::Borrowed(bmp.data), Vec::new()),
    };
    let stride = match bmp.encoding {
        Encoding::Runs => bmp.width as usize,
        _ => usize::try_from(bmp.stride()).map_err(MediaError::corrupt)?,
    };
    let there = (stored.len() / stride).min(bmp.height as usize);
    if there == 0 {
        return Err(MediaError::corrupt("the file ends before its first row"));
    }
    if there < bmp.height as usize {
        warnings.push(Warning::new(
            "truncated",
            format!("the file ends after {there} of {} rows, the last one is repeated", bmp.height),
        ));
    }
    let palette = palette(bmp);
    let mut resampler = Resampler::<u8>::new((bmp.width, bmp.height), want.target, model);
    let mut pixels = Vec::new();
    for y in 0..bmp.height as usize {
        let index = if bmp.top_down { y } else { bmp.height as usize - 1 - y };
        let row = &stored[index.min(there - 1) * stride..][..stride];
        pixels.clear();
        unpack(bmp, row, &palette, model, &mut pixels);
        resampler.push(&pixels);
    }
    let colour = bmp.icc.map_or(Colour::Srgb, |icc| Colour::Icc(Cow::Borrowed(icc)));
    Ok(Still { pixels: Pixels::Raster(resampler.finish()?), colour, orientation: None, warnings })
}

/// Red, green and blue of every index; one that the palette lacks is black.
fn palette(bmp: &Bmp<'_>) -> [[u8; 3]; 256] {
    let mut colours = [[0; 3]; 256];
    for (colour, entry) in colours.iter_mut().zip(bmp.palette.chunks_exact(bmp.entry)) {
        *colour = [entry[2], entry[1], entry[0]];
    }
    colours
}

/// Makes pixels of a stored row.
fn unpack(bmp: &Bmp<'_>, row: &[u8], palette: &[[u8; 3]; 256], model: Model, pixels: &mut Vec<u8>) {
    let width = bmp.width as usize;
    match (bmp.encoding, bmp.bits) {
        (Encoding::Runs, _) | (Encoding::Plain, 8) => {
            pixels.extend(row[..width].iter().flat_map(|&index| palette[usize::from(index)]));
        }
        (Encoding::Plain, 24) => {
            pixels.extend(
                row.as_chunks::<3>().0[..width].iter().flat_map(|&[blue, green, red]| [red, green, blue]),
            );
        }
        (Encoding::Plain, bits) => {
            let mask = u8::MAX >> (8 - bits);
            let indices = row
                .iter()
                .flat_map(|&byte| (0..8 / bits).map(move |at| byte >> (8 - bits - at * bits) & mask));
            pixels.extend(indices.take(width).flat_map(|index| palette[usize::from(index)]));
        }
        // As most writers have it.
        (Encoding::Fields([0x00FF_0000, 0x0000_FF00, 0x0000_00FF, _]), 32) if model == Model::Rgb => {
            let stored = &row.as_chunks::<4>().0[..width];
            pixels.extend(stored.iter().flat_map(|&[blue, green, red, _]| [red, green, blue]));
        }
        (Encoding::Fields(masks), bits) => {
            let fields = masks.map(Field::new);
            for at in 0..width {
                let pixel = if bits == 16 {
                    u32::from(u16::from_le_bytes(row.as_chunks().0[at]))
                } else {
                    u32::from_le_bytes(row.as_chunks().0[at])
                };
                pixels.extend(fields[..model.channels()].iter().map(|field| field.of(pixel)));
            }
        }
    }
}

/// The bits of a channel.
struct Field {
    mask: u32,
    shift: u32,
}

impl Field {
    fn new(mask: u32) -> Self {
        Self { mask, shift: mask.trailing_zeros().min(31) }
    }

    /// The channel of `pixel`, as 8 bits; 0 if it has no bits.
    fn of(&self, pixel: u32) -> u8 {
        let most = u64::from(self.mask >> self.shift).max(1);
        let value = u64::from((pixel & self.mask) >> self.shift);
        u8::try_from((value * 255 + most / 2) / most).unwrap_or(u8::MAX)
    }
}

/// Unpacks runs of indices ("Bitmap Compression"), from the bottom row to the top. Pixels that are left out have
/// index 0.
fn runs(bmp: &Bmp<'_>) -> (Cow<'static, [u8]>, Vec<Warning>) {
    let (width, height) = (bmp.width as usize, bmp.height as usize);
    let mut indices = vec![0; width * height];
    let (mut x, mut y) = (0, 0);
    let mut codes = bmp.data.iter().copied();
    let nibbles = bmp.bits == 4;
    let ended = loop {
        let (Some(count), Some(value)) = (codes.next(), codes.next()) else { break false };
        let mut put = |index: u8| {
            if x < width && y < height {
                indices[y * width + x] = index;
            }
            x += 1;
        };
        match (count, value) {
            (0, 0) => (x, y) = (0, y + 1),
            (0, 1) => break true,
            (0, 2) => {
                let (Some(right), Some(up)) = (codes.next(), codes.next()) else { break false };
                (x, y) = (x + usize::from(right), y + usize::from(up));
            }
            (0, length) => {
                let bytes = if nibbles { length.div_ceil(2) } else { length };
                let mut left = length;
                for byte in codes.by_ref().take(bytes.into()) {
                    if nibbles {
                        put(byte >> 4);
                        left -= 1;
                        if left > 0 {
                            put(byte & 15);
                            left -= 1;
                        }
                    } else {
                        put(byte);
                    }
                }
                // To an even number.
                if bytes % 2 == 1 {
                    codes.next();
                }
            }
            (count, value) => {
                for at in 0..count {
                    put(match (nibbles, at % 2) {
                        (false, _) => value,
                        (true, 0) => value >> 4,
                        (true, _) => value & 15,
                    });
                }
            }
        }
        if y >= height {
            break true;
        }
    };
    // Some writers leave the end out.
    let complete = ended || y + 1 >= height;
    let warning =
        Warning::new("truncated", format!("the file ends after {y} of {height} rows, the rest is empty"));
    (indices.into(), if complete { Vec::new() } else { vec![warning] })
}
