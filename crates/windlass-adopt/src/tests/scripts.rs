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
    for command in [
        "cp -r \"/home/cshine/Cshine/backend\" \"$BACKUP/\"",
        "git pull origin main",
        "sudo systemctl restart cshine-api",
    ] {
        assert!(steps.contains(&command), "{steps:?}");
    }
    // What sets a variable stands in the same fence as what uses it.
    let parsed = windlass_document::parse_str(&adopted.draft);
    let fence = parsed.document.steps.iter().find(|step| step.body.text.contains("cp -r")).unwrap();
    assert!(
        fence.body.text.contains("BACKUP=$") || fence.body.text.contains("BACKUP=/"),
        "{}",
        adopted.draft
    );
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

const DEPLOY: &str = r#"#!/usr/bin/env bash
# Deployment of the shop
# Runs on the server
set -euo pipefail

GREEN='\033[0;32m'
NC='\033[0m'
APP_DIR="${APP_DIR:-/srv/shop}"
BRANCH=main
export DJANGO_SETTINGS_MODULE=shop.settings

say() { echo -e "${GREEN}$1${NC}"; }
die() { echo "failed: $1" >&2; exit 1; }

code() {
  say "Code"
  git fetch origin
  git reset --hard "origin/${BRANCH}" || die "no $BRANCH"
}

main() {
  cd "$APP_DIR"
  [ -f .env ] || die "no .env"
  code
  say "Dependencies"
  source .venv/bin/activate
  pip install -r requirements.txt
  python manage.py migrate
  if ! sudo systemctl restart shop; then
    die "restart"
  fi
  curl -fsS http://127.0.0.1:8000/health || { echo "no answer"; exit 1; }
  say "Done"
}

main "$@"
"#;

fn fences(adopted: &Adopted) -> Vec<String> {
    let parsed = windlass_document::parse_str(&adopted.draft);
    parsed.document.steps.iter().map(|step| step.body.text.trim().to_owned()).collect()
}

#[test]
fn functions_variables_and_checks_of_a_script_become_plain_steps() {
    let adopted = script(DEPLOY);
    sound(DEPLOY, &adopted);
    assert_eq!(
        fences(&adopted),
        [
            "[ -f .env ]",
            "git fetch origin",
            "git reset --hard \"origin/main\"",
            "source .venv/bin/activate\npip install -r requirements.txt",
            "export DJANGO_SETTINGS_MODULE=shop.settings\nsource .venv/bin/activate\npython manage.py migrate",
            "sudo systemctl restart shop",
            "curl -fsS http://127.0.0.1:8000/health",
        ],
        "{}",
        adopted.draft
    );
    assert!(adopted.config.contains("dir = \"/srv/shop\""), "{}", adopted.config);
    let asked: Vec<_> = adopted.open.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(asked, ["front-release", "opaque-without-undo"], "only the migration: {:#?}", adopted.open);
    for heading in ["# Deployment of the shop\n", "Runs on the server\n", "## Code\n", "## Dependencies\n"] {
        assert!(adopted.draft.contains(heading), "{heading}: {}", adopted.draft);
    }
    assert!(!adopted.draft.contains("Done"), "nothing stands behind it: {}", adopted.draft);
    // Places are those of the script, whatever was put in.
    let of = |text: &str| {
        let command = adopted.commands.iter().find(|command| command.text.starts_with(text)).unwrap();
        let at = command.span.start;
        (DEPLOY[..at].matches('\n').count() + 1, &command.fate)
    };
    assert_eq!(of("git reset").0, 18);
    assert_eq!(of("sudo systemctl").0, 29);
    assert!(matches!(of("BRANCH=").1, Fate::Left(Reason::PutIn)), "{:?}", of("BRANCH="));
    assert!(matches!(of("set -euo").1, Fate::Left(Reason::StopsItself)));
    let sources = adopted.commands.iter().filter(|command| command.text.starts_with("source")).count();
    assert_eq!(sources, 1, "said once, though it stands in two steps");
}

#[test]
fn a_variable_that_is_not_certain_stays_with_the_lines_that_use_it() {
    for (set, why) in [
        ("TAG=$(git describe)", "what a command answers"),
        ("TAG=a; TAG=b", "set twice"),
        ("TAG=a\nread TAG", "asked for"),
        ("TAG='a b'", "more than one word"),
        ("TAG=a\nsource ./other.sh", "set by another file, perhaps"),
        ("TAG=a\nfor TAG in x y; do true; done", "set by a loop"),
    ] {
        let text = format!("#!/bin/bash\n{set}\n./release.sh \"$TAG\"\n");
        let adopted = script(&text);
        sound(&text, &adopted);
        let fence = fences(&adopted).into_iter().find(|fence| fence.contains("./release.sh"));
        assert!(
            fence.is_some_and(|fence| fence.contains("TAG=") && fence.contains("$TAG")),
            "{why}: {}",
            adopted.draft
        );
    }
    // In quotes that keep it as it is, and in a here-document, it is no variable.
    let text = "#!/bin/bash\nTAG=a\necho '$TAG' > note\n./release.sh \"$TAG\"\n";
    let adopted = script(text);
    assert!(adopted.draft.contains("echo '$TAG' > note"), "{}", adopted.draft);
}

#[test]
fn the_folder_of_the_script_is_that_of_the_target() {
    for cd in [
        "cd \"$(dirname \"$0\")/..\"",
        "ROOT=\"$(cd \"$(dirname \"${BASH_SOURCE[0]}\")/..\" && pwd)\"\ncd \"$ROOT\" || exit 1",
    ] {
        let text = format!("#!/bin/bash\nset -e\n{cd}\ngit pull\n");
        let adopted = script(&text);
        sound(&text, &adopted);
        assert_eq!(fences(&adopted), ["git pull"], "{}", adopted.draft);
        assert!(adopted.config.contains("dir = \"..\""), "{}", adopted.config);
    }
    let text =
        "#!/bin/bash\nROOT=\"$(cd \"$(dirname \"$0\")\" && pwd)\"\ncd \"$ROOT\"\n./build.sh \"$ROOT/out\"\n";
    assert_eq!(fences(&script(text)), ["./build.sh \"./out\""]);
    let text = text.replace("cd \"$ROOT\"", "cd \"$ROOT/web\"");
    let adopted = script(&text);
    assert!(adopted.draft.contains("\"$ROOT/out\""), "it is another folder there: {}", adopted.draft);
}

#[test]
fn a_guard_that_looks_into_a_substitution_is_no_reader() {
    let text =
        "#!/bin/sh\n[ -n \"$(rm -rf x)\" ] || exit 1\n[ -n \"$(git status --porcelain)\" ] && exit 1\n";
    let adopted = script(text);
    let first = adopted.draft.lines().find(|line| line.starts_with("```sh {#check")).unwrap();
    assert!(!first.contains("readonly"), "{}", adopted.draft);
    assert!(adopted.draft.contains("readonly"), "{}", adopted.draft);
}
