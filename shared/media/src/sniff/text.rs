//! Which kind of text a text is.
//!
//! A table of three columns, notes and a letter are the same to who looks at bytes alone, so what was announced and what the file
//! is named count, as far as the content doesn't speak against them. Only text comes here: no name makes text of anything
//! else, and what a browser would run was found before.

use super::{Kind, Sniffed, is, is_html_name};

/// A kind of text.
struct Text {
    content_type: &'static str,
    /// Other names that it is announced by.
    aliases: &'static [&'static str],
    extensions: &'static [&'static str],
    /// Whether a content may be of this kind.
    fits: fn(&[u8]) -> bool,
}

/// Those that have types of their own, and registered ones where there are (RFC 4180, 5545, 6350, 7303,
/// 7763, 8259, 9512).
const TEXTS: [Text; 9] = [
    Text {
        content_type: "text/csv",
        aliases: &["application/csv", "text/x-csv", "text/comma-separated-values"],
        extensions: &["csv"],
        fits: any,
    },
    Text {
        content_type: "text/tab-separated-values",
        aliases: &["text/tsv", "text/x-tsv"],
        extensions: &["tsv", "tab"],
        fits: any,
    },
    Text {
        content_type: "text/markdown",
        aliases: &["text/x-markdown", "text/x-web-markdown"],
        extensions: &["md", "markdown", "mdown", "mkd"],
        fits: any,
    },
    Text {
        content_type: "application/json",
        aliases: &["text/json", "text/x-json", "application/x-json"],
        extensions: &["json"],
        fits: |body| body.first().is_some_and(|first| b"{[\"-tfn".contains(first) || first.is_ascii_digit()),
    },
    Text {
        content_type: "application/xml",
        aliases: &["application/x-xml"],
        extensions: &["xml"],
        fits: |body| body.starts_with(b"<"),
    },
    Text { content_type: "text/xml", aliases: &[], extensions: &[], fits: |body| body.starts_with(b"<") },
    Text {
        content_type: "application/yaml",
        aliases: &["text/yaml", "text/x-yaml", "application/x-yaml", "text/vnd.yaml"],
        extensions: &["yaml", "yml"],
        fits: any,
    },
    Text {
        content_type: "text/calendar",
        aliases: &["text/x-vcalendar"],
        extensions: &["ics", "ifb", "vcs"],
        fits: |body| begins(body, b"BEGIN:VCALENDAR"),
    },
    Text {
        content_type: "text/vcard",
        aliases: &["text/x-vcard", "text/directory"],
        extensions: &["vcf", "vcard"],
        fits: |body| begins(body, b"BEGIN:VCARD"),
    },
];

fn any(_: &[u8]) -> bool {
    true
}

fn begins(body: &[u8], start: &[u8]) -> bool {
    body.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// The kind of a text that begins with `head`, all of it if `whole`.
pub(super) fn kind(head: &[u8], whole: bool, announced: Option<&str>, filename: Option<&str>) -> Sniffed {
    let body = super::narrowed(head);
    let body = body.trim_ascii_start();
    let announced =
        announced.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    // Who calls it plain may mean a name's kind, but not what it merely looks like.
    let plain_said = announced.as_deref() == Some("text/plain");
    let announced =
        announced.filter(|text| !matches!(text.as_str(), "" | "text/plain" | "application/octet-stream"));
    let extension = filename
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, extension)| extension.trim_end().to_ascii_lowercase())
        .unwrap_or_default();
    // Whoever opens it by that name has it run.
    if is_html_name(announced.as_deref().unwrap_or_default(), &extension) {
        return is("text/html", Kind::Document);
    }
    let of = |text: Option<&Text>| text.map(|text| is(text.content_type, Kind::Document));
    let fitting = || TEXTS.iter().filter(|text| (text.fits)(body));
    let said = announced.as_deref().and_then(|said| {
        of(fitting().find(|text| text.content_type == said || text.aliases.contains(&said)))
    });
    let named = || of(fitting().find(|text| text.extensions.contains(&extension.as_str())));
    let plain = is("text/plain", Kind::Document);
    if let Some(found) = said {
        return found;
    }
    // A sort of text that isn't known here: whoever announced it knows better than a name or a beginning.
    let other = |said: &str| said.starts_with("text/") || said.ends_with("+xml") || said.ends_with("+json");
    if announced.as_deref().is_some_and(|said| other(said) && !TEXTS.iter().any(|text| text.is_called(said)))
    {
        return plain;
    }
    named().or_else(|| by_content(body, whole && !plain_said)).unwrap_or(plain)
}

impl Text {
    fn is_called(&self, content_type: &str) -> bool {
        self.content_type == content_type || self.aliases.contains(&content_type)
    }
}

/// What says itself what it is; values of JSON where `json` says that they are to be looked for and that all of it is there.
fn by_content(body: &[u8], json: bool) -> Option<Sniffed> {
    const BEGINNINGS: [(&[u8], &str); 3] = [
        (b"BEGIN:VCALENDAR", "text/calendar"),
        (b"BEGIN:VCARD", "text/vcard"),
        (b"<?xml ", "application/xml"),
    ];
    let begun = BEGINNINGS.iter().find(|(start, _)| begins(body, start));
    let value = || {
        let parsed = || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
        (json && matches!(body.first(), Some(b'{' | b'[')) && parsed()).then_some("application/json")
    };
    begun.map(|(_, content_type)| *content_type).or_else(value).map(|found| is(found, Kind::Document))
}
