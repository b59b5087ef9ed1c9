//! What an image says of itself: its header and its EXIF.
//!
//! Malformed EXIF never fails an image: every field stands alone and is left out when it makes no sense.
//! Text is cleaned and bounded, since it goes into a database item and onto pages. Serial numbers and
//! maker notes are not read at all.

use std::io::Cursor;

use exif::{Exif, In, Reader, Tag, Value};
use serde::Serialize;

use crate::error::{MediaError, contained};
use crate::header::Header;
use crate::sniff::sniff;

/// Characters that a text field keeps.
const MAX_TEXT: usize = 1_024;
/// Bytes of EXIF that are looked at; a JPEG segment holds at most 64 KiB.
const MAX_EXIF_BYTES: usize = 1 << 20;

/// The header of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ImageHeader {
    /// The IANA media type.
    pub content_type: &'static str,
    /// Pixels, as displayed: after orientation.
    pub width: u32,
    /// Pixels, as displayed: after orientation.
    pub height: u32,
    /// EXIF's orientation, 1 to 8; 1 when there is none.
    pub orientation: u8,
    /// Whether it moves.
    pub animated: bool,
    /// Frames; 1 for a still.
    pub frames: u32,
}

/// Where a photo was taken (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gps {
    /// Degrees, north is positive.
    pub latitude: f64,
    /// Degrees, east is positive.
    pub longitude: f64,
    /// Metres above the sea.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
}

/// What is known of an image; unknown fields are left out when serialized.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Metadata {
    /// Pixels, as displayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels, as displayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// EXIF's orientation, 1 to 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orientation: Option<u8>,
    /// Whether it moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub animated: Option<bool>,
    /// Frames; 1 for a still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u32>,
    /// The camera's maker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera_make: Option<String>,
    /// The camera's model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera_model: Option<String>,
    /// The lens's model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lens: Option<String>,
    /// Exposure time in seconds as photographers write it: `1/250`, `2.5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<String>,
    /// The aperture's f-number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f_number: Option<f64>,
    /// ISO sensitivity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iso: Option<u32>,
    /// Focal length in millimetres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focal_length: Option<f64>,
    /// When it was taken: RFC 3339 when the offset from UTC is known, else local time without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<String>,
    /// Where it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gps: Option<Gps>,
    /// The picture's description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// Whose rights it is under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copyright: Option<String>,
}

impl Metadata {
    /// The known fields as a JSON object.
    pub fn to_map(&self) -> serde_json::Map<String, serde_json::Value> {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(map)) => map,
            // Strings, numbers and booleans in a struct always serialize to an object.
            _ => serde_json::Map::new(),
        }
    }
}

/// Reads the dimensions, orientation and frames of an image from its header; decodes nothing.
///
/// # Errors
/// `unsupported_image` or `corrupt_image`, both permanent.
pub fn inspect(bytes: &[u8]) -> Result<ImageHeader, MediaError> {
    contained(|| {
        let header = Header::parse(bytes)?;
        Ok(image_header(&header, orientation(&header)))
    })
}

/// Reads what an image says of itself. Never fails: bytes that are no image give nothing.
///
/// JPEG, PNG, GIF and WebP give dimensions and EXIF; TIFF, HEIC and AVIF give EXIF.
pub fn read(bytes: &[u8]) -> Metadata {
    let read = contained(|| {
        let mut metadata = Metadata::default();
        let exif = if let Ok(header) = Header::parse(bytes) {
            let exif = header.exif.and_then(parse_exif);
            let orientation = header.orientation.or_else(|| exif.as_ref().map(exif_orientation));
            let facts = image_header(&header, orientation.unwrap_or(1));
            metadata.width = Some(facts.width);
            metadata.height = Some(facts.height);
            metadata.orientation = Some(facts.orientation);
            metadata.animated = Some(facts.animated);
            metadata.frames = Some(facts.frames);
            exif
        } else if matches!(sniff(bytes).content_type, "image/tiff" | "image/heic" | "image/avif") {
            lenient().read_from_container(&mut Cursor::new(bytes)).or_else(partial).ok()
        } else {
            None
        };
        if let Some(exif) = exif {
            fill(&mut metadata, &exif);
        }
        Ok(metadata)
    });
    read.unwrap_or_default()
}

