//! Which derivatives are made of every image.
//!
//! A profile is data: an operator writes it as JSON, and a smaller, larger or other set of derivatives needs no
//! code. [`Profile::default`] is what an application gets that says nothing.

use serde::Deserialize;
use sluice_pixels::raster::fit;

/// Most derivatives of one image.
const MAX_DERIVATIVES: usize = 16;
/// Longest edge that may be asked for: WebP's own limit (RFC 9649, 2.5).
const MAX_EDGE: u32 = 16_383;
/// The same for AVIF, whose encoder needs seconds for more.
const AVIF_MAX_EDGE: u32 = 2_560;
/// Longest name; it is part of an object's key.
const MAX_NAME: usize = 32;

/// How a derivative is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Baseline JPEG, 4:2:0, on white. An animation becomes WebP, which moves, and so does what is drawn, where that
    /// isn't larger.
    Jpeg,
    /// WebP with alpha; lossy, but for what is drawn and not larger without loss. Keeps an animation moving.
    WebP,
    /// Lossless, with alpha. The first frame of an animation. `quality` means nothing to it.
    Png,
    /// AV1 with alpha, at capped effort: smaller than WebP, and many times slower to write. The first frame of an
    /// animation.
    Avif,
}

impl OutputFormat {
    /// The IANA media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
            Self::Png => "image/png",
            Self::Avif => "image/avif",
        }
    }

    /// The file extension, without a dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
            Self::Png => "png",
            Self::Avif => "avif",
        }
    }
}

/// One derivative to make.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, `thumb` for example: unique within a profile, part of the derived object's key. Lower case letters,
    /// digits, `-` and `_`, at most 32.
    pub name: String,
    /// Pixels that its longer edge has at most, 1 to 16,383.
    pub max_edge: u32,
    /// How it is written.
    pub format: OutputFormat,
    /// How it is written where the picture is transparent; without this, as `format` says, which for JPEG means on
    /// white.
    #[serde(default)]
    pub transparent: Option<OutputFormat>,
    /// 1 to 100, on the format's own scale.
    #[serde(default = "default_quality")]
    pub quality: u8,
    /// Whether an image fails that it can't be made of. Without it such an image is shown by its original.
    #[serde(default)]
    pub required: bool,
}

const fn default_quality() -> u8 {
    80
}

impl Spec {
    /// A derivative named `name`, its longer edge at most `max_edge` pixels.
    pub fn new(name: impl Into<String>, max_edge: u32, format: OutputFormat, quality: u8) -> Self {
        Self { name: name.into(), max_edge, format, transparent: None, quality, required: false }
    }

    /// The size of this derivative of an original of `size` pixels.
    pub(crate) fn size(&self, original: (u32, u32)) -> (u32, u32) {
        fit(original, self.max_edge.clamp(1, MAX_EDGE))
    }

    /// The formats that it may come out in, each once: those that it names, and WebP where it names JPEG.
    pub fn formats(&self) -> Vec<OutputFormat> {
        let mut formats = Vec::new();
        for named in [Some(self.format), self.transparent].into_iter().flatten() {
            let instead = (named == OutputFormat::Jpeg).then_some(OutputFormat::WebP);
            for format in [Some(named), instead].into_iter().flatten() {
                if !formats.contains(&format) {
                    formats.push(format);
                }
            }
        }
        formats
    }

    /// The format for a picture with (`true`) or without transparent pixels.
    pub(crate) fn format(&self, transparent: bool) -> OutputFormat {
        self.transparent.filter(|_| transparent).unwrap_or(self.format)
    }
}

/// The derivatives to make of every image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// In the order in which they are returned.
    pub derivatives: Vec<Spec>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            derivatives: vec![
                Spec::new("thumb", 256, OutputFormat::WebP, 80),
                Spec::new("preview", 1024, OutputFormat::Jpeg, 80),
                Spec::new("large", 2048, OutputFormat::Jpeg, 80),
            ],
        }
    }
}

impl Profile {
    /// Reads a profile: a JSON array of objects with `name`, `max_edge`, `format` (`jpeg`, `webp`, `png`, `avif`) and, if
    /// wanted, `quality` (80), `transparent` (the format for pictures with transparency) and `required` (false).
    ///
    /// # Errors
    /// What is wrong with it, for its author.
    pub fn from_json(json: &str) -> Result<Self, String> {
        let derivatives: Vec<Spec> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if derivatives.is_empty() || derivatives.len() > MAX_DERIVATIVES {
            return Err(format!(
                "there are {} derivatives, a profile has 1 to {MAX_DERIVATIVES}",
                derivatives.len()
            ));
        }
        for (index, spec) in derivatives.iter().enumerate() {
            spec.check().map_err(|reason| format!("derivative {:?}: {reason}", spec.name))?;
            if derivatives[..index].iter().any(|earlier| earlier.name == spec.name) {
                return Err(format!("there are two derivatives named {:?}", spec.name));
            }
        }
        Ok(Self { derivatives })
    }

