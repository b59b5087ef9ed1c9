//! Bodies: their bytes, and JSON with errors that name the field.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use sluice_core::{Error, ErrorKind, Result};

/// The largest body: a part list of 10,000 parts with quoted entity tags takes about 700 KB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Parses a body as API Gateway hands it on.
pub fn json<T: DeserializeOwned>(body: &str, is_base64: bool) -> Result<T> {
    let decoded;
    let bytes = if is_base64 {
        // every four characters hold up to three bytes
        if body.len() > MAX_BODY_BYTES.div_ceil(3) * 4 {
            return Err(too_large());
        }
        decoded = STANDARD.decode(body).map_err(|_| invalid_json("the body isn't base64"))?;
        &decoded[..]
    } else {
        body.as_bytes()
    };
    if bytes.len() > MAX_BODY_BYTES {
        return Err(too_large());
    }
    match bytes.trim_ascii_start().first() {
        Some(b'{') => {}
        Some(_) => return Err(invalid_json("a JSON object is expected")),
        None => return Err(invalid_json("the body is empty; a JSON object is expected")),
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        fault(if path == "." { "" } else { &path }, error.inner())
    })?;
    reader.end().map_err(|error| fault("", &error))?;
    Ok(value)
}

/// A body's bytes as API Gateway hands it on; none if there are more than `limit`.
pub fn bytes(body: &str, is_base64: bool, limit: usize) -> Result<Option<Vec<u8>>> {
    // every four characters hold up to three bytes
    let longest = if is_base64 { limit.div_ceil(3) * 4 } else { limit };
    if body.len() > longest {
        return Ok(None);
    }
    let bytes = if is_base64 {
        let invalid = |_| Error::new(ErrorKind::Invalid, "invalid_body", "the body isn't base64");
        STANDARD.decode(body).map_err(invalid)?
    } else {
        body.as_bytes().to_vec()
    };
    Ok(Some(bytes).filter(|bytes| bytes.len() <= limit))
}

fn too_large() -> Error {
    let message = format!("a body has at most {MAX_BODY_BYTES} bytes");
    Error::new(ErrorKind::TooLarge, "body_too_large", message)
}

fn invalid_json(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "invalid_json", reason)
}

/// What is wrong at `path` (empty: the whole body), with the field's name where there is one.
fn fault(path: &str, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    if error.classify() != Category::Data {
        return invalid_json(format!("the body isn't JSON: {text}"));
    }
    let position = format!(" at line {} column {}", error.line(), error.column());
    let reason = text.strip_suffix(&position).unwrap_or(&text);
    let missing = reason.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    match (path, missing) {
        ("", Some(field)) => Error::invalid_field(field, "is missing"),
        (path, Some(field)) => Error::invalid_field(&format!("{path}.{field}"), "is missing"),
        ("", None) => invalid_json(format!("the body: {}", in_words(reason))),
        (path, None) => Error::invalid_field(path, in_words(reason)),
    }
}

