//! HEVC still pictures (ITU-T H.265), by two decoders in Rust.
//!
//! [`rust_h265`] takes what phones write, one slice of 4:2:0 or 4:4:4, and is 1.6 times as fast as the other;
//! [`heifer_hevc_dec`], which knows nothing but still pictures and has no `unsafe` at all, takes the rest: grey
//! (alpha planes are), 4:2:2, several slices. The parameter sets are read by the latter before either starts.
//!
//! Invariants: the size in the bitstream is held against the item's before anything is allocated for it; one
//! picture is decoded, of intra slices; each slice begins where the one before ended, so that a picture costs
//! what its size says.

use heifer_hevc_dec::{
    nal::{NalUnit, NalUnitType},
    params::{ParameterSets, Pps, Sps},
    recon::{self, Reconstructor},
    slice::SliceHeader,
    syntax::{Picture, decode_slice_segment},
};
use rust_h265::{DecodeLimits, Decoder, PixelData};

use super::{Channel, Frame, Layout, Store, UNSPECIFIED, largest};
use crate::{
    error::{MediaError, contained},
    formats::heif::header::{Coded, Nclx},
};

/// Most parameter sets and messages of a configuration; there are three sets, and some have a message.
const MAX_CONFIG_UNITS: usize = 64;
/// Most slice segments of a picture (H.265, table A.8).
const MAX_SLICES: usize = 600;
/// Bytes that a decoder may take for a pixel, times the coded size; for the one that counts itself.
const BYTES_PER_PIXEL: u64 = 64;

pub(super) fn decode(config: &[u8], item: &Coded<'_>) -> Result<Frame, MediaError> {
    let stream = Stream::parse(config, &item.data)?;
    let (pps, sps) = stream.active()?;
    let coded = (sps.pic_width_in_luma_samples, sps.pic_height_in_luma_samples);
    let most = largest(item.size);
    if coded.0 > most.0 || coded.1 > most.1 {
        return Err(MediaError::corrupt(format!(
            "a picture of {} × {} is coded as {} × {}",
            item.size.0, item.size.1, coded.0, coded.1
        )));
    }
    let chroma = match (sps.chroma_format_idc, sps.separate_colour_plane_flag) {
        (_, true) => return Err(unsupported("colour planes coded apart")),
        (0, _) => None,
        (1, _) => Some((1, 1)),
        (2, _) => Some((1, 0)),
        _ => Some((0, 0)),
    };
    if chroma.is_some() && sps.bit_depth_luma != sps.bit_depth_chroma {
        return Err(unsupported("luma and chroma of different depths"));
    }
    let layout = Layout { depth: sps.bit_depth_luma, chroma };
    let signal = signal(sps);
    let fast = stream.slices.len() == 1 && matches!(sps.chroma_format_idc, 1 | 3);
    let quick = if fast { contained(|| stream.quick(layout, coded)).ok() } else { None };
    let (size, channels, damaged) = match quick {
        Some(decoded) => decoded,
        None => stream.thorough(pps, sps, layout)?,
    };
    Ok(Frame { size, layout, signal, channels, damaged: damaged || stream.cut_short })
}

type Decoded = ((u32, u32), Vec<Channel>, bool);

fn unsupported(what: &str) -> MediaError {
    MediaError::Unsupported { found: format!("HEVC with {what}") }
}

/// What the bitstream says of its colours; without a word, H.265 has them of the limited range (E.3.1).
fn signal(sps: &Sps) -> Nclx {
    match &sps.vui {
        Some(vui) => Nclx {
            primaries: vui.colour_primaries,
            transfer: vui.transfer_characteristics,
            matrix: vui.matrix_coeffs,
            full_range: vui.video_full_range_flag,
        },
        None => {
            Nclx { primaries: UNSPECIFIED, transfer: UNSPECIFIED, matrix: UNSPECIFIED, full_range: false }
        }
    }
}

/// The units of one picture.
struct Stream<'a> {
    sets: ParameterSets,
    /// Parameter sets and slices, as they are in the file.
    raw: Vec<&'a [u8]>,
    slices: Vec<(NalUnit<'a>, SliceHeader)>,
    cut_short: bool,
}

