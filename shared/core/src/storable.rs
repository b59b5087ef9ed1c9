//! What of a client's own JSON can be kept. The state table holds less than JSON may say: numbers of 38 digits between
//! 1E-130 and 1E+126, 32 levels of nesting, names of at least one character
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>). It is said to the client, at once,
//! by a rule that doesn't depend on who keeps it.

use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};

/// The deepest level of a value. A field of the record is the first.
pub const MAX_LEVELS: usize = 32;
/// The numbers that are kept, but for zero.
const MAGNITUDES: std::ops::Range<f64> = 1e-130..1e126;

/// Checks what a client told beside the fields that we know.
///
/// # Errors
/// `invalid_field` for `field`, with what is wrong.
pub fn check(field: &'static str, told: &Map<String, Value>) -> Result<()> {
    fault_of_map(told, 1).map_or(Ok(()), |fault| Err(Error::invalid_field(field, fault)))
}

fn fault_of_map(map: &Map<String, Value>, level: usize) -> Option<&'static str> {
    map.iter().find_map(
        |(name, value)| {
            if name.is_empty() { Some("a name is empty") } else { fault(value, level + 1) }
        },
    )
}

fn fault(value: &Value, level: usize) -> Option<&'static str> {
    if level > MAX_LEVELS {
        return Some("is nested deeper than 32 levels");
    }
    match value {
        Value::Number(number) => (!is_kept(number)).then_some("a number is too large or too small"),
        Value::Array(values) => values.iter().find_map(|value| fault(value, level + 1)),
        Value::Object(map) => fault_of_map(map, level),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

/// A number that isn't whole has at most 17 digits here, and one that is at most 20.
fn is_kept(number: &Number) -> bool {
    number.as_f64().is_some_and(|number| number == 0.0 || MAGNITUDES.contains(&number.abs()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(value: Value) -> Result<(), &'static str> {
        check("metadata", &Map::from_iter([("a".to_owned(), value)])).map_err(|error| error.code())
    }

    #[test]
    fn numbers_that_the_table_cannot_hold_are_refused() {
        for kept in [
            json!(0),
            json!(-0.0),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(9.9e125),
            json!(-1e-130),
            json!(0.1),
        ] {
            assert_eq!(code(kept.clone()), Ok(()), "{kept}");
        }
        for refused in [json!(1e300), json!(-1e126), json!(1e-131), json!([1, { "b": 5e-324 }])] {
            assert_eq!(code(refused.clone()), Err("invalid_field"), "{refused}");
        }
        assert_eq!(code(json!({ "": 1 })), Err("invalid_field"));
    }

    #[test]
    fn nesting_ends_at_the_thirty_second_level() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        // the map, its value, and what is in it
        assert_eq!(code(nested(MAX_LEVELS - 2)), Ok(()));
        assert_eq!(code(nested(MAX_LEVELS - 1)), Err("invalid_field"));
        let objects = (0..MAX_LEVELS - 1).fold(json!({}), |inner, _| json!({ "b": inner }));
        assert_eq!(code(objects), Err("invalid_field"));
    }
}