/// What serde says of a value, in the words of an API: what is expected, not the names of Rust's types. What was sent isn't
/// repeated. A reason that isn't serde's own is told as it is.
fn in_words(reason: &str) -> String {
    if let Some(rest) = reason.strip_prefix("unknown variant `")
        && let Some((_, known)) = rest.split_once("`, expected ")
    {
        return format!("{known} is expected").replace('`', "\"");
    }
    if let Some(field) = reason.strip_prefix("duplicate field `").and_then(|rest| rest.strip_suffix('`')) {
        return format!("{field} comes twice");
    }
    let Some(expected) = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .find_map(|start| reason.strip_prefix(start)?.rsplit_once(", expected "))
        .map(|(_, expected)| expected)
    else {
        return reason.to_owned();
    };
    let unsigned = |most: &dyn std::fmt::Display| format!("a whole number from 0 to {most} is expected");
    match expected {
        "u8" => unsigned(&u8::MAX),
        "u16" => unsigned(&u16::MAX),
        "u32" => unsigned(&u32::MAX),
        "u64" | "usize" => "a whole number, 0 or more, is expected".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number is expected".to_owned(),
        "f32" | "f64" => "a number is expected".to_owned(),
        "a boolean" => "true or false is expected".to_owned(),
        "a string" | "a borrowed string" | "a character" => "a text is expected".to_owned(),
        "a sequence" => "a list is expected".to_owned(),
        "a map" => "an object is expected".to_owned(),
        other if other.starts_with("struct ") => "an object is expected".to_owned(),
        // said by us
        other => format!("{other} is expected"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its shape counts")]
    struct Form {
        name: String,
        size: u64,
        #[serde(default)]
        parts: Vec<Part>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its shape counts")]
    struct Part {
        #[serde(rename = "PartNumber")]
        number: u16,
        #[serde(rename = "ETag")]
        etag: String,
    }

    fn fault_of(body: &str) -> (&'static str, String) {
        let error = json::<Form>(body, false).unwrap_err();
        (error.code(), error.message().to_owned())
    }

    #[test]
    fn faults_name_their_field() {
        let cases = [
            (r#"{"size":1}"#, "name: is missing"),
            (r#"{"name":"a","size":"x"}"#, "size: a whole number, 0 or more, is expected"),
            (r#"{"name":"a","size":null}"#, "size: a whole number, 0 or more, is expected"),
            (r#"{"name":"a","size":-1}"#, "size: a whole number, 0 or more, is expected"),
            (r#"{"name":"a","size":1.5}"#, "size: a whole number, 0 or more, is expected"),
            (r#"{"name":"a","size":99999999999999999999}"#, "size: a whole number, 0 or more, is expected"),
            (r#"{"name":["a"],"size":1}"#, "name: a text is expected"),
            (r#"{"name":"a","size":1,"parts":[{"PartNumber":1}]}"#, "parts[0].ETag: is missing"),
            (
                r#"{"name":"a","size":1,"parts":[{"PartNumber":65536,"ETag":"e"}]}"#,
                "parts[0].PartNumber: a whole number from 0 to 65535 is expected",
            ),
            (r#"{"name":"a","size":1,"parts":7}"#, "parts: a list is expected"),
        ];
        for (body, message) in cases {
            assert_eq!(fault_of(body), ("invalid_field", message.to_owned()), "{body}");
        }
    }

    #[test]
    fn no_type_of_rusts_is_told() {
        for (reason, words) in [
            ("unknown variant `x`, expected one of `a`, `b`", "one of \"a\", \"b\" is expected"),
            ("unknown variant `x`, expected `a` or `b`", "\"a\" or \"b\" is expected"),
            ("duplicate field `size`", "size comes twice"),
            ("invalid type: string \"a, expected u64\", expected a boolean", "true or false is expected"),
            ("invalid type: integer `1`, expected struct CreateBody", "an object is expected"),
            ("invalid length 0, expected a digest", "a digest is expected"),
            ("a text or a whole number is expected", "a text or a whole number is expected"),
        ] {
            assert_eq!(in_words(reason), words);
        }
    }

    #[test]
    fn what_is_no_json_says_so() {
        for body in ["", "  \n", "{", "nonsense", r#"{"name":"a""#, r#"{"name":"a","size":1} x"#, "\"\u{0}"] {
            assert_eq!(fault_of(body).0, "invalid_json", "{body:?}");
        }
        for other in ["[]", r#"["a",1]"#, "7", "null", &"[".repeat(100_000)] {
            assert_eq!(fault_of(other), ("invalid_json", "a JSON object is expected".to_owned()));
        }
        let deep = format!("{{\"other\":{}", "[".repeat(100_000));
        assert_eq!(fault_of(&deep).0, "invalid_json", "depth has its limit");
    }

    #[test]
    fn base64_is_decoded() {
        let form: Form = json(&STANDARD.encode(r#"{"name":"a","size":1}"#), true).unwrap();
        assert_eq!(form.name, "a");
        assert_eq!(json::<Form>("{}", true).unwrap_err().code(), "invalid_json");
        assert_eq!(json::<Form>(&STANDARD.encode(b"\xff"), true).unwrap_err().code(), "invalid_json");
    }

    #[test]
    fn bytes_are_taken_up_to_the_limit() {
        for length in [0, 1, 2, 3, 4] {
            let raw = vec![b'x'; length];
            let (text, encoded) = (String::from_utf8(raw.clone()).unwrap(), STANDARD.encode(&raw));
            let expected = (length <= 3).then_some(raw);
            assert_eq!(bytes(&text, false, 3).unwrap(), expected);
            assert_eq!(bytes(&encoded, true, 3).unwrap(), expected);
        }
        assert_eq!(bytes("=", true, 3).unwrap_err().code(), "invalid_body");
    }

    #[test]
    fn the_largest_body_passes_and_one_byte_more_does_not() {
        let largest = format!(r#"{{"size":1,"name":"{}"}}"#, "x".repeat(MAX_BODY_BYTES - 20));
        assert_eq!(largest.len(), MAX_BODY_BYTES);
        let more = format!("{largest} ");
        assert!(json::<Form>(&largest, false).is_ok());
        assert!(json::<Form>(&STANDARD.encode(&largest), true).is_ok());
        assert_eq!(json::<Form>(&more, false).unwrap_err().code(), "body_too_large");
        assert_eq!(json::<Form>(&STANDARD.encode(&more), true).unwrap_err().code(), "body_too_large");
        assert_eq!(json::<Form>(&"A".repeat(10 << 20), true).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
