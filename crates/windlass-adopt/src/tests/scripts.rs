//! Shell scripts.

use super::{found, sound, steps};
use crate::{Adopted, Fate, Language, Reason, Source, adopt};

const UPDATE: &str = r#"#!/bin/bash
# Update of the backend
APP_DIR=/home/cshine/Cshine/backend
BACKUP=/home/cshine/backups/$(date +%Y%m%d_%H%M%S)

echo "Step 1/4: backup"
mkdir -p "$BACKUP"
cp -r "$APP_DIR" "$BACKUP/"

echo "Step 2/4: code"
git pull origin main

echo "Step 3/4: migrations"
read -p "run all migrations? (y/N): " answer
for f in migrations/*.py; do
    python "$f"
done

echo "Step 4/4: restart"
sudo systemctl restart cshine-api
curl https://api.cshine.com/health
"#;

fn script(text: &str) -> Adopted {
    adopt(Source { name: "deploy/update.sh", text, script: true, ways: &[] })
}

#[test]
fn a_script_becomes_steps_under_the_headings_that_it_tells() {
    let adopted = script(UPDATE);
    sound(UPDATE, &adopted);
    assert!(adopted.draft.contains("## Step 2/4: code\n"), "{}", adopted.draft);
    assert!(adopted.draft.contains("git pull origin main"), "{}", adopted.draft);
    let steps = steps(&adopted);
    for command in
        ["cp -r \"$APP_DIR\" \"$BACKUP/\"", "git pull origin main", "sudo systemctl restart cshine-api"]
    {
        assert!(steps.contains(&command), "{steps:?}");
    }
    // What sets a variable stands in the same fence as what uses it.
    let parsed = windlass_document::parse_str(&adopted.draft);
    let fence = parsed.document.steps.iter().find(|step| step.body.text.contains("cp -r")).unwrap();
    assert!(fence.body.text.contains("APP_DIR=") && fence.body.text.contains("BACKUP="), "{}", adopted.draft);
}

#[test]
fn what_is_dangerous_in_a_script_is_found() {
    let adopted = script(UPDATE);
    assert_eq!(found(UPDATE, &adopted, "script-goes-on"), [1]);
    assert_eq!(found(UPDATE, &adopted, "asks-in-script"), [14]);
    assert_eq!(found(UPDATE, &adopted, "migrations-in-one-go"), [15]);
    assert_eq!(found(UPDATE, &adopted, "backup-without-database").len(), 1);
    let strict = UPDATE.replace("#!/bin/bash\n", "#!/bin/bash\nset -euo pipefail\n");
    assert_eq!(found(&strict, &script(&strict), "script-goes-on"), [0; 0]);
}

#[test]
fn each_command_of_a_script_has_a_fate() {
    let adopted = script("#!/bin/sh\nset -e\nif [ -f x ]; then\n  rm x\nfi\ntail -f log\n");
    let fates: Vec<_> =
        adopted.commands.iter().map(|command| (command.text.as_str(), &command.fate)).collect();
    assert!(
        fates.iter().any(|(text, fate)| text.starts_with("if [") && matches!(fate, Fate::Step(_))),
        "{fates:?}"
    );
    assert!(
        fates.iter().any(|(text, fate)| *text == "tail -f log" && **fate == Fate::Left(Reason::NeverEnds)),
        "{fates:?}"
    );
}

#[test]
fn a_script_speaks_the_language_of_its_comments() {
    let text = "#!/bin/bash\n# 更新后端服务\ncd /srv/app/backend/production\ngit pull --ff-only origin main\nsystemctl restart backend-production\n";
    assert_eq!(script(text).language, Language::Zh);
    assert_eq!(script(&text.replace("# 更新后端服务", "# update of the backend")).language, Language::En);
}
