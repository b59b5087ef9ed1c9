//! What a drawing takes to paint, before any of it is painted.
//!
//! The tree that the renderer built is walked once as the painting will walk it: a layer for every group that is
//! blended, clipped, masked or filtered, a tile for every use of a pattern. Time is counted in nanoseconds by rough
//! prices per pixel, measured on SSE2 and rounded up; memory is that of the layers that are open at once. Both
//! are known before the first pixel.

use resvg::{
    tiny_skia::{PathSegment, Point, Transform},
    usvg::{self, Group, ImageKind, Node, Paint, Path, filter},
};
use roxmltree::Document;

/// What painting takes at most.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Effort {
    pub nanoseconds: f64,
    /// Bytes beside the picture itself.
    pub bytes: f64,
}

impl Effort {
    /// After this, the other: times add up, memory is freed between.
    fn then(&mut self, other: Self) {
        self.nanoseconds += other.nanoseconds;
        self.bytes = self.bytes.max(other.bytes);
    }

    /// While this lasts, the other.
    fn around(&mut self, other: Self) {
        self.nanoseconds += other.nanoseconds;
        self.bytes += other.bytes;
    }
}

/// The text of a drawing with its filters unused: attributes and declarations of that name get another one. `None` where
/// there are none.
pub(super) fn without_filters(document: &Document<'_>) -> Option<String> {
    let text = document.input_text();
    let mut places = Vec::new();
    let declared = |places: &mut Vec<usize>, range: std::ops::Range<usize>| {
        let css = text.get(range.clone()).unwrap_or_default();
        for (at, name) in css.match_indices("filter") {
            if css[at + name.len()..].trim_start().starts_with(':') {
                places.push(range.start + at);
            }
        }
    };
    for node in document.descendants() {
        for attribute in node.attributes() {
            if attribute.name() == "filter" {
                places.push(attribute.range_qname().end.saturating_sub("filter".len()));
            } else if attribute.name() == "style" {
                declared(&mut places, attribute.range_value());
            }
        }
        if node.tag_name().name() == "style" {
            declared(&mut places, node.range());
        }
    }
    let mut left = text.to_owned();
    for at in &places {
        left.replace_range(*at..=*at, "x");
    }
    (!places.is_empty()).then_some(left)
}

/// A plane that is painted on.
#[derive(Debug, Clone, Copy)]
struct Surface {
    width: f64,
    height: f64,
}

impl Surface {
    fn area(self) -> f64 {
        self.width * self.height
    }

    /// A rectangle of this size on it, at most.
    fn clip(self, width: f64, height: f64) -> Self {
        let within = |edge: f64, most: f64| if edge.is_finite() { edge.clamp(1.0, most) } else { most };
        Self { width: within(width + 4.0, self.width), height: within(height + 4.0, self.height) }
    }
}

/// Walks `tree` as it will be painted on `width` × `height` pixels through `transform`.
pub(super) fn of(tree: &usvg::Tree, transform: Transform, (width, height): (u32, u32)) -> Effort {
    let canvas = Surface { width: f64::from(width), height: f64::from(height) };
    // Layers are cut at twice the canvas on every side.
    let layers = Surface { width: canvas.width * 5.0, height: canvas.height * 5.0 };
    let walk = Walk { layers };
    walk.children(tree.root(), transform, canvas)
}

struct Walk {
    layers: Surface,
}

impl Walk {
    fn children(&self, group: &Group, transform: Transform, surface: Surface) -> Effort {
        let mut effort = Effort::default();
        for node in group.children() {
            effort.then(match node {
                Node::Group(group) => self.group(group, transform, surface),
                Node::Path(path) => self.path(path, transform, surface),
                Node::Image(image) => Self::image(image, transform, surface),
                Node::Text(text) => self.group(text.flattened(), transform, surface),
            });
        }
        effort
    }

    fn group(&self, group: &Group, transform: Transform, surface: Surface) -> Effort {
        let transform = transform.pre_concat(group.transform());
        if !group.should_isolate() {
            return self.children(group, transform, surface);
        }
        let bounds = group.layer_bounding_box().transform(transform);
        let layer = bounds.map_or(self.layers, |bounds| {
            self.layers.clip(f64::from(bounds.width()), f64::from(bounds.height()))
        });
        let area = layer.area();
        // Cleared, painted, laid over.
        let lay = if group.blend_mode() == usvg::BlendMode::Normal { 10.0 } else { 16.0 };
        let mut effort = Effort { nanoseconds: area * lay, bytes: area * 4.0 };
        let mut inside = self.children(group, transform, layer);
        for filter in group.filters() {
            inside.then(self.filter(filter, transform, layer));
        }
        if let Some(clip) = group.clip_path() {
            inside.then(self.clip(clip, transform, layer));
        }
        if let Some(mask) = group.mask() {
            inside.then(self.mask(mask, transform, layer));
        }
        effort.around(inside);
        effort
    }

