//! Documents from a fixed difference, in all three languages.

use super::{Change, Compared, How, NewDocument, Wanted, Why, new_document};
use crate::Language;
use std::collections::BTreeMap;
use windlass_document::{GateState, Severity};
use windlass_plan::{Config, ConfigSource, DocumentMeta, FileSource, SourceFile, compile, parse_config};

const CONFIG: &str = "[target.app]\nhosts = [\"deploy@10.0.0.1\"]\ndir = \"/srv/shop\"\n\n\
                      [target.db]\nurl = { env = \"DATABASE_URL\" }\nkind = \"postgresql\"\n\n\
                      [service.api]\non = \"app\"\nsystemd = \"shop-api\"\nhealth = \"http://127.0.0.1:8000/health\"\n\n\
                      [service.web]\non = \"app\"\ncompose = \"docker-compose.yml\"\nhealth = \"http://127.0.0.1:8081/health\"\n";

/// Files of migrations by path.
struct Files(BTreeMap<String, String>);

impl FileSource for Files {
    fn files(&self, pattern: &str) -> Result<Vec<SourceFile>, String> {
        let file = |text: &String| SourceFile { name: pattern.to_owned(), line: 1, text: text.clone() };
        Ok(self.0.get(pattern).map(file).into_iter().collect())
    }
}

fn change(path: &str, before: Option<&str>, after: Option<&str>) -> Change {
    let how = match (before, after) {
        (None, _) => How::Added,
        (_, None) => How::Removed,
        _ => How::Edited,
    };
    Change { path: path.to_owned(), how, before: before.map(str::to_owned), after: after.map(str::to_owned) }
}

fn changes(sql: &str) -> Vec<Change> {
    let compose = |version: &str| format!("services:\n  web:\n    image: shop/web:{version}\n");
    vec![
        change("app/main.py", Some(""), Some("")),
        change("app/mail.py", None, Some("")),
        change("migrations/0007_mail.sql", None, Some(sql)),
        change("migrations/0007_mail.down.sql", None, Some("DROP TABLE mail;")),
        change(
            "requirements.txt",
            Some("fastapi==0.110.0\nredis\n"),
            Some("fastapi==0.115.0\naiosmtplib==3.0\n"),
        ),
        change(
            ".env.example",
            Some("LIMIT=10\nOLD_KEY=hunter1\n"),
            Some("LIMIT=20\nSMTP_HOST=mail.internal.example\nSMTP_PASSWORD=hunter2\n"),
        ),
        change("docker-compose.yml", Some(&compose("2.0.9")), Some(&compose("2.1.0"))),
        change("deploy/nginx/shop.conf", Some("a"), Some("b")),
    ]
}

fn config(text: &str) -> Config {
    let (config, problems) =
        parse_config(&[ConfigSource { name: "windlass.toml".to_owned(), text: text.to_owned() }]);
    assert!(problems.is_empty(), "{problems:#?}");
    config
}

fn files(changes: &[Change]) -> Files {
    let texts = changes.iter().filter_map(|change| Some((change.path.clone(), change.after.clone()?)));
    Files(texts.collect())
}

/// Drafts a document, and proves that `check` has nothing against it.
fn drafted(language: Language, changes: &[Change], config: &Config, compared: bool) -> NewDocument {
    let files = files(changes);
    let why = Compared { from: "v2.0.9", why: Why::LastTag, to: "v2.1.0", commits: 3 };
    let new = new_document(&Wanted {
        name: "MAIL_LOGIN",
        file: "DEPLOY_MAIL_LOGIN_20261127.md",
        date: "2026-11-27",
        language,
        severity: None,
        release: compared.then_some("2.1.0"),
        from: compared.then_some("2.0.9"),
        compared: compared.then_some(why),
        changes,
        config,
        files: &files,
    });
    let parsed = windlass_document::parse_str(&new.text);
    let meta = DocumentMeta { name: "new.md", text: &new.text };
    let (plan, findings) = compile(&parsed.document, meta, config, &files, "test");
    let errors: Vec<_> = parsed
        .findings
        .iter()
        .chain(&findings)
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty() && plan.is_some(), "{errors:#?}\n{}", new.text);
    assert_eq!(parsed.document.steps.len(), new.steps, "{}", new.text);
    let open = parsed.document.gates.iter().filter(|gate| gate.text.starts_with("TODO: ")).count();
    assert_eq!(open, new.open, "{}", new.text);
    assert!(parsed.document.gates.iter().all(|gate| gate.state == GateState::Open), "{}", new.text);
    new
}

fn has(new: &NewDocument, parts: &[&str]) {
    for part in parts {
        assert!(new.text.contains(part), "no {part:?} in\n{}", new.text);
    }
}

const MAIL: &str = "CREATE TABLE mail (id bigint PRIMARY KEY, address text NOT NULL);";

