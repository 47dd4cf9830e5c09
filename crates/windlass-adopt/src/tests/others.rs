//! Runbooks of other teams, in their own ways of writing.

use super::{adopted, command_lines, found, left, sound, steps};
use crate::{Adopted, Language, Reason};
use std::collections::BTreeSet;

/// Adopts a text whose commands stand on exactly these lines.
fn read(text: &str, lines: &[usize]) -> Adopted {
    let adopted = adopted(text);
    sound(text, &adopted);
    assert_eq!(
        command_lines(text, &adopted),
        lines.iter().copied().collect::<BTreeSet<_>>(),
        "{}",
        adopted.draft
    );
    adopted
}

#[test]
fn english_numbered_steps_with_indented_and_bare_code() {
    let text = include_str!("../../testdata/en-numbered.md");
    let adopted = read(text, &[13, 19, 23, 24, 25, 30, 31, 35, 36, 41, 43, 53, 54, 55]);
    assert_eq!(
        steps(&adopted),
        [
            "pg_dump -Fc shop > /backups/shop-3.4.0.dump",
            "git fetch --tags",
            "git checkout v3.4.0",
            "npm ci",
            "npm run migrate",
            "sudo systemctl restart shopfront",
            "curl -fsS https://shop.example.net/healthz",
            "systemctl is-active shopfront",
        ]
    );
    assert!(adopted.draft.starts_with("---\nrelease: 3.4.0\n"), "{}", adopted.draft);
    assert!(adopted.draft.contains("+FEATURE_CART=1\n"), "{}", adopted.draft);
    assert!(adopted.draft.contains("- [ ] Announce the deploy"), "{}", adopted.draft);
    assert!(
        adopted.config.contains("deploy@app1.example.net")
            && adopted.config.contains("dir = \"/srv/shopfront\""),
        "{}",
        adopted.config
    );
    assert_eq!(left(&adopted, "journalctl"), Some(Reason::NeverEnds));
    assert_eq!(left(&adopted, "git checkout v3.3.2"), Some(Reason::WayBack));
    assert_eq!(found(text, &adopted, "backup-without-database"), [0; 0]);
    assert_eq!(adopted.language, Language::En);
}

#[test]
fn a_table_of_steps() {
    let text = include_str!("../../testdata/en-table.md");
    let adopted = read(text, &[5, 7, 8, 14, 15, 18]);
    assert_eq!(
        steps(&adopted)[..3],
        [
            "sudo supervisorctl stop billing:*",
            "mysql -h db1 billing < 2024-11-add-vat.sql",
            "sudo supervisorctl start billing:*"
        ]
    );
    assert!(adopted.draft.contains("- [ ] 2 Take a snapshot in the RDS console\n"), "{}", adopted.draft);
    assert_eq!(left(&adopted, "make reports"), Some(Reason::Mentioned));
}

#[test]
fn restructured_text() {
    let text = include_str!("../../testdata/en-rst.md");
    let adopted = read(text, &[12, 13, 20, 21, 23, 32]);
    assert!(adopted.draft.contains("# Search cluster upgrade 7.2.1\n"), "{}", adopted.draft);
    assert_eq!(left(&adopted, "sudo apt-get install -y search=7.1.9"), Some(Reason::WayBack));
    assert_eq!(steps(&adopted).len(), 4);
    assert!(
        adopted.draft.contains("# Reading package lists"),
        "what the terminal answered is a comment: {}",
        adopted.draft
    );
}

#[test]
fn a_wiki_page_with_windows_line_ends() {
    let text = include_str!("../../testdata/wiki-crlf.md");
    assert!(text.contains("\r\n"));
    let adopted = read(text, &[7, 8, 10, 16]);
    assert!(adopted.draft.contains("## Database"), "{}", adopted.draft);
    assert!(adopted.draft.contains("rows=1}"), "{}", adopted.draft);
    assert!(adopted.draft.contains("docker-compose pull web\n"), "{}", adopted.draft);
    assert!(adopted.config.contains("kind = \"mysql\""), "{}", adopted.config);
}

#[test]
fn japanese_procedure() {
    let text = include_str!("../../testdata/ja-steps.md");
    let adopted = read(text, &[14, 15, 20, 21, 22, 27, 30, 34, 38, 43, 47, 48, 49]);
    assert_eq!(adopted.language, Language::Ja);
    assert_eq!(left(&adopted, "sudo su -"), Some(Reason::OtherUser));
    assert_eq!(left(&adopted, "mysql -u root"), Some(Reason::WayBack));
    assert!(adopted.draft.contains("- [ ] 監視アラートを停止する"), "{}", adopted.draft);
    assert!(adopted.draft.contains("--- /opt/order/conf/app.properties"), "{}", adopted.draft);
    assert_eq!(found(text, &adopted, "window-in-prose"), [4]);
}

#[test]
fn chinese_with_tabs_and_prompts_of_hosts() {
    let text = include_str!("../../testdata/zh-tabs.md");
    let adopted = read(text, &[8, 9, 10, 15, 16, 17, 25]);
    assert!(
        adopted.config.contains("app@pay-01") && adopted.config.contains("/data/pay"),
        "{}",
        adopted.config
    );
    assert_eq!(steps(&adopted).len(), 5, "{:?}", adopted.commands);
    assert!(adopted.draft.contains("[ ] 通知客服和运营"), "{}", adopted.draft);
}

#[test]
fn plain_text_without_any_markup() {
    let text = include_str!("../../testdata/en-plain.md");
    let adopted = read(text, &[5, 9, 10, 15, 16]);
    assert!(
        adopted.draft.contains("ln -sfn /opt/batch/batch-2.7.3.jar /opt/batch/current.jar"),
        "{}",
        adopted.draft
    );
    assert_eq!(steps(&adopted).len(), 5);
}

#[test]
fn kubernetes() {
    let text = include_str!("../../testdata/en-k8s.md");
    let adopted = read(text, &[5, 14, 15, 21, 22, 25]);
    assert!(
        matches!(left(&adopted, "kubectl rollout undo"), Some(Reason::Mentioned | Reason::WayBack)),
        "{:?}",
        adopted.commands
    );
    assert!(adopted.draft.contains("```yaml\n"), "{}", adopted.draft);
}

#[test]
fn the_way_back_is_asked_for_where_nobody_knows_it() {
    let text = "# Release 3\n\n```bash\ngit pull --ff-only origin main\n```\n\n```bash\n./deploy.sh\n```\n";
    let adopted = adopted(text);
    let asked: Vec<_> = adopted.draft.lines().filter(|line| line.contains("how is this undone?")).collect();
    assert_eq!(asked.len(), 1, "{}", adopted.draft);
    let below = adopted.draft.split("how is this undone?").nth(1).unwrap();
    assert!(below.contains("./deploy.sh") && !below.contains("git pull"), "{}", adopted.draft);
}