    fn clip(&self, clip: &usvg::ClipPath, transform: Transform, layer: Surface) -> Effort {
        let area = layer.area();
        let mut effort = Effort { nanoseconds: area * 8.0, bytes: area * 5.0 };
        let mut inside = self.clipped(clip.root(), transform.pre_concat(clip.transform()), layer);
        if let Some(clip) = clip.clip_path() {
            inside.then(self.clip(clip, transform, layer));
        }
        effort.around(inside);
        effort
    }

    /// The shapes of a clip; a clipped group in it takes a layer of its own.
    fn clipped(&self, group: &Group, transform: Transform, layer: Surface) -> Effort {
        let mut effort = Effort::default();
        for node in group.children() {
            effort.then(match node {
                Node::Path(path) => self.path(path, transform, layer),
                Node::Text(text) => self.clipped(text.flattened(), transform, layer),
                Node::Group(group) => {
                    let transform = transform.pre_concat(group.transform());
                    let mut inside = self.clipped(group, transform, layer);
                    if let Some(clip) = group.clip_path() {
                        inside.then(self.clip(clip, transform, layer));
                        inside.around(Effort { nanoseconds: layer.area() * 6.0, bytes: layer.area() * 4.0 });
                    }
                    inside
                }
                Node::Image(_) => Effort::default(),
            });
        }
        effort
    }

    fn mask(&self, mask: &usvg::Mask, transform: Transform, layer: Surface) -> Effort {
        let area = layer.area();
        let mut effort = Effort { nanoseconds: area * 40.0, bytes: area * 6.0 };
        let mut inside = self.children(mask.root(), transform, layer);
        if let Some(mask) = mask.mask() {
            inside.then(self.mask(mask, transform, layer));
        }
        effort.around(inside);
        effort
    }

    fn filter(&self, filter: &filter::Filter, transform: Transform, layer: Surface) -> Effort {
        let area = layer.area();
        let (x, y) = scale(transform);
        // The source's copies; every step's result is kept to the end.
        let mut effort = Effort { nanoseconds: area * 4.0, bytes: area * 12.0 };
        for primitive in filter.primitives() {
            let per_pixel = match primitive.kind() {
                filter::Kind::GaussianBlur(blur) => {
                    blur_price(f64::from(blur.std_dev_x().get()) * x, f64::from(blur.std_dev_y().get()) * y)
                }
                filter::Kind::DropShadow(shadow) => {
                    20.0 + blur_price(
                        f64::from(shadow.std_dev_x().get()) * x,
                        f64::from(shadow.std_dev_y().get()) * y,
                    )
                }
                filter::Kind::ConvolveMatrix(convolve) => {
                    8.0 + 6.0 * f64::from(convolve.matrix().columns()) * f64::from(convolve.matrix().rows())
                }
                filter::Kind::Morphology(morphology) => {
                    let window = |radius: f32, scale: f64, edge: f64| {
                        (2.0 * f64::from(radius) * scale + 2.0).min(edge)
                    };
                    let columns = window(morphology.radius_x().get(), x, layer.width);
                    let rows = window(morphology.radius_y().get(), y, layer.height);
                    8.0 + 3.0 * columns * rows
                }
                filter::Kind::Turbulence(turbulence) => 20.0 + 100.0 * f64::from(turbulence.num_octaves()),
                filter::Kind::DiffuseLighting(_) | filter::Kind::SpecularLighting(_) => 80.0,
                filter::Kind::Merge(merge) => 10.0 * merge.inputs().iter().map(|_| 1.0).sum::<f64>(),
                filter::Kind::Image(image) => {
                    effort.then(self.children(image.root(), transform, layer));
                    20.0
                }
                _ => 20.0,
            };
            // Results are turned from one colour space to another on the way.
            effort.around(Effort { nanoseconds: area * (per_pixel + 20.0), bytes: area * 4.0 });
            effort.bytes = effort.bytes.max(area * 32.0);
        }
        effort
    }

    fn path(&self, path: &Path, transform: Transform, surface: Surface) -> Effort {
        let mut effort = Effort::default();
        if !path.is_visible() {
            return effort;
        }
        let (x, y) = scale(transform);
        let outline = Outline::of(path, x.max(y), surface.height);
        if let Some(fill) = path.fill() {
            let bounds = path.bounding_box().transform(transform);
            let shape = bounds.map_or(surface, |bounds| {
                surface.clip(f64::from(bounds.width()), f64::from(bounds.height()))
            });
            effort.then(self.paint(fill.paint(), fill.opacity().get(), transform, shape));
            effort.then(outline.filled());
        }
        if let Some(stroke) = path.stroke() {
            let bounds = path.stroke_bounding_box().transform(transform);
            let shape = bounds.map_or(surface, |bounds| {
                surface.clip(f64::from(bounds.width()), f64::from(bounds.height()))
            });
            effort.then(self.paint(stroke.paint(), stroke.opacity().get(), transform, shape));
            effort.then(outline.stroked(stroke, x.max(y), surface));
        }
        effort
    }