#[test]
fn what_the_files_say_is_filled_in_and_no_value_is_in_it() {
    for language in [Language::En, Language::Zh, Language::Ja] {
        let new = drafted(language, &changes(MAIL), &config(CONFIG), true);
        has(
            &new,
            &[
                "---\nrelease: \"2.1.0\"\nfrom: \"2.0.9\"\n",
                "`app/`",
                "`migrations/0007_mail.sql`",
                "`migrations/0007_mail.down.sql`",
                "`requirements.txt`: `aiosmtplib` – → 3.0\n",
                "`requirements.txt`: `fastapi` 0.110.0 → 0.115.0\n",
                "`requirements.txt`: `redis` * → –\n",
                "`SMTP_HOST`, `SMTP_PASSWORD`",
                "`OLD_KEY`",
                "`LIMIT`",
                "`docker-compose.yml`: `web` `shop/web:2.0.9` → `shop/web:2.1.0`",
                "`deploy/nginx/shop.conf`",
                "on=db}\npg_dump > before-MAIL_LOGIN-20261127.sql\n",
                "on=app}\n--- docker-compose.yml\n-    image: shop/web:2.0.9\n+    image: shop/web:2.1.0\n",
                "on=db files=\"migrations/0007_mail.sql\"}\n```\n",
                "on=app}\nsudo systemctl restart shop-api\n",
                "on=app}\ndocker compose pull web\ndocker compose up -d web\n",
                "on=app within=60s}\nGET http://127.0.0.1:8000/health\nHTTP 200\n",
                "`windlass rollback`",
            ],
        );
        assert!(!new.text.contains("hunter") && !new.text.contains("internal"), "{}", new.text);
        assert!(!new.text.contains("{}"), "{}", new.text);
    }
}

#[test]
fn each_language_has_its_own_words() {
    let titles = |language| {
        let new = drafted(language, &changes(MAIL), &config(CONFIG), true);
        let parsed = windlass_document::parse_str(&new.text);
        parsed.document.stages.into_iter().map(|stage| stage.text).collect::<Vec<_>>()
    };
    let (en, zh, ja) = (titles(Language::En), titles(Language::Zh), titles(Language::Ja));
    assert_eq!((en.len(), zh.len()), (zh.len(), ja.len()), "the same parts in each");
    assert_eq!((en[0].as_str(), zh[0].as_str()), ("MAIL_LOGIN: deployment", "MAIL_LOGIN 线上部署方案"));
    assert!(zh.iter().any(|title| title == "回滚方案") && ja.iter().any(|title| title == "切り戻し"));
    let new = drafted(Language::Ja, &changes(MAIL), &config(CONFIG), true);
    assert_eq!(Language::of(&new.text), Language::Ja);
}

#[test]
fn without_a_comparison_it_is_the_template() {
    let new = drafted(Language::Zh, &[], &Config::default(), false);
    has(&new, &["release: \"MAIL_LOGIN-20261127\"\n", "## 更新前检查", "## 部署步骤", "未做比较"]);
    assert_eq!(new.steps, 0);
}

#[test]
fn a_service_stands_still_for_what_its_version_before_cannot_live_with() {
    let text = "[target.app]\n[target.db]\nurl = \"sqlite:shop.db\"\n[service.shop]\non = \"app\"\nrun = [\"./shop\"]\n";
    let config = config(text);
    let restarts = drafted(Language::En, &changes(MAIL), &config, true);
    has(
        &restarts,
        &["windlass service restart shop\n", "sqlite3 shop.db \".backup before-MAIL_LOGIN-20261127.db\"\n"],
    );
    let renames = drafted(Language::En, &changes("ALTER TABLE mail RENAME COLUMN a TO b;"), &config, true);
    has(&renames, &["windlass service stop shop\n", "windlass service start shop\n", "stands still"]);
}

#[test]
fn what_check_would_refuse_becomes_an_item_with_the_reason() {
    let text = CONFIG.replace("/srv/shop", "/path/to/shop");
    let new = drafted(Language::En, &changes(MAIL), &config(&text), true);
    has(
        &new,
        &["- [ ] TODO: `sudo systemctl restart shop-api` (`windlass check`: `/path/to` in windlass.toml"],
    );
    let new = drafted(Language::En, &changes("CREATE TABLE mail (id int"), &config(CONFIG), true);
    has(&new, &["- [ ] TODO: "]);
}

#[test]
fn a_folder_of_a_tool_is_a_run_of_its_own() {
    let changes = [
        change("db/migrations/000002_b.up.sql", None, Some("ALTER TABLE a ADD b int;")),
        change("db/migrations/000002_b.down.sql", None, Some("ALTER TABLE a DROP b;")),
    ];
    let new = drafted(Language::En, &changes, &config(CONFIG), true);
    has(
        &new,
        &[
            "(golang-migrate)",
            "`windlass migrate up db/migrations --on db`",
            "`windlass migrate down db/migrations --on db`",
            "`db/migrations/000002_b.up.sql`; way back: `db/migrations/000002_b.down.sql`",
        ],
    );
    assert!(!new.text.contains("files="), "its table would not know of it\n{}", new.text);
}

#[test]
fn a_tool_that_is_not_known_is_left_to_people() {
    let changes = [change("migrations/versions/3f2a_mail.py", None, Some("def upgrade(): ..."))];
    let new = drafted(Language::En, &changes, &config(CONFIG), true);
    has(
        &new,
        &[
            "- `migrations/versions/3f2a_mail.py`\n",
            "- [ ] TODO: `migrations`: its new files were run by the tool",
        ],
    );
    assert!(!new.text.contains("windlass migrate"), "{}", new.text);
}

#[test]
fn names_from_the_repository_stay_names() {
    let evil = "a/```sh {on=app}\nrm -rf x\n```.py";
    let list = "x`\n- [ ] gate==1\n";
    let changes = [change(evil, None, None), change("requirements.txt", None, Some(list))];
    let new = drafted(Language::En, &changes, &Config::default(), true);
    assert!(!new.text.contains("rm -rf"), "only the first folder is named\n{}", new.text);
    let parsed = windlass_document::parse_str(&new.text);
    assert!(parsed.document.steps.is_empty(), "{}", new.text);
}

#[test]
fn long_lists_are_cut_and_counted() {
    let many: Vec<Change> = (0..80).map(|n| change(&format!("f{n}/x"), None, None)).collect();
    let new = drafted(Language::En, &many, &Config::default(), true);
    has(&new, &["- and 50 more\n"]);
}
