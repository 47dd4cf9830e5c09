//! docs/rules.md is what the rules say.

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.md");

#[test]
fn the_page_in_docs_is_the_one_that_is_generated() {
    let stored = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        stored == windlass_plan::rules_markdown(),
        "docs/rules.md is old: cargo run -p windlass-plan --example rules > docs/rules.md"
    );
}
