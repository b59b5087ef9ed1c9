//! Drawing SVG, by resvg, straight at the size that is wanted.
//!
//! A drawing comes from a stranger and is a program of sorts, so:
//! - Nothing is fetched or read: a reference is a fragment or a `data:` image, everything else is nothing. There is
//!   no system font either, only the ones in this crate.
//! - There are no scripts, no animation and no foreign objects in this renderer.
//! - What it grows to is bounded before it is built ([`weight`]), what it takes to paint before it is painted
//!   ([`effort`]), both by how long its file is; the pictures in it by the limits of pictures. All of that is permanent, for
//!   the same bytes always weigh the same. What takes too long to paint is painted smaller, or without its filters.

mod effort;
mod weight;

use std::{
    borrow::Cow,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{
        ImageHrefResolver, ImageKind, Options, Size, Tree,
        fontdb::{Database, Source},
    },
};
use roxmltree::Document;
use sluice_pixels::{
    planar::{Colour, Pixels},
    raster::{Model, Raster, Samples},
};

use self::effort::Effort;
use crate::{
    decode::still::{Embedded, Still, Want},
    error::{MediaError, Warning},
    facts::Header,
    formats::svg::header::{DEFAULT_SIZE, Svg, document},
};

/// What stands in for every font, whatever its name: it has Latin, Greek and Cyrillic.
const FAMILY: &str = "Liberation Sans";
const FONTS: [&[u8]; 2] = [
    include_bytes!("../../../fonts/LiberationSans-Regular.ttf"),
    include_bytes!("../../../fonts/LiberationSans-Bold.ttf"),
];
/// Seconds of painting, as estimated, which is on the high side: however short the file is, for each KiB of it, and at most.
const SECONDS: (f64, f64, f64) = (3.0, 0.02, 8.0);
/// The longer edge that a drawing isn't made smaller than.
const LEAST_EDGE: u32 = 256;
/// Pixels of all pictures in a drawing together.
const MOST_PICTURE_PIXELS: u64 = 64 << 20;
/// Pictures in a drawing.
const MOST_PICTURES: u64 = 256;
/// What the tree takes for each byte of the file, roughly; copies come on top.
const TREE_BYTES: u64 = 16;

static FONT_DATABASE: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    for font in FONTS {
        fonts.load_font_source(Source::Binary(Arc::new(font)));
    }
    fonts.set_serif_family(FAMILY);
    fonts.set_sans_serif_family(FAMILY);
    fonts.set_monospace_family(FAMILY);
    fonts.set_cursive_family(FAMILY);
    fonts.set_fantasy_family(FAMILY);
    Arc::new(fonts)
});

/// Peak bytes beside the input that [`decode`] takes, but for what only the tree tells: layers, tiles and
/// pictures are held against the limit when it is there.
pub(crate) fn memory(_header: &Header<'_, Svg<'_>>, target: (u32, u32)) -> u64 {
    u64::from(target.0) * u64::from(target.1) * 4
}

/// Draws the file.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    header: &Header<'a, Svg<'a>>,
    want: &Want<'_>,
) -> Result<Still<'a>, MediaError> {
    let mut warnings = Vec::new();
    let text = acyclic(&header.head.text)?;
    let document = document(&text)?;
    let pictures = Pictures::default();
    let tree = laid_out(&document, &pictures, want)?;
    let most = seconds(bytes.len());
    let (plain_text, plain_document, plain_pictures);
    let (tree, (size, effort)) = match affordable(&tree, want.target, most) {
        Ok(found) => (tree, found),
        Err(refusal) => {
            // What can't be drawn with its filters at any size may be without them.
            plain_text = effort::without_filters(&document).ok_or(refusal)?;
            drop(tree);
            plain_document = self::document(&plain_text)?;
            plain_pictures = Pictures::default();
            let tree = laid_out(&plain_document, &plain_pictures, want)?;
            let found = affordable(&tree, want.target, most)?;
            let message = "the drawing's filters take too long, it is shown without them";
            warnings.push(Warning::new("drawing_simplified", message));
            (tree, found)
        }
    };
    if size != want.target {
        let (width, height) = size;
        let message =
            format!("the drawing takes too long at its full size, it is drawn at {width} × {height} pixels");
        warnings.push(Warning::new("drawing_simplified", message));
    }
    let (width, height) = size;
    let transform = fit(tree.size(), size);
    let canvas = u64::from(width) * u64::from(height) * 4;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let needed =
        (bytes.len() as u64 * (1 + TREE_BYTES)).saturating_add(canvas).saturating_add(effort.bytes as u64);
    if needed > want.limits.max_memory {
        return Err(MediaError::OutOfMemoryBudget { needed, budget: want.limits.max_memory });
    }

    let mut pixmap =
        Pixmap::new(width, height).ok_or_else(|| MediaError::corrupt("there is nothing to draw on"))?;
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    drop(tree);
    let mut samples = pixmap.take();
    unpremultiply(&mut samples);
    Ok(Still {
        pixels: Pixels::Raster(Raster {
            width,
            height,
            model: Model::Rgba,
            samples: Samples::Eight(samples),
        }),
        colour: Colour::Srgb,
        orientation: None,
        warnings,
    })
}

