//! To sRGB, 8 bits: the colour space of every derivative.
//!
//! Derivatives carry no profile, which every viewer reads as sRGB. So a picture with a profile of another
//! space is converted (after its resize, when it is small), and a profile that can't be used is told as an
//! [`UnusableProfile`]: colours are never changed in silence. A profile that means sRGB in all but name costs nothing:
//! it is tried on a few colours first and left out if none of them moves.

use std::{
    borrow::Cow,
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use moxcms::{
    CicpColorPrimaries, CicpProfile, CmsError, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, ToneReprCurve, TransferCharacteristics, TransformExecutor, TransformOptions,
};

use crate::{
    planar::{Colour, Pixels, Planar, Plane},
    planes::Scratch,
    raster::{Canvas, Model, Raster, Samples},
};

/// Rows that are converted at a time, few enough to stay in the second-level cache. Even, so that no chroma row
/// is in two bands.
const BAND_ROWS: usize = 16;

/// A profile that was not used: its picture was taken for sRGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableProfile {
    /// Why not, for a reader.
    pub reason: String,
}

/// Converts pixels to sRGB of 8 bits. Opaque ones come out as planes.
pub fn to_srgb(pixels: Pixels, colour: &Colour<'_>, unusable: &mut Vec<UnusableProfile>) -> Pixels {
    match pixels {
        Pixels::Planar(planar) => Pixels::Planar(planes(planar, colour, unusable)),
        Pixels::Raster(raster) if raster.model.has_alpha() => {
            let Canvas { width, height, model, pixels } = to_srgb_canvas(raster, colour, unusable);
            Pixels::Raster(Raster { width, height, model, samples: Samples::Eight(pixels) })
        }
        Pixels::Raster(raster) if raster.model == Model::Gray => {
            let Canvas { width, height, pixels, .. } = to_srgb_canvas(raster, colour, unusable);
            Pixels::Planar(Planar { luma: Plane { width, height, samples: pixels }, chroma: None })
        }
        Pixels::Raster(raster) => {
            let mut planar = Planar::blank((raster.width, raster.height));
            by_bands(&raster, colour, unusable, |top, band| planar.write_band(top, band));
            Pixels::Planar(planar)
        }
    }
}

/// Converts interleaved pixels to sRGB of 8 bits.
pub fn to_srgb_canvas(raster: Raster, colour: &Colour<'_>, unusable: &mut Vec<UnusableProfile>) -> Canvas {
    let (width, height, model) = (raster.width, raster.height, converted(raster.model));
    match raster.samples {
        Samples::Eight(mut pixels) if raster.model == model => {
            let mut converter = Converter::new(model, colour, unusable);
            if converter.conversion.is_some() {
                let (mut before, mut after) = (Vec::new(), Vec::new());
                for band in pixels.chunks_mut((width as usize * model.channels() * BAND_ROWS).max(1)) {
                    before.clear();
                    before.extend_from_slice(band);
                    converter.convert(&before, &mut after, unusable);
                    band.copy_from_slice(&after);
                }
            }
            Canvas { width, height, model, pixels }
        }
        _ => {
            let mut pixels = Vec::with_capacity(width as usize * height as usize * model.channels());
            by_bands(&raster, colour, unusable, |_, band| pixels.extend_from_slice(&band.pixels));
            Canvas { width, height, model, pixels }
        }
    }
}

/// Planes are converted in place: to RGB and back by bands, grey ones sample by sample.
fn planes(mut planar: Planar, colour: &Colour<'_>, unusable: &mut Vec<UnusableProfile>) -> Planar {
    let model = planar.model();
    let mut converter = Converter::<u8>::new(model, colour, unusable);
    match &converter.conversion {
        None => {}
        Some(Conversion::Table(table)) => {
            for sample in &mut planar.luma.samples {
                *sample = table[usize::from(*sample)];
            }
        }
        Some(Conversion::Transform(_)) => {
            let (width, height) = (planar.luma.width as usize, planar.luma.height as usize);
            let mut scratch = Scratch::new(&planar);
            let mut pixels = vec![0; 3 * width * BAND_ROWS.min(height)];
            let mut band = Canvas { width: planar.luma.width, height: 0, model, pixels: Vec::new() };
            for top in (0..height).step_by(BAND_ROWS) {
                pixels.truncate(3 * width * (height - top));
                planar.read_band(top, &mut pixels, &mut scratch);
                converter.convert(&pixels, &mut band.pixels, unusable);
                planar.write_band(top, &band);
            }
        }
    }
    planar
}

/// Gives bands of `raster` in sRGB with 8 bits, each with the number of its first row, from top to bottom.
fn by_bands(
    raster: &Raster,
    colour: &Colour<'_>,
    unusable: &mut Vec<UnusableProfile>,
    take: impl FnMut(usize, &Canvas),
) {
    match &raster.samples {
        Samples::Eight(samples) => bands_of(raster, samples, colour, unusable, take),
        Samples::Sixteen(samples) => bands_of(raster, samples, colour, unusable, take),
    }
}

