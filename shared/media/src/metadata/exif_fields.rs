//! The fields of EXIF: what cameras write (CIPA DC-008).
//!
//! Every field stands alone: one that makes no sense is left out, the others stay.

use super::{Found, Gps, charset, clean, day, exposure, fraction_digits, local_time, round, utc_offset};
use crate::{
    exif::Exif,
    ifd::{Entry, Ifd},
};

const IMAGE_DESCRIPTION: u16 = 270;
const MAKE: u16 = 271;
const MODEL: u16 = 272;
const DATE_TIME: u16 = 306;
const ARTIST: u16 = 315;
const COPYRIGHT: u16 = 0x8298;
const RATING: u16 = 0x4746;

const EXPOSURE_TIME: u16 = 0x829A;
const F_NUMBER: u16 = 0x829D;
const SENSITIVITY: u16 = 0x8827;
const DATE_TIME_ORIGINAL: u16 = 0x9003;
const DATE_TIME_DIGITIZED: u16 = 0x9004;
const OFFSET_TIME: u16 = 0x9010;
const OFFSET_TIME_ORIGINAL: u16 = 0x9011;
const OFFSET_TIME_DIGITIZED: u16 = 0x9012;
const FOCAL_LENGTH: u16 = 0x920A;
const SUB_SEC_TIME: u16 = 0x9290;
const SUB_SEC_TIME_ORIGINAL: u16 = 0x9291;
const SUB_SEC_TIME_DIGITIZED: u16 = 0x9292;
const LENS_MODEL: u16 = 0xA434;

const GPS_LATITUDE_REF: u16 = 1;
const GPS_LATITUDE: u16 = 2;
const GPS_LONGITUDE_REF: u16 = 3;
const GPS_LONGITUDE: u16 = 4;
const GPS_ALTITUDE_REF: u16 = 5;
const GPS_ALTITUDE: u16 = 6;

impl Exif<'_> {
    /// Reads the fields that are known.
    pub(super) fn read(&self) -> Found {
        Found {
            camera_make: text(self.main, MAKE),
            camera_model: text(self.main, MODEL),
            lens: text(self.photo, LENS_MODEL),
            exposure: number(self.photo, EXPOSURE_TIME).and_then(exposure),
            f_number: positive(self.photo, F_NUMBER),
            iso: uint(self.photo, SENSITIVITY).filter(|iso| *iso > 0),
            focal_length: positive(self.photo, FOCAL_LENGTH),
            taken_at: self.taken_at(),
            changed_at: self.moment(self.main, DATE_TIME, SUB_SEC_TIME, OFFSET_TIME),
            gps: self.gps(),
            description: text(self.main, IMAGE_DESCRIPTION),
            artist: text(self.main, ARTIST),
            copyright: text(self.main, COPYRIGHT),
            rating: uint(self.main, RATING)
                .and_then(|stars| i8::try_from(stars).ok())
                .filter(|stars| (1..=5).contains(stars)),
            ..Found::default()
        }
    }

    fn gps(&self) -> Option<Gps> {
        let coordinate = |tag, reference, opposite: u8, limit: f64| {
            let entry = entry(self.gps, tag)?;
            // Degrees, minutes and seconds; some write whole degrees with a fraction and leave the others out.
            let parts = (0..entry.count().min(3)).map(|index| entry.number(index));
            let parts = parts.collect::<Option<Vec<f64>>>()?;
            let (first, negative) = (*parts.first()?, parts.iter().any(|part| *part < 0.0));
            let rest = parts[1..].iter().zip([60.0, 3_600.0]).map(|(part, scale)| part.abs() / scale);
            let unsigned = first.abs() + rest.sum::<f64>();
            // Who writes a sign means it, whatever the reference says.
            let opposite = negative || ascii(self.gps, reference)?.first()?.to_ascii_uppercase() == opposite;
            let signed = if opposite { -unsigned } else { unsigned };
            (unsigned <= limit).then(|| round(signed, 1e7))
        };
        let latitude = coordinate(GPS_LATITUDE, GPS_LATITUDE_REF, b'S', 90.0)?;
        let longitude = coordinate(GPS_LONGITUDE, GPS_LONGITUDE_REF, b'W', 180.0)?;
        let altitude = number(self.gps, GPS_ALTITUDE).map(|metres| {
            // 1 and, since EXIF 3.0, 3 mean below the reference.
            let below = metres < 0.0 || matches!(uint(self.gps, GPS_ALTITUDE_REF), Some(1 | 3));
            round(if below { -metres.abs() } else { metres }, 1e3)
        });
        Some(Gps { latitude, longitude, altitude })
    }

    /// Original time first, then digitized.
    fn taken_at(&self) -> Option<String> {
        let original =
            || self.moment(self.photo, DATE_TIME_ORIGINAL, SUB_SEC_TIME_ORIGINAL, OFFSET_TIME_ORIGINAL);
        let digitized =
            || self.moment(self.photo, DATE_TIME_DIGITIZED, SUB_SEC_TIME_DIGITIZED, OFFSET_TIME_DIGITIZED);
        original().or_else(digitized)
    }

    fn moment(&self, ifd: Option<Ifd<'_>>, time: u16, fraction: u16, offset: u16) -> Option<String> {
        let text = ascii(ifd, time)?;
        let Some(moment) = local_time(text) else {
            // What isn't known of a moment is left blank (CIPA DC-008, 4.6.5).
            let (day, rest) = text.split_at_checked(10)?;
            return if rest.iter().any(u8::is_ascii_digit) { None } else { self::day(day) };
        };
        let fraction = ascii(self.photo, fraction).map(fraction_digits).unwrap_or_default();
        // Cameras that know one offset often write only `OffsetTime`.
        let offset =
            ascii(self.photo, offset).or_else(|| ascii(self.photo, OFFSET_TIME)).and_then(utc_offset);
        Some(format!("{moment}{fraction}{}", offset.unwrap_or_default()))
    }
}

fn entry(ifd: Option<Ifd<'_>>, tag: u16) -> Option<Entry<'_>> {
    ifd?.get(tag)
}

fn ascii(ifd: Option<Ifd<'_>>, tag: u16) -> Option<&[u8]> {
    entry(ifd, tag)?.text()
}

fn uint(ifd: Option<Ifd<'_>>, tag: u16) -> Option<u32> {
    entry(ifd, tag)?.uint(0)
}

fn number(ifd: Option<Ifd<'_>>, tag: u16) -> Option<f64> {
    entry(ifd, tag)?.number(0)
}

fn positive(ifd: Option<Ifd<'_>>, tag: u16) -> Option<f64> {
    number(ifd, tag).map(|value| round(value, 1e3)).filter(|value| *value > 0.0)
}

fn text(ifd: Option<Ifd<'_>>, tag: u16) -> Option<String> {
    clean(&charset::utf8_or_windows(ascii(ifd, tag)?))
}
