//! Names that people choose (files, folders, types) and the object keys made from them.
//!
//! A file's name is kept as its user wrote it, in any script; it is refused only where it could mislead a reader, a
//! terminal or a path. The object key holds no part of it but a plain extension, so a key never needs escaping on
//! account of a name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    ids::{AssetId, OwnerId, Version, text_newtype},
};

/// The longest file name, in characters: what the common file systems take (NTFS, APFS and ext4 stop at 255 units).
pub const MAX_FILENAME_CHARS: usize = 255;
/// The longest folder path in bytes; S3's keys end at 1,024.
pub const MAX_FOLDER_BYTES: usize = 512;
/// The deepest folder path, in segments.
pub const MAX_FOLDER_DEPTH: usize = 16;

/// Characters that can disguise an extension, which no name needs: overrides of direction ("photo\u{202e}gpj.exe" shows as
/// "photoexe.jpg"), ends of lines and paragraphs, and letters of Hangul that show as nothing, so that what stands behind a
/// row of them isn't seen (Unicode Technical Report 36, section 2.9 and 3).
const fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{202d}' | '\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
    )
}

/// Characters that are seen as nothing and change nothing of the name that they stand in. Programs leave them there: the
/// isolates and embeddings that a bidirectional text was wrapped in, byte-order marks, spaces of no width, the tags of a flag.
/// The marks of direction (U+200E, U+200F, U+061C) and the joiners (U+200C, U+200D) aren't among them: real Hebrew, Arabic,
/// Persian and Indic names are written with them, and emoji are joined by them.
const fn is_idle(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'
            | '\u{202a}'..='\u{202c}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// A text of a client's without what is seen as nothing in it.
fn without_idle(text: &str) -> String {
    text.chars().filter(|&c| !is_idle(c)).collect()
}

/// What is wrong with one segment of a path, if anything.
fn fault_of_segment(text: &str) -> Option<&'static str> {
    if text.trim().is_empty() {
        Some("is empty")
    } else if matches!(text, "." | "..") {
        Some("is a path, not a name")
    } else if text.contains(['/', '\\']) {
        Some("holds a path separator")
    } else if text.chars().any(char::is_control) {
        Some("holds a control character")
    } else if text.chars().any(is_deceptive) {
        Some("holds a character that disguises what follows it")
    } else if text.chars().count() > MAX_FILENAME_CHARS {
        Some("is longer than 255 characters")
    } else {
        None
    }
}

text_newtype! {
    /// A file's name as its user wrote it: 1 to 255 characters of any script, without path separators, control
    /// characters and what disguises an extension.
    Filename, check_filename
}

fn check_filename(text: &str) -> Result<()> {
    fault_of_segment(text).map_or(Ok(()), |fault| Err(Error::invalid_filename(fault)))
}

impl Filename {
    /// The name that a client says, without what is seen as nothing in it.
    ///
    /// # Errors
    /// `invalid_filename`
    pub fn from_client(text: &str) -> Result<Self> {
        Self::try_from(without_idle(text))
    }

    /// The name of a file that comes without one: `file`, with an extension by which its type is known.
    pub fn of_type(content_type: &ContentType) -> Self {
        let subtype = content_type.as_str().split_once('/').map_or("", |(_, subtype)| subtype);
        let known = mime_guess::get_mime_extensions_str(content_type.as_str()).unwrap_or_default();
        let usual =
            USUAL_EXTENSIONS.iter().find(|(of, _)| *of == content_type.as_str()).map(|(_, usual)| *usual);
        let extension =
            usual.or_else(|| known.iter().find(|known| **known == subtype).or(known.first()).copied());
        match extension.filter(|_| *content_type != ContentType::octet_stream()) {
            Some(extension) => Self(format!("file.{extension}")),
            None => Self("file".to_owned()),
        }
    }

    /// The extension in lower case, if it is 1 to 10 ASCII letters or digits.
    pub fn extension(&self) -> Option<String> {
        let (stem, extension) = self.as_str().rsplit_once('.')?;
        let plain = !stem.is_empty()
            && (1..=10).contains(&extension.len())
            && extension.chars().all(|c| c.is_ascii_alphanumeric());
        plain.then(|| extension.to_ascii_lowercase())
    }
}

