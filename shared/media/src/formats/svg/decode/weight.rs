//! What a drawing grows to, before any of it is built.
//!
//! The renderer builds its tree without a budget of its own: `use` copies what it refers to, markers are copied to
//! every vertex, masks, clips and patterns that depend on their user's box once for every user. A file of a
//! kilobyte can so ask for a billion elements. Here every element is weighed once with all that hangs on it,
//! in the cascade's terms: references count with the full weight of what they refer to, inherited ones for
//! every shape that inherits them. The sum is an upper bound on what is built; over [`most`] nothing is.
//!
//! References in a circle are [`Cut`]: what is left out is the part that closes the circle, as browsers have it. The renderer
//! itself knows the shorter circles only, and skips a reference to an element around it. Nesting, through references as
//! well, is bounded since the renderer recurses.

use std::{cell::Cell, collections::HashMap, ops::Range, rc::Rc};

use roxmltree::{Document, Node, NodeId};
use simplecss::{AttributeOperator, DeclarationTokenizer, Element, PseudoClass, StyleSheet};

use crate::error::MediaError;

/// Most elements, or what takes as much: 64 bytes of a path, 256 of other attributes, a letter of text. A built
/// element takes about a kilobyte.
const MOST: u64 = 150_000;
/// What a drawing may grow to however short its file is, and for each byte of it.
const GROWTH: (u64, u64) = (20_000, 16);
/// Most elements within each other, through references as well.
const MOST_NESTED: u32 = 96;
/// Steps of matching selectors; a step is some nanoseconds.
const MOST_STEPS: u64 = 1 << 25;
/// Steps of matching that weigh as much as an element, for copies are matched again.
const STEPS_PER_ELEMENT: u64 = 1_024;

/// Everything that one element brings along.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    cost: u64,
    /// Shapes and texts in it, with those that `use` copies into it.
    shapes: u64,
    /// Shapes that inherit their fill from outside, and their stroke.
    open: [u64; 2],
    /// Vertices that inherit markers from outside.
    vertices: u64,
}

impl Weight {
    fn add(&mut self, other: Self) {
        self.cost = self.cost.saturating_add(other.cost);
        self.shapes = self.shapes.saturating_add(other.shapes);
        for (open, more) in self.open.iter_mut().zip(other.open) {
            *open = open.saturating_add(more);
        }
        self.vertices = self.vertices.saturating_add(other.vertices);
    }
}

#[derive(Clone, Copy)]
enum Visit {
    Open,
    Done(Weight, u32),
}

/// A property that refers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Property {
    Fill,
    Stroke,
    /// `marker` for all three.
    Markers,
    Marker,
    /// Not inherited: `clip-path`, `mask`, `filter`.
    Around,
    Href,
}

impl Property {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "fill" => Self::Fill,
            "stroke" => Self::Stroke,
            "marker" => Self::Markers,
            "marker-start" | "marker-mid" | "marker-end" => Self::Marker,
            "clip-path" | "mask" | "filter" => Self::Around,
            "href" => Self::Href,
            _ => return None,
        })
    }
}

/// What leaves out a reference that closes a circle: a piece of the drawing's text, and what stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    place: Range<usize>,
    instead: String,
}

/// `text` with `cuts`.
pub(super) fn without(text: &str, mut cuts: Vec<Cut>) -> String {
    let mut left = text.to_owned();
    // From the end, so that places stay where they are; one within another goes with it.
    cuts.sort_by_key(|cut| std::cmp::Reverse((cut.place.start, cut.place.end)));
    cuts.dedup();
    let mut before = text.len() + 1;
    for Cut { place, instead } in cuts {
        if place.end <= before {
            before = place.start;
            left.replace_range(place, &instead);
        }
    }
    left
}

