//! docs/windlass.schema.json is what the types say.

use windlass_plan::config_schema;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/windlass.schema.json");

#[test]
fn the_schema_in_the_docs_is_up_to_date() {
    let written = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        written == config_schema(),
        "docs/windlass.schema.json is old: cargo run -p windlass-plan --example schema > docs/windlass.schema.json"
    );
}

#[test]
fn it_has_both_files_and_every_reference_leads_somewhere() {
    let schema: serde_json::Value = serde_json::from_str(&config_schema()).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let front = &schema["$defs"]["FrontMatter"];
    assert!(front["$id"].is_string(), "a schema of its own: its references are relative to it");
    assert!(front["properties"]["release"].is_object());
    let mut references = 0;
    check(&schema, &schema, &mut references);
    assert!(references > 5, "{references}");
}

/// Follows all references below `at`, which is a part of the schema `root`.
fn check(root: &serde_json::Value, at: &serde_json::Value, references: &mut usize) {
    match at {
        serde_json::Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(serde_json::Value::as_str) {
                *references += 1;
                let pointer = reference.strip_prefix('#').expect("references stay in the file");
                assert!(root.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            map.values().for_each(|value| {
                let root = if value.get("$id").is_some() { value } else { root };
                check(root, value, references);
            });
        }
        serde_json::Value::Array(items) => items.iter().for_each(|value| check(root, value, references)),
        _ => {}
    }
}
