use super::*;
use crate::Surveyed;
use windlass_document::{Span, parse_str};
use windlass_plan::{ConfigSource, DocumentMeta, NoFiles, compile, parse_config};

const CONFIG: &str = "[target.app]\ndir = \".\"\n[target.db]\nurl = \"sqlite:app.db\"\n";

fn plan(document: &str) -> Plan {
    let sources = [ConfigSource { name: "windlass.toml".to_owned(), text: CONFIG.to_owned() }];
    let (config, _) = parse_config(&sources);
    let parsed = parse_str(document);
    let meta = DocumentMeta { name: "release.md", text: document };
    let (plan, findings) = compile(&parsed.document, meta, &config, &NoFiles, "0.0.0");
    plan.unwrap_or_else(|| panic!("{findings:?}"))
}

fn page(plan: &Plan, surveys: &Surveys, found: &[FoundIn<'_>], open: bool) -> String {
    let asides = Text::new();
    let is_open = |_: &Unit| open;
    Comment { shown: "docs/release.md", plan, surveys, found, asides: &asides, is_open: &is_open }.markdown()
}

fn release(statements: &str) -> String {
    format!(
        "---\nrelease: 2.1.0\n---\n# 发布 @everyone \\<b>\\*x\\*\\</b>\n\n```sql {{#s on=db}}\n{statements}\n```\n"
    )
}

#[test]
fn a_step_folds_with_its_effect_undo_and_statement() {
    let plan = plan(&release("ALTER TABLE 表 ADD COLUMN a INT;"));
    let unit = plan.units().next().map(|(_, unit)| unit.id.clone()).unwrap_or_else(|| panic!("no unit"));
    let problem = Surveyed { effects: vec!["2 rows | now".into()], problems: vec!["no ``` file".into()] };
    let found = [FoundIn {
        path: "docs/release.md".into(),
        text: "a\nb",
        findings: vec![Finding::warning(
            "no-verification",
            Span::new(2, 3),
            "nothing is checked [x](http://e)",
        )],
    }];
    let page = page(&plan, &Surveys::from([(unit, problem)]), &found, true);
    for words in [
        "<!-- windlass plan docs/release.md -->\n## Release 2.1.0\n",
        "发布 @<!-- -->everyone \\<b>\\*x\\*\\</b>",
        &format!("| Digest | `{}` |", plan.digest()),
        "| Undo class | **",
        "**1 problem found: the run would fail**",
        "- warning docs/release.md:2: nothing is checked \\[x\\](http://e) (no-verification)",
        "<details><summary><b>s</b> line 6 · sqlite on db · ",
        " · 1 problem</summary>\n\n- ",
        "  - now: 2 rows \\| now\n",
        "  - **problem**: no \\`\\`\\` file\n",
        "  - undo (",
        "  ```sql\n  ALTER TABLE 表 ADD COLUMN a INT\n  ```\n",
        "</details>",
    ] {
        assert!(page.contains(words), "no {words:?} in:\n{page}");
    }
}

#[test]
fn code_with_a_password_is_not_shown_and_a_fence_cannot_be_left() {
    let hidden = plan(&release("UPDATE t SET a = 'hunter2' WHERE id = 1;"));
    let shown = page(&hidden, &Surveys::new(), &[], false);
    assert!(shown.contains("is not shown here") && !shown.contains("```sql"), "{shown}");
    let fence = plan(&release("UPDATE t SET a = '````\n</details>' WHERE id = 1;"));
    let shown = page(&fence, &Surveys::new(), &[], true);
    assert!(shown.contains("  `````sql\n"), "{shown}");
}

/// Statements that do not fit are cut, then steps are lines, then those at the end are counted.
#[test]
fn no_comment_is_longer_than_github_takes() {
    let long =
        plan(&release(&format!("UPDATE t SET a = '{}' WHERE id = 1;", "表".repeat(COMMENT_CHARS_MAX))));
    let shown = page(&long, &Surveys::new(), &[], true);
    assert!(shown.contains("… cut here") && length(&shown) <= COMMENT_CHARS_MAX);
    assert_eq!(shown.matches("<details>").count(), shown.matches("</details>").count());

    let step = |number: usize| {
        format!("```sql {{#change-{number} on=db}}\nUPDATE t SET a = {number} WHERE id = {number};\n```\n")
    };
    let steps: String = (0..1_500).map(step).collect();
    let many = plan(&format!("---\nrelease: 2.1.0\n---\n# x\n\n{steps}"));
    let shown = page(&many, &Surveys::new(), &[], true);
    assert!(length(&shown) <= COMMENT_CHARS_MAX, "{}", length(&shown));
    assert!(
        shown.contains("- **change-0** ") && shown.contains(" steps more; `windlass plan` shows all of it.")
    );
}

#[test]
fn a_document_with_errors_has_a_comment_too() {
    let findings: Vec<_> =
        (0..50).map(|at| Finding::error("bare-fence", Span::new(0, 0), format!("{at} 🚀\n@x"))).collect();
    let page = unplanned_comment("a-->b.md", &[FoundIn { path: "a.md".into(), text: "", findings }]);
    assert!(page.starts_with("<!-- windlass plan a--&gt;b.md -->\n## a-->b.md\n"), "{page}");
    assert!(page.contains("**50 errors; nothing can be run from it.**"), "{page}");
    assert!(page.contains("- **error** a.md:1: 0 🚀… (bare-fence)\n"), "{page}");
    assert!(page.contains("- and 30 more; `windlass check` lists all"), "{page}");
}