    fn paint(&self, paint: &Paint, opacity: f32, transform: Transform, shape: Surface) -> Effort {
        let area = shape.area();
        match paint {
            // Opaque colour is only written.
            Paint::Color(_) if opacity >= 1.0 => Effort { nanoseconds: area * 1.5, bytes: 0.0 },
            Paint::Color(_) => Effort { nanoseconds: area * 14.0, bytes: 0.0 },
            Paint::LinearGradient(gradient) => gradient_effort(area, gradient.stops().len()),
            Paint::RadialGradient(gradient) => gradient_effort(area, gradient.stops().len()),
            Paint::Pattern(pattern) => {
                let (x, y) = scale(transform.pre_concat(pattern.transform()));
                let tile = Surface {
                    width: (f64::from(pattern.rect().width()) * x).max(1.0),
                    height: (f64::from(pattern.rect().height()) * y).max(1.0),
                };
                let mut effort =
                    Effort { nanoseconds: area * 40.0 + tile.area() * 2.0, bytes: tile.area() * 4.0 };
                #[expect(clippy::cast_possible_truncation, reason = "the renderer scales in 32 bits, too")]
                let inside = Transform::from_scale(x as f32, y as f32);
                effort.around(self.children(pattern.root(), inside, tile));
                effort
            }
        }
    }

    fn image(image: &usvg::Image, transform: Transform, surface: Surface) -> Effort {
        if !image.is_visible() || matches!(image.kind(), ImageKind::SVG(_)) {
            return Effort::default();
        }
        let pixels = f64::from(image.size().width()) * f64::from(image.size().height());
        let bounds = image.bounding_box().transform(transform);
        let shape = bounds
            .map_or(surface, |bounds| surface.clip(f64::from(bounds.width()), f64::from(bounds.height())));
        // Decoded each time it is shown; the decoder's own buffers are as large as the result.
        Effort { nanoseconds: pixels * 40.0 + shape.area() * 40.0, bytes: pixels * 12.0 }
    }
}

/// Per pixel. Small blurs are done by a recursive filter, which is exact and slow; from 2 pixels on by three boxes.
fn blur_price(x: f64, y: f64) -> f64 {
    if x < 2.0 && y < 2.0 { 600.0 } else { 75.0 }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn gradient_effort(area: f64, stops: usize) -> Effort {
    let stops = stops as f64;
    Effort { nanoseconds: area * (20.0 + stops.min(1_000.0)) + stops * 50.0, bytes: stops * 64.0 }
}

/// How much a transform enlarges, across and down.
fn scale(transform: Transform) -> (f64, f64) {
    let (x, y) = transform.get_scale();
    let sound = |scale: f32| if scale.is_finite() { f64::from(scale) } else { f64::from(f32::MAX) };
    (sound(x), sound(y))
}

/// The lines of a path, in pixels.
struct Outline {
    segments: f64,
    length: f64,
    /// Rows of pixels that its lines cross, each on its own.
    rows: f64,
}

impl Outline {
    fn of(path: &Path, scale: f64, height: f64) -> Self {
        let mut outline = Self { segments: 0.0, length: 0.0, rows: 0.0 };
        let (mut from, mut start) = (Point::zero(), Point::zero());
        let mut line = |from: Point, to: Point, curve: bool| {
            let length = f64::from(from.distance(to)) * scale;
            let length = if length.is_finite() { length } else { f64::from(f32::MAX) };
            outline.segments += if curve { 8.0 } else { 1.0 };
            outline.length += length;
            outline.rows += length.min(height);
        };
        for segment in path.data().segments() {
            let to = match segment {
                PathSegment::MoveTo(to) => {
                    (from, start) = (to, to);
                    continue;
                }
                PathSegment::LineTo(to) => {
                    line(from, to, false);
                    to
                }
                PathSegment::QuadTo(by, to) => {
                    line(from, by, true);
                    line(by, to, true);
                    to
                }
                PathSegment::CubicTo(by, then, to) => {
                    line(from, by, true);
                    line(by, then, true);
                    line(then, to, true);
                    to
                }
                PathSegment::Close => {
                    line(from, start, false);
                    start
                }
            };
            from = to;
        }
        outline
    }

    /// Rasterised at four lines a row.
    fn filled(&self) -> Effort {
        Effort { nanoseconds: self.segments * 100.0 + self.rows * 40.0, bytes: self.segments * 64.0 }
    }

    fn stroked(&self, stroke: &usvg::Stroke, scale: f64, surface: Surface) -> Effort {
        let mut pieces = self.segments;
        if let Some(dashes) = stroke.dasharray() {
            let period: f64 = dashes.iter().map(|dash| f64::from(*dash) * scale).sum();
            let count = dashes.iter().map(|_| 1.0).sum::<f64>();
            // The renderer gives up on a million dashes, but only when it has got there.
            pieces += (self.length / period.max(f64::MIN_POSITIVE) * count).min(2e6);
        }
        // Both sides of every piece with its joins and caps, each at most as long as the stroke is wide.
        let width = (f64::from(stroke.width().get()) * scale).min(surface.height);
        let rows = 2.0 * self.rows + pieces * width.max(1.0);
        Effort { nanoseconds: pieces * 800.0 + rows * 40.0, bytes: pieces * 512.0 }
    }
}
