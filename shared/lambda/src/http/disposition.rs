//! What a part of a form, or a whole request, says of the file that it carries: `Content-Disposition: form-data; name="…";
//! filename="…"` (RFC 7578), `attachment; filename="…"` (RFC 6266).
//!
//! Clients disagree on names that aren't plain. Browsers and curl send UTF-8 in quotes, with `%22`, `%0D` and `%0A` in place
//! of what would end the quotes or the line (WHATWG HTML, "multipart/form-data encoding algorithm"); older curls and mail
//! programs put a backslash before quotes (RFC 2183); Python's requests and others send `filename*=utf-8''…` (RFC 5987),
//! which wins where both are there.

use percent_encoding::percent_decode_str;

/// The name of a field, and of a file if it is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disposition {
    /// `form-data`, `attachment`, `inline`, in small letters.
    pub kind: String,
    /// The field's name.
    pub name: Option<String>,
    /// The file's name; empty where a browser sends a file field that nothing was chosen for.
    pub filename: Option<String>,
}

/// Reads the header's value; none if it isn't UTF-8.
pub fn parse(value: &[u8]) -> Option<Disposition> {
    let text = std::str::from_utf8(value).ok()?;
    let (kind, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let mut found = Disposition { kind: kind.trim().to_ascii_lowercase(), ..Disposition::default() };
    let mut extended = None;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = value_of(after.trim_start());
        match name.trim().to_ascii_lowercase().as_str() {
            "name" => found.name = Some(value),
            "filename" => found.filename = Some(value),
            "filename*" => extended = extended_value(&value),
            _ => {}
        }
        rest = after.split_once(';').map_or("", |(_, after)| after);
    }
    found.filename = extended.or(found.filename);
    Some(found)
}

/// A value and what stands behind it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (unescape(&value), &quoted[at + 1..]),
            // only before a quote: a path of Windows is full of backslashes that mean themselves
            '\\' if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                value.extend(chars.next().map(|(_, quote)| quote));
            }
            c => value.push(c),
        }
    }
    (unescape(&value), "")
}

/// The three escapes of browsers, and no other: a name may well hold a `%20`.
fn unescape(value: &str) -> String {
    value.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

/// `utf-8''%e2%82%ac.txt`
fn extended_value(value: &str) -> Option<String> {
    let mut fields = value.splitn(3, '\'');
    let (charset, _language, text) = (fields.next()?, fields.next()?, fields.next()?);
    let utf8 = charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii");
    utf8.then(|| percent_decode_str(text).decode_utf8().ok().map(Into::into)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_their_clients_mean_them() {
        for (value, name, filename) in [
            (r#"form-data; name="file"; filename="a b.jpg""#, "file", Some("a b.jpg")),
            (r#"form-data; filename="写真.heic"; name="file""#, "file", Some("写真.heic")),
            (r#"form-data; name="folder""#, "folder", None),
            ("FORM-DATA;name=file;FileName=a.jpg", "file", Some("a.jpg")),
            (r#"form-data; name = "file" ; filename = "a.jpg" "#, "file", Some("a.jpg")),
            (r#"form-data; name="file"; filename="say %22hi%22.txt""#, "file", Some("say \"hi\".txt")),
            (r#"form-data; name="file"; filename="say \"hi\".txt""#, "file", Some("say \"hi\".txt")),
            (r#"form-data; name="file"; filename="50%20.txt""#, "file", Some("50%20.txt")),
            (r#"form-data; name="file"; filename="C:\new\a.txt""#, "file", Some(r"C:\new\a.txt")),
            (r#"form-data; name="file"; filename="x; name=y.txt""#, "file", Some("x; name=y.txt")),
            (r#"form-data; filename="x; name=y.txt"; name="file""#, "file", Some("x; name=y.txt")),
            (r#"form-data; name="file"; filename*=utf-8''%e2%82%ac.txt"#, "file", Some("€.txt")),
            (
                r#"form-data; name="file"; filename="e.txt"; filename*=UTF-8'en'%e2%82%ac.txt"#,
                "file",
                Some("€.txt"),
            ),
            (r#"form-data; name="file"; filename="e.txt"; filename*=koi8-r''%c1.txt"#, "file", Some("e.txt")),
            (r#"form-data; name="file"; filename="""#, "file", Some("")),
            (r#"form-data; name="file"; filename="unended"#, "file", Some("unended")),
        ] {
            let (kind, name) = ("form-data".to_owned(), Some(name.to_owned()));
            let expected = Disposition { kind, name, filename: filename.map(ToOwned::to_owned) };
            assert_eq!(parse(value.as_bytes()), Some(expected), "{value}");
        }
        let kind = |value: &[u8]| parse(value).map(|said| said.kind);
        assert_eq!(kind(b"form-data").as_deref(), Some("form-data"));
        assert_eq!(kind(b" Attachment ; filename=\"a\"").as_deref(), Some("attachment"));
        assert_eq!(kind(b"").as_deref(), Some(""));
        assert_eq!(parse(b"form-data; name=\"\xff\""), None);
    }
}
