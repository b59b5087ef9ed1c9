//! Resizing pictures that are all there.

use super::{Resampler, Sample};
use crate::{
    error::PixelError,
    raster::{Canvas, Model, Raster, Samples},
};

impl Canvas {
    /// Resizes to `size`, colour weighted by alpha.
    ///
    /// # Errors
    /// [`PixelError::NoRows`] for a picture without pixels.
    pub fn resize(&self, size: (u32, u32)) -> Result<Self, PixelError> {
        let Raster { width, height, model, samples } = resample(&self.pixels, self.size(), size, self.model)?;
        match samples {
            Samples::Eight(pixels) => Ok(Self { width, height, model, pixels }),
            Samples::Sixteen(_) => unreachable!("a resize keeps the depth"),
        }
    }
}

#[cfg(test)]
impl Raster {
    /// Resizes to `size`, weighting colour by alpha.
    pub fn resize(self, size: (u32, u32)) -> Result<Self, PixelError> {
        let source = (self.width, self.height);
        if source == size {
            return Ok(self);
        }
        match &self.samples {
            Samples::Eight(samples) => resample(samples, source, size, self.model),
            Samples::Sixteen(samples) => resample(samples, source, size, self.model),
        }
    }
}

/// Resizes rows that are all there.
fn resample<T: Sample>(
    samples: &[T],
    source: (u32, u32),
    target: (u32, u32),
    model: Model,
) -> Result<Raster, PixelError> {
    let mut resampler = Resampler::new(source, target, model);
    for row in samples.chunks_exact((source.0 as usize * model.channels()).max(1)) {
        resampler.push(row);
    }
    resampler.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparent_pixels_do_not_bleed_into_a_resize() {
        // Opaque red beside transparent green: no green may show.
        let pixels: Vec<u8> = (0..64 * 64)
            .flat_map(|at| if at % 64 < 32 { [255, 0, 0, 255] } else { [0, 255, 0, 0] })
            .collect();
        let raster = Raster { width: 64, height: 64, model: Model::Rgba, samples: Samples::Eight(pixels) };
        let Samples::Eight(small) = raster.resize((9, 9)).unwrap().samples else {
            panic!("8 bits stay 8 bits")
        };
        for pixel in small.chunks_exact(4) {
            assert!(pixel[3] == 0 || (pixel[0] > 250 && pixel[1] < 5), "{pixel:?}");
        }
    }
}
