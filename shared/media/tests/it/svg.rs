//! Drawings: shown at a useful size, nothing fetched, nothing grown past its bounds.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use image::{DynamicImage, Rgba};
use proptest::prelude::*;
use sluice_media::{
    MediaError,
    derive::{OutputFormat, Profile, derive},
    limits::Limits,
    metadata::read,
    placeholder::thumbhash,
};

use crate::support::{Around, assert_close, derived, jpeg, limits, only, png, quarters, sample, seen};

const OPEN: &str = "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' viewBox='0 0 100 100'>";

fn svg(body: &str) -> Vec<u8> {
    format!("{OPEN}{body}</svg>").into_bytes()
}

/// The colour at a point of a drawing of 100 × 100.
fn at(body: &str, x: u32, y: u32) -> Rgba<u8> {
    let large = seen(&derived(&svg(body)), "large");
    *large.get_pixel(x * large.width() / 100, y * large.height() / 100)
}

fn refusal(bytes: &[u8]) -> MediaError {
    let started = Instant::now();
    let made = derive(bytes, &Profile::default(), &limits()).map(|derived| derived.warnings);
    let error = made.unwrap_err();
    assert!(error.is_permanent());
    assert!(started.elapsed() < Duration::from_secs(15), "{error} after {:?}", started.elapsed());
    error
}

#[test]
fn the_drawing_is_drawn_at_the_size_of_the_largest_derivative() {
    let derived = derived(&sample("heads/drawing.svg"));
    assert_eq!(derived.warnings, []);
    let large = seen(&derived, "large");
    assert_eq!(large.dimensions(), (2_048, 1_024));
    assert_close(&large.get_pixel(512, 512).0, &[0xCC, 0x33, 0x33, 255], 3);
    assert_close(&large.get_pixel(20, 20).0, &[0xFA, 0xFA, 0xFA, 255], 3);
    assert_eq!(seen(&derived, "thumb").dimensions(), (256, 128));
    thumbhash(&sample("heads/drawing.svg"), &limits()).unwrap();
}

#[test]
fn text_shows_in_either_weight() {
    let large = seen(&derived(&sample("heads/drawing.svg")), "large");
    // "svg" at 100, 60 in a size of 30 of 200 × 100.
    let dark = |image: &image::RgbaImage| {
        image.enumerate_pixels().filter(|(x, _, pixel)| *x > 1_000 && pixel.0[0] < 100).count()
    };
    assert!(dark(&large) > 10_000, "{} dark pixels", dark(&large));
    let ink = |style: &str| {
        let body = format!(
            "<rect width='100' height='100' fill='#fff'/><text x='1' y='60' font-size='30' {style}>Häß Ω</text>"
        );
        let large = seen(&derived(&svg(&body)), "large");
        large.pixels().filter(|pixel| pixel.0[0] < 100).count()
    };
    let regular = ink("font-family='Nonesuch, serif'");
    assert!(regular > 10_000 && ink("font-weight='bold'") > regular * 11 / 10, "{regular}");
}

#[test]
fn transparency_is_kept() {
    let body = "<rect width='50' height='100' fill='#f00' fill-opacity='.5'/>";
    let thumb = seen(&derived(&svg(body)), "thumb");
    assert_close(&thumb.get_pixel(64, 128).0, &[255, 0, 0, 128], 8);
    assert_eq!(thumb.get_pixel(192, 128).0[3], 0);
    // On white in JPEG.
    assert_close(&at(body, 25, 50).0, &[255, 127, 127, 255], 4);
}

#[test]
fn a_drawing_without_a_size_is_shown_whole() {
    let bytes = b"<svg xmlns='http://www.w3.org/2000/svg'><rect width='900' height='900' fill='#00f'/></svg>";
    let large = seen(&derived(bytes), "large");
    assert_eq!(large.dimensions(), (2_048, 1_024));
    assert_close(&large.get_pixel(1_024, 1_000).0[..3], &[0, 0, 255], 4);
}

