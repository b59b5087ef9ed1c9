//! IPTC's Information Interchange Model: what agencies wrote before XMP, and many still do.
//!
//! IIM 4.2: datasets of a marker, a record, a number, a length and the value; record 2 describes the picture.
//! They stand in a Photoshop resource (`8BIM`, 0x0404) of a JPEG, or in a tag of a TIFF.

use super::{Found, charset, clean, clean_list, moment};

/// The datasets of record 2 that are texts for readers: title, keyword, artist, city, country, headline, rights and
/// description.
const TEXTS: [u8; 8] = [5, 25, 80, 90, 101, 105, 116, 120];

/// The datasets of one IIM.
struct Datasets<'a>(&'a [u8]);

impl<'a> Iterator for Datasets<'a> {
    type Item = (u8, u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let &[0x1C, record, number, high, low, ref rest @ ..] = self.0 else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (length, rest) = if length & 0x8000 == 0 {
            (length, rest)
        } else {
            // An extended dataset: the length's own length comes first (IIM 4.2, 1.5).
            let (digits, rest) = rest.split_at_checked(length & 0x7FFF)?;
            if digits.len() > 4 {
                return None;
            }
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((record, number, value))
    }
}

/// Reads what describes the picture. Texts are UTF-8 when dataset 1:90 says so or when they are valid UTF-8, which
/// accents of a code page hardly are; or else of the code page that they make more sense in.
pub(super) fn read(iim: &[u8]) -> Found {
    let declared = Datasets(iim).any(|(record, number, value)| (record, number, value) == (1, 90, b"\x1B%G"));
    let texts = Datasets(iim).filter(|&(record, number, _)| record == 2 && TEXTS.contains(&number));
    let code_page = charset::code_page(texts.map(|(_, _, value)| value));
    let text = |value: &[u8]| match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) if declared => String::from_utf8_lossy(value).into_owned(),
        Err(_) => code_page.decode_without_bom_handling(value).0.into_owned(),
    };
    let first = |wanted: u8| {
        Datasets(iim).find(|&(record, number, _)| record == 2 && number == wanted).map(|(_, _, value)| value)
    };
    let one = |wanted: u8| first(wanted).and_then(|value| clean(&text(value)));
    Found {
        title: one(5),
        headline: one(105),
        description: one(120),
        artist: one(80),
        copyright: one(116),
        city: one(90),
        country: one(101),
        keywords: clean_list(
            Datasets(iim)
                .filter(|&(record, number, _)| record == 2 && number == 25)
                .map(|(_, _, value)| text(value)),
        ),
        taken_at: first(55).and_then(|date| date_and_time(date, first(60).unwrap_or_default())),
        ..Found::default()
    }
}

/// `CCYYMMDD` and `HHMMSS±HHMM` (IIM 4.2, 2:55 and 2:60); the day alone where there is no such time.
fn date_and_time(date: &[u8], time: &[u8]) -> Option<String> {
    let part = |text: &[u8], from: usize, to: usize| {
        let digits = std::str::from_utf8(text.get(from..to)?).ok()?;
        Some(digits.to_owned())
    };
    let date = format!("{}-{}-{}", part(date, 0, 4)?, part(date, 4, 6)?, part(date, 6, 8)?);
    let time = || {
        let offset = part(time, 6, 9).zip(part(time, 9, 11));
        let offset = offset.map(|(hours, minutes)| format!("{hours}:{minutes}")).unwrap_or_default();
        Some(format!("{date}T{}:{}:{}{offset}", part(time, 0, 2)?, part(time, 2, 4)?, part(time, 4, 6)?))
    };
    time().and_then(|written| moment(&written)).or_else(|| moment(&date))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(record: u8, number: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[0x1C, record, number, length[0], length[1]], value].concat()
    }

    #[test]
    fn charset_by_declaration_or_by_form() {
        let utf8 = [dataset(1, 90, b"\x1B%G"), dataset(2, 120, "Café".as_bytes())].concat();
        let undeclared = dataset(2, 120, "Café".as_bytes());
        let latin1 = dataset(2, 120, b"Caf\xE9");
        let mac = dataset(2, 120, b"Caf\x8E");
        for iim in [utf8, undeclared, latin1, mac] {
            assert_eq!(read(&iim).description.as_deref(), Some("Café"));
        }
    }

    #[test]
    fn extended_lengths_and_broken_ones() {
        let mut iim = vec![0x1C, 2, 105, 0x80, 4, 0, 0, 0, 3];
        iim.extend(b"abc");
        iim.extend(dataset(2, 5, b"t"));
        let found = read(&iim);
        assert_eq!((found.headline.as_deref(), found.title.as_deref()), (Some("abc"), Some("t")));
        for length in 0..iim.len() {
            read(&iim[..length]);
        }
        assert_eq!(read(&[0x1C, 2, 105, 0xFF, 0xFF, 1, 2, 3]), Found::default());
    }

    #[test]
    fn moments() {
        assert_eq!(date_and_time(b"20240229", b"235959+0130").as_deref(), Some("2024-02-29T23:59:59+01:30"));
        assert_eq!(date_and_time(b"20240229", b"235959").as_deref(), Some("2024-02-29T23:59:59"));
        assert_eq!(date_and_time(b"20240229", b"").as_deref(), Some("2024-02-29"));
        assert_eq!(date_and_time(b"20240229", b"999999").as_deref(), Some("2024-02-29"));
        assert_eq!(date_and_time(b"20230229", b"235959"), None);
        assert_eq!(date_and_time("2024é29".as_bytes(), b"235959"), None);
    }
}
