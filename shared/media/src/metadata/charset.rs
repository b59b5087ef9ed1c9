//! Text whose encoding nobody says: in XMP by its first bytes, in IPTC and EXIF by its form.
//!
//! Every decoder here takes any bytes. The tables are those of the WHATWG Encoding Standard, as `encoding_rs` has them.

use std::borrow::Cow;

use encoding_rs::{Encoding, MACINTOSH, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Text as writers really write it: UTF-8, or else the code page of Windows, which begins with Latin-1's letters.
pub(super) fn utf8_or_windows(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes)
        .map_or_else(|_| WINDOWS_1252.decode_without_bom_handling(bytes).0, Cow::Borrowed)
}

/// The code page that `texts` of one writer, which aren't UTF-8, make more sense in: that of Windows or that of the Mac.
///
/// What is a small letter in one is a capital, a quotation mark or a sign of mathematics in the other, and a sign in
/// the midst of a word, or a capital behind a small letter, is hardly meant. In doubt it is the one of Windows.
pub(super) fn code_page<'t>(texts: impl Iterator<Item = &'t [u8]>) -> &'static Encoding {
    let (mut windows, mut mac) = (0, 0);
    for text in texts.filter(|text| std::str::from_utf8(text).is_err()) {
        windows += sense(&WINDOWS_1252.decode_without_bom_handling(text).0);
        mac += sense(&MACINTOSH.decode_without_bom_handling(text).0);
    }
    if mac > windows { MACINTOSH } else { WINDOWS_1252 }
}

/// How well the characters beyond ASCII stand where they stand.
fn sense(text: &str) -> i32 {
    let characters: Vec<char> = text.chars().collect();
    let at = |index: Option<usize>| index.and_then(|index| characters.get(index).copied()).unwrap_or(' ');
    let strange = characters.iter().enumerate().filter(|(_, character)| !character.is_ascii());
    let senses = strange.map(|(index, &character)| {
        let (before, after) = (at(index.checked_sub(1)), at(index.checked_add(1)));
        let within = before.is_alphabetic() && after.is_alphabetic();
        match character {
            _ if character.is_control() => -4,
            'ª' | 'º' | 'ˆ' | 'ˇ' | 'ƒ' | 'ı' | 'ﬁ' | 'ﬂ' => -1,
            _ if character.is_lowercase() => 2 - i32::from(!before.is_alphabetic() && !after.is_alphabetic()),
            _ if character.is_uppercase() && before.is_lowercase() => -3,
            _ if character.is_uppercase() => 2 * i32::from(before.is_alphabetic() || after.is_alphabetic()),
            '’' => 1,
            '‘' | '“' | '”' | '„' | '«' | '»' | '–' | '—' | '…' | '©' | '®' | '™' | '€' | '£' | '°' | '•' => {
                if within {
                    -2
                } else {
                    1
                }
            }
            '\u{a0}' => 0,
            _ => {
                if within {
                    -3
                } else {
                    -1
                }
            }
        }
    });
    senses.sum()
}

/// An XMP packet as text: UTF-8, or UTF-16 or UTF-32 in either order, which the first bytes tell (ISO 16684-1, 7.3.2).
/// UTF-8 ends where it is broken.
pub(super) fn xml(bytes: &[u8]) -> Cow<'_, str> {
    const UTF_32: [(&[u8], [usize; 4]); 4] = [
        (b"\xFF\xFE\0\0", [3, 2, 1, 0]),
        (b"<\0\0\0", [3, 2, 1, 0]),
        (b"\0\0\xFE\xFF", [0, 1, 2, 3]),
        (b"\0\0\0<", [0, 1, 2, 3]),
    ];
    if let Some((_, order)) = UTF_32.iter().find(|(start, _)| bytes.starts_with(start)) {
        let characters = bytes.as_chunks::<4>().0.iter().map(|unit| {
            let number = order.iter().fold(0, |number, &at| number << 8 | u32::from(unit[at]));
            char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
        });
        return Cow::Owned(characters.collect());
    }
    for (start, encoding) in
        [(b"\xFF\xFE", UTF_16LE), (b"<\0", UTF_16LE), (b"\xFE\xFF", UTF_16BE), (b"\0<", UTF_16BE)]
    {
        if bytes.starts_with(start) {
            return encoding.decode_without_bom_handling(bytes).0;
        }
    }
    // What stands behind the packet may be of any encoding.
    Cow::Borrowed(bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(texts: &[&[u8]]) -> (&'static str, String) {
        let page = code_page(texts.iter().copied());
        (page.name(), page.decode_without_bom_handling(texts[0]).0.into_owned())
    }

    #[test]
    fn the_code_page_is_the_one_in_which_words_are_words() {
        for (written, meant) in [
            (&b"Caf\x8E"[..], "Café"),
            (b"M\x9Fnchen, \x80sterreich", "München, Ästerreich"),
            (b"Ren\x8Ee \xD2la belle\xD3", "Renée “la belle”"),
            (b"\x86bung macht den Meister \x8A", "Übung macht den Meister ä"),
            (b"\xA9 Jos\x8E Mu\x96oz", "© José Muñoz"),
            (b"Stra\xA7e", "Straße"),
            (b"Fran\x8Dois", "François"),
        ] {
            assert_eq!(chosen(&[written]), ("macintosh", meant.to_owned()));
        }
        for (written, meant) in [
            (&b"Caf\xE9"[..], "Café"),
            (b"M\xFCnchen, \xD6sterreich", "München, Österreich"),
            (b"Ren\xE9e \x93la belle\x94 \x96 2024", "Renée “la belle” – 2024"),
            (b"\xA9 Jos\xE9 Mu\xF1oz", "© José Muñoz"),
            (b"Stra\xDFe", "Straße"),
            (b"l\x92\xE9t\xE9", "l’été"),
            (b"\xC9T\xC9 \xC0 PARIS", "ÉTÉ À PARIS"),
            (b"100 \x80", "100 €"),
            (b"\xA9 2024", "© 2024"),
        ] {
            assert_eq!(chosen(&[written]), ("windows-1252", meant.to_owned()));
        }
        // One writer's texts are of one code page.
        assert_eq!(chosen(&[b"\xA9 2024 \x8E", b"Caf\x8E cr\x8Fme"]).0, "macintosh");
    }

    #[test]
    fn packets_of_every_width_are_text() {
        let text = "<a>é ☕ 𝄞</a>";
        let utf16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let utf32 =
            |order: fn(u32) -> [u8; 4]| text.chars().map(u32::from).flat_map(order).collect::<Vec<u8>>();
        for bytes in [
            text.as_bytes().to_vec(),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
            utf32(u32::to_le_bytes),
            utf32(u32::to_be_bytes),
        ] {
            assert_eq!(xml(&bytes), text);
            for length in 0..bytes.len() {
                let _ = xml(&bytes[..length]);
            }
        }
        assert_eq!(xml(b"<\xFF>"), "<");
    }
}