#[test]
fn title_and_description_are_read() {
    let found = read(&svg("<title> A\tcat </title><desc>On a mat</desc><g><title>no</title></g>"));
    assert_eq!((found.title.as_deref(), found.description.as_deref()), (Some("A cat"), Some("On a mat")));
    assert_eq!((found.width, found.height, found.orientation), (Some(2_048), Some(2_048), Some(1)));
}

#[test]
fn scripts_and_references_do_nothing() {
    let large = seen(&derived(&sample("heads/hostile-script.svg")), "large");
    assert_close(&large.get_pixel(1_000, 1_000).0[..3], &[0, 0, 0], 4);

    // Files that are really there: a picture, a drawing, in every way of referring.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let mut body = String::from("<rect width='100' height='100' fill='#0f0'/>");
    for target in [
        format!("{folder}/chelsea.png"),
        format!("file://{folder}/chelsea.png"),
        format!("{folder}/heads/drawing.svg"),
        "tests/data/chelsea.png".to_owned(),
        "http://127.0.0.1:9/chelsea.png".to_owned(),
        "//127.0.0.1/chelsea.png".to_owned(),
    ] {
        let _ = write!(
            body,
            "<image width='100' height='100' href='{target}'/><image width='100' height='100' xlink:href='{target}'/>\
             <use href='{target}#a'/><rect width='100' height='100' fill='url({target}#a)' fill-opacity='0'/>\
             <style>@import url({target}); @font-face {{ font-family: x; src: url({target}) }}</style>\
             <foreignObject width='100' height='100'><iframe xmlns='http://www.w3.org/1999/xhtml' src='{target}'/></foreignObject>\
             <filter id='f'><feImage href='{target}'/></filter>"
        );
    }
    assert_close(&at(&body, 50, 50).0[..3], &[0, 255, 0], 4);
}