fn bands_of<T: Depth>(
    raster: &Raster,
    samples: &[T],
    colour: &Colour<'_>,
    unusable: &mut Vec<UnusableProfile>,
    mut take: impl FnMut(usize, &Canvas),
) {
    let mut converter = Converter::new(raster.model, colour, unusable);
    let model = converted(raster.model);
    let mut band = Canvas { width: raster.width, height: 0, model, pixels: Vec::new() };
    let length = raster.width as usize * raster.model.channels() * BAND_ROWS;
    for (index, samples) in samples.chunks(length.max(1)).enumerate() {
        converter.convert(samples, &mut band.pixels, unusable);
        take(index * BAND_ROWS, &band);
    }
}

/// What pixels of `model` are in sRGB.
const fn converted(model: Model) -> Model {
    if matches!(model, Model::Cmyk) { Model::Rgb } else { model }
}

/// A sample of 8 or 16 bits.
trait Depth: Copy + Default {
    /// How many values there are.
    const VALUES: usize;

    /// The value of the same share of white.
    fn of(value: u8) -> Self;
    /// The `index`th value.
    fn nth(index: usize) -> Self;
    fn index(self) -> usize;
    /// Rounded to the nearest of 8 bits.
    fn narrow(self) -> u8;
    fn transform(profile: &ColorProfile, from: Layout, to: Layout) -> Result<Transform<Self>, CmsError>;
}

type Transform<T> = Arc<dyn TransformExecutor<T> + Send + Sync>;

impl Depth for u8 {
    const VALUES: usize = 1 << 8;

    fn of(value: u8) -> Self {
        value
    }

    fn nth(index: usize) -> Self {
        Self::try_from(index).unwrap_or(Self::MAX)
    }

    fn index(self) -> usize {
        self.into()
    }

    fn narrow(self) -> u8 {
        self
    }

    fn transform(profile: &ColorProfile, from: Layout, to: Layout) -> Result<Transform<Self>, CmsError> {
        profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default())
    }
}

impl Depth for u16 {
    const VALUES: usize = 1 << 16;

    fn of(value: u8) -> Self {
        257 * Self::from(value)
    }

    fn nth(index: usize) -> Self {
        Self::try_from(index).unwrap_or(Self::MAX)
    }

    fn index(self) -> usize {
        self.into()
    }

    fn narrow(self) -> u8 {
        u8::try_from((u32::from(self) + 128) / 257).unwrap_or(u8::MAX)
    }

    fn transform(profile: &ColorProfile, from: Layout, to: Layout) -> Result<Transform<Self>, CmsError> {
        profile.create_transform_16bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default())
    }
}

/// Converts samples of one model and depth.
struct Converter<T> {
    model: Model,
    /// `None` where samples are sRGB as they are, or are taken for it.
    conversion: Option<Conversion<T>>,
    /// Converted samples that aren't rounded to 8 bits yet.
    wide: Vec<T>,
}

enum Conversion<T> {
    /// From grey to grey, by value.
    Table(Vec<u8>),
    Transform(Transform<T>),
}

impl<T: Depth> Converter<T> {
    fn new(model: Model, colour: &Colour<'_>, unusable: &mut Vec<UnusableProfile>) -> Self {
        let conversion = contained(|| Conversion::new(model, colour)).unwrap_or_else(|error| {
            ignored(error, unusable);
            None
        });
        Self { model, conversion, wide: Vec::new() }
    }

    /// Replaces `pixels` by what `samples` are in sRGB. Where the profile turns out to break, the rest is converted
    /// without it.
    fn convert(&mut self, samples: &[T], pixels: &mut Vec<u8>, unusable: &mut Vec<UnusableProfile>) {
        pixels.clear();
        let wide = &mut self.wide;
        match &self.conversion {
            None => {}
            Some(Conversion::Table(table)) => {
                let channels = self.model.channels();
                pixels.extend(samples.iter().map(|sample| sample.narrow()));
                for (pixel, sample) in pixels.iter_mut().zip(samples).step_by(channels) {
                    *pixel = table[sample.index()];
                }
                return;
            }
            Some(Conversion::Transform(transform)) => {
                let length = samples.len() / self.model.channels() * converted(self.model).channels();
                wide.resize(length, T::default());
                match contained(|| transform.transform(samples, wide).map_err(reason)) {
                    Ok(()) => {
                        pixels.extend(wide.iter().map(|sample| sample.narrow()));
                        return;
                    }
                    Err(error) => ignored(error, unusable),
                }
            }
        }
        self.conversion = None;
        if self.model == Model::Cmyk {
            pixels.extend(samples.as_chunks().0.iter().flat_map(|ink| paint(ink.map(T::narrow))));
        } else {
            pixels.extend(samples.iter().map(|sample| sample.narrow()));
        }
    }
}