impl<'a> Stream<'a> {
    /// Reads the configuration (ISO/IEC 14496-15, 8.3.3.1) and the units behind their lengths.
    fn parse(config: &'a [u8], data: &'a [u8]) -> Result<Self, MediaError> {
        let mut stream =
            Self { sets: ParameterSets::default(), raw: Vec::new(), slices: Vec::new(), cut_short: false };
        let units = configured(config);
        for unit in units.into_iter().take(MAX_CONFIG_UNITS) {
            stream.parameters(unit);
        }
        let length_size = config.get(21).map_or(4, |flags| usize::from(flags & 3) + 1);
        let mut rest = data;
        while let Some((length, behind)) = rest.split_at_checked(length_size) {
            let length = length.iter().fold(0_usize, |length, &byte| length << 8 | usize::from(byte));
            stream.cut_short |= length > behind.len();
            let (unit, behind) = behind.split_at(length.min(behind.len()));
            rest = behind;
            if stream.ends_before(unit)? {
                break;
            }
        }
        if stream.slices.is_empty() {
            return Err(MediaError::corrupt("there is no slice of a picture"));
        }
        Ok(stream)
    }

    /// Takes a parameter set. What can't be read is missed by the slice that needs it.
    fn parameters(&mut self, raw: &'a [u8]) {
        if let Ok(unit) = NalUnit::parse(raw)
            && unit.header.layer_id == 0
            && self.raw.len() < MAX_CONFIG_UNITS
            && matches!(self.sets.add(&unit), Ok(true))
        {
            self.raw.push(raw);
        }
    }

    /// Takes a unit of the item; true when the picture is over.
    fn ends_before(&mut self, raw: &'a [u8]) -> Result<bool, MediaError> {
        let Ok(unit) = NalUnit::parse(raw) else { return Ok(false) };
        if unit.header.layer_id != 0 {
            return Ok(false);
        }
        match unit.header.unit_type {
            NalUnitType::IrapSlice(_) | NalUnitType::OtherSlice(_) => {}
            _ => {
                if self.slices.is_empty() {
                    self.parameters(raw);
                }
                return Ok(false);
            }
        }
        let first = unit.rbsp.first().is_some_and(|byte| byte & 0x80 != 0);
        if first != self.slices.is_empty() {
            // The next picture, or one without its beginning.
            return Ok(first);
        }
        if self.slices.len() >= MAX_SLICES {
            return Err(MediaError::corrupt(format!("a picture has more than {MAX_SLICES} slices")));
        }
        let previous = self
            .slices
            .iter()
            .rev()
            .map(|(_, header)| header)
            .find(|header| !header.dependent_slice_segment_flag);
        let header = match SliceHeader::parse(&unit.rbsp, &unit.header, &self.sets, previous) {
            Ok(header) => header,
            Err(heifer_hevc_dec::Error::Unimplemented(_)) => {
                return Err(unsupported("a feature that isn't known here"));
            }
            Err(error) if self.slices.is_empty() => {
                return Err(MediaError::broken("the picture's data makes no sense", error));
            }
            Err(_) => {
                self.cut_short = true;
                return Ok(true);
            }
        };
        self.slices.push((unit, header));
        self.raw.push(raw);
        Ok(false)
    }

    /// The parameters of the picture: those of its first slice.
    fn active(&self) -> Result<(&Pps, &Sps), MediaError> {
        let (_, header) = self.slices.first().ok_or_else(|| MediaError::corrupt("there is no slice"))?;
        self.sets.get(header.slice_pic_parameter_set_id.into()).map_err(MediaError::corrupt)
    }

    /// By the fast decoder.
    fn quick(&self, layout: Layout, coded: (u32, u32)) -> Result<Decoded, MediaError> {
        let pixels = u64::from(coded.0) * u64::from(coded.1);
        let mut decoder = Decoder::with_limits(DecodeLimits {
            max_picture_pixels: pixels,
            // Small pictures are filled up to whole blocks.
            max_picture_memory_bytes: pixels.saturating_add(1 << 16).saturating_mul(BYTES_PER_PIXEL),
        });
        let mut damaged = false;
        for raw in &self.raw {
            let unit = rust_h265::parse_nal(raw).ok_or_else(|| MediaError::corrupt("a broken unit"))?;
            match decoder.decode_nal(&unit) {
                Ok(_) => {}
                Err(_) if unit.nal_unit_type.is_vcl() => damaged = true,
                Err(error) => return Err(MediaError::broken("the picture's data makes no sense", error)),
            }
        }
        let frame = decoder.flush().ok_or_else(|| MediaError::corrupt("there is no picture"))?;
        if !damaged && ends_grey(&frame) {
            // A slice that ends early leaves the rest grey without a word. The other decoder counts blocks.
            return Err(MediaError::corrupt("the picture may have ended early"));
        }
        let size = (frame.width, frame.height);
        let chroma = layout.chroma.map_or((0, 0), |shift| super::subsampled(size, shift));
        let channels = [(frame.y, size), (frame.u, chroma), (frame.v, chroma)]
            .into_iter()
            .map(|(samples, (width, height))| {
                let whole = width as usize * height as usize;
                let store = match samples {
                    PixelData::U8(samples) if layout.depth == 8 && samples.len() >= whole => {
                        Store::Eight(samples)
                    }
                    PixelData::U16(samples) if layout.depth > 8 && samples.len() >= whole => {
                        Store::Sixteen(samples)
                    }
                    _ => return Err(MediaError::corrupt("a channel of another form than its header says")),
                };
                Ok(Channel { store, stride: width as usize })
            })
            .collect::<Result<_, _>>()?;
        Ok((size, channels, damaged))
    }