/// The segments of a client's path, each without what is seen as nothing in it and without white space around it.
fn segments_from_client(path: &str) -> Vec<String> {
    let path = path.trim().trim_matches('/');
    path.split('/').map(|segment| without_idle(segment).trim().to_owned()).collect()
}

text_newtype! {
    /// Where a file lands: a root (`users/{owner's segment}`, `stores/{id}`, `system`) or a folder below one.
    Folder, check_folder
}

fn check_folder(text: &str) -> Result<()> {
    let fault = |reason: &str| Err(Error::invalid_field("folder", reason));
    if text.len() > MAX_FOLDER_BYTES {
        return fault("is longer than 512 bytes");
    }
    if text.contains("${") {
        return fault("holds \"${\", for which S3's forms put something else");
    }
    if text.split('/').count() > MAX_FOLDER_DEPTH {
        return fault("is deeper than 16 levels");
    }
    text.split('/').find_map(fault_of_segment).map_or(Ok(()), fault)
}

impl Folder {
    /// The root of a user's own files.
    pub fn of_user(owner: &OwnerId) -> Self {
        Self(format!("users/{}", owner.segment()))
    }

    /// The folder that `owner` asked for: one with its root (`users/alice/trips`, `stores/42/banners`, `system/icons`), or
    /// one below the own root (`trips`). Whether the owner may write there is the gate's to say.
    ///
    /// # Errors
    /// `invalid_field` for a path that is none.
    pub fn resolve(owner: &OwnerId, path: &str) -> Result<Self> {
        let own = Self::of_user(owner);
        let path = &segments_from_client(path).join("/");
        if path.is_empty() {
            return Ok(own);
        }
        let folder = Self::from_str(path)?;
        match path.split('/').next() {
            Some("users" | "stores") if !path.contains('/') => {
                Err(Error::invalid_field("folder", "names no user or store"))
            }
            Some("users" | "stores" | "system") => Ok(folder),
            _ => Self::try_from(format!("{own}/{folder}")),
        }
    }

    /// The folder below this one in which a file lies whose path is `path`, by which a folder was sent (`trips/rome/a.jpg`;
    /// what browsers call `webkitRelativePath` and Uppy `relativePath`).
    ///
    /// # Errors
    /// `invalid_field` for a path that is none.
    pub fn of_relative(&self, path: &str) -> Result<Self> {
        let segments = segments_from_client(path);
        let Some((_, folders)) = segments.split_last().filter(|(_, folders)| !folders.is_empty()) else {
            return Ok(self.clone());
        };
        Self::try_from(format!("{self}/{}", folders.join("/"))).map_err(|error| {
            let reason = error.message().strip_prefix("folder: ").unwrap_or("is no path");
            Error::invalid_field("relative_path", reason)
        })
    }

    /// The root that it is, or lies below: `users/{id}`, `stores/{id}` or `system`.
    pub fn root(&self) -> &str {
        let levels = if self.0.starts_with("system") { 1 } else { 2 };
        self.0.match_indices('/').nth(levels - 1).map_or(&*self.0, |(end, _)| &self.0[..end])
    }
}

text_newtype! {
    /// A media type `type/subtype` in lower case, without parameters (RFC 9110, section 8.3.1).
    ContentType, check_content_type
}

fn check_content_type(text: &str) -> Result<()> {
    // token characters of RFC 9110, section 5.6.2
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    match text.split_once('/') {
        Some((kind, subtype)) if text.len() <= 127 && token(kind) && token(subtype) => Ok(()),
        _ => Err(Error::invalid_field("content_type", "a media type such as image/jpeg is expected")),
    }
}

impl ContentType {
    /// What is sent when nothing better is known (RFC 2046, section 4.5.1).
    pub fn octet_stream() -> Self {
        Self("application/octet-stream".to_owned())
    }

    /// From a header or a client: parameters are dropped, letters made small.
    pub fn from_header(text: &str) -> Result<Self> {
        Self::try_from(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// The type that a client says; none where what it says is no type (`image`, `jpeg`, `undefined`, `*/*`).
    ///
    /// # Errors
    /// `invalid_field` for what looks like a type and can't be one.
    pub fn from_client(text: &str) -> Result<Option<Self>> {
        let named = text.split(';').next().unwrap_or_default().trim();
        let is_word = named.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte));
        if is_word || named.contains('*') { Ok(None) } else { Self::from_header(text).map(Some) }
    }