fn data_url(mime: &str, bytes: &[u8]) -> String {
    use base64::Engine;
    format!("data:{mime};base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

#[test]
fn pictures_inside_are_shown_if_they_pass_the_limits() {
    let quarters = quarters(40, 40);
    let picture = DynamicImage::ImageRgb8(quarters.clone());
    let image = |url: &str| format!("<image width='100' height='100' href='{url}'/>");
    for bytes in [
        data_url("image/png", &png(&picture, &Around::default())),
        data_url("image/jpeg", &jpeg(&quarters, &Around::default())),
        data_url("image/webp", &crate::support::webp(&picture, &Around::default())),
        // The bytes count, not what they are called.
        data_url("text/plain", &png(&picture, &Around::default())),
    ] {
        assert_close(&at(&image(&bytes), 25, 25).0[..3], &[220, 20, 20], 20);
    }
    // A bomb, and a drawing in a drawing: left out.
    let inner = svg("<rect width='100' height='100'/>");
    for bytes in [
        data_url("image/png", &sample("bomb-900mp.png")[..4_096]),
        data_url("image/svg+xml", &inner),
        data_url("image/png", &inner),
        data_url("image/png", b"\x1F\x8B\x08"),
    ] {
        assert_close(&at(&image(&bytes), 25, 25).0[..3], &[255; 3], 2);
    }
}

#[test]
fn entities_are_refused_at_once() {
    let error = refusal(&sample("heads/hostile-billion-laughs.svg"));
    assert_eq!(error.code(), "corrupt_image");
    assert!(thumbhash(&sample("heads/hostile-billion-laughs.svg"), &limits()).is_err());
    // Long instead of deep.
    let long = format!(
        "<!DOCTYPE svg [<!ENTITY a '{}'>]><svg xmlns='http://www.w3.org/2000/svg'><text>{}</text></svg>",
        "a".repeat(10_000),
        "&a;".repeat(100_000)
    );
    refusal(long.as_bytes());
    // As drawing programs write them.
    let plain = "<?xml version='1.0'?><!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' \
        'http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd' [ <!ENTITY ns_svg 'http://www.w3.org/2000/svg'> ]>\
        <svg xmlns='&ns_svg;' width='10' height='10'><rect width='10' height='10' fill='#f00'/></svg>";
    let large = seen(&derived(plain.as_bytes()), "large");
    assert_close(&large.get_pixel(9, 9).0[..3], &[255, 0, 0], 4);
}

/// Drawings that grow, each by another means of the language.
#[test]
#[expect(clippy::too_many_lines, reason = "a list")]
fn bombs_are_refused_before_they_go_off() {
    // Each level holds the one below ten times.
    let levels =
        |count: usize, open: &dyn Fn(usize) -> String, close: &str, refer: &dyn Fn(usize) -> String| {
            let mut body = format!("{}<rect width='1' height='1'/>{close}", open(0));
            for level in 1..count {
                let _ = write!(body, "{}{}{close}", open(level), refer(level - 1).repeat(10));
            }
            body + &refer(count - 1)
        };
    let group = |level: usize| format!("<g id='n{level}'>");
    let bombs = [
        ("use", levels(9, &group, "</g>", &|level| format!("<use href='#n{level}'/>"))),
        ("use by xlink", levels(9, &group, "</g>", &|level| format!("<use xlink:href='#n{level}'/>"))),
        (
            "patterns",
            levels(
                9,
                &|level| format!("<pattern id='n{level}' width='1' height='1' viewBox='0 0 1 1'>"),
                "</pattern>",
                &|level| format!("<rect width='1' height='1' fill='url(#n{level})'/>"),
            ),
        ),
        (
            "patterns by style",
            levels(
                9,
                &|level| format!("<pattern id='n{level}' width='1' height='1'>"),
                "</pattern>",
                &|level| format!("<rect width='1' height='1' style='stroke: url( \"#n{level}\" )'/>"),
            ),
        ),
        (
            "masks",
            levels(9, &|level| format!("<mask id='n{level}'>"), "</mask>", &|level| {
                format!("<rect width='1' height='1' mask='url(#n{level})'/>")
            }),
        ),
        (
            "clips",
            levels(
                9,
                &|level| format!("<clipPath id='n{level}' clipPathUnits='objectBoundingBox'>"),
                "</clipPath>",
                &|level| format!("<rect width='1' height='1' clip-path='url(#n{level})'/>"),
            ),
        ),
        (
            "markers",
            levels(9, &|level| format!("<marker id='n{level}'>"), "</marker>", &|level| {
                format!("<path d='M0 0 1 1 2 2 3 3 4 4' marker-mid='url(#n{level})'/>")
            }),
        ),
        (
            "markers inherited",
            format!(
                "<marker id='m'>{}</marker><g marker-mid='url(#m)'><path d='M0 0{}'/></g>",
                "<rect width='1' height='1'/>".repeat(1_000),
                "h1".repeat(10_000)
            ),
        ),
        (
            "filters",
            levels(
                9,
                &|level| {
                    format!("<filter id='n{level}'><feImage href='#s{level}'/></filter><g id='s{level}'>")
                },
                "</g>",
                &|level| format!("<rect width='1' height='1' filter='url(#n{level})'/>"),
            ),
        ),
        (
            "style sheet",
            format!(
                "<style>.a {{ mask: url(#m) }} .b * {{ fill: url(#p) }}</style><mask id='m'><g class='b'>{0}</g></mask>\
                 <pattern id='p' width='1' height='1'>{0}</pattern>{1}",
                "<rect width='1' height='1'/>".repeat(300),
                "<rect class='a' width='1' height='1'/>".repeat(300)
            ),
        ),
        (
            "inherited by name",
            format!(
                "<mask id='m'>{0}</mask><g mask='url(#m)'>{1}</g>",
                "<rect width='1' height='1'/>".repeat(1_000),
                "<rect mask='inherit' width='1' height='1'/>".repeat(1_000)
            ),
        ),
        (
            "the context's paint",
            format!(
                "<pattern id='p' width='1' height='1'>{0}</pattern><marker id='m'>{1}</marker>\
                 <path d='M0 0h1h1h1' stroke='url(#p)' marker-mid='url(#m)'/>",
                "<rect width='1' height='1'/>".repeat(1_000),
                "<rect fill='context-stroke' width='1' height='1'/>".repeat(1_000)
            ),
        ),
        ("nesting", "<g>".repeat(200) + &"</g>".repeat(200)),
        (
            "nesting through references",
            (0..400).fold(String::new(), |mut body, level| {
                let _ = write!(
                    body,
                    "<clipPath id='n{level}' clip-path='url(#n{})'><rect width='9' height='9'/></clipPath>",
                    level + 1
                );
                body
            }) + "<rect width='9' height='9' clip-path='url(#n0)'/>",
        ),
        (
            "attributes",
            format!("<g {}/>", (0..200_000).fold(String::new(), |all, at| all + &format!("a{at}='' "))),
        ),
        ("letters", format!("<text>{}</text>", "a".repeat(1 << 20))),
        ("hashes", format!("<g style='fill:{}'/>", "#".repeat(1 << 20))),
        (
            "selectors",
            format!(
                "<style>{}</style>{}",
                "q g g g g g g g z { fill: red }".repeat(50),
                "<g>".repeat(60) + &"<z/>".repeat(2_000) + &"</g>".repeat(60)
            ),
        ),
    ];
    for (name, body) in bombs {
        let error = refusal(&svg(&body));
        assert_eq!(error.code(), "corrupt_image", "{name}: {error}");
    }
}

/// What refers to itself, at once or through others, is left out; the rest is drawn.
#[test]
#[expect(clippy::too_many_lines, reason = "a list")]
fn circles_of_references_leave_out_what_closes_them() {
    let shape = "<rect width='40' height='100' fill='#00f'/>";
    let blue = Rgba([0, 0, 255, 255]);
    let ring = |count: usize, one: &dyn Fn(usize, usize) -> String| {
        (0..count).fold(String::new(), |all, at| all + &one(at, (at + 1) % count))
    };
    let mut cases = Vec::new();
    for count in 1..5 {
        let use_ring = ring(count, &|at, next| format!("<g id='n{at}'>{shape}<use href='#n{next}'/></g>"));
        cases.push(("use", use_ring));
        for property in ["mask", "clip-path", "fill", "filter"] {
            let element = match property {
                "fill" => "pattern width='1' height='1'",
                "clip-path" => "clipPath",
                other => other,
            };
            let close = element.split(' ').next().unwrap();
            let inner = if property == "filter" {
                "<feFlood/>"
            } else {
                "<rect width='100' height='100' fill='#fff'"
            };
            for style in [false, true] {
                let refer = |to: usize| {
                    if style {
                        format!("style='opacity:1; {property}: url(#n{to}) ;'")
                    } else {
                        format!("{property}='url(#n{to})'")
                    }
                };
                if property != "filter" {
                    let within = |at: usize, next: usize| {
                        let inner = inner
                            .replace(" fill='#fff'", if property == "fill" { "" } else { " fill='#fff'" });
                        format!("<{element} id='n{at}'>{inner} {}/></{close}>", refer(next))
                    };
                    cases.push((
                        property,
                        format!(
                            "{}{shape}<rect x='50' width='9' height='9' {}/>",
                            ring(count, &within),
                            refer(0)
                        ),
                    ));
                }
                if matches!(property, "mask" | "clip-path") {
                    let on_itself = |at: usize, next: usize| {
                        format!("<{element} id='n{at}' {}>{inner}/></{close}>", refer(next))
                    };
                    cases.push((
                        property,
                        format!(
                            "{}{shape}<rect x='50' width='9' height='9' {}/>",
                            ring(count, &on_itself),
                            refer(0)
                        ),
                    ));
                }
            }
        }
        let patterns =
            ring(count, &|at, next| format!("<pattern id='n{at}' href='#n{next}' width='9' height='9'/>"));
        cases.push((
            "patterns by href",
            format!("{patterns}{shape}<rect x='50' width='9' height='9' fill='url(#n0)'/>"),
        ));
        let markers = ring(count, &|at, next| {
            format!("<marker id='n{at}'><path d='M0 0 1 1' style='marker-end:url(#n{next})'/></marker>")
        });
        cases.push(("markers", format!("{markers}{shape}<path d='M50 0 60 0' marker-end='url(#n0)'/>")));
    }
    cases.push((
        "inheritance",
        format!("<g fill='url(#p)'><pattern id='p' width='1' height='1'><rect width='1' height='1'/></pattern></g>\
         {shape}<rect x='50' width='9' height='9' fill='url(#p)'/>"),
    ));
    cases.push((
        "use of what is around another one",
        format!("<g id='a'><g id='b'><use href='#c'/></g>{shape}</g><g id='c'><use href='#a'/></g>"),
    ));
    cases.push(("a mixture", format!(
        "<mask id='m'><rect width='9' height='9' fill='url(#p)'/></mask><pattern id='p' width='1' height='1'>\
         <g mask='url(#m)'><rect width='1' height='1'/></g></pattern>{shape}<rect x='50' width='9' height='9' mask='url(#m)'/>"
    )));
    cases.push((
        "a name that another one begins with",
        "<mask id='m'><rect width='9' height='9' style='mask:url(#m1);clip-path:url(#m11)'/></mask><mask id='m1'><g mask='url(#m)'/></mask>\
         <clipPath id='m11'><rect width='40' height='100'/></clipPath><rect width='100' height='100' fill='#f00' style='clip-path:url(#m11);mask:url(#m)'/>\
         <rect width='100' height='100' fill='#00f' clip-path='url(#m11)'/>"
            .to_owned(),
    ));
    for own in ["", "style='opacity:1'"] {
        cases.push(("a style sheet", format!(
            "<style>.a {{ mask: url(#m) }} .b {{ mask: url(#n) }}</style><mask id='m'><rect class='b' {own} width='9' height='9'/></mask>\
             <mask id='n'><rect class='a' {own} width='9' height='9'/></mask>{shape}<rect x='50' width='9' height='9' class='a'/>"
        )));
    }
    for (name, body) in cases {
        let started = Instant::now();
        assert!(at(&body, 20, 50).0.iter().zip(blue.0).all(|(a, b)| a.abs_diff(b) < 3), "{name}: {body}");
        assert!(started.elapsed() < Duration::from_secs(5), "{name}");
    }
    // What is important in a style sheet isn't overruled.
    let sheet = "<style>.a { mask: url(#m) !important } .b { mask: url(#n) !important }</style>\
                 <mask id='m'><rect class='b' width='9' height='9'/></mask>\
                 <mask id='n'><rect class='a' width='9' height='9'/></mask><rect width='9' height='9' class='a'/>";
    assert_eq!(refusal(&svg(sheet)).code(), "corrupt_image");
}

/// Filters that are too dear for the largest preview are drawn smaller, or the drawing without them.
#[test]
fn dear_filters_are_drawn_smaller_or_not_at_all() {
    let drawn = |primitive: &str, by: &str| {
        let body = format!(
            "<style>{}</style><filter id='f'>{primitive}</filter><rect width='50' height='50' {} fill='#00f'/>",
            if by == "sheet" { "rect { filter : url(#f) }" } else { "" },
            match by {
                "attribute" => "filter='url(#f)'",
                "style" => "style='filter:url(#f)'",
                _ => "",
            }
        );
        let started = Instant::now();
        let derived = derive(svg(&body), &only(2_048, OutputFormat::Png), &limits()).unwrap();
        assert!(started.elapsed() < Duration::from_secs(10), "{primitive} took {:?}", started.elapsed());
        let warnings: Vec<_> = derived.warnings.iter().map(|warning| warning.code).collect();
        let (width, height) = (derived.derivatives[0].width, derived.derivatives[0].height);
        assert_eq!(width, height);
        (warnings, width, *seen(&derived, "only").get_pixel(width / 4, height / 4))
    };
    let blue = Rgba([0, 0, 255, 255]);
    assert_eq!(drawn("<feGaussianBlur stdDeviation='1'/>", "attribute"), (vec![], 2_048, blue));
    let (warnings, width, pixel) = drawn("<feMorphology operator='dilate' radius='8'/>", "attribute");
    assert_eq!((warnings, pixel), (vec!["drawing_simplified"], blue));
    assert!((256..2_048).contains(&width), "{width}");
    for by in ["attribute", "style", "sheet"] {
        let dear = "<feTurbulence numOctaves='100000' baseFrequency='.1'/>";
        assert_eq!(drawn(dear, by), (vec!["drawing_simplified"], 2_048, blue), "{by}");
    }
}

/// Files of some hundred bytes that ask for much.
#[test]
fn short_files_do_not_take_long() {
    let uses = |count: usize, times: usize| {
        (1..count).fold("<g id='n0'><rect width='1' height='1'/></g>".to_owned(), |all, at| {
            all + &format!("<g id='n{at}'>{}</g>", format!("<use href='#n{}'/>", at - 1).repeat(times))
        })
    };
    let tiles = |count: usize| {
        (1..count).fold("<pattern id='n0' width='.1' height='.1'><circle r='9'/></pattern>".to_owned(), |all, at| {
            all + &format!(
                "<pattern id='n{at}' width='.1' height='.1'><path fill='url(#n{})' d='M0 0h99v99H0z'/></pattern>",
                at - 1
            )
        }) + &format!("<rect width='99' height='99' fill='url(#n{})'/>", count - 1)
    };
    let blurs = |count: usize| {
        let blur = "<filter id='f'><feGaussianBlur stdDeviation='.1'/></filter>".to_owned();
        blur + &"<g filter='url(#f)'>".repeat(count)
            + "<rect width='99' height='99'/>"
            + &"</g>".repeat(count)
    };
    let masks = "<mask id='m'><rect width='99' height='99' fill='#fff'/></mask>".to_owned()
        + &"<g mask='url(#m)'>".repeat(20)
        + "<rect width='99' height='99'/>"
        + &"</g>".repeat(20);
    for (name, body) in [
        ("uses", uses(4, 10)),
        ("uses of uses", uses(17, 2)),
        ("uses in threes", uses(11, 3)),
        ("tiles", tiles(4)),
        ("blurs", blurs(6)),
        ("many blurs", blurs(20)),
        ("masks", masks),
        (
            "a blur of uses",
            format!(
                "{}<filter id='f'><feGaussianBlur stdDeviation='1'/></filter><g filter='url(#f)'>{}</g>",
                uses(3, 9),
                "<use href='#n2' filter='url(#f)'/>".repeat(9)
            ),
        ),
    ] {
        let bytes = svg(&body);
        let started = Instant::now();
        let made = derive(&bytes, &Profile::default(), &limits());
        let took = started.elapsed();
        eprintln!("{name}: {} bytes, {took:?}, {:?}", bytes.len(), made.as_ref().map(|made| &made.warnings));
        assert!(took < Duration::from_secs(6), "{name} of {} bytes took {took:?}", bytes.len());
    }
}

/// Few elements that take long, or much, to paint.
#[test]
fn what_takes_long_to_paint_is_refused_or_drawn_smaller() {
    let full = "<rect width='100' height='100'/>";
    let filtered = |primitive: &str| {
        format!(
            "<filter id='f' x='-9' y='-9' width='99' height='99'>{primitive}</filter><g filter='url(#f)'>{full}</g>"
        )
    };
    let cases = [
        ("overdraw", "<rect width='100' height='100' fill='#f00' opacity='.9'/>".repeat(3_000)),
        ("turbulence", filtered("<feTurbulence numOctaves='100000' baseFrequency='.1'/>")),
        ("erosion", filtered("<feMorphology radius='50'/>")),
        (
            "convolution",
            filtered(&format!("<feConvolveMatrix order='50' kernelMatrix='{}'/>", "1 ".repeat(2_500))),
        ),
        ("blurs", filtered(&"<feGaussianBlur stdDeviation='9'/>".repeat(1_000))),
        (
            "dashes",
            "<path d='M0 0 100 100' stroke='#000' stroke-width='90' stroke-dasharray='.001'/>".repeat(2_000),
        ),
        ("edges", format!("<path d='M0 0{}'/>", "L0 100L1 0".repeat(150_000))),
        (
            "a tile",
            format!(
                "<pattern id='p' width='1e4' height='1e4' patternUnits='userSpaceOnUse'>{full}</pattern><rect width='100' height='100' fill='url(#p)'/>"
            ),
        ),
        (
            "layers",
            "<g opacity='.5'>".repeat(80)
                + "<rect x='-500' y='-500' width='1000' height='1000'/>"
                + &"</g>".repeat(80),
        ),
    ];
    for (name, body) in cases {
        let started = Instant::now();
        match derive(svg(&body), &Profile::default(), &limits()) {
            Ok(derived) => assert_eq!(derived.warnings[0].code, "drawing_simplified", "{name}"),
            Err(error) => {
                assert!(matches!(error.code(), "corrupt_image" | "out_of_memory_budget"), "{name}: {error}");
            }
        }
        assert!(started.elapsed() < Duration::from_secs(15), "{name} took {:?}", started.elapsed());
    }
}

/// What looks like an attack and isn't: drawn, and soon.
#[test]
fn busy_drawings_are_drawn() {
    let shapes = |count: usize, attributes: &str| {
        (0..count).fold(String::new(), |mut all, at| {
            let _ =
                write!(all, "<path class='c{}' d='M{} {}h3v3h-3z' {attributes}/>", at % 50, at % 97, at % 89);
            all
        })
    };
    let classes = (0..50).fold(String::new(), |mut all, at| {
        let _ = write!(all, ".c{at} {{ fill: url(#g{at}); clip-path: url(#k) }}");
        all
    });
    let gradients = (0..50).fold(String::new(), |mut all, at| {
        let _ = write!(all, "<linearGradient id='g{at}'><stop stop-color='#f00'/><stop offset='1' stop-color='#00f'/></linearGradient>");
        all
    });
    // As deep as is allowed, on the small stack of a test's thread.
    let nested = "<g transform='scale(1.0001)'>".repeat(90) + &shapes(10, "") + &"</g>".repeat(90);
    let masks = (0..30).fold(String::new(), |mut all, at| {
        let _ = write!(
            all,
            "<mask id='m{at}'><g><rect width='9' height='9' fill='#fff' mask='url(#m{})'/></g></mask>",
            at + 1
        );
        all
    });
    let cases = [
        ("plain", shapes(20_000, "fill='#123'")),
        (
            "styled",
            format!(
                "<style>{classes}</style><clipPath id='k'><rect width='90' height='90'/></clipPath>{gradients}{}",
                shapes(300, "")
            ),
        ),
        ("copied", format!("<g id='a'>{}</g>{}", shapes(100, ""), "<use href='#a' x='1'/>".repeat(100))),
        (
            "arrows",
            format!(
                "<style>path {{ marker-end: url(#m) }}</style><marker id='m'><path d='M0 0 5 5' fill='context-stroke'/></marker>{}",
                shapes(200, "stroke='#000'")
            ),
        ),
        (
            "blurred",
            format!(
                "<filter id='f'><feGaussianBlur stdDeviation='3'/></filter><g filter='url(#f)'>{}</g>",
                shapes(50, "")
            ),
        ),
        ("deep", nested),
        (
            "masks in masks",
            masks
                + "<mask id='m30'><rect width='9' height='9' fill='#fff'/></mask><rect width='9' height='9' mask='url(#m0)'/>",
        ),
        ("text", format!("<text>{}</text>", "word ".repeat(4_000))),
        ("links", format!("<g id='top'><a href='#top'>{}</a></g>", shapes(5, ""))),
    ];
    for (name, body) in cases {
        let started = Instant::now();
        let bytes = svg(&body);
        derive(&bytes, &Profile::default(), &limits()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(started.elapsed() < Duration::from_secs(10), "{name} took {:?}", started.elapsed());
    }
}

#[test]
fn layers_are_held_against_the_memory() {
    let body = "<g opacity='.5'><rect width='100' height='100'/></g>";
    let small = Limits { max_memory: 30 << 20, ..limits() };
    let error = derive(svg(body), &Profile::default(), &small).unwrap_err();
    assert_eq!(error.code(), "out_of_memory_budget");
    derive(svg("<rect width='100' height='100'/>"), &only(256, OutputFormat::WebP), &small).unwrap();
}

#[test]
fn broken_drawings_are_refused() {
    for body in ["<g", "<g></h>", "&nothing;", "<rect width='"] {
        assert_eq!(refusal(&svg(body)).code(), "corrupt_image", "{body}");
    }
    assert_eq!(refusal(b"<svg xmlns='http://www.w3.org/2000/svg'>\xFF\xFE</svg>").code(), "corrupt_image");
    // Compressed ones aren't opened.
    assert_eq!(refusal(b"\x1F\x8B\x08\0\0\0\0\0\0\x03").code(), "unsupported_image");
}

#[test]
fn mutated_drawings_never_panic() {
    let body = "<style>.a { fill: url(#g); marker-mid: url(#m) } g > .b { stroke: red }</style>\
        <defs><linearGradient id='g'><stop offset='0'/><stop offset='1' stop-color='#0f0'/></linearGradient>\
        <pattern id='p' width='9' height='9' patternUnits='userSpaceOnUse'><circle r='4'/></pattern>\
        <marker id='m' orient='auto'><path d='M0 0 3 3'/></marker><mask id='k'><rect width='50' height='50' fill='#fff'/></mask>\
        <clipPath id='c'><circle cx='40' cy='40' r='30'/></clipPath><symbol id='s' viewBox='0 0 9 9'><rect width='9' height='9'/></symbol>\
        <filter id='f'><feGaussianBlur stdDeviation='2'/><feOffset dx='3'/></filter></defs>\
        <g class='b' filter='url(#f)' opacity='.5'><path class='a' d='M1 1L20 20C30 30 40 5 60 60z' stroke='#00f' stroke-dasharray='3 1'/></g>\
        <use href='#s' width='20' height='20' mask='url(#k)'/><rect width='30' height='30' fill='url(#p)' clip-path='url(#c)'/>\
        <text x='5' y='50' letter-spacing='2'>Text <tspan rotate='9'>turned</tspan></text>";
    let seed = svg(body);
    derive(seed.as_slice(), &Profile::default(), &limits()).unwrap();
    let small = Limits { max_memory: 64 << 20, ..limits() };
    let printable = prop_oneof![
        Just(b'#'),
        Just(b'\''),
        Just(b'0'),
        Just(b'9'),
        Just(b'e'),
        Just(b'<'),
        Just(b'>'),
        any::<u8>()
    ];
    let strategy = prop::collection::vec((any::<prop::sample::Index>(), printable), 1..4);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) };
    proptest::test_runner::TestRunner::new(config)
        .run(&strategy, |mutations| {
            let mut bytes = seed.clone();
            for (at, value) in mutations {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let _ = read(&bytes).to_map();
            if let Err(error) = derive(bytes.as_slice(), &only(64, OutputFormat::WebP), &small) {
                prop_assert!(error.is_permanent(), "{}", error);
            }
            Ok(())
        })
        .unwrap();
}
