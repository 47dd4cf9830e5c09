//! JSON Schema of the front matter, for editors.

use crate::{Kind, Urgency};
use schemars::{JsonSchema, generate::SchemaSettings};

/// Front matter of a Windlass release document.
// Only its schema is used; the values are read by `front_value`, which knows their places.
#[derive(JsonSchema)]
#[schemars(rename = "front matter", deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are read by the derive only")]
struct FrontMatterSchema {
    /// Version that this document releases. A number is kept as it is written: 2.10 is not 2.1.
    release: Word,
    /// Version that serves before the release.
    from: Option<Word>,
    /// Environment: selects windlass.<env>.toml.
    #[schemars(regex(pattern = r"^[\p{L}\p{N}][\p{L}\p{N}_.-]*$"))]
    env: Option<String>,
    /// Kind of change.
    kind: Option<Kind>,
    /// How urgent the release is.
    severity: Option<Urgency>,
    /// How long the service may be away: 0, 5s, 15m.
    downtime: Option<DowntimeSchema>,
    /// Identifier of the change ticket.
    ticket: Option<Word>,
}

/// A word; YAML may read it as a number.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "the variants are read by the derive only")]
enum Word {
    Text(#[schemars(length(min = 1, max = 128))] String),
    Number(f64),
}

/// A duration, or 0 for none.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "the variants are read by the derive only")]
enum DowntimeSchema {
    None(#[schemars(range(min = 0, max = 0))] u64),
    Text(#[schemars(regex(pattern = "^(0|[0-9]+(ms|s|m|h|d))$"))] String),
}

/// The JSON Schema (draft 2020-12) of the front matter, pretty-printed with a newline at the end.
#[must_use]
pub fn front_matter_schema() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<FrontMatterSchema>();
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema has string keys only");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_the_keys_that_the_reader_knows() {
        let schema: serde_json::Value = serde_json::from_str(&front_matter_schema()).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let mut known: Vec<&str> = crate::front_value::KEYS.iter().map(|(key, _)| *key).collect();
        let mut listed: Vec<&str> = properties.keys().map(String::as_str).collect();
        known.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, known);
        assert_eq!(schema["required"], serde_json::json!(["release"]));
        assert_eq!(schema["additionalProperties"], false);
        for (key, property) in properties {
            assert!(property["description"].is_string(), "`{key}` has no description for the editor");
        }
    }
}
