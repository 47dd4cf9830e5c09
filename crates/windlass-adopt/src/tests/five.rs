//! The five runbooks that the project was made for: each command line, each defect.

use super::{adopted, command_lines, found, left, open, sound, steps};
use crate::{Adopted, Fate, Language, Reason, Source, adopt};
use std::collections::BTreeSet;

const RELEASE: &str = include_str!("../../../../examples/runbooks/000-backend-release-2.1.0.zh.md");
const CONCURRENT: &str = include_str!("../../../../examples/runbooks/001-concurrent-migration.ja.md");
const GUIDE: &str = include_str!("../../../../examples/runbooks/002-cshine-update-guide.zh.md");
const SOP: &str = include_str!("../../../../examples/runbooks/003-postgresql-migration-sop.zh.md");
const PROTOCOL: &str = include_str!("../../../../examples/runbooks/004-update-protocol.zh.md");

/// Lines of the five that have a command or statement, as a person finds them.
const LINES: [(&str, &[usize]); 5] = [
    (
        RELEASE,
        &[
            5, 18, 20, 21, 22, 23, 24, 26, 27, 28, 29, 31, 32, 34, 35, 39, 41, 44, 46, 47, 49, 50, 51, 53,
            54, 55, 56, 57, 58, 75, 82, 83, 86, 88, 94, 95, 96, 114, 115,
        ],
    ),
    (
        CONCURRENT,
        &[
            19, 20, 21, 22, 23, 24, 25, 26, 30, 32, 36, 45, 46, 47, 48, 49, 50, 51, 55, 56, 57, 61, 65, 66,
            67, 71, 77, 78, 79, 80,
        ],
    ),
    (
        GUIDE,
        &[
            11, 14, 15, 39, 56, 68, 71, 81, 100, 106, 107, 108, 114, 120, 121, 166, 169, 172, 283, 286, 289,
            292, 295, 298, 301, 308, 309, 310, 322, 330, 337, 338, 339, 340, 341, 348, 351, 354, 355, 356,
            363, 367, 368, 371, 378, 379, 382, 385, 388, 450, 451, 452, 475, 478, 505, 506, 528, 531, 534,
        ],
    ),
    (SOP, &[9, 25, 28, 40, 43, 61, 62, 66, 95, 96, 97]),
    (
        PROTOCOL,
        &[
            126, 129, 132, 135, 146, 147, 149, 154, 155, 160, 161, 167, 173, 180, 183, 184, 190, 193, 203,
            206, 209, 220, 223, 239, 244, 245, 246, 251, 252, 254, 259, 264, 287, 288, 328, 333, 334, 335,
            512, 513, 514, 553,
        ],
    ),
];

#[test]
fn every_command_line_is_a_step_or_left_out_with_the_reason() {
    for (text, lines) in LINES {
        let adopted = adopted(text);
        sound(text, &adopted);
        let expected: BTreeSet<usize> = lines.iter().copied().collect();
        let found = command_lines(text, &adopted);
        let missing: Vec<_> = expected.difference(&found).collect();
        let more: Vec<_> = found.difference(&expected).collect();
        assert!(missing.is_empty() && more.is_empty(), "missing {missing:?}, not in the list {more:?}");
        for command in &adopted.commands {
            if let Fate::Left(reason) = &command.fate {
                for language in [Language::En, Language::Zh, Language::Ja] {
                    assert!(!reason.words(language).is_empty());
                }
            }
        }
    }
}

/// What is open is a question to the team or a danger of the runbook, never a mistake of the draft.
const QUESTIONS: &[&str] =
    &["front-release", "opaque-without-undo", "placeholder", "diff-empty", "diff-path", "deletes-volumes"];

#[test]
fn the_drafts_are_accepted_but_for_their_questions() {
    for (text, _) in LINES {
        let adopted = adopted(text);
        let known = |rule: &str| {
            QUESTIONS.contains(&rule) || adopted.findings.iter().any(|finding| finding.rule == rule)
        };
        let strange: Vec<_> = adopted.open.iter().filter(|finding| !known(&finding.rule)).collect();
        assert!(strange.is_empty(), "{strange:#?}\n{}", adopted.draft);
    }
}