/// The references to leave out, so that none runs in a circle.
///
/// # Errors
/// `corrupt_image`: a drawing that grows too large, or a circle that can't be cut.
pub(super) fn check(document: &Document<'_>) -> Result<Vec<Cut>, MediaError> {
    let steps = Cell::new(0);
    let mut sheet = StyleSheet::new();
    let (mut ids, mut context) = (HashMap::<&str, [Node<'_, '_>; 2]>::new(), false);
    for node in document.descendants().filter(Node::is_element) {
        if let Some(id) = node.attributes().find(|attribute| attribute.name() == "id") {
            // Readers differ in whether the first or the last of one name counts.
            ids.entry(id.value()).and_modify(|both| both[1] = node).or_insert([node; 2]);
        }
        if node.has_tag_name("style") || node.tag_name().name() == "style" {
            let css = node.text().unwrap_or_default();
            context |= css.contains("context-");
            charge_for_css(&steps, css)?;
            sheet.parse_more(css);
        }
        context |= node.attributes().any(|attribute| attribute.value().contains("context-"));
    }
    let mut scales = Scales {
        ids,
        sheet,
        steps: &steps,
        inherits: document.input_text().contains("inherit"),
        visits: HashMap::new(),
        references: HashMap::new(),
        full: HashMap::new(),
        heaviest_paint: 0,
        text: document.input_text(),
        cuts: Vec::new(),
    };
    let mut cost = match scales.weigh(document.root_element(), 0) {
        Ok((weight, _)) => weight.cost,
        Err(Stop::Circle) => return Err(circle()),
        Err(Stop::Refused(error)) => return Err(error),
    };
    if context {
        // Shapes of markers and copies may take the paint of what they stand on, each its own copy.
        cost = cost.saturating_mul(scales.heaviest_paint.max(1));
    }
    let most = most(scales.text.len());
    if cost > most {
        return Err(MediaError::corrupt(format!("the drawing grows to more than {most} elements")));
    }
    Ok(scales.cuts)
}

/// The most elements that a drawing of so many bytes may grow to: a short one that asks for many means no good.
fn most(bytes: usize) -> u64 {
    GROWTH.0.saturating_add(GROWTH.1.saturating_mul(bytes as u64)).min(MOST)
}

/// Why weighing ends.
enum Stop {
    /// What is weighed refers to something around it.
    Circle,
    Refused(MediaError),
}

impl From<MediaError> for Stop {
    fn from(error: MediaError) -> Self {
        Self::Refused(error)
    }
}

struct Scales<'s, 'a, 'i> {
    ids: HashMap<&'a str, [Node<'a, 'i>; 2]>,
    sheet: StyleSheet<'a>,
    steps: &'s Cell<u64>,
    /// Somewhere a property takes its parent's value by name: then all count as inherited.
    inherits: bool,
    visits: HashMap<NodeId, Visit>,
    references: HashMap<NodeId, Rc<References<'a, 'i>>>,
    full: HashMap<NodeId, Option<u64>>,
    /// The heaviest of what `fill` and `stroke` refer to.
    heaviest_paint: u64,
    text: &'a str,
    /// What closes a circle.
    cuts: Vec<Cut>,
}

fn within(steps: &Cell<u64>) -> Result<(), MediaError> {
    if steps.get() > MOST_STEPS {
        return Err(MediaError::corrupt("the drawing's styles take too long to apply"));
    }
    Ok(())
}

/// Counts what parsing a style takes: at a number without a unit, a colour that starts with a digit and the like, the
/// parser walks back over all before it.
fn charge_for_css(steps: &Cell<u64>, css: &str) -> Result<(), MediaError> {
    let starts = css.as_bytes().windows(2).filter(|pair| match pair[1] {
        b'#' | b';' | b'{' | b'}' => true,
        b'0'..=b'9' | b'+' | b'-' | b'.' => !pair[0].is_ascii_alphanumeric(),
        _ => false,
    });
    let starts = starts.count() as u64 + 1;
    steps.set(steps.get().saturating_add(starts.saturating_mul(css.len() as u64) / 16));
    within(steps)
}

