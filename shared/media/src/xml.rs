//! XML from strangers, as SVG and XMP: bounded before it is parsed.
//!
//! The parser behind is linear in well-meant input only. An element with a million attributes, namespaces
//! that pile up level by level and entities that multiply each other make it slow or large. One pass over the
//! text counts all of that first; what passes is parsed. Entities are allowed as far as drawing programs
//! write them: short, without markup and without other entities.

use roxmltree::{Document, ParsingOptions};

use crate::error::MediaError;

/// What a text may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub bytes: usize,
    pub elements: u32,
    /// Elements within each other.
    pub depth: u32,
    /// Attributes of one element.
    pub attributes: u32,
    /// Different prefixes that are declared.
    pub namespaces: usize,
    /// Whether there may be a document type at all.
    pub doctype: bool,
}

/// Bytes of a document type declaration.
const MAX_DOCTYPE: usize = 16 << 10;
/// Bytes that all references to entities together may expand to.
const MAX_EXPANSION: usize = 4 << 20;

/// Parses `text`.
///
/// # Errors
/// `corrupt_image`: the text isn't well-formed or passes a bound.
pub(crate) fn parse<'t>(text: &'t str, bounds: &Bounds) -> Result<Document<'t>, MediaError> {
    check(text, bounds)?;
    let options = ParsingOptions {
        allow_dtd: bounds.doctype,
        // Text, comments and instructions are nodes, too.
        nodes_limit: bounds.elements.saturating_mul(4),
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options)
        .map_err(|error| MediaError::broken("the text isn't well-formed XML", error))
}

fn check(text: &str, bounds: &Bounds) -> Result<(), MediaError> {
    let too_many =
        |what: &str, limit: &dyn std::fmt::Display| MediaError::corrupt(format!("more than {limit} {what}"));
    if text.len() > bounds.bytes {
        return Err(too_many("bytes of XML", &bounds.bytes));
    }
    let bytes = text.as_bytes();
    let (mut elements, mut depth) = (0_u32, 0_u32);
    let mut prefixes: Vec<&[u8]> = Vec::new();
    let mut at = 0;
    while let Some(start) = memchr::memchr(b'<', &bytes[at..]) {
        let rest = &bytes[at + start..];
        let past = |end: &[u8]| memchr::memmem::find(rest, end).map_or(rest.len(), |found| found + end.len());
        let length = if rest.starts_with(b"<!--") {
            past(b"-->")
        } else if rest.starts_with(b"<![CDATA[") {
            past(b"]]>")
        } else if rest.starts_with(b"<?") {
            past(b"?>")
        } else if rest.starts_with(b"<!") {
            if !bounds.doctype || elements > 0 {
                return Err(MediaError::corrupt("a document type is refused here"));
            }
            let length = doctype(rest)?;
            let references = memchr::memchr_iter(b'&', &rest[length..]).count();
            entities(&rest[..length], references)?;
            length
        } else if rest.starts_with(b"</") {
            depth = depth.saturating_sub(1);
            2
        } else {
            let tag = Tag::read(rest, bounds.attributes, &mut prefixes);
            elements += 1;
            if tag.attributes > bounds.attributes {
                return Err(too_many("attributes of one element", &bounds.attributes));
            }
            if prefixes.len() > bounds.namespaces {
                return Err(too_many("namespaces", &bounds.namespaces));
            }
            if elements > bounds.elements {
                return Err(too_many("elements", &bounds.elements));
            }
            if !tag.empty {
                depth += 1;
                if depth > bounds.depth {
                    return Err(too_many("elements within each other", &bounds.depth));
                }
            }
            tag.length
        };
        at += start + length;
    }
    Ok(())
}

/// A start tag.
struct Tag {
    length: usize,
    attributes: u32,
    /// Ends with `/>`.
    empty: bool,
}

impl Tag {
    /// Reads the tag that `rest` starts with; stops early past `limit` attributes. Newly declared prefixes are
    /// added to `prefixes`.
    fn read<'t>(rest: &'t [u8], limit: u32, prefixes: &mut Vec<&'t [u8]>) -> Self {
        let (mut attributes, mut name_start, mut at) = (0, 1, 1);
        while let Some(&byte) = rest.get(at) {
            match byte {
                b'>' => return Self { length: at + 1, attributes, empty: rest[at - 1] == b'/' },
                // The tag never ended: the parser will say so.
                b'<' => break,
                b'"' | b'\'' => {
                    let Some(close) = memchr::memchr(byte, &rest[at + 1..]) else { break };
                    at += close + 1;
                    name_start = at + 1;
                }
                b'=' => {
                    attributes += 1;
                    if attributes > limit {
                        break;
                    }
                    let name = rest[name_start..at].trim_ascii();
                    if name.starts_with(b"xmlns") && !prefixes.contains(&name) {
                        prefixes.push(name);
                        if prefixes.len() > 1_024 {
                            break;
                        }
                    }
                }
                byte if byte.is_ascii_whitespace() => name_start = at + 1,
                _ => {}
            }
            at += 1;
        }
        Self { length: at.max(1), attributes, empty: false }
    }
}

