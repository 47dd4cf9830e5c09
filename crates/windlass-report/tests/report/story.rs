//! A plan by hand, and runs of it told as their entries.

use jiff::tz::TimeZone;
use serde_json::json;
use windlass_journal::{
    Direction, Entry, Event, OnFailure, Outcome, Report, RunId, RunState, Trouble, Unlinked, fold, link,
};
use windlass_plan::{Plan, UnitId, Way};
use windlass_report::width;

pub fn unit(
    id: &str,
    host: &str,
    line: usize,
    action: serde_json::Value,
    effect: &str,
    undo: [&str; 3],
) -> serde_json::Value {
    let [class, how, by] = undo;
    let driver = match action["do"].as_str().unwrap() {
        "sql" => "sqlite",
        "gate" => "gate",
        _ => "shell",
    };
    json!({
        "id": id, "host": host, "driver": driver, "line": line, "column": 1, "action": action, "effect": effect,
        "undo": {"class": class, "how": how, "by": by}, "timeout_ms": null, "within_ms": null,
    })
}

pub fn step(
    id: &str,
    line: usize,
    on: &str,
    class: &str,
    stage: &str,
    units: serde_json::Value,
) -> serde_json::Value {
    json!({
        "id": id, "stage": stage, "gate": null, "line": line, "on": on, "class": class, "units": units, "undo": null,
        "serial": null, "after_ms": null, "online": false, "again": null,
    })
}

pub fn shell(script: &str, readonly: bool) -> serde_json::Value {
    json!({"do": "shell", "script": script, "dir": null, "readonly": readonly})
}

pub fn plan() -> Plan {
    let alter =
        "ALTER TABLE `record` ADD COLUMN `s3_key` VARCHAR(50) COMMENT 's3的key' AFTER `transaction_number`";
    let sql = json!({"do": "sql", "target": "db", "statement": alter, "rows": null});
    let migrate = json!([unit(
        "s3-key/1",
        "local",
        12,
        sql,
        alter,
        ["restore", "バックアップ #backup から戻す", "driver"]
    )]);
    let stop = json!([
        unit(
            "stop/1@app1",
            "app1",
            20,
            shell("./stop.sh", false),
            "停止第一台机器上的服务",
            ["exact", "./start.sh", "script"]
        ),
        unit(
            "stop/1@app2",
            "app2",
            20,
            shell("./stop.sh", false),
            "停止第二台机器上的服务",
            ["exact", "./start.sh", "script"]
        ),
    ]);
    let mut stop = step("stop", 19, "app", "exact", "停机发布", stop);
    let start =
        unit("start-again/1", "local", 24, shell("./start.sh", false), "./start.sh", ["exact", "", "nobody"]);
    stop["undo"] = json!({"id": "start-again", "units": [start], "partial": true});
    let gate = json!({"do": "gate", "text": "两台机器服务正常，数据库 `record` 表的新旧数据都能读出"});
    let gate = unit("gate-1/1", "local", 30, gate, "a person confirms", ["readonly", "", "nothing"]);
    serde_json::from_value(json!({
        "format": 1, "tool": "0.1.0",
        "release": {
            "version": "2.1.0", "title": "2.1.0 后端发布文档：数据库增加字段，旧数据回填，服务停机更新（列の追加とデータの移行）",
            "from": "2.0.9", "env": "production", "kind": null, "severity": null, "downtime_ms": null, "ticket": "CHG-7",
        },
        "document": {"name": "发布.md", "sha256": "ab".repeat(32)},
        "targets": {}, "services": {}, "class": "restore",
        "steps": [
            step("s3-key", 11, "db", "restore", "数据库", migrate), stop,
            step("gate-1", 30, "", "readonly", "验证", json!([gate])),
        ],
    }))
    .unwrap()
}

/// Writes entries one second apart.
#[derive(Default)]
pub struct Journal(pub Vec<Entry>, i64);

pub const START_MS: i64 = 1_763_692_987_000;

impl Journal {
    /// Nobody works on the run meanwhile.
    pub fn idle(&mut self, ms: i64) -> &mut Self {
        self.1 += ms;
        self
    }

    pub fn add(&mut self, event: Event) -> &mut Self {
        let seq = self.0.len() as u64 + 1;
        let entry = Unlinked {
            time_ms: START_MS + i64::try_from(seq).unwrap() * 1_000 + self.1,
            run: RunId("20251121-024307-1a2b".into()),
            actor: "alice@ops".into(),
            event,
        };
        let previous = self.0.last().map_or(String::new(), |last| last.hash.clone());
        self.0.push(link(seq, 1, &previous, entry).0);
        self
    }

    pub fn started() -> Self {
        let mut journal = Self::default();
        let plan = plan();
        journal.add(Event::started(plan, OnFailure::Unwind));
        journal.add(Event::Taken { owner: "alice@ops (process 7)".into(), from: None });
        journal
    }

    pub fn tried(&mut self, unit: &str, way: Way, outcome: Outcome) -> &mut Self {
        let unit = UnitId(unit.into());
        self.add(Event::Intended { unit: unit.clone(), way, attempt: 1, capsule: json!({}) });
        self.add(Event::Settled { unit, way, attempt: 1, outcome, took_ms: Some(1_234) })
    }

    pub fn taken(&mut self) -> &mut Self {
        self.add(Event::Taken { owner: "alice@ops (process 8)".into(), from: None })
    }

    pub fn turned(&mut self, to: Direction, why: &str, unit: Option<&str>) -> &mut Self {
        let unit = unit.map(|unit| UnitId(unit.into()));
        self.add(Event::Turned { to, why: why.into(), unit })
    }

    pub fn run(&self) -> RunState {
        fold(&self.0).unwrap().unwrap()
    }
}

pub fn applied(effect: &str, facts: serde_json::Value) -> Outcome {
    Outcome::Applied(Report { effects: vec![effect.into()], output: String::new(), facts })
}

pub fn trouble() -> Trouble {
    Trouble {
        message: "`./stop.sh` ended with exit status 1: 端口 8080 仍被占用，进程没有在规定的时间内退出"
            .into(),
        hints: vec!["see the log: journalctl -u biz-core".into()],
        output: "正在停止…\n\u{1b}[31m失败\u{1b}[0m ```\n".into(),
        ..Trouble::default()
    }
}

pub fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

#[track_caller]
pub fn fits(text: &str) {
    for line in text.lines() {
        assert!(width(line) <= 80 || line.contains("windlass "), "{} columns: {line}", width(line));
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
}
