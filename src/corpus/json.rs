//! One JSON object on one line, read within limits of depth and number of values.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::Problem;

/// The most values one record may hold: at about 100 bytes each they take a few MiB.
pub(super) const MAX_VALUES: usize = 1 << 16;

/// Parses `line` as one object. Depth is limited by `serde_json` to 128.
pub(super) fn parse_object(line: &str) -> Result<Map<String, Value>, Problem> {
    let trimmed = line.trim_start();
    if trimmed.starts_with('[') {
        return Err(Problem::JsonArray);
    }
    let trouble = Cell::new(None);
    let left = Cell::new(MAX_VALUES);
    let mut parser = serde_json::Deserializer::from_str(line);
    let parsed = parser
        .deserialize_map(ObjectVisitor { left: &left, trouble: &trouble })
        .and_then(|object| parser.end().map(|()| object));
    parsed.map_err(|error| trouble.take().unwrap_or_else(|| json_problem(line, &error)))
}

fn json_problem(line: &str, error: &serde_json::Error) -> Problem {
    if line.contains('\r') {
        return Problem::LoneCarriageReturn;
    }
    // The place is a field of its own; serde_json appends it to its message.
    let reason = error.to_string();
    let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
    Problem::Json { reason: reason.to_owned(), column: error.column() }
}

/// Builds a [`Value`] while counting down the values left.
#[derive(Clone, Copy)]
struct Bounded<'c> {
    left: &'c Cell<usize>,
    trouble: &'c Cell<Option<Problem>>,
}

impl Bounded<'_> {
    fn take_one<E: serde::de::Error>(self) -> Result<(), E> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.trouble.set(Some(Problem::TooManyValues { limit: MAX_VALUES }));
                Err(E::custom("too many values"))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.take_one()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        ObjectVisitor { left: self.left, trouble: self.trouble }.visit_map(map).map(Value::Object)
    }
}

struct ObjectVisitor<'c> {
    left: &'c Cell<usize>,
    trouble: &'c Cell<Option<Problem>>,
}

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Bounded { left: self.left, trouble: self.trouble })?;
            if members.contains_key(&name) {
                self.trouble.set(Some(Problem::RepeatedField { field: name }));
                return Err(A::Error::custom("repeated field"));
            }
            members.insert(name, value);
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive() {
        let line = r#" {"a":[1,-2,2.5,null,true,"x\u0000y"],"b":{"c":{}},"é":18446744073709551615} "#;
        assert_eq!(
            parse_object(line).unwrap(),
            *serde_json::from_str::<Value>(line).unwrap().as_object().unwrap()
        );
    }

    #[test]
    fn what_is_no_object_is_explained() {
        let json = |reason: &str, column| Problem::Json { reason: reason.into(), column };
        for (line, problem) in [
            ("{", json("EOF while parsing an object", 1)),
            ("{} {}", json("trailing characters", 4)),
            ("{\"a\":1,}", json("trailing comma", 8)),
            ("7", json("invalid type: integer `7`, expected a JSON object", 1)),
            ("[{\"_id\":1}]", Problem::JsonArray),
            ("{\"a\":1}\r{\"a\":2}", Problem::LoneCarriageReturn),
            ("{\"a\":1,\"a\":1}", Problem::RepeatedField { field: "a".into() }),
            ("{\"m\":{\"a\":1,\"a\":1}}", Problem::RepeatedField { field: "a".into() }),
        ] {
            assert_eq!(parse_object(line), Err(problem), "{line}");
        }
    }

    #[test]
    fn depth_and_number_are_limited() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(
            matches!(parse_object(&deep), Err(Problem::Json { reason, .. }) if reason.contains("recursion"))
        );
        let wide = |values: usize| format!("{{\"a\":[{}0]}}", "0,".repeat(values - 1));
        assert!(parse_object(&wide(MAX_VALUES - 1)).is_ok());
        assert_eq!(parse_object(&wide(MAX_VALUES)), Err(Problem::TooManyValues { limit: MAX_VALUES }));
    }
}