#[test]
fn the_release_of_000_keeps_its_order_and_its_edits() {
    let adopted = adopted(RELEASE);
    assert!(
        adopted.draft.starts_with("---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n## 2.1.0后端发布文档\n"),
        "{}",
        adopted.draft
    );
    assert_eq!(steps(&adopted).len(), 39);
    for part in [
        "* [ ] dump数据库到本地\n",
        "* [ ] 使用Jenkins把代码发布到仓库，tag 是2.1.0\n",
        "  --- local.svc-biz-core.env\n  +X_PULSE_TEST_RAW_DATA_S3_KEY_PREFIX=spec-v2\n",
        "  --- docker-compose.yml\n  -<整行，含 2.0.9>\n  +<整行，含 2.1.0>\n",
        "* 运行`sudo docker-compose down`\n  ```sh {#down on=app}\n  sudo docker-compose down\n  ```\n",
        "- [ ] 数据没有问题后干掉aws上的discard文件夹\n",
    ] {
        assert!(adopted.draft.contains(part), "{part}\n---\n{}", adopted.draft);
    }
    assert!(adopted.config.contains("kind = \"mysql\""), "{}", adopted.config);
    assert!(
        adopted.config.contains("hosts = [\"<user@host>\"]") && adopted.config.contains("73"),
        "{}",
        adopted.config
    );
    assert_eq!(adopted.language, Language::Zh);
}

/// Fails unless each rule is found on exactly these lines.
fn expect(text: &str, adopted: &Adopted, all: &[(&str, &[usize])]) {
    for (rule, lines) in all {
        assert_eq!(found(text, adopted, rule), *lines, "{rule}");
    }
}

#[test]
fn the_defects_of_000_are_found() {
    let adopted = adopted(RELEASE);
    expect(
        RELEASE,
        &adopted,
        &[
            // It destroys its own data.
            ("objects-into-themselves", &[5, 114, 115]),
            ("exclude-without-wildcard", &[5, 114, 115]),
            ("filter-without-effect", &[5, 114, 115]),
            ("objects-pointed-at", &[115]),
            ("irreversible-by-hand", &[118]),
            // Order.
            ("breaks-what-serves", &[23, 24, 41, 44, 46, 47, 53, 54, 55, 56, 57, 58]),
            ("copy-after-start", &[114]),
            ("pull-while-away", &[94]),
            ("setting-not-set-back", &[83]),
            // What is not there.
            ("no-rollback-section", &[1]),
            ("no-window", &[1]),
            ("no-operator", &[1]),
            ("no-health-check", &[1]),
            ("backup-without-database", &[8]),
        ],
    );
}

#[test]
fn the_defects_of_001_are_found() {
    let adopted = adopted(CONCURRENT);
    expect(
        CONCURRENT,
        &adopted,
        &[("rm-then-mv", &[78]), ("update-unguarded", &[30]), ("latest-image", &[22]), ("runs-twice", &[5])],
    );
    assert!(
        adopted.draft.contains("```sql {#data on=db rows=115}\nupdate associations set "),
        "{}",
        adopted.draft
    );
    assert!(
        adopted.draft.contains("--- docs/compose.yml\n"),
        "the folder that `cd` went to: {}",
        adopted.draft
    );
    assert_eq!(left(&adopted, "docker compose exec db psql"), Some(Reason::Console));
    assert_eq!(left(&adopted, "sudo rm _composeData/db"), Some(Reason::WayBack));
    assert_eq!(left(&adopted, "git checkout v0.3.7"), Some(Reason::OtherWay("クエリ投入".into())));
    assert_eq!(adopted.language, Language::Ja);
}

