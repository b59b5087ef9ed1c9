//! What an image says of itself: its header, EXIF, XMP and IPTC.
//!
//! Malformed metadata never fails an image: every field stands alone and is left out when it makes no sense.
//! Text is cleaned and bounded, since it goes into a database item and onto pages. Serial numbers, owners'
//! names and maker notes are not read at all.
//!
//! Where several say the same thing, EXIF goes before XMP and XMP before IPTC, field by field: the order of the
//! Metadata Working Group's guidelines (2.0, chapter 5) for readers that don't track who wrote last. The
//! orientation is EXIF's alone. When a picture was taken is what any of them calls so; when its file was created
//! stands for that where none does, and when it was last changed, which every editor overwrites, only where nothing
//! else is said.

mod charset;
mod exif_fields;
mod iptc;
mod xmp;

use serde::Serialize;

use crate::{
    error::{MediaError, contained},
    exif::Exif,
    facts::{Facts, upright},
    formats::{self, Image},
};

/// Characters that a text field keeps.
const MAX_TEXT: usize = 1_024;
/// Keywords that are kept.
const MAX_KEYWORDS: usize = 64;
/// Characters that a keyword keeps.
const MAX_KEYWORD: usize = 128;

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
    /// When it was taken: RFC 3339 when the offset from UTC is known, else local time without one; the day alone
    /// (`2024-05-01`) where no time of day is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<String>,
    /// Where it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gps: Option<Gps>,
    /// A short name for the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A line that sums the picture up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// The picture's description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is filed under: at most 64, each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Stars, 1 to 5; -1 for a rejected picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<i8>,
    /// The city that is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The country that is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
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
    contained(|| Ok(image_header(Image::parse(bytes)?.facts())))
}

/// Reads what an image says of itself. Never fails: bytes that are no image give nothing.
///
/// A format whose pixels can't be decoded still gives what can be found in it.
pub fn read(bytes: &[u8]) -> Metadata {
    contained(|| Ok(read_contained(bytes))).unwrap_or_default()
}

fn read_contained(bytes: &[u8]) -> Metadata {
    let mut metadata = Metadata::default();
    let blocks = if let Ok(image) = Image::parse(bytes) {
        let header = image_header(image.facts());
        metadata.width = Some(header.width);
        metadata.height = Some(header.height);
        metadata.orientation = Some(header.orientation);
        metadata.animated = Some(header.animated);
        metadata.frames = Some(header.frames);
        image.blocks(bytes)
    } else {
        let Some(blocks) = formats::salvage(bytes) else { return metadata };
        blocks
    };
    let own = Found {
        title: blocks.title.and_then(|text| clean(&text)),
        description: blocks.description.and_then(|text| clean(&text)),
        ..Found::default()
    };
    let xmp = blocks.xmp.as_deref().map(xmp::read);
    let iptc = blocks.iptc.as_deref().map(iptc::read);
    let coded = blocks.coded_exif.as_deref().map(|tiff| Exif::new(tiff).read());
    let found = [Some(blocks.exif.read()), coded, Some(own), xmp, iptc].into_iter().flatten();
    metadata.take(found.reduce(Found::or).unwrap_or_default());
    metadata
}

/// What EXIF, XMP or IPTC say.
#[derive(Debug, Default, PartialEq)]
struct Found {
    camera_make: Option<String>,
    camera_model: Option<String>,
    lens: Option<String>,
    exposure: Option<String>,
    f_number: Option<f64>,
    iso: Option<u32>,
    focal_length: Option<f64>,
    title: Option<String>,
    headline: Option<String>,
    description: Option<String>,
    artist: Option<String>,
    copyright: Option<String>,
    city: Option<String>,
    country: Option<String>,
    keywords: Vec<String>,
    rating: Option<i8>,
    taken_at: Option<String>,
    /// When the digital picture was made: of a scan not when the photo was taken.
    created_at: Option<String>,
    /// When the file was last changed.
    changed_at: Option<String>,
    gps: Option<Gps>,
}

impl Found {
    /// This, and of what is unknown here the other's.
    fn or(self, other: Self) -> Self {
        Self {
            camera_make: self.camera_make.or(other.camera_make),
            camera_model: self.camera_model.or(other.camera_model),
            lens: self.lens.or(other.lens),
            exposure: self.exposure.or(other.exposure),
            f_number: self.f_number.or(other.f_number),
            iso: self.iso.or(other.iso),
            focal_length: self.focal_length.or(other.focal_length),
            title: self.title.or(other.title),
            headline: self.headline.or(other.headline),
            description: self.description.or(other.description),
            artist: self.artist.or(other.artist),
            copyright: self.copyright.or(other.copyright),
            city: self.city.or(other.city),
            country: self.country.or(other.country),
            keywords: if self.keywords.is_empty() { other.keywords } else { self.keywords },
            rating: self.rating.or(other.rating),
            taken_at: self.taken_at.or(other.taken_at),
            created_at: self.created_at.or(other.created_at),
            changed_at: self.changed_at.or(other.changed_at),
            gps: self.gps.or(other.gps),
        }
    }
}