    /// By the decoder that takes everything.
    fn thorough(&self, pps: &Pps, sps: &Sps, layout: Layout) -> Result<Decoded, MediaError> {
        let mut picture = Picture::new(sps, pps);
        let mut reconstructor = Reconstructor::new(sps, pps);
        let mut damaged = false;
        for (unit, header) in &self.slices {
            let start = picture.layout.rs_to_ts.get(header.slice_segment_address as usize);
            let pps_id = self.slices[0].1.slice_pic_parameter_set_id;
            let data = unit.rbsp.get(header.header_size..);
            let (Some(&start), Some(data), Ok(qp)) = (start, data, header.slice_qp_y(&self.sets)) else {
                damaged = true;
                break;
            };
            if start < picture.decoded_ctbs || header.slice_pic_parameter_set_id != pps_id {
                damaged = true;
                break;
            }
            damaged |= start > picture.decoded_ctbs;
            picture.decoded_ctbs = start;
            reconstructor.start_slice(header);
            // A panic in the middle leaves what was decoded before.
            let decoded = contained(|| {
                decode_slice_segment(&mut picture, header, qp, data, &mut reconstructor)
                    .map_err(MediaError::corrupt)
            });
            if decoded.is_err() || reconstructor.error.is_some() {
                damaged = true;
                break;
            }
        }
        if picture.decoded_ctbs == 0 {
            return Err(MediaError::corrupt("nothing of the picture can be decoded"));
        }
        damaged |= !picture.is_complete();
        // The filters across blocks need the blocks.
        let frame = reconstructor.finish(damaged);
        let frame = if sps.conf_win_offsets == [0; 4] { frame } else { frame.cropped(sps) };
        let recon::Frame { widths, heights, planes, .. } = frame;
        let size = (widths[0], heights[0]);
        let count = if layout.chroma.is_some() { 3 } else { 1 };
        let channels = planes
            .into_iter()
            .zip(widths)
            .take(count)
            .map(|(samples, width)| Channel {
                store: if layout.depth == 8 {
                    Store::Eight(samples.iter().map(|&sample| sample.min(255) as u8).collect())
                } else {
                    Store::Sixteen(samples)
                },
                stride: width as usize,
            })
            .collect();
        Ok((size, channels, damaged))
    }
}

/// Whether the last block of a picture has the value that decoders fill pictures with.
fn ends_grey(frame: &rust_h265::Frame) -> bool {
    let grey = 1 << (frame.bit_depth - 1);
    let last = |samples: &PixelData| match samples {
        PixelData::U8(samples) => samples.last().map(|&sample| u16::from(sample)),
        PixelData::U16(samples) => samples.last().copied(),
    };
    [&frame.y, &frame.u, &frame.v].into_iter().all(|samples| last(samples) == Some(grey))
}

/// The units of a configuration record.
fn configured(config: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut read = || -> Option<()> {
        let mut rest = config.get(22..)?;
        let arrays;
        (arrays, rest) = rest.split_first()?;
        for _ in 0..*arrays {
            let (head, behind) = rest.split_first_chunk::<3>()?;
            rest = behind;
            for _ in 0..u16::from_be_bytes([head[1], head[2]]) {
                let (length, behind) = rest.split_first_chunk::<2>()?;
                let unit;
                (unit, rest) = behind.split_at_checked(u16::from_be_bytes(*length).into())?;
                if units.len() >= MAX_CONFIG_UNITS {
                    return None;
                }
                units.push(unit);
            }
        }
        Some(())
    };
    _ = read();
    units
}
