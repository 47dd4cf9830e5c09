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

#[test]
fn the_design_note_names_each_rule_for_sql_beside_its_hazard() {
    let note = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/design/sql.md");
    let note = std::fs::read_to_string(note).unwrap_or_default();
    for rule in windlass_plan::SQL_RULES {
        assert!(
            note.contains(&format!("`{}`", rule.name)),
            "docs/design/sql.md says nothing of {}",
            rule.name
        );
    }
}