    /// What a file of this name usually is.
    pub fn of_name(filename: &Filename) -> Self {
        let guess = filename.extension().and_then(|extension| mime_guess::from_ext(&extension).first_raw());
        guess.and_then(|text| Self::from_header(text).ok()).unwrap_or_else(Self::octet_stream)
    }

    /// The type that content is judged by which was read as `found` and announced as this: what was found, unless that
    /// leaves open what it is and the announced type is one of those that it may be.
    ///
    /// | found | may be |
    /// |---|---|
    /// | a kind of text, by its name or its beginning | any that isn't known by its own first bytes |
    /// | nothing that is known | what is neither text, nor of a kind whose formats are known |
    /// | what Office had before 2007 | Word's, Excel's, PowerPoint's, Visio's, Outlook's files |
    /// | any other | the same format by another of its names |
    #[must_use]
    pub fn judged_as<'a>(&'a self, found: &'a Self) -> &'a Self {
        let may_be = match found.as_str() {
            _ if found.is_plain() => self.is_plain(),
            "application/octet-stream" => {
                Kind::of(self) == Kind::Other && !self.is_text() && !self.is_program()
            }
            "application/x-ole-storage" => OLE_DOCUMENTS.contains(&self.as_str()),
            found => PROGRAMS
                .iter()
                .chain(&SAME_FORMATS)
                .any(|names| names.contains(&self.as_str()) && names.contains(&found)),
        };
        if may_be { self } else { found }
    }

    /// Whether files of this type are text that isn't known by its own first bytes.
    fn is_plain(&self) -> bool {
        self.is_text() && !matches!(self.as_str(), "text/html" | "text/rtf")
    }

    /// Whether files of this type are text.
    fn is_text(&self) -> bool {
        let (kind, subtype) = self.0.split_once('/').unwrap_or_default();
        let named = subtype.strip_prefix("x-").unwrap_or(subtype);
        match kind {
            "text" => true,
            "application" | "message" | "model" => {
                TEXTS.contains(&named) || subtype.ends_with("+json") || subtype.ends_with("+xml")
            }
            _ => false,
        }
    }

    /// Whether files of this type are programs, which are known by their first bytes.
    fn is_program(&self) -> bool {
        PROGRAMS.iter().any(|names| names.contains(&self.as_str()))
    }

    /// Whether a browser may show it in place from a link of ours. Types that can carry script (HTML, SVG, XML) are
    /// always downloaded.
    pub fn is_safe_inline(&self) -> bool {
        let (kind, subtype) = self.0.split_once('/').unwrap_or_default();
        match kind {
            "image" => subtype != "svg+xml",
            "video" | "audio" => true,
            _ => matches!(self.0.as_str(), "application/pdf" | "text/plain"),
        }
    }
}

text_newtype! {
    /// The key of an original, constant for the asset's life: `{folder}/{asset_id}` and a plain extension if the file
    /// had one when it was first granted.
    ObjectKey, check_key
}

fn check_key(text: &str) -> Result<()> {
    split_key(text).map(|_| ())
}

/// The folder and the asset id that a key was made of.
fn split_key(key: &str) -> Result<(Folder, AssetId)> {
    let not_found = Error::asset_not_found;
    let (folder, name) = key.rsplit_once('/').ok_or_else(not_found)?;
    let id = name.split('.').next().unwrap_or_default();
    Ok((folder.parse().map_err(|_| not_found())?, id.parse()?))
}

impl ObjectKey {
    /// The key of a new asset.
    pub fn new(folder: &Folder, id: AssetId, filename: &Filename) -> Self {
        Self(match filename.extension() {
            Some(extension) => format!("{folder}/{id}.{extension}"),
            None => format!("{folder}/{id}"),
        })
    }

    /// The asset that this key belongs to.
    ///
    /// # Panics
    /// Never: a key was checked when it was made.
    pub fn asset_id(&self) -> AssetId {
        split_key(&self.0).expect("a key was checked when it was made").1
    }
}

