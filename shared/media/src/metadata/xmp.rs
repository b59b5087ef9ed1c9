//! XMP: RDF in XML (ISO 16684-1), written by editors and picture managers.
//!
//! A packet is taken as hostile XML: no document type, bounded in bytes, elements, depth and attributes. Only
//! the properties of the picture itself are looked at, not those of nested structures such as its history.

use roxmltree::Node;

use super::{Found, Gps, charset, clean, clean_list, exposure, moment, round};
use crate::{
    blocks::MAX_XMP_BYTES,
    xml::{self, Bounds},
};

/// Editors' histories make packets of some thousand elements.
const BOUNDS: Bounds = Bounds {
    bytes: MAX_XMP_BYTES,
    elements: 20_000,
    depth: 64,
    attributes: 256,
    namespaces: 128,
    doctype: false,
};

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const DC: &str = "http://purl.org/dc/elements/1.1/";
const XMP: &str = "http://ns.adobe.com/xap/1.0/";
const PHOTOSHOP: &str = "http://ns.adobe.com/photoshop/1.0/";
const TIFF: &str = "http://ns.adobe.com/tiff/1.0/";
const EXIF: &str = "http://ns.adobe.com/exif/1.0/";
/// What EXIF got since its version 2.3 (CIPA DC-010).
const EXIF_EX: &str = "http://cipa.jp/exif/1.0/";
/// What cameras know beyond EXIF, the lens above all.
const AUX: &str = "http://ns.adobe.com/exif/1.0/aux/";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Reads what describes the picture; nothing of a packet that isn't well-formed.
pub(super) fn read(packet: &[u8]) -> Found {
    // Two bytes a letter at least, where it isn't UTF-8: the bound is that of the text behind.
    let packet = &packet[..packet.len().min(4 * MAX_XMP_BYTES)];
    let text = charset::xml(packet);
    let Ok(document) = xml::parse(element(&text), &BOUNDS) else { return Found::default() };
    let Some(rdf) = document.descendants().find(|node| node.has_tag_name((RDF, "RDF"))) else {
        return Found::default();
    };
    let picture = Picture(rdf.children().filter(|node| node.has_tag_name((RDF, "Description"))).collect());
    let text = |namespace, name| picture.texts(namespace, name).first().and_then(|text| clean(text));
    let number = |namespace, name| picture.texts(namespace, name).first().and_then(|text| fraction(text));
    let positive = |name| number(EXIF, name).map(|value| round(value, 1e3)).filter(|value| *value > 0.0);
    let time = |namespace, name| picture.texts(namespace, name).first().and_then(|text| moment(text));
    Found {
        camera_make: text(TIFF, "Make"),
        camera_model: text(TIFF, "Model"),
        lens: text(EXIF_EX, "LensModel").or_else(|| text(AUX, "Lens")),
        exposure: number(EXIF, "ExposureTime").and_then(exposure),
        f_number: positive("FNumber"),
        iso: number(EXIF_EX, "PhotographicSensitivity")
            .and_then(iso)
            .or_else(|| number(EXIF, "ISOSpeedRatings").and_then(iso)),
        focal_length: positive("FocalLength"),
        title: text(DC, "title"),
        headline: text(PHOTOSHOP, "Headline"),
        description: text(DC, "description"),
        artist: clean(&picture.texts(DC, "creator").join(", ")),
        copyright: text(DC, "rights"),
        city: text(PHOTOSHOP, "City"),
        country: text(PHOTOSHOP, "Country"),
        keywords: clean_list(picture.texts(DC, "subject").into_iter().map(str::to_owned)),
        rating: text(XMP, "Rating").and_then(|rating| self::rating(&rating)),
        taken_at: time(EXIF, "DateTimeOriginal").or_else(|| time(PHOTOSHOP, "DateCreated")),
        // EXIF's name of it is the older one.
        created_at: time(XMP, "CreateDate").or_else(|| time(EXIF, "DateTimeDigitized")),
        changed_at: None,
        gps: gps(&picture),
    }
}