fn too_deep<T>() -> Result<T, Stop> {
    Err(MediaError::corrupt(format!("more than {MOST_NESTED} elements within each other")).into())
}

fn circle() -> MediaError {
    MediaError::corrupt("the drawing's references run in a circle")
}

impl<'a, 'i> Scales<'_, 'a, 'i> {
    /// The weight of an element with all in it, and how deeply it nests.
    fn weigh(&mut self, node: Node<'a, 'i>, depth: u32) -> Result<(Weight, u32), Stop> {
        if !is_drawn(node) {
            return Ok((Weight::default(), 0));
        }
        if depth > MOST_NESTED {
            return too_deep();
        }
        // An element on a circle is met once for each reference that is cut.
        self.steps.set(self.steps.get().saturating_add(1));
        within(self.steps)?;
        match self.visits.insert(node.id(), Visit::Open) {
            Some(Visit::Open) => return Err(Stop::Circle),
            Some(Visit::Done(weight, nested)) => {
                self.visits.insert(node.id(), Visit::Done(weight, nested));
                return if depth + nested > MOST_NESTED { too_deep() } else { Ok((weight, nested)) };
            }
            None => {}
        }
        let weighed = self.weigh_inside(node, depth);
        match &weighed {
            Ok((weight, nested)) => self.visits.insert(node.id(), Visit::Done(*weight, *nested)),
            Err(_) => self.visits.remove(&node.id()),
        };
        weighed
    }

    fn weigh_inside(&mut self, node: Node<'a, 'i>, depth: u32) -> Result<(Weight, u32), Stop> {
        let steps = self.steps.get();
        let references = self.references(node)?;
        let mut weight = own(node);
        weight.cost += (self.steps.get() - steps) / STEPS_PER_ELEMENT;
        let mut nested = 0;
        for child in node.children() {
            let (inside, deep) = self.weigh(child, depth + 1)?;
            weight.add(inside);
            nested = nested.max(deep + 1);
        }
        if node.tag_name().name() == "use" {
            for target in references.targets(Property::Href) {
                let weighed = self.weigh(target, depth + 2);
                if let Some((inside, deep)) = self.unless_circle(node, Property::Href, target, weighed)? {
                    weight.add(inside);
                    nested = nested.max(deep + 2);
                }
            }
        }
        let (cost, deep) = self.charge(node, &references, &mut weight, depth)?;
        weight.cost = weight.cost.saturating_add(cost);
        Ok((weight, nested.max(deep)))
    }

    /// What the references of one element, `node`, cost for what is in it, `weight`; closes what they set.
    fn charge(
        &mut self,
        node: Node<'a, 'i>,
        references: &References<'a, 'i>,
        weight: &mut Weight,
        depth: u32,
    ) -> Result<(u64, u32), Stop> {
        let (mut cost, mut deepest) = (0_u64, 0);
        for &(property, target) in &references.targets {
            if property == Property::Href && references.is_use {
                continue;
            }
            let weighed = self.weigh(target, depth + 1);
            let weighed = weighed.and_then(|(_, deep)| Ok((deep, self.full(target, depth)?)));
            let Some((deep, full)) = self.unless_circle(node, property, target, weighed)? else { continue };
            deepest = deepest.max(deep + 1);
            let users = match property {
                Property::Fill => weight.open[0],
                Property::Stroke => weight.open[1],
                Property::Marker | Property::Markers => weight.vertices,
                Property::Around if self.inherits => weight.cost,
                Property::Around | Property::Href => 1,
            };
            if matches!(property, Property::Fill | Property::Stroke) {
                self.heaviest_paint = self.heaviest_paint.max(full);
            }
            cost = cost.saturating_add(full.saturating_mul(users));
        }
        for (open, property) in weight.open.iter_mut().zip([Property::Fill, Property::Stroke]) {
            if references.set.contains(&property) {
                *open = 0;
            }
        }
        if references.set.contains(&Property::Markers) {
            weight.vertices = 0;
        }
        Ok((cost, deepest))
    }

    /// What was found by a reference; `None` where that closes a circle, and is to be left out.
    fn unless_circle<T>(
        &mut self,
        node: Node<'a, 'i>,
        property: Property,
        target: Node<'a, 'i>,
        found: Result<T, Stop>,
    ) -> Result<Option<T>, Stop> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Stop::Circle) => {
                let mut cuts = self.mentioned(node, property, target);
                if cuts.is_empty() {
                    // A style sheet says so, for other elements, too.
                    cuts.push(self.overruled(node, property, target).ok_or_else(circle)?);
                }
                self.cuts.extend(cuts);
                Ok(None)
            }
            Err(Stop::Refused(error)) => Err(Stop::Refused(error)),
        }
    }

    /// Where the attributes of an element refer to another one.
    fn mentioned(&self, node: Node<'a, 'i>, property: Property, target: Node<'a, 'i>) -> Vec<Cut> {
        let mut cuts = Vec::new();
        let Some(id) = target.attributes().find(|attribute| attribute.name() == "id") else { return cuts };
        let id = format!("#{}", id.value());
        // Not by a longer name that begins with it.
        let names = |text: &str| {
            let behind = text.match_indices(&id).map(|(at, _)| text[at + id.len()..].chars().next());
            behind.into_iter().any(|next| {
                next.is_none_or(|next| !next.is_alphanumeric() && !matches!(next, '-' | '_' | '.' | ':'))
            })
        };
        for attribute in node.attributes() {
            let place = attribute.range_value();
            let Some(value) = self.text.get(place.clone()) else { continue };
            if !names(value) {
                continue;
            }
            if Property::of(attribute.name()) == Some(property) && property == Property::Href {
                cuts.push(Cut { place, instead: String::new() });
            } else if attribute.name() == "style" || Property::of(attribute.name()) == Some(property) {
                for (start, _) in value.match_indices("url(") {
                    let length = value[start..].find(')').map_or(value.len() - start, |end| end + 1);
                    if names(&value[start..start + length]) {
                        let start = place.start + start;
                        cuts.push(Cut { place: start..start + length, instead: "none".to_owned() });
                    }
                }
            }
        }
        cuts
    }

    /// A style of its own for an element that a style sheet has refer to another one.
    fn overruled(&self, node: Node<'a, 'i>, property: Property, target: Node<'a, 'i>) -> Option<Cut> {
        let style = match (property, target.tag_name().name()) {
            (Property::Fill, _) => "fill:none",
            (Property::Stroke, _) => "stroke:none",
            (Property::Marker | Property::Markers, _) => "marker-start:none;marker-mid:none;marker-end:none",
            (Property::Around, "mask") => "mask:none",
            (Property::Around, "clipPath") => "clip-path:none",
            (Property::Around, "filter") => "filter:none",
            _ => return None,
        };
        if let Some(own) = node.attributes().find(|attribute| attribute.name() == "style") {
            let end = own.range_value().end;
            return Some(Cut { place: end..end, instead: format!(";{style}") });
        }
        let start = node.range().start + 1;
        let name = self.text.get(start..)?.find(|c: char| c.is_whitespace() || "/>".contains(c))?;
        let place = start + name..start + name;
        Some(Cut { place, instead: format!(" style='{style}'") })
    }

    /// The weight of what is referred to, with what it inherits where it stands.
    fn full(&mut self, target: Node<'a, 'i>, depth: u32) -> Result<u64, Stop> {
        match self.full.insert(target.id(), None) {
            Some(None) => return Err(Stop::Circle),
            Some(Some(cost)) => {
                self.full.insert(target.id(), Some(cost));
                return Ok(cost);
            }
            None => {}
        }
        let weighed = self.full_inside(target, depth);
        match &weighed {
            Ok(cost) => self.full.insert(target.id(), Some(*cost)),
            Err(_) => self.full.remove(&target.id()),
        };
        weighed
    }

    fn full_inside(&mut self, target: Node<'a, 'i>, depth: u32) -> Result<u64, Stop> {
        let mut weight = self.weigh(target, depth + 1)?.0;
        let mut cost = weight.cost;
        if weight.shapes > 0 {
            for ancestor in target.ancestors().skip(1).filter(Node::is_element) {
                let references = self.references(ancestor)?;
                let inherited = References {
                    targets: references
                        .targets
                        .iter()
                        .copied()
                        .filter(|(property, _)| match property {
                            Property::Href => false,
                            Property::Around => self.inherits,
                            _ => true,
                        })
                        .collect(),
                    set: references.set.clone(),
                    is_use: references.is_use,
                };
                let charged = self.charge(ancestor, &inherited, &mut weight, depth + 1)?;
                cost = cost.saturating_add(charged.0);
            }
        }
        Ok(cost)
    }

    /// All that an element's attributes and the style sheets refer to, whichever wins.
    fn references(&mut self, node: Node<'a, 'i>) -> Result<Rc<References<'a, 'i>>, MediaError> {
        if let Some(known) = self.references.get(&node.id()) {
            return Ok(Rc::clone(known));
        }
        let mut found =
            References { targets: Vec::new(), set: Vec::new(), is_use: node.tag_name().name() == "use" };
        // What its own style says isn't, no sheet brings back, unless that is important.
        let mut barred: Vec<&str> = Vec::new();
        for attribute in node.attributes() {
            if attribute.name() == "href" && node.tag_name().name() == "a" {
                continue;
            }
            if let Some(property) = Property::of(attribute.name()) {
                self.mentions(node, property, attribute.value(), &mut found);
            }
            if attribute.name() == "style" {
                charge_for_css(self.steps, attribute.value())?;
                for declaration in DeclarationTokenizer::from(attribute.value()) {
                    barred.retain(|name| *name != declaration.name);
                    if declaration.value.trim() == "none" {
                        barred.push(declaration.name);
                    }
                    if let Some(property) = Property::of(declaration.name) {
                        self.mentions(node, property, declaration.value, &mut found);
                    }
                }
            }
        }
        for rule in &self.sheet.rules {
            if rule.selector.matches(&Stepped { node, steps: self.steps }) {
                for declaration in &rule.declarations {
                    if !declaration.important && barred.contains(&declaration.name) {
                        continue;
                    }
                    if let Some(property) = Property::of(declaration.name) {
                        self.mentions(node, property, declaration.value, &mut found);
                    }
                }
            }
        }
        within(self.steps)?;
        let found = Rc::new(found);
        self.references.insert(node.id(), Rc::clone(&found));
        Ok(found)
    }

    /// Notes the elements that a value refers to.
    fn mentions(&self, node: Node<'a, 'i>, property: Property, value: &str, found: &mut References<'a, 'i>) {
        if value.trim() != "inherit" && !found.set.contains(&property) {
            found.set.push(property);
        }
        // A data URL may be megabytes long and refers to nothing.
        if property == Property::Href && !value.trim_start().starts_with('#') {
            return;
        }
        for (at, _) in value.match_indices('#') {
            let rest = &value[at + 1..];
            let until = |end: &[char]| {
                let id = rest.split(end).next().unwrap_or_default().trim();
                // Names that never end make this a walk over the rest for each.
                self.steps.set(self.steps.get().saturating_add(2 + id.len() as u64 / 4));
                id
            };
            if self.steps.get() > MOST_STEPS {
                return;
            }
            for id in [until(&[' ']), until(&[' ', ')']), until(&['"']), until(&['\''])] {
                for target in self.ids.get(id).into_iter().flatten() {
                    // The renderer skips a reference to an element around it.
                    let around = node.ancestors().any(|ancestor| ancestor == *target);
                    if !around && !found.targets.contains(&(property, *target)) {
                        found.targets.push((property, *target));
                    }
                }
            }
        }
    }
}