/// The key of a derivative: `{asset_id}/{version}/{name}.{extension}` in the bucket of derivatives. It holds the
/// version, so that an older version's bytes can never be shown for a newer one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DerivedKey(String);

impl DerivedKey {
    /// The key for a derivative of `version` of an asset. `name` and `extension` are our own words, never a client's.
    pub fn new(id: AssetId, version: Version, name: &str, extension: &str) -> Self {
        Self(format!("{id}/{version}/{name}.{extension}"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a file is, broadly: picks the processing profile and the gate's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A still or animated picture.
    Image,
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// Text, pages, tables, slides.
    Document,
    /// A container of files.
    Archive,
    /// Everything else.
    #[default]
    Other,
}

impl Kind {
    /// What files of this type are.
    pub fn of(content_type: &ContentType) -> Self {
        let (kind, subtype) = content_type.as_str().split_once('/').unwrap_or_default();
        // compared without the prefix of types that were never registered
        let subtype = subtype.strip_prefix("x-").unwrap_or(subtype);
        match kind {
            "image" => Self::Image,
            "video" => Self::Video,
            "audio" => Self::Audio,
            "text" => Self::Document,
            _ if DOCUMENTS.iter().any(|start| subtype.starts_with(start)) => Self::Document,
            _ if ARCHIVES.contains(&subtype) => Self::Archive,
            _ => Self::Other,
        }
    }
}

/// The extension that files of a type usually have, where the first in the alphabet isn't it.
const USUAL_EXTENSIONS: [(&str, &str); 16] = [
    ("image/jpeg", "jpg"),
    ("image/tiff", "tif"),
    ("image/svg+xml", "svg"),
    ("image/heic", "heic"),
    ("video/mp4", "mp4"),
    ("video/quicktime", "mov"),
    ("video/x-matroska", "mkv"),
    ("video/mpeg", "mpg"),
    ("audio/mpeg", "mp3"),
    ("audio/mp4", "m4a"),
    ("audio/wav", "wav"),
    ("audio/ogg", "ogg"),
    ("text/plain", "txt"),
    ("text/html", "html"),
    ("text/markdown", "md"),
    ("application/zip", "zip"),
];

/// The subtypes that are text though they aren't `text/…`.
const TEXTS: [&str; 18] = [
    "json",
    "ndjson",
    "jsonlines",
    "json5",
    "xml",
    "xml-dtd",
    "yaml",
    "toml",
    "sql",
    "javascript",
    "ecmascript",
    "typescript",
    "sh",
    "csv",
    "rfc822",
    "graphql",
    "obj",
    "subrip",
];

/// The types of files that are known as no more than a container of Office's, as it was before 2007.
const OLE_DOCUMENTS: [&str; 6] = [
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.ms-outlook",
    "application/vnd.ms-project",
    "application/vnd.visio",
];

/// The names of formats that are programs; one line each.
const PROGRAMS: [&[&str]; 7] = [
    &[
        "application/x-executable",
        "application/x-elf",
        "application/x-sharedlib",
        "application/x-pie-executable",
    ],
    &[
        "application/vnd.microsoft.portable-executable",
        "application/x-msdownload",
        "application/x-dosexec",
        "application/x-msdos-program",
    ],
    &["application/x-mach-binary", "application/x-mach-o"],
    &["application/x-shellscript", "application/x-sh"],
    &["application/java-vm", "application/x-java-class"],
    &["application/wasm"],
    &["application/vnd.android.dex"],
];

/// The names of other formats that have several; those of a line are of one kind.
const SAME_FORMATS: [&[&str]; 21] = [
    &["image/jpeg", "image/jpg", "image/pjpeg"],
    &["image/png", "image/apng", "image/vnd.mozilla.apng", "image/x-png"],
    &["image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"],
    &["image/bmp", "image/x-bmp", "image/x-ms-bmp"],
    &["image/tiff", "image/tif"],
    &["image/vnd.microsoft.icon", "image/x-icon", "image/ico"],
    &["image/vnd.adobe.photoshop", "image/x-photoshop"],
    &[
        "image/x-portable-anymap",
        "image/x-portable-pixmap",
        "image/x-portable-graymap",
        "image/x-portable-bitmap",
    ],
    &["video/mp4", "video/x-m4v"],
    &["video/x-msvideo", "video/avi", "video/msvideo"],
    &["audio/ogg", "audio/opus", "audio/vorbis"],
    &["audio/mpeg", "audio/mp3", "audio/x-mp3"],
    &["audio/mp4", "audio/x-m4a", "audio/m4a"],
    &["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"],
    &["application/rtf", "text/rtf"],
    &["application/zip", "application/x-zip-compressed"],
    &["font/ttf", "font/sfnt", "application/x-font-ttf"],
    &["font/otf", "font/sfnt", "application/x-font-otf", "application/vnd.ms-opentype"],
    &["font/woff", "application/font-woff", "application/x-font-woff"],
    &["application/vnd.sqlite3", "application/x-sqlite3"],
    &[
        "application/pem-certificate-chain",
        "application/pkix-cert",
        "application/x-pem-file",
        "application/x-x509-ca-cert",
        "application/x-x509-user-cert",
    ],
];

/// How the subtypes of documents begin (`application/pdf`, `application/vnd.ms-excel.sheet.macroenabled.12`, …).
const DOCUMENTS: [&str; 13] = [
    "pdf",
    "ole-storage",
    "msword",
    "rtf",
    "vnd.ms-excel",
    "vnd.ms-powerpoint",
    "vnd.ms-word",
    "vnd.openxmlformats-officedocument",
    "vnd.oasis.opendocument",
    "epub",
    "json",
    "xml",
    "yaml",
];

/// The subtypes of archives.
const ARCHIVES: [&str; 12] = [
    "zip",
    "gzip",
    "tar",
    "7z-compressed",
    "bzip2",
    "xz",
    "zstd",
    "compress",
    "rar-compressed",
    "vnd.rar",
    "zip-compressed",
    "gtar",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> OwnerId {
        "alice".parse().unwrap()
    }

    #[test]
    fn names_of_any_script_are_kept() {
        for name in [
            "photo.jpg",
            "Übergröße.png",
            "写真.heic",
            "a b (1).jpg",
            "no extension",
            ".bashrc",
            "a..b",
            "👩‍👩‍👧.gif",
        ] {
            assert_eq!(name.parse::<Filename>().unwrap().as_str(), name);
        }
        assert!("x".repeat(255).parse::<Filename>().is_ok());
    }

    #[test]
    fn names_that_mislead_are_refused() {
        let too_long = "x".repeat(256);
        for name in [
            "",
            "  ",
            ".",
            "..",
            "a/b",
            "a\\b",
            "../x",
            "a\0b",
            "a\nb",
            "photo\u{202e}gpj.exe",
            "photo\u{202d}gpj.exe",
            "photo.jpg\u{3164}\u{3164}\u{3164}.exe",
            "photo.jpg\u{ffa0}.exe",
            "a\u{2029}b",
            "\u{feff}\u{200b}",
            &too_long,
        ] {
            assert_eq!(Filename::from_client(name).unwrap_err().code(), "invalid_filename", "{name:?}");
        }
    }

    #[test]
    fn what_real_names_are_written_with_stays_and_what_is_seen_as_nothing_goes() {
        for name in [
            "\u{200f}חשבונית (2).pdf",
            "می\u{200c}خواهم.docx",
            "क्\u{200d}ष.png",
            "صورة\u{061c} 1.jpg",
            "a\u{200e}b.txt",
            "👩\u{200d}👩\u{200d}👧.gif",
        ] {
            assert_eq!(Filename::from_client(name).unwrap().as_str(), name);
        }
        for (name, kept) in [
            ("\u{2068}חשבונית\u{2069}.pdf", "חשבונית.pdf"),
            ("\u{202a}C-drive.txt\u{202c}", "C-drive.txt"),
            ("\u{feff}a.csv", "a.csv"),
            ("a\u{200b}b.jpg", "ab.jpg"),
            ("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}.png", "🏴.png"),
            ("photo.jpg\u{e0041}.exe", "photo.jpg.exe"),
        ] {
            assert_eq!(Filename::from_client(name).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn a_file_without_a_name_has_one_by_its_type() {
        for (content_type, name) in [
            ("image/jpeg", "file.jpg"),
            ("image/png", "file.png"),
            ("image/heic", "file.heic"),
            ("video/mp4", "file.mp4"),
            ("application/pdf", "file.pdf"),
            ("text/plain", "file.txt"),
            ("application/octet-stream", "file"),
            ("application/x-never-heard-of", "file"),
        ] {
            assert_eq!(Filename::of_type(&content_type.parse().unwrap()).as_str(), name);
        }
        for (content_type, extension) in USUAL_EXTENSIONS {
            let known = mime_guess::from_ext(extension).first_raw().unwrap_or_default();
            assert_eq!(known.split('/').next(), content_type.split('/').next(), "{extension}: {known}");
        }
    }

    #[test]
    fn what_is_no_type_counts_as_not_said() {
        let said = |text: &str| ContentType::from_client(text).map(|said| said.map(String::from));
        for none in ["", "image", "jpeg", "undefined", "null", "*/*", "image/*", "*", "JPEG; q=1", "text"] {
            assert_eq!(said(none).unwrap(), None, "{none}");
        }
        assert_eq!(said("Image/JPEG; charset=x").unwrap().as_deref(), Some("image/jpeg"));
        for bad in ["image/p ng", "image/", "/png", "image/png\r\nx: y", "image/pñg"] {
            assert_eq!(said(bad).unwrap_err().code(), "invalid_field", "{bad:?}");
        }
    }

    #[test]
    fn a_relative_path_is_a_folder_below() {
        let below = |path: &str| Folder::of_user(&owner()).of_relative(path).map(String::from);
        for (path, folder) in [
            ("a.jpg", "users/alice"),
            ("/a.jpg", "users/alice"),
            ("", "users/alice"),
            ("trips/a.jpg", "users/alice/trips"),
            ("/trips/ rome /a.jpg", "users/alice/trips/rome"),
            ("\u{2068}טיול\u{2069}/a.jpg", "users/alice/טיול"),
        ] {
            assert_eq!(below(path).unwrap(), folder, "{path}");
        }
        for bad in ["../a.jpg", "a/../b.jpg", "a//b.jpg", "a/\0/b.jpg", "${filename}/b"] {
            assert_eq!(below(bad).unwrap_err().code(), "invalid_field", "{bad}");
        }
    }

    #[test]
    fn extensions_are_plain_or_none() {
        let extension = |name: &str| name.parse::<Filename>().unwrap().extension();
        assert_eq!(extension("a.JPG").as_deref(), Some("jpg"));
        assert_eq!(extension("a.tar.gz").as_deref(), Some("gz"));
        for none in [".bashrc", "a.", "a.ü", "a.b c", "a.01234567890"] {
            assert_eq!(extension(none), None, "{none}");
        }
    }

    #[test]
    fn folders_lie_below_a_root_and_without_one_below_the_owners() {
        let folder = |path: &str| Folder::resolve(&owner(), path).map(String::from);
        assert_eq!(folder("").unwrap(), "users/alice");
        assert_eq!(folder("/trips/2026/").unwrap(), "users/alice/trips/2026");
        assert_eq!(folder(" trips / 2026\u{200b}").unwrap(), "users/alice/trips/2026");
        for whole in
            ["users/alice/trips", "users/bob", "stores/42", "stores/42/banners", "system", "system/x"]
        {
            assert_eq!(folder(whole).unwrap(), whole);
        }
        for bad in ["../bob", "a/../b", "a//b", "a\\b", "a\0", "a/${filename}", "users", "stores/"] {
            assert_eq!(folder(bad).unwrap_err().code(), "invalid_field", "{bad:?}");
        }
        let subject: OwnerId = "http://idp.example/users/Jörg Müller".parse().unwrap();
        let trips = Folder::resolve(&subject, "trips").unwrap();
        assert_eq!(trips.as_str(), "users/http:!2F!2Fidp.example!2Fusers!2FJ!C3!B6rg!20M!C3!BCller/trips");
        assert_eq!(trips.root(), Folder::of_user(&subject).as_str());
        assert_eq!(Folder::resolve(&subject, trips.as_str()).unwrap(), trips);
        let root = |path: &str| Folder::resolve(&owner(), path).unwrap().root().to_owned();
        assert_eq!(root("trips"), "users/alice");
        assert_eq!((root("users/bob/x"), root("stores/42/a/b")), ("users/bob".into(), "stores/42".into()));
        assert_eq!((root("system"), root("system/icons/x")), ("system".into(), "system".into()));
        assert_eq!(root("systematic"), "users/alice");
    }

    #[test]
    fn kinds_follow_from_types() {
        let kind = |text: &str| Kind::of(&text.parse().unwrap());
        assert_eq!(kind("image/heic"), Kind::Image);
        assert_eq!(kind("application/pdf"), Kind::Document);
        assert_eq!(
            kind("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            Kind::Document
        );
        assert_eq!((kind("text/csv"), kind("application/zip")), (Kind::Document, Kind::Archive));
        assert_eq!(
            (kind("application/x-tar"), kind("application/octet-stream")),
            (Kind::Archive, Kind::Other)
        );
    }

    #[test]
    fn an_announced_type_stands_only_where_the_content_leaves_it_open() {
        let judged = |announced: &str, found: &str| {
            let (announced, found): (ContentType, ContentType) =
                (announced.parse().unwrap(), found.parse().unwrap());
            announced.judged_as(&found).to_string()
        };
        for (announced, found) in [
            ("text/csv", "text/plain"),
            ("application/json", "text/plain"),
            ("application/geo+json", "text/plain"),
            ("application/msword", "application/x-ole-storage"),
            ("font/woff2", "application/octet-stream"),
            ("image/jpg", "image/jpeg"),
            ("audio/x-m4a", "audio/mp4"),
        ] {
            assert_eq!(judged(announced, found), announced, "over {found}");
        }
        for (announced, found) in [
            ("image/png", "application/octet-stream"),
            ("image/x-anything", "application/octet-stream"),
            ("application/pdf", "application/octet-stream"),
            ("text/csv", "application/octet-stream"),
            ("application/x-msdownload", "application/octet-stream"),
            ("image/svg+xml", "text/plain"),
            ("text/html", "text/plain"),
            ("application/pdf", "text/plain"),
            ("application/pdf", "application/zip"),
            ("text/csv", "text/html"),
            ("image/png", "application/x-executable"),
            ("audio/webm", "video/webm"),
            ("application/pdf", "application/x-ole-storage"),
        ] {
            assert_eq!(judged(announced, found), found, "said to be {announced}");
        }
    }

    #[test]
    fn the_names_of_a_format_are_of_one_kind() {
        for names in PROGRAMS.iter().chain(&SAME_FORMATS) {
            let kinds: Vec<Kind> = names.iter().map(|name| Kind::of(&name.parse().unwrap())).collect();
            assert!(kinds.windows(2).all(|pair| pair[0] == pair[1]), "{names:?}");
        }
    }

    #[test]
    fn a_key_names_its_asset_and_nothing_of_the_name_but_its_extension() {
        let id: AssetId = "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f".parse().unwrap();
        let key = ObjectKey::new(&Folder::of_user(&owner()), id, &"Mein Bild.JPEG".parse().unwrap());
        assert_eq!(key.as_str(), "users/alice/0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f.jpeg");
        assert_eq!(key.as_str().parse::<ObjectKey>().unwrap().asset_id(), id);
        for stray in ["", "x", "users/alice/photo.jpg", "/", "users//0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f"] {
            assert_eq!(stray.parse::<ObjectKey>().unwrap_err().code(), "asset_not_found", "{stray}");
        }
    }

    #[test]
    fn types_that_can_carry_script_are_never_shown_in_place() {
        let inline = |text: &str| ContentType::from_header(text).unwrap().is_safe_inline();
        assert!(inline("image/png") && inline("Video/MP4; codecs=avc1") && inline("application/pdf"));
        assert!(!inline("image/svg+xml") && !inline("text/html") && !inline("application/xhtml+xml"));
        for bad in ["", "image", "image/", "/png", "image/p ng", "image/png\r\nx: y"] {
            assert!(ContentType::from_header(bad).is_err(), "{bad:?}");
        }
    }
}