/// The first element of a packet. Writers pad packets, wrap them in instructions, and some leave behind them what an older and
/// longer one ended with.
fn element(text: &str) -> &str {
    let starts =
        |rest: &str| rest.starts_with(|character: char| character.is_alphabetic() || character == '_');
    let Some(start) = text.match_indices('<').map(|(at, _)| at).find(|at| starts(&text[at + 1..])) else {
        return text;
    };
    if text[..start].contains("<!DOCTYPE") {
        return text;
    }
    let element = &text[start..];
    let name = element[1..].split(|character: char| character.is_whitespace() || "/>".contains(character));
    let close = format!("</{}", name.into_iter().next().unwrap_or_default());
    // An element that ends with its start tag has no end of its own.
    let end = element.find(&close).and_then(|at| Some(at + element[at..].find('>')? + 1));
    &element[..end.or_else(|| element.rfind('>').map(|last| last + 1)).unwrap_or(element.len())]
}

/// The descriptions of the picture: a packet may spread them over several elements.
struct Picture<'n, 'i>(Vec<Node<'n, 'i>>);

impl<'n> Picture<'n, '_> {
    /// A property's values: one of a simple one, written as an attribute or as an element; the items of an
    /// array; of alternatives by language the default, or else the first.
    fn texts(&self, namespace: &str, name: &str) -> Vec<&'n str> {
        if let Some(simple) = self.0.iter().find_map(|description| description.attribute((namespace, name))) {
            return vec![simple];
        }
        let Some(property) =
            self.0.iter().flat_map(Node::children).find(|node| node.has_tag_name((namespace, name)))
        else {
            return Vec::new();
        };
        let Some(array) = property.first_element_child() else {
            return property.text().map(str::trim).into_iter().collect();
        };
        let items = || array.children().filter(|node| node.has_tag_name((RDF, "li")));
        if array.has_tag_name((RDF, "Alt")) {
            let default = items().find(|item| item.attribute((XML, "lang")) == Some("x-default"));
            return default.or_else(|| items().next()).and_then(|item| item.text()).into_iter().collect();
        }
        items().filter_map(|item| item.text()).collect()
    }
}

/// -1 (rejected) to 5. Some writers use fractions, and 0 for none.
pub(super) fn rating(text: &str) -> Option<i8> {
    let stars: f64 = text.trim().parse().ok()?;
    // Exact: at most 7 whole numbers are left.
    #[expect(clippy::cast_possible_truncation, reason = "-1 to 5 fits")]
    (-1.0..=5.0).contains(&stars).then(|| stars.round() as i8).filter(|stars| *stars != 0)
}