fn image_header(header: &Header<'_>, orientation: u8) -> ImageHeader {
    let (width, height) = upright((header.width, header.height), orientation);
    let content_type = header.format.content_type();
    ImageHeader { content_type, width, height, orientation, animated: header.animated, frames: header.frames }
}

/// The orientation of an image, 1 when it says none.
pub(crate) fn orientation(header: &Header<'_>) -> u8 {
    if let Some(orientation) = header.orientation {
        return orientation;
    }
    contained(|| Ok(header.exif.and_then(parse_exif).as_ref().map_or(1, exif_orientation))).unwrap_or(1)
}

/// A stored size as displayed, or the other way round: orientations 5 to 8 swap the edges.
pub(crate) const fn upright(size: (u32, u32), orientation: u8) -> (u32, u32) {
    if orientation >= 5 { (size.1, size.0) } else { size }
}

fn lenient() -> Reader {
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    reader
}

fn partial(error: exif::Error) -> Result<Exif, exif::Error> {
    error.distill_partial_result(|_| ())
}

fn parse_exif(tiff: &[u8]) -> Option<Exif> {
    let tiff = &tiff[..tiff.len().min(MAX_EXIF_BYTES)];
    lenient().read_raw(tiff.to_vec()).or_else(partial).ok()
}

fn exif_orientation(exif: &Exif) -> u8 {
    uint(exif, Tag::Orientation)
        .and_then(|value| u8::try_from(value).ok())
        .filter(|value| (1..=8).contains(value))
        .unwrap_or(1)
}

fn fill(metadata: &mut Metadata, exif: &Exif) {
    metadata.camera_make = text(exif, Tag::Make);
    metadata.camera_model = text(exif, Tag::Model);
    metadata.lens = text(exif, Tag::LensModel);
    metadata.exposure = exposure(exif);
    metadata.f_number = positive(exif, Tag::FNumber);
    metadata.iso = uint(exif, Tag::PhotographicSensitivity).filter(|iso| *iso > 0);
    metadata.focal_length = positive(exif, Tag::FocalLength);
    metadata.taken_at = taken_at(exif);
    metadata.gps = gps(exif);
    metadata.description = text(exif, Tag::ImageDescription);
    metadata.artist = text(exif, Tag::Artist);
    metadata.copyright = text(exif, Tag::Copyright);
}

fn value(exif: &Exif, tag: Tag) -> Option<&Value> {
    exif.get_field(tag, In::PRIMARY).map(|field| &field.value)
}

fn ascii(exif: &Exif, tag: Tag) -> Option<&[u8]> {
    match value(exif, tag)? {
        Value::Ascii(strings) => strings.first().map(Vec::as_slice),
        _ => None,
    }
}

fn uint(exif: &Exif, tag: Tag) -> Option<u32> {
    value(exif, tag)?.get_uint(0)
}