impl Metadata {
    fn take(&mut self, found: Found) {
        // Of the same day the moment says more.
        let taken_at = match (found.taken_at, found.created_at) {
            (Some(day), Some(moment)) if moment.starts_with(&day) => Some(moment),
            (taken_at, created_at) => taken_at.or(created_at),
        };
        self.camera_make = found.camera_make;
        self.camera_model = found.camera_model;
        self.lens = found.lens;
        self.exposure = found.exposure;
        self.f_number = found.f_number;
        self.iso = found.iso;
        self.focal_length = found.focal_length;
        self.taken_at = taken_at.or(found.changed_at);
        self.gps = found.gps;
        self.title = found.title;
        self.headline = found.headline;
        self.description = found.description;
        self.keywords = found.keywords;
        self.rating = found.rating;
        self.city = found.city;
        self.country = found.country;
        self.artist = found.artist;
        self.copyright = found.copyright;
    }
}

fn image_header(facts: &Facts<'_>) -> ImageHeader {
    let orientation = facts.orientation();
    let (width, height) = upright(facts.size(), orientation);
    let &Facts { content_type, animated, frames, .. } = facts;
    ImageHeader { content_type, width, height, orientation, animated, frames }
}

/// Text without control characters and surrounding space, at most [`MAX_TEXT`] characters of it.
fn clean(text: &str) -> Option<String> {
    clean_to(text, MAX_TEXT)
}

fn clean_to(text: &str, most: usize) -> Option<String> {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

/// Keywords, each once, in their order.
fn clean_list(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut list = Vec::new();
    for keyword in texts.filter_map(|text| clean_to(&text, MAX_KEYWORD)) {
        if list.len() == MAX_KEYWORDS {
            break;
        }
        if !list.contains(&keyword) {
            list.push(keyword);
        }
    }
    list
}

/// An exposure of so many seconds as photographers write it.
fn exposure(seconds: f64) -> Option<String> {
    if seconds <= 0.0 {
        None
    } else if seconds < 0.3 {
        Some(format!("1/{}", (1.0 / seconds).round()))
    } else {
        Some(round(seconds, 10.0).to_string())
    }
}

/// Rounded to a fraction of `steps`, so that 2.8 isn't written as 2.7999999999999998.
fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

/// ISO 8601 as XMP writes it, with or without time of day, seconds, fraction and offset.
fn moment(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() == 10 {
        return day(text.as_bytes());
    }
    let (minute, rest) = text.split_at_checked(16)?;
    let (second, rest) = match rest.strip_prefix(':').and_then(|rest| rest.split_at_checked(2)) {
        Some((second, rest)) => (second, rest),
        None => ("00", rest),
    };
    let moment = local_time(format!("{minute}:{second}").as_bytes())?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(digits) => {
            let end = digits.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
            (fraction_digits(&digits.as_bytes()[..end]), &digits[end..])
        }
        None => (String::new(), rest),
    };
    Some(format!("{moment}{fraction}{}", utc_offset(rest.as_bytes()).unwrap_or_default()))
}

/// `2024:05:01` as `2024-05-01`, if there is such a day: then it has a midnight.
fn day(text: &[u8]) -> Option<String> {
    local_time(&[text, b"T00:00:00"].concat()).map(|midnight| midnight[..10].to_owned())
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
    fn moments_in_iso_8601() {
        for (text, expected) in [
            ("2024-05-01T12:30:59.120+02:00", Some("2024-05-01T12:30:59.120+02:00")),
            ("2024-05-01T12:30Z", Some("2024-05-01T12:30:00Z")),
            (" 2024-05-01T12:30 ", Some("2024-05-01T12:30:00")),
            ("2024-05-01", Some("2024-05-01")),
            ("2024-02-30", None),
            ("2024-05", None),
            ("2024-05-é", None),
            ("2024-05-01T12:3é", None),
            ("2024-13-01T12:30", None),
        ] {
            assert_eq!(moment(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn keywords_at_the_limit() {
        let many = (0..100).map(|at| format!("{at}{}", "x".repeat(200)));
        let list = clean_list(many.clone().chain(many));
        assert_eq!(list.len(), MAX_KEYWORDS);
        assert!(list.iter().all(|keyword| keyword.chars().count() == MAX_KEYWORD));
        assert_eq!(clean_list(["a", " a", "", "b"].map(str::to_owned).into_iter()), ["a", "b"]);
    }

    #[test]
    fn nothing_comes_of_no_image() {
        assert_eq!(read(b""), Metadata::default());
        assert!(read(b"plain text").to_map().is_empty());
    }
}
