use crate::lint::tests::findings;

const TOML: &str = "[target.db]\nurl = { env = \"DATABASE_URL\" }\nkind = \"mysql\"\n[target.measurement]\nurl = \
                    \"s3://jm-measurement-data\"\nhold = \"windlass-hold/\"\n[target.app]\nhosts = [\"a@one\", \"b@two\"]\n";

const SYNC: &str = "aws s3 sync s3://jm-measurement-data/production/ s3://jm-measurement-data/production/spec-v1/ --include \"*.txt\" \
                    --exclude \"spec-v1\"  ";
const MOVE: &str = "aws s3 mv s3://jm-measurement-data/production/ s3://jm-measurement-data/production/discard/ --include \"*.txt\" \
                    --exclude \"discard\"  --recursive";
const UPDATE: &str = "UPDATE `record` as R set `s3_key` = concat('spec-v1/',R.record_id,'.txt') where R.record_id >= '100000';";

/// Rule, and the text that is marked.
fn found(text: &str) -> Vec<(String, String)> {
    let ours = |rule: &str| {
        let other = ["exclude-without-wildcard", "filter-without-effect", "moved-then-deleted"];
        rule.starts_with("objects-") || other.contains(&rule)
    };
    let all = findings(text, TOML).into_iter().map(|(finding, marked)| (finding.rule, marked));
    all.filter(|(rule, _)| ours(rule)).collect()
}

/// The lines of the 2.1.0 release of runbook 000, which loses all of its data: offline, each defect at its word.
#[test]
fn what_the_runbook_of_2_1_0_does_is_seen_before_anything_runs() {
    let text = format!(
        "```sh {{#copy on=measurement}}\n{SYNC}\n```\n```sql {{#key on=db}}\n{UPDATE}\n```\n```sh {{#away on=measurement}}\n{SYNC}\n\
         {MOVE}\n```\n- [ ] 数据没有问题\n```sh {{#purge on=measurement}}\naws s3 rm \
         s3://jm-measurement-data/production/discard/ --recursive\n```\n"
    );
    let (copies, discard) =
        ("s3://jm-measurement-data/production/spec-v1/", "s3://jm-measurement-data/production/discard/");
    let pair = |rule: &str, marked: &str| (rule.to_owned(), marked.to_owned());
    let of_sync = [
        pair("objects-into-themselves", copies),
        pair("filter-without-effect", "\"*.txt\""),
        pair("exclude-without-wildcard", "\"spec-v1\""),
    ];
    let of_move = [
        pair("objects-pointed-at", "s3"),
        pair("objects-taken-again", "s3://jm-measurement-data/production/"),
        pair("objects-into-themselves", discard),
        pair("filter-without-effect", "\"*.txt\""),
        pair("exclude-without-wildcard", "\"discard\""),
    ];
    let purge = [pair("moved-then-deleted", discard)];
    assert_eq!(found(&text), [&of_sync[..], &of_sync, &of_move, &purge].concat());
    let on_hosts = text.replace("on=measurement", "on=app irreversible");
    assert_eq!(found(&on_hosts).len(), found(&text).len(), "also where the lines are not lifted");
}

/// The corrected one.
#[test]
fn the_lines_written_well_are_clean() {
    let text = format!(
        "```sh {{#copy on=measurement}}\naws s3 sync s3://jm-measurement-data/production/ s3://jm-measurement-data/spec-v1/ \
         --exclude \"*\" --include \"*.txt\"\n```\n```sql {{#key on=db}}\n{UPDATE}\n```\n```sh {{#again again=copy}}\n```\n```sh \
         {{#away on=measurement}}\naws s3 mv s3://jm-measurement-data/production/ s3://jm-measurement-data/discard/ --recursive \
         --exclude \"*\" --include \"*.txt\"\n```\n- [ ] 数据没有问题\n```sh {{#purge on=measurement after=7d}}\naws s3 rm \
         s3://jm-measurement-data/discard/ --recursive\n```\n- [ ] 完成\n"
    );
    assert_eq!(found(&text), []);
}

/// In a script that runs as a whole too; what a variable holds nobody knows.
#[test]
fn lines_are_seen_wherever_they_stand() {
    let text = |line: &str| {
        format!("```sh {{#copy on=app irreversible}}\nif true; then {line}; fi\n```\n- [ ] fine\n")
    };
    let sync = "aws s3 sync s3://files/a/ s3://files/a/b/";
    assert_eq!(found(&text(sync))[0].0, "objects-into-themselves");
    assert_eq!(found(&text(&format!("{sync} --exclude \"$WHAT\""))), []);
}