    /// Whether an image fails that not all of this can be made of. They are made together or not at all, so that one
    /// that is required is enough.
    pub fn is_required(&self) -> bool {
        self.derivatives.iter().any(|spec| spec.required)
    }
}

impl Spec {
    fn check(&self) -> Result<(), String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if self.name.is_empty() || self.name.len() > MAX_NAME || !self.name.bytes().all(plain) {
            return Err(format!("a name is 1 to {MAX_NAME} lower case letters, digits, - and _"));
        }
        if self.max_edge == 0 || self.max_edge > MAX_EDGE {
            return Err(format!("max_edge is {}, it may be 1 to {MAX_EDGE}", self.max_edge));
        }
        let avif = [Some(self.format), self.transparent].contains(&Some(OutputFormat::Avif));
        if avif && self.max_edge > AVIF_MAX_EDGE {
            return Err(format!("max_edge is {}, with avif it may be 1 to {AVIF_MAX_EDGE}", self.max_edge));
        }
        if self.quality == 0 || self.quality > 100 {
            return Err(format!("quality is {}, it may be 1 to 100", self.quality));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read() {
        let profile = Profile::from_json(
            r#"[{"name":"card","max_edge":640,"format":"avif","quality":55},
                {"name":"full","max_edge":16383,"format":"jpeg","transparent":"png"}]"#,
        )
        .unwrap();
        let [card, full] = &profile.derivatives[..] else { panic!("two were asked for") };
        assert_eq!(*card, Spec::new("card", 640, OutputFormat::Avif, 55));
        assert_eq!(
            (full.quality, full.format(true), full.format(false)),
            (80, OutputFormat::Png, OutputFormat::Jpeg)
        );
    }

    #[test]
    fn the_formats_that_a_derivative_may_come_out_in() {
        use OutputFormat::{Avif, Jpeg, Png, WebP};
        let formats = |format, transparent| Spec { transparent, ..Spec::new("a", 9, format, 80) }.formats();
        assert_eq!(formats(Jpeg, None), [Jpeg, WebP]);
        assert_eq!(formats(WebP, Some(Png)), [WebP, Png]);
        assert_eq!(formats(Avif, Some(Jpeg)), [Avif, Jpeg, WebP]);
        assert_eq!(formats(Jpeg, Some(WebP)), [Jpeg, WebP]);
    }

    #[test]
    fn what_is_no_profile_is_told() {
        let one = |name: &str, edge: u32, quality: u8| {
            format!(r#"[{{"name":"{name}","max_edge":{edge},"format":"webp","quality":{quality}}}]"#)
        };
        assert!(Profile::from_json(&one("a", 1, 1)).is_ok());
        assert!(Profile::from_json(&one(&"a".repeat(32), 16_383, 100)).is_ok());
        let many = |count: usize| {
            let specs: Vec<String> =
                (0..count).map(|n| format!(r#"{{"name":"n{n}","max_edge":9,"format":"png"}}"#)).collect();
            format!("[{}]", specs.join(","))
        };
        assert!(Profile::from_json(&many(16)).is_ok());
        for (json, told) in [
            ("[]".to_owned(), "1 to 16"),
            (many(17), "1 to 16"),
            (one("", 9, 9), "lower case"),
            (one("a/b", 9, 9), "lower case"),
            (one(&"a".repeat(33), 9, 9), "lower case"),
            (one("a", 0, 9), "max_edge is 0"),
            (one("a", 16_384, 9), "max_edge is 16384"),
            (r#"[{"name":"a","max_edge":2561,"format":"avif"}]"#.to_owned(), "with avif it may be 1 to 2560"),
            (one("a", 9, 0), "quality is 0"),
            (one("a", 9, 101), "quality is 101"),
            (r#"[{"name":"a","max_edge":9,"format":"bmp"}]"#.to_owned(), "unknown variant `bmp`"),
            (r#"[{"name":"a","max_edge":9,"format":"png","sharp":1}]"#.to_owned(), "unknown field `sharp`"),
            (
                r#"[{"name":"a","max_edge":9,"format":"png"},{"name":"a","max_edge":8,"format":"png"}]"#
                    .to_owned(),
                "two derivatives named \"a\"",
            ),
        ] {
            let reason = Profile::from_json(&json).unwrap_err();
            assert!(reason.contains(told), "{reason}");
        }
    }
}