/// The light that inks leave by the plain formula.
fn paint([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    [cyan, magenta, yellow].map(|ink| {
        let light = u32::from(255 - ink) * u32::from(255 - black);
        u8::try_from((light + 127) / 255).unwrap_or(u8::MAX)
    })
}

impl<T: Depth> Conversion<T> {
    /// `None` where `colour` means sRGB.
    fn new(model: Model, colour: &Colour<'_>) -> Result<Option<Self>, String> {
        let Some(profile) = profile(colour)? else { return Ok(None) };
        let grey = matches!(model, Model::Gray | Model::GrayAlpha);
        let expected = match model {
            // Code points tell what a neutral colour is, too.
            Model::Gray | Model::GrayAlpha if matches!(colour, Colour::Icc(_)) => DataColorSpace::Gray,
            Model::Cmyk => DataColorSpace::Cmyk,
            _ => DataColorSpace::Rgb,
        };
        if profile.color_space != expected {
            return Err("it describes colours of another kind than the picture has".to_owned());
        }
        let (from, to) = match expected {
            DataColorSpace::Gray => (Layout::Gray, Layout::Rgb),
            // moxcms takes the four inks in the layout of RGBA.
            DataColorSpace::Cmyk => (Layout::Rgba, Layout::Rgb),
            _ if model == Model::Rgba => (Layout::Rgba, Layout::Rgba),
            _ => (Layout::Rgb, Layout::Rgb),
        };
        let transform = T::transform(&profile, from, to).map_err(reason)?;
        if grey {
            let table = table(&*transform, from.channels())?;
            let same = (0..=u8::MAX).all(|value| table[T::of(value).index()].abs_diff(value) <= 1);
            return Ok((!same).then_some(Self::Table(table)));
        }
        let same = model != Model::Cmyk && is_identity(&*transform, from.channels())?;
        Ok((!same).then_some(Self::Transform(transform)))
    }
}

/// What each grey value becomes. A grey profile gives neutral colours: one channel of them says it all.
fn table<T: Depth>(
    transform: &(dyn TransformExecutor<T> + Send + Sync),
    channels: usize,
) -> Result<Vec<u8>, String> {
    let greys: Vec<T> =
        (0..T::VALUES).flat_map(|index| std::iter::repeat_n(T::nth(index), channels)).collect();
    let mut colours = vec![T::default(); 3 * T::VALUES];
    transform.transform(&greys, &mut colours).map_err(reason)?;
    Ok(colours.as_chunks::<3>().0.iter().map(|[_, green, _]| green.narrow()).collect())
}

/// Whether a lattice of colours comes out as it went in, give or take one step.
fn is_identity<T: Depth>(
    transform: &(dyn TransformExecutor<T> + Send + Sync),
    channels: usize,
) -> Result<bool, String> {
    const STEPS: [u8; 6] = [0, 51, 102, 153, 204, 255];
    let mut lattice = Vec::new();
    for red in STEPS {
        for green in STEPS {
            for blue in STEPS {
                lattice.extend([red, green, blue, 255].map(T::of).iter().take(channels));
            }
        }
    }
    let mut converted = vec![T::default(); lattice.len()];
    transform.transform(&lattice, &mut converted).map_err(reason)?;
    let same = |(before, after): (&T, &T)| before.narrow().abs_diff(after.narrow()) <= 1;
    Ok(lattice.iter().zip(&converted).all(same))
}

/// Tells that a profile wasn't used, once.
fn ignored(reason: String, unusable: &mut Vec<UnusableProfile>) {
    let profile = UnusableProfile { reason };
    if !unusable.contains(&profile) {
        unusable.push(profile);
    }
}

/// What is said to readers of what the colour engine says in its own words.
fn reason(_error: impl Display) -> String {
    "it is damaged or of an unknown kind".to_owned()
}

// Aborting on a panic would let one profile take down its whole process.
const _: () = assert!(cfg!(panic = "unwind"), "sluice-pixels must be built with panic = \"unwind\"");

/// Runs the colour engine so that a panic over a broken profile becomes a reason not to use it. Nothing that `work` borrows
/// mutably is read after an unwind but samples, which are then written anew.
fn contained<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("it is damaged".to_owned()))
}

/// The profile that `colour` stands for, `None` where that is sRGB.
fn profile(colour: &Colour<'_>) -> Result<Option<ColorProfile>, String> {
    match *colour {
        Colour::Srgb => Ok(None),
        Colour::Icc(ref icc) => ColorProfile::new_from_slice(&essentials(icc)).map_err(reason).map(Some),
        Colour::Cicp { primaries, transfer } => cicp(primaries, transfer),
    }
}