/// Whole and positive.
fn iso(number: f64) -> Option<u32> {
    // Exact: a whole number that fits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 2³² - 1 fits")]
    (number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
}

fn gps(picture: &Picture<'_, '_>) -> Option<Gps> {
    let text = |name| picture.texts(EXIF, name).first().copied();
    let latitude = coordinate(text("GPSLatitude")?, 'N', 'S', 90.0)?;
    let longitude = coordinate(text("GPSLongitude")?, 'E', 'W', 180.0)?;
    let altitude = text("GPSAltitude").and_then(fraction).map(|metres| {
        let below = text("GPSAltitudeRef").is_some_and(|reference| reference.trim() == "1");
        round(if below { -metres } else { metres }, 1e3)
    });
    Some(Gps { latitude, longitude, altitude })
}

/// `48,51.504N` or `48,51,30N` (ISO 16684-2, `GPSCoordinate`).
fn coordinate(text: &str, positive: char, negative: char, limit: f64) -> Option<f64> {
    let text = text.trim();
    let direction = text.chars().next_back()?.to_ascii_uppercase();
    let sign = if direction == positive {
        1.0
    } else if direction == negative {
        -1.0
    } else {
        return None;
    };
    let mut scale = 1.0;
    let mut degrees = 0.0;
    for part in text[..text.len() - direction.len_utf8()].split(',') {
        let number: f64 = part.trim().parse().ok()?;
        if !number.is_finite() || number < 0.0 || scale > 3_600.0 {
            return None;
        }
        degrees += number / scale;
        scale *= 60.0;
    }
    (degrees <= limit).then(|| round(sign * degrees, 1e7))
}

/// `35/1` or `35.5`.
fn fraction(text: &str) -> Option<f64> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let value = match text.split_once('/') {
        Some((numerator, denominator)) => number(numerator)? / number(denominator)?,
        None => number(text)?,
    };
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(attributes: &str, properties: &str) -> String {
        format!(
            "<?xpacket begin='\u{feff}' id='W5M0MpCehiHzreSzNTczkc9d'?>\
             <x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='{RDF}' xmlns:dc='{DC}' xmlns:xmp='{XMP}' \
             xmlns:photoshop='{PHOTOSHOP}' xmlns:exif='{EXIF}'>\
             <rdf:Description rdf:about='' {attributes}>{properties}</rdf:Description>\
             </rdf:RDF></x:xmpmeta>  <?xpacket end='w'?>"
        )
    }

    #[test]
    fn properties_as_attributes_and_as_elements() {
        for packet in [
            packet("xmp:Rating='4' photoshop:City='Paris'", ""),
            packet("", "<xmp:Rating>4</xmp:Rating><photoshop:City> Paris </photoshop:City>"),
        ] {
            let found = read(packet.as_bytes());
            assert_eq!((found.rating, found.city.as_deref()), (Some(4), Some("Paris")));
        }
    }

    #[test]
    fn arrays_and_languages() {
        let found = read(
            packet(
                "",
                "<dc:title><rdf:Alt><rdf:li xml:lang='fr'>Chat</rdf:li><rdf:li xml:lang='x-default'>Cat</rdf:li></rdf:Alt></dc:title>\
                 <dc:description><rdf:Alt><rdf:li xml:lang='de'>Katze</rdf:li></rdf:Alt></dc:description>\
                 <dc:creator><rdf:Seq><rdf:li>Ann</rdf:li><rdf:li>Bob</rdf:li></rdf:Seq></dc:creator>\
                 <dc:subject><rdf:Bag><rdf:li>cat</rdf:li><rdf:li/><rdf:li>cat</rdf:li><rdf:li>fur</rdf:li></rdf:Bag></dc:subject>",
            )
            .as_bytes(),
        );
        assert_eq!(found.title.as_deref(), Some("Cat"));
        assert_eq!(found.description.as_deref(), Some("Katze"));
        assert_eq!(found.artist.as_deref(), Some("Ann, Bob"));
        assert_eq!(found.keywords, ["cat", "fur"]);
    }

    #[test]
    fn nested_structures_are_not_the_pictures_own() {
        let history = "<dc:source><rdf:Description xmp:Rating='5'><xmp:Rating>5</xmp:Rating></rdf:Description></dc:source>";
        assert_eq!(read(packet("", history).as_bytes()), Found::default());
    }

    #[test]
    fn ratings_and_places() {
        for (text, expected) in [
            ("5", Some(5)),
            ("-1", Some(-1)),
            ("3.6", Some(4)),
            ("0", None),
            ("6", None),
            ("NaN", None),
            ("x", None),
        ] {
            assert_eq!(rating(text), expected, "{text}");
        }
        assert_eq!(coordinate("48,51.504N", 'N', 'S', 90.0), Some(48.8584));
        assert_eq!(coordinate("48,51,30.24S", 'N', 'S', 90.0), Some(-48.8584));
        for bad in ["", "48,51.5", "91,0N", "1,2,3,4N", "-1,0N", "é", "48,51.5é"] {
            assert_eq!(coordinate(bad, 'N', 'S', 90.0), None, "{bad}");
        }
        assert_eq!(fraction("355/10"), Some(35.5));
        assert_eq!((fraction("1/0"), fraction("x")), (None, None));
    }

    #[test]
    fn hostile_packets_give_nothing_at_once() {
        let started = std::time::Instant::now();
        let entity = "<!DOCTYPE x [<!ENTITY a 'aaaa'>]>".to_owned() + &packet("xmp:Rating='4'", "");
        let deep = packet("", &("<rdf:li>".repeat(5_000) + &"</rdf:li>".repeat(5_000)));
        let long = packet("", &format!("<dc:title>{}</dc:title>", "x".repeat(10 << 20)));
        let wide = (0..50_000).map(|at| format!("a{at}='' ")).collect::<Vec<_>>().concat();
        let spaces = (0..5_000).map(|at| format!("xmlns:a{at}='u' ")).collect::<Vec<_>>().concat();
        for hostile in [entity, deep, long, packet(&wide, ""), packet(&spaces, "")] {
            assert_eq!(read(hostile.as_bytes()), Found::default());
        }
        assert!(started.elapsed().as_secs() < 2);
        assert_eq!(read(b"<\xFF>"), Found::default());
        assert_eq!(read(b""), Found::default());
    }
}