/// What one element refers to.
struct References<'a, 'i> {
    targets: Vec<(Property, Node<'a, 'i>)>,
    /// Properties that have a value here, and so aren't inherited from further out.
    set: Vec<Property>,
    is_use: bool,
}

impl<'a, 'i> References<'a, 'i> {
    fn targets(&self, wanted: Property) -> impl Iterator<Item = Node<'a, 'i>> + use<'a, 'i> {
        let found: Vec<_> = self
            .targets
            .iter()
            .filter(|(property, _)| *property == wanted)
            .map(|(_, target)| *target)
            .collect();
        found.into_iter()
    }
}

/// Whether the renderer looks at an element at all.
fn is_drawn(node: Node<'_, '_>) -> bool {
    const SVG: &str = "http://www.w3.org/2000/svg";
    node.is_element()
        && matches!(node.tag_name().namespace(), None | Some(SVG))
        && !matches!(
            node.tag_name().name(),
            "style" | "script" | "metadata" | "title" | "desc" | "foreignObject"
        )
}

/// The weight of an element alone.
fn own(node: Node<'_, '_>) -> Weight {
    let bytes: usize = node.attributes().map(|attribute| attribute.value().len()).sum();
    let data = ["d", "points"].iter().filter_map(|name| node.attribute(*name)).map(str::len).sum::<usize>();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let mut cost = 1 + count(bytes) / 256 + count(data) / 64;
    let (shapes, vertices) = match node.tag_name().name() {
        "rect" | "circle" | "ellipse" | "line" => (1, 16),
        // A segment takes two bytes at the least.
        "path" | "polyline" | "polygon" => (1, count(data) / 2 + 2),
        "text" | "tspan" | "textPath" | "tref" | "a" | "image" => {
            let letters = node.children().filter_map(|child| child.is_text().then(|| child.text()).flatten());
            cost += letters.map(|text| count(text.len())).sum::<u64>();
            (1, 0)
        }
        _ => (0, 0),
    };
    Weight { cost, shapes, open: [shapes; 2], vertices }
}