/// The header of a profile, its version and its class in it, and an entry of the table of tags behind it (ICC.1, 7.2
/// and 7.3).
const ICC_HEADER: usize = 128;
const ICC_VERSION: usize = 8;
const ICC_CLASS: usize = 12;
const ICC_ENTRY: usize = 12;

/// A profile with nothing but what tells its colours: a description that is broken, say, is no reason to show others.
/// Of tables, that for photos (perceptual) is kept; the one for colorimetry stands in for it where there is no matrix,
/// either. A version and a class that nobody knows are taken for common ones.
fn essentials(icc: &[u8]) -> Cow<'_, [u8]> {
    const MATRIX: [&[u8; 4]; 6] = [b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"];
    const OTHERS: [&[u8; 4]; 5] = [b"kTRC", b"wtpt", b"chad", b"cicp", b"A2B0"];
    let start = ICC_HEADER + 4;
    let Some(count) = icc.get(ICC_HEADER..start).and_then(|count| count.first_chunk()) else {
        return Cow::Borrowed(icc);
    };
    let count = usize::try_from(u32::from_be_bytes(*count)).unwrap_or(usize::MAX);
    let entries: Vec<&[u8]> = icc[start..].chunks_exact(ICC_ENTRY).take(count).collect();
    let find = |tag: &[u8; 4]| entries.iter().find(|entry| entry.starts_with(tag)).copied();
    let mut kept: Vec<[u8; ICC_ENTRY]> = Vec::new();
    for entry in MATRIX.iter().chain(&OTHERS).filter_map(|tag| find(tag)) {
        kept.extend(entry.first_chunk());
    }
    let has_matrix = MATRIX.iter().all(|tag| find(tag).is_some());
    if let (None, false, Some(table)) = (find(b"A2B0"), has_matrix, find(b"A2B1"))
        && let Some(mut entry) = table.first_chunk().copied()
    {
        entry[..4].copy_from_slice(b"A2B0");
        kept.push(entry);
    }
    let mut profile = icc.to_vec();
    // Values lie where they were; the table only gets shorter.
    for (place, entry) in profile[start..].chunks_exact_mut(ICC_ENTRY).zip(&kept) {
        place.copy_from_slice(entry);
    }
    profile[ICC_HEADER..start].copy_from_slice(&u32::try_from(kept.len()).unwrap_or(0).to_be_bytes());
    let version = &mut profile[ICC_VERSION];
    *version = if *version < 4 { 2 } else { 4 };
    let class = &mut profile[ICC_CLASS..ICC_CLASS + 4];
    if ![b"scnr", b"mntr", b"prtr", b"spac", b"link", b"abst", b"nmcl"].iter().any(|known| class == *known) {
        class.copy_from_slice(b"mntr");
    }
    Cow::Owned(profile)
}

