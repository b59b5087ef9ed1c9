//! The `Content-Disposition` of a link: RFC 6266, with the file's own name in any script by RFC 8187.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluice_core::{names::Filename, ports::Disposition};

/// What isn't an `attr-char` (RFC 8187, section 3.2.1).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The header's value: the plain name for clients that know no better, then the real one (RFC 6266, appendix D).
pub(super) fn content_disposition(disposition: Disposition, filename: &Filename) -> String {
    let how = match disposition {
        Disposition::Inline => "inline",
        Disposition::Attachment => "attachment",
    };
    // '%' is left out as well: some clients unescape it (RFC 6266, appendix D)
    let plain = |c: char| match c {
        '"' | '\\' | '%' => '_',
        c if c.is_ascii_graphic() || c == ' ' => c,
        _ => '_',
    };
    let fallback: String = filename.as_str().chars().map(plain).collect();
    let name = utf8_percent_encode(filename.as_str(), ESCAPED);
    format!("{how}; filename=\"{fallback}\"; filename*=UTF-8''{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back_and_no_name_breaks_the_header() {
        let value = |name: &str| content_disposition(Disposition::Attachment, &name.parse().unwrap());
        assert_eq!(value("photo.jpg"), "attachment; filename=\"photo.jpg\"; filename*=UTF-8''photo.jpg");
        assert_eq!(
            value("Übergröße 写.png"),
            "attachment; filename=\"_bergr__e _.png\"; filename*=UTF-8''%C3%9Cbergr%C3%B6%C3%9Fe%20%E5%86%99.png"
        );
        assert_eq!(
            value("a\"; x=\"%20*'.svg"),
            "attachment; filename=\"a_; x=__20*'.svg\"; filename*=UTF-8''a%22%3B%20x%3D%22%2520%2A%27.svg"
        );
        assert!(
            content_disposition(Disposition::Inline, &"a".parse().unwrap()).starts_with("inline; filename=")
        );
    }
}