/// The text without what closes circles of references.
fn acyclic(text: &str) -> Result<Cow<'_, str>, MediaError> {
    let cuts = weight::check(&document(text)?)?;
    if cuts.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    let left = weight::without(text, cuts);
    if weight::check(&document(&left)?)?.is_empty() {
        Ok(Cow::Owned(left))
    } else {
        Err(MediaError::corrupt("the drawing's references run in a circle"))
    }
}

fn laid_out(document: &Document<'_>, pictures: &Pictures, want: &Want<'_>) -> Result<Tree, MediaError> {
    Tree::from_xmltree(document, &options(pictures, want))
        .map_err(|error| MediaError::broken("the drawing can't be laid out", error))
}

/// Seconds of painting that a file of `bytes` may take.
fn seconds(bytes: usize) -> f64 {
    let (least, more, most) = SECONDS;
    #[expect(clippy::cast_precision_loss, reason = "files are bounded")]
    let kilobytes = bytes as f64 / 1024.0;
    (least + more * kilobytes).min(most)
}

/// The largest size, `target` or a half, a quarter or an eighth of it, at which a drawing is painted within `most` seconds, and what
/// that takes.
fn affordable(tree: &Tree, target: (u32, u32), most: f64) -> Result<((u32, u32), Effort), MediaError> {
    let mut refusal = None;
    for halvings in 0..4 {
        let size = ((target.0 >> halvings).max(1), (target.1 >> halvings).max(1));
        if halvings > 0 && size.0.max(size.1) < LEAST_EDGE {
            break;
        }
        let effort = effort::of(tree, fit(tree.size(), size), size);
        if effort.nanoseconds <= most * 1e9 {
            return Ok((size, effort));
        }
        refusal.get_or_insert_with(|| {
            let seconds = effort.nanoseconds / 1e9;
            MediaError::corrupt(format!(
                "the drawing takes about {seconds:.0} seconds to paint, at most {most:.0} are spent on it"
            ))
        });
    }
    Err(refusal.unwrap_or_else(|| MediaError::corrupt("the drawing takes too long to paint")))
}

/// The whole drawing on the target, in the middle where the shapes differ by more than rounding.
#[expect(clippy::cast_precision_loss, reason = "edges of pictures are exact in 32 bits")]
fn fit(size: Size, (width, height): (u32, u32)) -> Transform {
    let (x, y) = (width as f32 / size.width(), height as f32 / size.height());
    let scale = x.min(y);
    let (free_x, free_y) = (width as f32 - size.width() * scale, height as f32 - size.height() * scale);
    if free_x <= 1.0 && free_y <= 1.0 {
        Transform::from_scale(x, y)
    } else {
        Transform::from_row(scale, 0.0, 0.0, scale, free_x / 2.0, free_y / 2.0)
    }
}

fn options<'a>(pictures: &'a Pictures, want: &'a Want<'_>) -> Options<'a> {
    #[expect(clippy::cast_possible_truncation, reason = "300 and 150")]
    let default_size = Size::from_wh(DEFAULT_SIZE.0 as f32, DEFAULT_SIZE.1 as f32);
    let defaults = Options::default();
    Options {
        default_size: default_size.unwrap_or(defaults.default_size),
        font_family: FAMILY.to_owned(),
        fontdb: Arc::clone(&FONT_DATABASE),
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(move |_, data, _| pictures.admit(data, want)),
            resolve_string: Box::new(|_, _| None),
        },
        ..defaults
    }
}

/// The pictures that a drawing holds, counted.
#[derive(Debug, Default)]
struct Pictures {
    count: AtomicU64,
    pixels: AtomicU64,
}

impl Pictures {
    /// Takes a picture if its header passes the limits; a drawing within a drawing is not shown. What is left out isn't
    /// shown, as a browser does with a picture that doesn't load.
    fn admit(&self, data: Arc<Vec<u8>>, want: &Want<'_>) -> Option<ImageKind> {
        let Embedded { content_type, pixels } = (want.embedded)(&data, want.limits)?;
        let kind = match content_type {
            "image/jpeg" => ImageKind::JPEG(data),
            "image/png" => ImageKind::PNG(data),
            "image/gif" => ImageKind::GIF(data),
            "image/webp" => ImageKind::WEBP(data),
            _ => return None,
        };
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let pixels = self.pixels.fetch_add(pixels, Ordering::Relaxed).saturating_add(pixels);
        (count <= MOST_PICTURES && pixels <= MOST_PICTURE_PIXELS).then_some(kind)
    }
}

/// Divides the alpha out again, rounded.
fn unpremultiply(samples: &mut [u8]) {
    for pixel in samples.as_chunks_mut::<4>().0 {
        let alpha = u32::from(pixel[3]);
        if alpha != 0 && alpha != 255 {
            for sample in &mut pixel[..3] {
                *sample = u8::try_from((u32::from(*sample) * 255 + alpha / 2) / alpha).unwrap_or(u8::MAX);
            }
        }
    }
}
