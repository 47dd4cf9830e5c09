mod broken;
mod keep;
mod objects;
mod pin;
mod place;
mod secrets;
mod shell;
mod sql;
mod watch;

use super::{way_back::WayBack, *};
use crate::{ConfigSource, EXAMPLE_CONFIG, ServiceOperation, parse_config};

pub(crate) const TOOL: &str = "0.1.0";

pub(crate) fn config(text: &str) -> Config {
    let (config, findings) =
        parse_config(&[ConfigSource { name: "windlass.toml".into(), text: text.into() }]);
    assert_eq!(findings, [], "the configuration of a test is right");
    config
}

/// Compiles a document that the parser has nothing against.
pub(crate) fn compiled_with(
    text: &str,
    config: &Config,
    files: &dyn FileSource,
) -> (Option<Plan>, Vec<Finding>) {
    let parsed = windlass_document::parse_str(text);
    let errors: Vec<_> = parsed.findings.iter().filter(|f| f.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "the parser has nothing against it: {errors:#?}");
    compile(&parsed.document, DocumentMeta { name: "docs/release.md", text }, config, files, TOOL)
}

fn compiled(body: &str) -> (Option<Plan>, Vec<Finding>) {
    compiled_with(&document(body), &config(EXAMPLE_CONFIG), &NoFiles)
}

/// With the header that every document needs.
pub(crate) fn document(body: &str) -> String {
    format!("---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# Release 2.1.0\n\n{body}")
}

fn plan(body: &str) -> Plan {
    let (plan, findings) = compiled(body);
    plan.unwrap_or_else(|| panic!("a plan is expected: {findings:#?}"))
}

/// Rule and marked text of each error.
fn errors(body: &str) -> Vec<(String, String)> {
    errors_with(body, EXAMPLE_CONFIG)
}

fn errors_with(body: &str, toml: &str) -> Vec<(String, String)> {
    let text = document(body);
    let (plan, findings) = compiled_with(&text, &config(toml), &NoFiles);
    let errors: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| (finding.rule.clone(), text[finding.span.start..finding.span.end].to_owned()))
        .collect();
    assert_eq!(plan.is_none(), !errors.is_empty(), "a plan exactly if there is no error");
    errors
}

fn pair(rule: &str, marked: &str) -> (String, String) {
    (rule.to_owned(), marked.to_owned())
}

/// `id class how` of all units of a step.
fn units(plan: &Plan, step: &str) -> Vec<(String, Class, UndoBy)> {
    let step = plan.steps.iter().find(|s| s.id.0 == step).expect("the step is in the plan");
    step.units.iter().map(|unit| (unit.id.0.clone(), unit.undo.class, unit.undo.by.clone())).collect()
}

const WHOLE: &str = "## 停机发布

```sh {#backup on=app}
sqlite3 app.db \".backup app.bak\"
```

```diff {#config on=app}
--- app.env
-LIMIT=1
+LIMIT=2
```

```sh {#stop on=app}
windlass service stop booking
```

```sql {#seats on=db undo=backup}
ALTER TABLE booking ADD COLUMN seats INTEGER;
UPDATE booking SET seats = 1 WHERE seats IS NULL;
SELECT count(*) FROM booking;
```

```sh {#start on=app}
windlass service start booking
```

- [ ] 两台机器服务正常
  ```http {#health on=app within=60s timeout=5s}
  GET http://127.0.0.1:8080/health
  HTTP 200
  ```
- [ ] seats can be booked
- [x] approved by everybody
";

#[test]
fn a_whole_release_is_compiled_in_the_order_of_the_file() {
    let plan = plan(WHOLE);
    let order: Vec<_> = plan.units().map(|(_, unit)| unit.id.0.as_str()).collect();
    assert_eq!(
        order,
        [
            "backup/1",
            "keep-app/1",
            "config/1",
            "stop/1",
            "seats/1",
            "seats/2",
            "seats/3",
            "start/1",
            "health/1",
            "gate-2/1"
        ]
    );
    assert_eq!(plan.class, Class::Restore, "the worst of the steps");
    assert_eq!(plan.release.version, "2.1.0");
    assert_eq!(plan.release.from.as_deref(), Some("2.0.9"));
    assert_eq!(plan.release.title.as_deref(), Some("Release 2.1.0"));
    assert_eq!(plan.document.name, "release.md", "no folders");
    assert_eq!(plan.targets.keys().collect::<Vec<_>>(), ["app", "db"]);
    assert_eq!(plan.services.keys().collect::<Vec<_>>(), ["booking"]);
    let drivers: Vec<_> = plan.units().map(|(_, unit)| unit.driver).collect();
    use DriverKind::{Files, Gate, Http, Service, Sqlite};
    assert_eq!(drivers, [Sqlite, Service, Files, Service, Sqlite, Sqlite, Sqlite, Service, Http, Gate]);
    assert!(plan.units().all(|(_, unit)| unit.host == "local"));
}

#[test]
fn units_know_their_place_their_effect_and_their_way_back() {
    let plan = plan(WHOLE);
    let text = document(WHOLE);
    let place = |id: &str| {
        let (_, unit) = plan.unit(&UnitId(id.into())).unwrap();
        let line = text.lines().nth(unit.line - 1).unwrap();
        line.chars().skip(unit.column - 1).collect::<String>()
    };
    assert_eq!(place("seats/2"), "UPDATE booking SET seats = 1 WHERE seats IS NULL;");
    assert_eq!(place("health/1"), "GET http://127.0.0.1:8080/health", "also inside of a list");
    assert_eq!(place("stop/1"), "windlass service stop booking");

    let effects: Vec<_> = plan.units().map(|(_, unit)| unit.effect.as_str()).collect();
    assert_eq!(effects[0], "back db up to app.bak");
    assert_eq!(effects[1], "note for the way back how service booking runs");
    assert_eq!(effects[2], "replace 1 line of app.env");
    assert_eq!(effects[3], "stop service booking (requests fail: no proxy holds them)");
    assert_eq!(effects[4], "db: ALTER TABLE booking ADD COLUMN seats INTEGER");

    let backup = UndoBy::Backup(UnitId("backup/1".into()));
    assert_eq!(units(&plan, "seats")[0], ("seats/1".into(), Class::Restore, backup));
    assert_eq!(units(&plan, "seats")[2], ("seats/3".into(), Class::Readonly, UndoBy::Nothing), "a SELECT");
    assert_eq!(units(&plan, "config"), [("config/1".into(), Class::Exact, UndoBy::Driver)]);
    assert_eq!(units(&plan, "gate-2"), [("gate-2/1".into(), Class::Readonly, UndoBy::Nothing)]);

    let health = plan.steps.iter().find(|step| step.id.0 == "health").unwrap();
    assert_eq!(health.gate.as_deref(), Some("两台机器服务正常"), "its success ticks the gate");
    assert_eq!(health.stage.as_deref(), Some("停机发布"));
    assert_eq!(health.units[0].within_ms, Some(60_000));
    assert_eq!(health.units[0].timeout_ms, Some(5_000));
}

#[test]
fn every_unit_says_how_it_is_undone_in_words() {
    let plan = plan(WHOLE);
    assert!(plan.units().all(|(_, unit)| !unit.undo.how.is_empty() && !unit.effect.is_empty()));
    let (_, unit) = plan.unit(&UnitId("seats/1".into())).unwrap();
    assert_eq!(unit.undo.how, "by the backup of step #backup; refused if others have written since");
}