/// An element as selectors see it, counting their steps.
struct Stepped<'s, 'a, 'i> {
    node: Node<'a, 'i>,
    steps: &'s Cell<u64>,
}

impl Stepped<'_, '_, '_> {
    /// Counts `more` steps; false when there were too many.
    fn step(&self, more: usize) -> bool {
        self.steps.set(self.steps.get().saturating_add(1 + more as u64));
        self.steps.get() <= MOST_STEPS
    }
}

impl Element for Stepped<'_, '_, '_> {
    fn parent_element(&self) -> Option<Self> {
        let parent = self.node.parent_element().filter(|_| self.step(0))?;
        Some(Stepped { node: parent, steps: self.steps })
    }

    fn prev_sibling_element(&self) -> Option<Self> {
        let previous = self.node.prev_sibling_element().filter(|_| self.step(0))?;
        Some(Stepped { node: previous, steps: self.steps })
    }

    fn has_local_name(&self, name: &str) -> bool {
        self.step(0) && self.node.tag_name().name() == name
    }

    fn attribute_matches(&self, name: &str, operator: AttributeOperator<'_>) -> bool {
        let attribute = self.node.attributes().find(|attribute| attribute.name() == name);
        let value = attribute.map(|attribute| attribute.value());
        let within = self.step(value.map_or(0, str::len) / 16);
        within && value.is_some_and(|value| operator.matches(value))
    }

    fn pseudo_class_matches(&self, class: PseudoClass<'_>) -> bool {
        matches!(class, PseudoClass::FirstChild) && self.prev_sibling_element().is_none()
    }
}