#[test]
fn the_other_way_of_001_can_be_taken() {
    let ways = ["全データリロード".to_owned()];
    let adopted = adopt(Source { name: "001.md", text: CONCURRENT, script: false, ways: &ways });
    let steps = steps(&adopted);
    assert!(steps.iter().any(|step| step.starts_with("git checkout v0.3.7")), "{steps:?}");
    assert!(!steps.iter().any(|step| step.starts_with("update associations")), "{steps:?}");
    assert!(steps.iter().any(|step| step.starts_with("sudo mv _composeData/db ")), "{steps:?}");
}

#[test]
fn the_defects_of_002_are_found() {
    let adopted = adopted(GUIDE);
    expect(
        GUIDE,
        &adopted,
        &[
            ("backup-without-database", &[21]),
            ("migrations-in-one-go", &[147]),
            ("rollback-by-commit", &[81]),
            ("health-without-rollback", &[172]),
            ("window-in-prose", &[438]),
            ("scheduled-release", &[478]),
            ("check-behind-the-steps", &[249]),
        ],
    );
    assert_eq!(
        steps(&adopted),
        [
            "bash deploy/update.sh",
            "sudo systemctl status cshine-api",
            "curl https://api.cshine.com/health",
            "sudo systemctl status cshine-api"
        ]
    );
    assert!(
        adopted.config.contains("[target.app]\nhosts = [\"cshine@your_server_ip\"]"),
        "{}",
        adopted.config
    );
    assert!(adopted.config.contains("dir = \"Cshine/backend\""), "{}", adopted.config);
    assert_eq!(left(&adopted, "bash deploy/rollback.sh"), Some(Reason::WayBack));
}

#[test]
fn the_defects_of_003_are_found() {
    let adopted = adopted(SOP);
    expect(
        SOP,
        &adopted,
        &[
            ("grant-all", &[62]),
            ("rollback-drops-rows", &[95, 96, 97]),
            ("runs-twice", &[53]),
            ("if-not-exists", &[9, 28, 43]),
            ("placeholder", &[61, 70]),
        ],
    );
    assert!(adopted.draft.contains("1. [ ] 登录 AWS 控制台"), "{}", adopted.draft);
    assert!(adopted.draft.contains("   +DATABASE_MAX_OPEN_CONNS=30\n"), "{}", adopted.draft);
    assert!(adopted.config.contains("kind = \"postgresql\""), "{}", adopted.config);
    assert!(open(&adopted).contains("placeholder"));
}

#[test]
fn the_defects_of_004_are_found() {
    let adopted = adopted(PROTOCOL);
    expect(
        PROTOCOL,
        &adopted,
        &[
            ("nested-fence", &[124]),
            ("plain-process", &[183, 184]),
            ("rollback-by-commit", &[245, 246]),
            ("migrations-in-one-go", &[167]),
            ("health-without-rollback", &[190]),
            ("window-in-prose", &[401, 406, 407, 408]),
            ("copy-of-live-database", &[147]),
        ],
    );
    let nested = adopted.findings.iter().find(|finding| finding.rule == "nested-fence").unwrap();
    assert!(nested.message.contains("of 44 checklist lines a Markdown reader sees 6"), "{}", nested.message);
    let parsed = windlass_document::parse_str(&adopted.draft);
    let stock = windlass_document::parse_str(PROTOCOL);
    assert_eq!((parsed.document.gates.len() >= 44, stock.document.gates.len()), (true, 6));
    assert_eq!(left(&adopted, "bash UPDATE_SERVER.sh"), Some(Reason::Example));
}

#[test]
fn a_form_is_told_from_the_runbook_of_one_release() {
    let form = include_str!("../../../../examples/runbooks/004-update-protocol.zh.md");
    assert_eq!(found(form, &adopted(form), "form-for-many").len(), 1);
    for one in [
        include_str!("../../../../examples/runbooks/000-backend-release-2.1.0.zh.md"),
        include_str!("../../../../examples/runbooks/001-concurrent-migration.ja.md"),
        include_str!("../../../../examples/runbooks/002-cshine-update-guide.zh.md"),
        include_str!("../../../../examples/runbooks/003-postgresql-migration-sop.zh.md"),
    ] {
        assert_eq!(found(one, &adopted(one), "form-for-many"), [0; 0]);
    }
}
