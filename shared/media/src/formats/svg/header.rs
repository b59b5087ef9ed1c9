//! The header of an SVG: its size, which is what it says it is, or larger.
//!
//! A drawing has no pixels of its own, so "never enlarged" doesn't hold for it: an icon of 24 × 24 gives a useful
//! preview, too. The width and height told are the nominal ones, scaled so that the longer edge is at least
//! [`LEAST_EDGE`] and at most [`MOST_EDGE`]. Compressed SVG is sniffed as gzip and isn't decoded.

use std::borrow::Cow;

use encoding_rs::{UTF_16BE, UTF_16LE};
use roxmltree::{Document, Node};

use crate::{
    error::MediaError,
    facts::{Facts, Header},
    xml::{self, Bounds},
};

/// The longer edge of the default profile's largest derivative.
const LEAST_EDGE: f64 = 2_048.0;
/// Beyond this no derivative goes.
const MOST_EDGE: f64 = 8_192.0;
/// The size of a drawing that says none (CSS 2.1, 10.3.2).
pub(crate) const DEFAULT_SIZE: (f64, f64) = (300.0, 150.0);

/// What only a drawing has.
#[derive(Debug)]
pub(crate) struct Svg<'a> {
    /// The text of the file.
    pub text: Cow<'a, str>,
}

/// Drawings of maps are of this order; what is rendered is bounded further by what it costs.
const BOUNDS: Bounds =
    Bounds { bytes: 10 << 20, elements: 100_000, depth: 96, attributes: 256, namespaces: 128, doctype: true };

/// The text of the file: UTF-8, UTF-16 by its first bytes (XML 1.0, appendix F), or Latin-1 where the XML declaration says so.
fn source(bytes: &[u8]) -> Result<Cow<'_, str>, MediaError> {
    let utf16 = match bytes {
        [0xFF, 0xFE, rest @ ..] => Some((UTF_16LE, rest)),
        [0xFE, 0xFF, rest @ ..] => Some((UTF_16BE, rest)),
        [b'<', 0, ..] => Some((UTF_16LE, bytes)),
        [0, b'<', ..] => Some((UTF_16BE, bytes)),
        _ => None,
    };
    if let Some((encoding, text)) = utf16.filter(|_| bytes.len() <= BOUNDS.bytes) {
        return Ok(encoding.decode_without_bom_handling(text).0);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let declaration = bytes.get(..bytes.len().min(128)).unwrap_or_default().to_ascii_lowercase();
    let latin1 = [&b"iso-8859-1"[..], b"windows-1252"]
        .iter()
        .any(|name| memchr::memmem::find(&declaration, name).is_some());
    if latin1 && bytes.len() <= BOUNDS.bytes {
        return Ok(Cow::Owned(bytes.iter().copied().map(char::from).collect()));
    }
    Err(MediaError::corrupt("the drawing's text isn't UTF-8"))
}

/// The elements of the file.
pub(crate) fn document(text: &str) -> Result<Document<'_>, MediaError> {
    xml::parse(text, &BOUNDS)
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Header<'_, Svg<'_>>, MediaError> {
    let text = source(bytes)?;
    let size = scaled(size(document(&text)?.root_element()));
    let facts = Facts { bytes_per_pixel: 4, ..Facts::new("image/svg+xml", size)? };
    Ok(Header { facts, head: Svg { text } })
}

/// The drawing's title and description (SVG 2, 5.8), for people.
pub(crate) fn texts(text: &str) -> (Option<String>, Option<String>) {
    let Ok(document) = document(text) else { return (None, None) };
    let text = |name| {
        let element = document.root_element().children().find(|node| node.tag_name().name() == name)?;
        element.text().map(str::to_owned)
    };
    (text("title"), text("desc"))
}

/// The nominal size in pixels, from `width`, `height` and `viewBox` (SVG 2, 8.2 and 8.11).
fn size(svg: Node<'_, '_>) -> (f64, f64) {
    let view_box = svg.attribute("viewBox").and_then(|text| {
        let mut numbers = text
            .split(|c: char| c == ',' || c.is_ascii_whitespace())
            .filter(|number| !number.is_empty())
            .map(|number| number.parse::<f64>().ok().filter(|number| number.is_finite()));
        let [_, _, width, height] = [numbers.next()??, numbers.next()??, numbers.next()??, numbers.next()??];
        (width > 0.0 && height > 0.0).then_some((width, height))
    });
    let basis = view_box.unwrap_or(DEFAULT_SIZE);
    let edge = |name, basis| svg.attribute(name).and_then(|text| length(text, basis));
    match (edge("width", basis.0), edge("height", basis.1), view_box) {
        (Some(width), Some(height), _) => (width, height),
        (Some(width), None, Some(view)) => (width, view.1 * width / view.0),
        (None, Some(height), Some(view)) => (view.0 * height / view.1, height),
        (width, height, _) => (width.unwrap_or(basis.0), height.unwrap_or(basis.1)),
    }
}

/// A length in pixels at 96 to the inch (CSS Values 3, 5.2); a share of `basis`.
fn length(text: &str, basis: f64) -> Option<f64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let scale = match &text[digits.len()..] {
        "" | "px" => 1.0,
        "pt" => 96.0 / 72.0,
        "pc" => 16.0,
        "mm" => 96.0 / 25.4,
        "cm" => 96.0 / 2.54,
        "in" => 96.0,
        // Of the initial font size, as the renderer takes it.
        "em" => 12.0,
        "ex" => 6.0,
        "%" => basis / 100.0,
        _ => return None,
    };
    let length = digits.trim().parse::<f64>().ok()? * scale;
    (length.is_finite() && length > 0.0).then_some(length)
}

/// Whole pixels, the longer edge within bounds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 8192")]
fn scaled((width, height): (f64, f64)) -> (u32, u32) {
    let longer = width.max(height);
    let scale = longer.clamp(LEAST_EDGE, MOST_EDGE) / longer;
    let edge = |edge: f64| (edge * scale).round().clamp(1.0, MOST_EDGE) as u32;
    (edge(width), edge(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(attributes: &str) -> (u32, u32) {
        let bytes = format!("<svg xmlns='http://www.w3.org/2000/svg' {attributes}/>");
        let header = parse(bytes.as_bytes()).unwrap();
        header.facts.size()
    }

    #[test]
    fn sizes_of_all_sorts() {
        for (attributes, expected) in [
            ("viewBox='0 0 200 100'", (2_048, 1_024)),
            ("width='24' height='24'", (2_048, 2_048)),
            ("width='24px' viewBox='0 0 10,20'", (1_024, 2_048)),
            ("height='1in' viewBox='0 0 20 10'", (2_048, 1_024)),
            ("width='100%' height='50%' viewBox='0 0 10 10'", (2_048, 1_024)),
            ("width='3000' height='1500pt'", (3_000, 2_000)),
            ("width='1e9' height='1'", (8_192, 1)),
            ("width='1e300' height='1e308'", (1, 8_192)),
            ("width='-5' height='0' viewBox='0 0 0 0'", (2_048, 1_024)),
            ("width='NaN' height='x' viewBox='a b c d'", (2_048, 1_024)),
            ("", (2_048, 1_024)),
        ] {
            assert_eq!(of(attributes), expected, "{attributes}");
        }
    }

    #[test]
    fn latin1_by_declaration_only() {
        let declared = b"<?xml version='1.0' encoding='ISO-8859-1'?><svg><title>caf\xE9</title></svg>";
        assert_eq!(texts(&source(declared).unwrap()).0.as_deref(), Some("café"));
        assert!(parse(b"<svg>\xE9</svg>").is_err());
    }
}
