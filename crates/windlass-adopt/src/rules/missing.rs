//! Parts that a runbook has to have.

use super::{ALTERNATIVES, Facts, NO_HEALTH, NO_OPERATOR, NO_ROLLBACK, NO_WINDOW};
use crate::lexicon::Role;
use windlass_document::Finding;

pub(super) fn find(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    ways(facts, found);
    let changes = facts.notes.commands.iter().any(|seen| seen.role <= Role::Verify);
    if !changes {
        return;
    }
    let top = facts.top();
    let back = facts.sections.iter().any(|section| section.role == Role::Back)
        || facts.says(&["回滚方案", "rollback", "roll back", "ロールバック", "切り戻し"]).is_some();
    if !back {
        found.push(
            NO_ROLLBACK
                .at(top, "the runbook says nothing of a way back")
                .help("the release document has one of each step; what has none says so in `windlass plan`"),
        );
    }
    if facts.source.script {
        return;
    }
    let window = [
        "窗口",
        "低峰",
        "凌晨",
        "时间窗",
        "执行时间",
        "window",
        "off-peak",
        "maintenance",
        "時間帯",
        "メンテナンス",
        "実施日時",
    ];
    if facts.says(&window).is_none() {
        found.push(
            NO_WINDOW
                .at(top, "the runbook does not say when it may be run")
                .help("`[policy]`, `window = [\"Mon-Thu 02:00-04:00\"]` in windlass.toml"),
        );
    }
    let operator = [
        "执行人",
        "负责人",
        "操作人",
        "operator",
        "owner",
        "on-call",
        "responsible",
        "担当",
        "作業者",
        "実施者",
    ];
    if facts.says(&operator).is_none() {
        found.push(
            NO_OPERATOR
                .at(top, "the runbook does not say who runs it")
                .help("the journal of a run says who; `[policy]`, `approve` who has to agree"),
        );
    }
    let checks = facts.notes.commands.iter().any(|seen| {
        seen.parts.iter().any(|words| words.first().is_some_and(|word| word == "curl" || word == "wget"))
    });
    let told =
        facts.says(&["/health", "健康检查", "health check", "ヘルスチェック", "/healthz", "/ping"]).is_some();
    if !checks && !told {
        found.push(
            NO_HEALTH
                .at(top, "no command checks whether the service works afterwards")
                .help("end with a check: an `http` fence with `GET URL` and `HTTP 200`"),
        );
    }
    // The version is the name of the run, its record and its backups; `check` asks for it.
    debug_assert!(facts.release.version.as_deref() != Some(""));
}

/// Parts that are ways to do the same.
fn ways(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut told = Vec::new();
    for section in facts.sections {
        let Some(way) = section.instead_of.as_ref().filter(|_| section.role <= Role::Verify) else {
            continue;
        };
        if told.contains(&way) {
            continue;
        }
        told.push(way);
        let span = facts
            .notes
            .words
            .iter()
            .find(|words| words.heading && words.text.trim() == section.title)
            .map_or_else(|| facts.top(), |words| words.span);
        found.push(
            ALTERNATIVES
                .at(span, format!("another way to do the same as \"{way}\", which the draft takes"))
                .help(format!("take this one instead: `--way '{}'`", section.title.replace('\'', ""))),
        );
    }
}