/// How long the document type declaration is that `rest` starts with.
fn doctype(rest: &[u8]) -> Result<usize, MediaError> {
    let rest = &rest[..rest.len().min(MAX_DOCTYPE)];
    let mut subset = false;
    let mut at = 2;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'"' | b'\'' => match memchr::memchr(byte, &rest[at + 1..]) {
                Some(close) => at += close + 1,
                None => break,
            },
            b'[' => subset = true,
            b']' => subset = false,
            b'>' if !subset => return Ok(at + 1),
            _ => {}
        }
        at += 1;
    }
    Err(MediaError::corrupt(format!("a document type that doesn't end within {MAX_DOCTYPE} bytes")))
}

/// Holds the entities of a document type against what `references` behind it can make of them.
fn entities(doctype: &[u8], references: usize) -> Result<(), MediaError> {
    let mut longest = 0;
    for start in memchr::memmem::find_iter(doctype, b"<!ENTITY") {
        let declaration = &doctype[start + 8..];
        let value = declaration
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\''))
            .and_then(|open| {
                let rest = &declaration[open + 1..];
                Some(&rest[..memchr::memchr(declaration[open], rest)?])
            })
            .unwrap_or(declaration);
        if memchr::memchr3(b'&', b'<', b'%', value).is_some() {
            return Err(MediaError::corrupt("an entity that holds markup or other entities"));
        }
        longest = longest.max(value.len());
    }
    if longest.saturating_mul(references) > MAX_EXPANSION {
        return Err(MediaError::corrupt("entities that expand to more than the file"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        Bounds { bytes: 1 << 20, elements: 100, depth: 10, attributes: 5, namespaces: 3, doctype: true };

    fn reason(text: &str) -> String {
        parse(text, &BOUNDS).unwrap_err().to_string()
    }

    #[test]
    fn bounds_hold_and_one_more_does_not() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(parse(&nested(10), &BOUNDS).is_ok());
        assert!(reason(&nested(11)).contains("within each other"));

        let many = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count));
        assert!(parse(&many(99), &BOUNDS).is_ok());
        assert!(reason(&many(100)).contains("100 elements"));

        let attributes = |count: usize| {
            format!("<a {}/>", (0..count).map(|at| format!("a{at} = '>' ")).collect::<Vec<_>>().concat())
        };
        assert!(parse(&attributes(5), &BOUNDS).is_ok());
        assert!(reason(&attributes(6)).contains("attributes"));

        let spaces = |count: usize| {
            (0..count).map(|at| format!("<a xmlns:n{at}='u'>")).collect::<Vec<_>>().concat()
                + &"</a>".repeat(count)
        };
        assert!(parse(&spaces(3), &BOUNDS).is_ok());
        assert!(reason(&spaces(4)).contains("namespaces"));

        assert!(reason(&format!("<a>{}</a>", " ".repeat(1 << 20))).contains("bytes of XML"));
    }

    #[test]
    fn markup_in_comments_sections_and_quotes_is_not_counted() {
        let text = format!(
            "<?xml version='1.0'?><!-- {0} --><a b='{1}'><![CDATA[{0}]]></a>",
            "<b>".repeat(500),
            ">/".repeat(500)
        );
        assert!(parse(&text, &BOUNDS).is_ok());
    }

    #[test]
    fn plain_entities_expand_and_others_are_refused() {
        let plain = "<!DOCTYPE svg [ <!ENTITY ns 'http://a/'> ]><a xmlns='&ns;'>&ns;</a>";
        assert_eq!(parse(plain, &BOUNDS).unwrap().root_element().text(), Some("http://a/"));
        for bad in [
            "<!DOCTYPE a [<!ENTITY a 'x'><!ENTITY b '&a;&a;'>]><a>&b;</a>",
            "<!DOCTYPE a [<!ENTITY a '<b/>'>]><a>&a;</a>",
            "<!DOCTYPE a [<!ENTITY % a 'x'> %a;]><a/>",
            "<!DOCTYPE a [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><a>&a;</a>",
            "<!DOCTYPE a [",
            "<a/><!DOCTYPE a>",
        ] {
            let refused =
                parse(bad, &BOUNDS).map(|document| document.root_element().text().map(str::to_owned));
            assert!(!matches!(refused, Ok(Some(_))), "{bad}");
        }
        let references = |count: usize| {
            format!("<!DOCTYPE a [<!ENTITY a '{}'>]><a>{}</a>", "x".repeat(8_192), "&a;".repeat(count))
        };
        assert!(parse(&references(512), &BOUNDS).is_ok());
        assert!(reason(&references(513)).contains("expand"));
        assert!(parse(plain, &Bounds { doctype: false, ..BOUNDS }).is_err());
    }

    #[test]
    fn broken_markup_ends() {
        for broken in
            ["<", "<a", "<a b='", "<a b=", "<!", "<!--", "<![CDATA[", "<?", "</", "<a<a<a", "<a b='>"]
        {
            assert!(parse(broken, &BOUNDS).is_err(), "{broken}");
        }
    }
}