/// The profile of code points of ITU-T H.273, `None` for sRGB. What is unspecified is sRGB's; so are the transfers of
/// BT.601, BT.709 and BT.2020 (1, 6, 14, 15), which cameras write over pictures made for sRGB screens.
fn cicp(primaries: u8, transfer: u8) -> Result<Option<ColorProfile>, String> {
    const SRGB: u8 = 13;
    let primaries = if primaries == 2 { 1 } else { primaries };
    let transfer = if matches!(transfer, 1 | 2 | 6 | 14 | 15) { SRGB } else { transfer };
    if (primaries, transfer) == (1, SRGB) {
        return Ok(None);
    }
    let curve = match transfer {
        16 => Some(tone_curve(perceptual_quantizer)),
        18 => Some(tone_curve(hybrid_log_gamma)),
        _ => None,
    };
    // With a curve of its own, a profile needs any other one until it gets it.
    let transfer = if curve.is_some() { SRGB } else { transfer };
    let color_primaries = CicpColorPrimaries::try_from(primaries).map_err(reason)?;
    let transfer_characteristics = TransferCharacteristics::try_from(transfer).map_err(reason)?;
    let known = ColorPrimaries::try_from(color_primaries).is_ok()
        && ToneReprCurve::try_from(transfer_characteristics).is_ok();
    if !known {
        return Err(format!("primaries {primaries} with transfer {transfer} aren't known"));
    }
    let mut profile = ColorProfile::new_from_cicp(CicpProfile {
        color_primaries,
        transfer_characteristics,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    if curve.is_some() {
        profile.cicp = None;
        profile.red_trc.clone_from(&curve);
        profile.green_trc.clone_from(&curve);
        profile.blue_trc = curve;
    }
    Ok(Some(profile))
}

/// The light of diffuse white in a picture of high dynamic range, in cd/m² (ITU-R BT.2408, 2.1).
const DIFFUSE_WHITE: f64 = 203.0;

/// The curve of a picture of high dynamic range that is shown on a screen without: `light` gives the cd/m² of a signal of
/// 0 to 1. Up to the knee light stays as it is; above, ever brighter light comes ever closer to white, which diffuse
/// white doesn't reach, so that highlights can be told from it.
fn tone_curve(light: fn(f64) -> f64) -> ToneReprCurve {
    const ENTRIES: u32 = 4096;
    const KNEE: f64 = 0.6;
    let entry = |index: u32| {
        let light = light(f64::from(index) / f64::from(ENTRIES - 1)) / DIFFUSE_WHITE;
        let shown = if light <= KNEE {
            light
        } else {
            KNEE + (1.0 - KNEE) * (1.0 - (-(light - KNEE) / (1.0 - KNEE)).exp())
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 65,535")]
        let entry = (shown.clamp(0.0, 1.0) * 65_535.0).round() as u16;
        entry
    };
    ToneReprCurve::Lut((0..ENTRIES).map(entry).collect())
}

/// The cd/m² of a PQ signal (SMPTE ST 2084; ITU-R BT.2100, table 4).
fn perceptual_quantizer(signal: f64) -> f64 {
    const M1: f64 = 2610.0 / 16_384.0;
    const M2: f64 = 2523.0 / 4096.0 * 128.0;
    const C1: f64 = 3424.0 / 4096.0;
    const C2: f64 = 2413.0 / 4096.0 * 32.0;
    const C3: f64 = 2392.0 / 4096.0 * 32.0;
    let power = signal.powf(1.0 / M2);
    10_000.0 * ((power - C1).max(0.0) / (C2 - C3 * power)).powf(1.0 / M1)
}

/// The cd/m² of an HLG signal on a screen of 1000 (ITU-R BT.2100, table 5), its system gamma taken by channel.
fn hybrid_log_gamma(signal: f64) -> f64 {
    const A: f64 = 0.178_832_77;
    const B: f64 = 1.0 - 4.0 * A;
    const C: f64 = 0.559_910_73;
    const SYSTEM_GAMMA: f64 = 1.2;
    let scene = if signal <= 0.5 { signal * signal / 3.0 } else { (((signal - C) / A).exp() + B) / 12.0 };
    1000.0 * scene.powf(SYSTEM_GAMMA)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(model: Model, samples: Samples) -> Raster {
        Raster { width: 1, height: 1, model, samples }
    }

    /// An ICC profile of version 2 from RGB to XYZ, of these tags.
    fn v2(tags: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut icc = vec![0; ICC_HEADER];
        icc[8] = 2;
        icc[12..16].copy_from_slice(b"mntr");
        icc[16..24].copy_from_slice(b"RGB XYZ ");
        icc[36..40].copy_from_slice(b"acsp");
        icc[68..80].copy_from_slice(&[0, 0, 0xF6, 0xD6, 0, 1, 0, 0, 0, 0, 0xD3, 0x2D]);
        icc.extend(u32::try_from(tags.len()).unwrap().to_be_bytes());
        let mut place = icc.len() + 12 * tags.len();
        for (tag, data) in tags {
            icc.extend(*tag);
            icc.extend(u32::try_from(place).unwrap().to_be_bytes());
            icc.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
            place += data.len();
        }
        icc.extend(tags.iter().flat_map(|(_, data)| data));
        let length = u32::try_from(icc.len()).unwrap();
        icc[..4].copy_from_slice(&length.to_be_bytes());
        icc
    }

    #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
    fn fixed(value: f64) -> [u8; 4] {
        ((value * 65_536.0).round() as i32).to_be_bytes()
    }

    /// Red, green and blue of Adobe RGB (1998) in XYZ, and its gamma.
    const ADOBE: [[f64; 3]; 3] =
        [[0.60974, 0.31111, 0.01947], [0.20528, 0.62567, 0.06087], [0.14919, 0.06322, 0.74457]];
    const GAMMA: f64 = 2.199_218_75;

    fn matrix_tags() -> Vec<(&'static [u8; 4], Vec<u8>)> {
        let colorant = |xyz: [f64; 3]| [b"XYZ \0\0\0\0".to_vec(), xyz.map(fixed).concat()].concat();
        let curve = || b"curv\0\0\0\0\0\0\0\x01\x02\x33\0\0".to_vec();
        let [red, green, blue] = ADOBE.map(colorant);
        vec![
            (b"wtpt", colorant([0.9505, 1.0, 1.0891])),
            (b"rXYZ", red),
            (b"gXYZ", green),
            (b"bXYZ", blue),
            (b"rTRC", curve()),
            (b"gTRC", curve()),
            (b"bTRC", curve()),
        ]
    }

    /// The same colours as a table of 16 bits to XYZ (ICC.1:2001, 6.5.7), linear behind its curves.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    fn table_to_xyz() -> Vec<u8> {
        const GRID: u8 = 5;
        let word = |value: f64| ((value.clamp(0.0, 1.0) * 65_535.0).round() as u16).to_be_bytes();
        let mut lut = b"mft2\0\0\0\0".to_vec();
        lut.extend([3, 3, GRID, 0]);
        for at in 0..9 {
            lut.extend(fixed(if at % 4 == 0 { 1.0 } else { 0.0 }));
        }
        lut.extend([1, 0, 0, 2]);
        for _ in 0..3 {
            lut.extend((0..256).flat_map(|at| word((f64::from(at) / 255.0).powf(GAMMA))));
        }
        let steps = || (0..GRID).map(|at| f64::from(at) / f64::from(GRID - 1));
        for red in steps() {
            for green in steps() {
                for blue in steps() {
                    lut.extend([0, 1, 2].iter().flat_map(|&at| {
                        let xyz = red * ADOBE[0][at] + green * ADOBE[1][at] + blue * ADOBE[2][at];
                        // 1 + 32,767 ÷ 32,768 is the highest number there is.
                        word(xyz * 32_768.0 / 65_535.0)
                    }));
                }
            }
        }
        for _ in 0..3 {
            lut.extend([0, 0, 0xFF, 0xFF]);
        }
        lut
    }

    /// A lattice of colours by a profile, and whether it was used.
    fn by_profile(icc: Vec<u8>) -> (Vec<u8>, bool) {
        let steps = [0, 64, 128, 200, 255];
        let colours: Vec<u8> = steps
            .iter()
            .flat_map(|&red| steps.iter().flat_map(move |&green| steps.map(|blue| [red, green, blue])))
            .flatten()
            .collect();
        let samples = Samples::Eight(colours);
        let raster = Raster { width: 125, height: 1, model: Model::Rgb, samples };
        let mut unusable = Vec::new();
        let canvas = to_srgb_canvas(raster, &Colour::Icc(icc.into()), &mut unusable);
        (canvas.pixels, unusable.is_empty())
    }

    #[test]
    fn profiles_of_version_2_by_matrix_and_by_tables_to_xyz() {
        let (matrix, used) = by_profile(v2(&matrix_tags()));
        assert!(used);
        // Red 0, green 128, blue 0, which sRGB doesn't have; and a grey that hardly changes.
        assert_eq!(matrix[3 * 10..3 * 11], [0, 129, 0]);
        assert!(matrix[3 * 62..3 * 63].iter().all(|sample| sample.abs_diff(129) <= 1));
        let (table, used) = by_profile(v2(&[(b"A2B0", table_to_xyz())]));
        assert!(used);
        let furthest = table.iter().zip(&matrix).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(furthest <= Some(6), "{furthest:?}");
    }

    #[test]
    fn what_does_not_tell_colours_is_no_reason_to_leave_a_profile_out() {
        let (right, _) = by_profile(v2(&matrix_tags()));
        let with = |tag: &'static [u8; 4], data: &[u8]| {
            let mut tags = matrix_tags();
            tags.push((tag, data.to_vec()));
            v2(&tags)
        };
        let patched = |at: usize, bytes: &[u8]| {
            let mut icc = v2(&matrix_tags());
            icc[at..at + bytes.len()].copy_from_slice(bytes);
            icc
        };
        let cases = [
            ("a broken description", with(b"desc", b"desc\0\0\0\0\xFF\xFF\xFF\xFFab\0\0")),
            ("a table for colorimetry alone", with(b"A2B1", &table_to_xyz())),
            ("a table for saturated colours alone", with(b"A2B2", &table_to_xyz())),
            ("a broken table of the way back", with(b"B2A0", b"mft2\0\0\0\0")),
            ("a tag twice", with(b"rTRC", b"curv\0\0\0\0\0\0\0\0")),
            ("no class", patched(12, &[0; 4])),
            ("version 5", patched(8, &[5])),
            ("version 1", patched(8, &[1])),
        ];
        for (case, icc) in cases {
            assert_eq!(by_profile(icc), (right.clone(), true), "{case}");
        }
        let (colorimetric, used) = by_profile(v2(&[(b"A2B1", table_to_xyz())]));
        assert!(used && colorimetric == by_profile(v2(&[(b"A2B0", table_to_xyz())])).0);
    }

    #[test]
    fn display_p3_becomes_srgb() {
        let icc = Colour::Icc(ColorProfile::new_display_p3().encode().unwrap().into());
        let mut warnings = Vec::new();
        // CSS Color 4: color(display-p3 0.8 0.4 0.2) is about rgb(217, 96, 34).
        let p3 = one(Model::Rgb, Samples::Eight(vec![204, 102, 51]));
        let canvas = to_srgb_canvas(p3, &icc, &mut warnings);
        for (got, expected) in canvas.pixels.iter().zip([217_u8, 96, 34]) {
            assert!(got.abs_diff(expected) <= 3, "{:?}", canvas.pixels);
        }
        let deep = one(Model::Rgba, Samples::Sixteen(vec![204 * 257, 102 * 257, 51 * 257, 0x8080]));
        let deep = to_srgb_canvas(deep, &icc, &mut warnings);
        for (got, expected) in
            deep.pixels.iter().zip([canvas.pixels[0], canvas.pixels[1], canvas.pixels[2], 128])
        {
            assert!(got.abs_diff(expected) <= 1, "{:?}", deep.pixels);
        }
        assert_eq!(warnings, []);
    }

    #[test]
    fn a_profile_that_means_srgb_changes_nothing() {
        let icc = Colour::Icc(ColorProfile::new_srgb().encode().unwrap().into());
        for (depth, conversion) in [
            (8, Conversion::<u8>::new(Model::Rgb, &icc).unwrap().is_some()),
            (16, Conversion::<u16>::new(Model::Rgba, &icc).unwrap().is_some()),
        ] {
            assert!(!conversion, "{depth}");
        }
        let raster = one(Model::Rgb, Samples::Eight(vec![1, 128, 254]));
        assert_eq!(to_srgb_canvas(raster, &icc, &mut Vec::new()).pixels, [1, 128, 254]);
    }

    #[test]
    fn gray_by_a_gray_profile() {
        let icc = Colour::Icc(ColorProfile::new_gray_with_gamma(1.0).encode().unwrap().into());
        let mut warnings = Vec::new();
        // Linear light of 0.5 is 188 in sRGB.
        for samples in [Samples::Eight(vec![128, 77]), Samples::Sixteen(vec![128 * 257, 77 * 257])] {
            let canvas = to_srgb_canvas(one(Model::GrayAlpha, samples), &icc, &mut warnings);
            assert_eq!(warnings, []);
            assert_eq!(canvas.model, Model::GrayAlpha);
            assert!(canvas.pixels[0].abs_diff(188) <= 1 && canvas.pixels[1] == 77, "{:?}", canvas.pixels);
        }
    }

    #[test]
    fn an_unusable_profile_is_told() {
        let rgb = ColorProfile::new_display_p3().encode().unwrap();
        for icc in [&b"nonsense"[..], &rgb[..100], &rgb] {
            let mut warnings = Vec::new();
            let icc = Colour::Icc(icc.into());
            let canvas = to_srgb_canvas(one(Model::Gray, Samples::Eight(vec![9])), &icc, &mut warnings);
            assert_eq!(canvas.pixels, [9]);
            assert_eq!(warnings.len(), 1);
        }
    }

    #[test]
    fn inks_without_a_profile() {
        for samples in [Samples::Eight(vec![255, 0, 0, 51]), Samples::Sixteen(vec![65_535, 0, 0, 51 * 257])] {
            let canvas = to_srgb_canvas(one(Model::Cmyk, samples), &Colour::Srgb, &mut Vec::new());
            assert_eq!((canvas.model, canvas.pixels.as_slice()), (Model::Rgb, &[0, 204, 204][..]));
        }
    }

    #[test]
    fn sixteen_bits_round_to_eight() {
        let rounded = [0, 128, 129, 257, 65_535, 65_406].map(u16::narrow);
        assert_eq!(rounded, [0, 0, 1, 1, 255, 254]);
    }

    /// Colours over more than two bands.
    fn colourful(model: Model) -> Canvas {
        let (width, height) = (35, 39);
        let pixels = (0..4 * 35 * 39_u32)
            .map(|at| (at * 89 / 7 % 251).to_le_bytes()[0])
            .take(35 * 39 * model.channels())
            .collect();
        Canvas { width, height, model, pixels }
    }

    fn wide_gamut() -> Colour<'static> {
        Colour::Icc(ColorProfile::new_display_p3().encode().unwrap().into())
    }

    #[test]
    fn planes_are_converted_as_their_pixels_are() {
        let before = Planar::from_canvas(&colourful(Model::Rgb));
        let Canvas { width, height, model, pixels } = before.to_canvas();
        let raster = Raster { width, height, model, samples: Samples::Eight(pixels) };
        let after = Planar::from_canvas(&to_srgb_canvas(raster, &wide_gamut(), &mut Vec::new()));
        assert_ne!(before, after);
        let converted = to_srgb(Pixels::Planar(before), &wide_gamut(), &mut Vec::new());
        assert!(converted == Pixels::Planar(after));
    }

    #[test]
    fn opaque_pixels_become_planes() {
        for colour in [Colour::Srgb, wide_gamut()] {
            let Canvas { width, height, model, pixels } = colourful(Model::Rgb);
            let deep = pixels.iter().map(|&sample| u16::of(sample)).collect();
            for (samples, tolerance) in [(Samples::Eight(pixels), 0), (Samples::Sixteen(deep), 2)] {
                let mut warnings = Vec::new();
                let raster = Raster { width, height, model, samples };
                let canvas = to_srgb_canvas(raster.clone(), &colour, &mut warnings);
                let expected = Planar::from_canvas(&canvas);
                let Pixels::Planar(planar) = to_srgb(Pixels::Raster(raster), &colour, &mut warnings) else {
                    panic!("opaque pixels become planes")
                };
                assert_eq!((planar.size(), warnings), ((width, height), vec![]));
                for (got, expected) in planar.luma.samples.iter().zip(&expected.luma.samples) {
                    assert!(got.abs_diff(*expected) <= tolerance);
                }
            }
        }
    }

    #[test]
    fn alpha_stays_as_it_is() {
        let Canvas { width, height, model, pixels } = colourful(Model::Rgba);
        let alpha = |pixels: &[u8]| pixels.iter().skip(3).step_by(4).copied().collect::<Vec<_>>();
        let deep = pixels.iter().map(|&sample| u16::of(sample)).collect();
        for samples in [Samples::Eight(pixels.clone()), Samples::Sixteen(deep)] {
            let raster = Pixels::Raster(Raster { width, height, model, samples });
            let Pixels::Raster(converted) = to_srgb(raster, &wide_gamut(), &mut Vec::new()) else {
                panic!("transparent pixels stay interleaved")
            };
            let Samples::Eight(converted) = converted.samples else { panic!("of 8 bits") };
            assert_eq!(alpha(&converted), alpha(&pixels));
            assert_ne!(converted, pixels);
        }
    }

    #[test]
    fn high_dynamic_range_fits_the_screen() {
        // Black, diffuse white and the brightest signal; BT.2408 puts diffuse white at 58 % of PQ and 75 % of HLG.
        for (transfer, white) in [(16, 148), (18, 191)] {
            let grey = Raster {
                width: 3,
                height: 1,
                model: Model::Gray,
                samples: Samples::Eight(vec![0, white, 255]),
            };
            let mut warnings = Vec::new();
            let canvas = to_srgb_canvas(grey, &Colour::Cicp { primaries: 9, transfer }, &mut warnings);
            assert_eq!(warnings, []);
            let [black, white, brightest] = canvas.pixels[..] else { panic!("three pixels") };
            assert!(black == 0 && (230..245).contains(&white) && brightest >= 254, "{:?}", canvas.pixels);
        }
    }

    fn planes(pixel: [u8; 3]) -> Planar {
        let pixels = pixel.repeat(50 * 75);
        Planar::from_canvas(&Canvas { width: 50, height: 75, model: Model::Rgb, pixels })
    }

    #[test]
    fn planes_are_converted_like_pixels() {
        let icc = Colour::Icc(ColorProfile::new_display_p3().encode().unwrap().into());
        let code_points = Colour::Cicp { primaries: 12, transfer: 13 };
        for colour in [icc, code_points] {
            let mut warnings = Vec::new();
            let Pixels::Planar(planar) =
                to_srgb(Pixels::Planar(planes([204, 102, 51])), &colour, &mut warnings)
            else {
                panic!("planes stay planes")
            };
            assert_eq!(warnings, []);
            let canvas = planar.to_canvas();
            assert_eq!(canvas.size(), (50, 75));
            for pixel in canvas.pixels.as_chunks::<3>().0 {
                for (got, expected) in pixel.iter().zip([217_u8, 96, 34]) {
                    assert!(got.abs_diff(expected) <= 4, "{pixel:?}");
                }
            }
        }
    }

    #[test]
    fn grey_planes_by_a_grey_profile_stay_grey() {
        let icc = Colour::Icc(ColorProfile::new_gray_with_gamma(1.0).encode().unwrap().into());
        let luma = Plane { width: 3, height: 1, samples: vec![0, 128, 255] };
        let grey = Pixels::Planar(Planar { luma, chroma: None });
        let Pixels::Planar(planar) = to_srgb(grey, &icc, &mut Vec::new()) else {
            panic!("planes stay planes")
        };
        assert!(planar.chroma.is_none());
        for (got, expected) in planar.luma.samples.iter().zip([0_u8, 188, 255]) {
            assert!(got.abs_diff(expected) <= 1, "{:?}", planar.luma.samples);
        }
    }

    #[test]
    fn code_points_that_mean_srgb_change_nothing() {
        for (primaries, transfer) in [(1, 13), (2, 2), (1, 1), (1, 6)] {
            let same = Pixels::Planar(planes([204, 102, 51]));
            let mut warnings = Vec::new();
            assert_eq!(to_srgb(same.clone(), &Colour::Cicp { primaries, transfer }, &mut warnings), same);
            assert_eq!(warnings, []);
        }
        let mut warnings = Vec::new();
        let unknown = Colour::Cicp { primaries: 200, transfer: 13 };
        to_srgb(Pixels::Planar(planes([1, 2, 3])), &unknown, &mut warnings);
        assert_eq!(warnings.len(), 1);
    }
}