/// Text as writers really write it: UTF-8 where EXIF asks for ASCII, or else Latin-1.
fn text(exif: &Exif, tag: Tag) -> Option<String> {
    let bytes = ascii(exif, tag)?;
    let decoded = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    let clean: String =
        decoded.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

fn rationals<const N: usize>(exif: &Exif, tag: Tag) -> Option<[f64; N]> {
    let Value::Rational(values) = value(exif, tag)? else { return None };
    let values = values.first_chunk::<N>()?;
    let finite = values.map(|value| value.to_f64());
    finite.iter().all(|value| value.is_finite()).then_some(finite)
}

fn positive(exif: &Exif, tag: Tag) -> Option<f64> {
    rationals(exif, tag).map(|[value]| round(value, 1e3)).filter(|value| *value > 0.0)
}

/// Rounded to a fraction of `steps`, so that 2.8 isn't written as 2.7999999999999998.
fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

fn exposure(exif: &Exif) -> Option<String> {
    let [seconds] = rationals(exif, Tag::ExposureTime)?;
    if seconds <= 0.0 {
        None
    } else if seconds < 0.3 {
        Some(format!("1/{}", (1.0 / seconds).round()))
    } else {
        Some(round(seconds, 10.0).to_string())
    }
}

fn gps(exif: &Exif) -> Option<Gps> {
    let coordinate = |tag, reference, opposite: u8, limit: f64| {
        let [degrees, minutes, seconds] = rationals(exif, tag)?;
        let unsigned = degrees + minutes / 60.0 + seconds / 3_600.0;
        let opposite = ascii(exif, reference)?.first()?.to_ascii_uppercase() == opposite;
        let signed = if opposite { -unsigned } else { unsigned };
        (unsigned <= limit).then(|| round(signed, 1e7))
    };
    let latitude = coordinate(Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S', 90.0)?;
    let longitude = coordinate(Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W', 180.0)?;
    let altitude = rationals(exif, Tag::GPSAltitude).map(|[metres]| {
        // 1 and, since EXIF 3.0, 3 mean below the reference.
        let below = matches!(uint(exif, Tag::GPSAltitudeRef), Some(1 | 3));
        round(if below { -metres } else { metres }, 1e3)
    });
    Some(Gps { latitude, longitude, altitude })
}

/// Original time first, then digitized, then the file's own.
fn taken_at(exif: &Exif) -> Option<String> {
    [
        (Tag::DateTimeOriginal, Tag::SubSecTimeOriginal, Tag::OffsetTimeOriginal),
        (Tag::DateTimeDigitized, Tag::SubSecTimeDigitized, Tag::OffsetTimeDigitized),
        (Tag::DateTime, Tag::SubSecTime, Tag::OffsetTime),
    ]
    .into_iter()
    .find_map(|(time, fraction, offset)| {
        let moment = ascii(exif, time).and_then(local_time)?;
        let fraction = ascii(exif, fraction).map(fraction_digits).unwrap_or_default();
        // Cameras that know one offset often write only `OffsetTime`.
        let offset = ascii(exif, offset).or_else(|| ascii(exif, Tag::OffsetTime)).and_then(utc_offset);
        Some(format!("{moment}{fraction}{}", offset.unwrap_or_default()))
    })
}

/// `2024:05:01 12:30:59` as `2024-05-01T12:30:59`, if there is such a moment.
fn local_time(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text.get(..19)?).ok()?;
    let (date, time) = text.split_once([' ', 'T'])?;
    let numbers = |part: &str| {
        let mut fields = part.split([':', '-']).map(|field| field.parse::<u32>().ok());
        Some([fields.next()??, fields.next()??, fields.next()??])
    };
    let ([year, month, day], [hour, minute, second]) = (numbers(date)?, numbers(time)?);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let exists =
        (1..=9_999).contains(&year) && (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60;
    exists.then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"))
}

/// `42` as `.42`.
fn fraction_digits(text: &[u8]) -> String {
    let digits: String =
        text.iter().take_while(|byte| byte.is_ascii_digit()).take(9).map(|byte| char::from(*byte)).collect();
    if digits.is_empty() { digits } else { format!(".{digits}") }
}

/// `+02:00` as it is, if there is such an offset.
fn utc_offset(text: &[u8]) -> Option<String> {
    let text = text.trim_ascii();
    if text == b"Z" {
        return Some("Z".to_owned());
    }
    let &[sign @ (b'+' | b'-'), h1, h0, b':', m1, m0] = text else { return None };
    let number = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
    };
    let (hours, minutes) = (number(h1, h0)?, number(m1, m0)?);
    (hours < 24 && minutes < 60).then(|| format!("{}{hours:02}:{minutes:02}", char::from(sign)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_that_do_not_exist_are_left_out() {
        assert_eq!(local_time(b"2024:02:29 23:59:59").as_deref(), Some("2024-02-29T23:59:59"));
        assert_eq!(local_time(b"2024-02-29T23:59:59Z").as_deref(), Some("2024-02-29T23:59:59"));
        for bad in [
            "2023:02:29 00:00:00",
            "0000:00:00 00:00:00",
            "2024:13:01 00:00:00",
            "2024:01:01 24:00:00",
            "    :  :     :  :  ",
            "2024:01:01",
        ] {
            assert_eq!(local_time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn offsets_and_fractions() {
        assert_eq!(utc_offset(b"+05:30").as_deref(), Some("+05:30"));
        assert_eq!(utc_offset(b"-11:00 ").as_deref(), Some("-11:00"));
        for bad in ["   :  ", "05:30", "+25:00", "+05:60", ""] {
            assert_eq!(utc_offset(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(fraction_digits(b"042 "), ".042");
        assert_eq!(fraction_digits(b"  "), "");
    }

    #[test]
    fn nothing_comes_of_no_image() {
        assert_eq!(read(b""), Metadata::default());
        assert!(read(b"plain text").to_map().is_empty());
    }
}
