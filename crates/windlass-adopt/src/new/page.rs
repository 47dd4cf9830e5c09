//! The pieces of a document, its text, and the parts that are read by people.

use super::{Facts, How, Wanted, Why, facts::Difference, packages, steps};
use crate::config::text as quoted;
use std::collections::BTreeMap;

/// Entries of a list that are written.
const ENTRIES_MAX: usize = 30;
/// How an item begins that a person has to complete.
pub(super) const OPEN: &str = "- [ ] TODO: ";

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Lines as they are.
    Text(String),
    /// An item that a person confirms.
    Gate(String),
    /// An item that a person has to complete.
    Open(String),
    /// A fence that runs.
    Step(Step),
}

/// A fence that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) id: String,
    /// `sh`, `sql`, `diff`, `http`
    pub(super) language: &'static str,
    /// What stands behind the id in the braces.
    pub(super) more: String,
    /// Lines of the fence, each with its end.
    pub(super) body: String,
    /// What it does, for a person who has to do it instead.
    pub(super) what: String,
}

/// The document; steps that are `refused` become items with the reason.
pub(super) fn render(pieces: &[Piece], refused: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut after_item = false;
    for piece in pieces {
        let (is_item, text) = match piece {
            Piece::Text(text) => (false, text.clone()),
            Piece::Gate(text) => (true, format!("- [ ] {text}\n")),
            Piece::Open(text) => (true, format!("{OPEN}{text}\n")),
            Piece::Step(step) => match refused.get(&step.id) {
                Some(why) => (true, format!("{OPEN}{} (`windlass check`: {})\n", step.what, line(why))),
                None => (false, fence(step)),
            },
        };
        let goes_on = after_item && is_item;
        if !out.is_empty() && !goes_on {
            out.push('\n');
        }
        out.push_str(&text);
        after_item = is_item;
    }
    out
}

fn fence(step: &Step) -> String {
    let Step { id, language, more, body, .. } = step;
    format!("```{language} {{#{id}{more}}}\n{body}```\n")
}

/// Text of one line; a character that steers is none.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A name from somewhere else as code, and nothing but that.
pub(super) fn code(text: &str) -> String {
    const CHARS_MAX: usize = 120;
    let tame = |c: char| if c.is_control() || c == '`' { '?' } else { c };
    let short: String = text.chars().take(CHARS_MAX).map(tame).collect();
    let more = if text.chars().nth(CHARS_MAX).is_some() { "…" } else { "" };
    format!("`{short}{more}`")
}

/// A document that is being written.
pub(super) struct Page<'a> {
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) facts: &'a Facts,
    pub(super) ids: crate::emit::Ids,
    pub(super) pieces: Vec<Piece>,
}

/// All pieces. `halted`: services stand still while the database changes.
pub(super) fn pieces(wanted: &Wanted<'_>, facts: &Facts, halted: bool) -> Vec<Piece> {
    let mut page = Page { wanted, facts, ids: crate::emit::Ids::default(), pieces: Vec::new() };
    page.head();
    page.changes();
    page.before();
    steps::steps(&mut page, halted);
    steps::verification(&mut page);
    page.way_back();
    page.pieces
}

impl Page<'_> {
    /// One of three texts (English, Chinese, Japanese), with what stands for each `{}`.
    pub(super) fn say(&self, texts: [&str; 3], values: &[&str]) -> String {
        let [en, zh, ja] = texts;
        let mut parts = self.wanted.language.pick(en, zh, ja).split("{}");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for (at, part) in parts.enumerate() {
            out.push_str(values.get(at).copied().unwrap_or_default());
            out.push_str(part);
        }
        out
    }

    pub(super) fn text(&mut self, texts: [&str; 3], values: &[&str]) {
        let text = self.say(texts, values);
        self.pieces.push(Piece::Text(text + "\n"));
    }

    pub(super) fn gate(&mut self, texts: [&str; 3], values: &[&str]) {
        let text = self.say(texts, values);
        self.pieces.push(Piece::Gate(text));
    }

    pub(super) fn open(&mut self, texts: [&str; 3], values: &[&str]) {
        let text = self.say(texts, values);
        self.pieces.push(Piece::Open(text));
    }

    /// A list; what is too much is counted.
    fn list(&mut self, entries: &[String]) {
        let mut text: String = entries.iter().take(ENTRIES_MAX).map(|entry| format!("- {entry}\n")).collect();
        let more = entries.len().saturating_sub(ENTRIES_MAX);
        if more > 0 {
            let more = more.to_string();
            text.push_str(&self.say(["- and {} more\n", "- 另有 {} 项\n", "- ほか {} 件\n"], &[&more]));
        }
        if !text.is_empty() {
            self.pieces.push(Piece::Text(text));
        }
    }

    /// Names as code, the first of them.
    pub(super) fn names<'n>(&self, names: impl Iterator<Item = &'n str>) -> String {
        let names: Vec<String> = names.map(code).collect();
        let mut text = names[..names.len().min(ENTRIES_MAX)].join(", ");
        if names.len() > ENTRIES_MAX {
            text.push_str(&format!(", … ({})", names.len()));
        }
        text
    }

    fn head(&mut self) {
        let Wanted { name, date, language, severity, release, from, compared, .. } = *self.wanted;
        let named = format!("{name}-{}", date.replace('-', ""));
        let release = release.unwrap_or(&named);
        let mut front = format!("---\nrelease: {}\n", quoted(release));
        if let Some(from) = from.filter(|from| *from != release) {
            front.push_str(&format!("from: {}\n", quoted(from)));
        }
        front.push_str("# kind: feature, fix, performance, security\n");
        match severity {
            Some(severity) => front.push_str(&format!("severity: {}\n", severity.name())),
            None => front.push_str("# severity: critical, recommended, optional\n"),
        }
        front.push_str("# downtime: 0, 5s, 15m\n---\n");
        let title = self.say(["{}: deployment", "{} 线上部署方案", "{} デプロイ手順"], &[name]);
        front.push_str(&format!("# {title}\n\n> {}{date}", language.pick("Date: ", "更新日期：", "日付：")));
        if let Some(compared) = compared {
            let why = match compared.why {
                Why::Said => language.pick("as named", "由命令指定", "指定による"),
                Why::Recorded => language.pick(
                    "the newest release that is done",
                    "最近一次完成的发布",
                    "最後に完了したリリース",
                ),
                Why::LastTag => language.pick("the last tag", "最近的标签", "最後のタグ"),
            };
            let (from, to) = (code(compared.from), code(compared.to));
            let commits = compared.commits.to_string();
            front.push_str(&self.say(
                [
                    "  \n> Compared: {} ({}) with {}; commits: {}",
                    "  \n> 比较范围：{}（{}）到 {}，提交数：{}",
                    "  \n> 比較：{}（{}）から {} まで、コミット数：{}",
                ],
                &[&from, why, &to, &commits],
            ));
        }
        self.pieces.push(Piece::Text(front + "\n"));
    }

    fn changes(&mut self) {
        self.text(["## What changes", "## 更新内容", "## 変更内容"], &[]);
        self.open(
            [
                "say here in one or two sentences what users get, and take the mark off",
                "用一两句话说明本次更新，然后去掉此标记",
                "何が変わるかをここに1、2文で書き、この印を外す",
            ],
            &[],
        );
        if self.wanted.compared.is_none() {
            self.open(
                [
                    "nothing was compared: list files, database changes, dependencies and settings here",
                    "未做比较：请在此列出涉及文件、数据库变更、依赖变更、环境变量变更",
                    "比較していない：変更ファイル、データベース、依存関係、設定の変更をここに書く",
                ],
                &[],
            );
            return;
        }
        let facts = self.facts;
        self.text(["### Files", "### 涉及文件", "### 変更ファイル"], &[]);
        let line = |(folder, [added, edited, removed]): (&String, &[usize; 3])| {
            let counts = [added, edited, removed].map(ToString::to_string);
            self.say(
                [
                    "{}: {} new, {} edited, {} removed",
                    "{}：新增 {}，修改 {}，删除 {}",
                    "{}：追加 {}、変更 {}、削除 {}",
                ],
                &[&code(folder), &counts[0], &counts[1], &counts[2]],
            )
        };
        let entries: Vec<String> = facts.folders.iter().map(line).collect();
        self.list(&entries);
        self.database();
        self.dependencies();
        self.settings();
        self.services();
    }

    fn database(&mut self) {
        self.text(["### Database", "### 数据库变更", "### データベース"], &[]);
        let mut entries = Vec::new();
        for folder in &self.facts.migrations {
            for migration in &folder.added {
                let path = code(&folder.path(&migration.up.file));
                entries.push(match folder.back(migration) {
                    Some(back) => {
                        let texts = ["{}; way back: {}", "{}；回退脚本：{}", "{}。戻すスクリプト：{}"];
                        self.say(texts, &[&path, &code(&back)])
                    }
                    None => {
                        let texts = ["{}; no script back", "{}；没有回退脚本", "{}。戻すスクリプトはない"];
                        self.say(texts, &[&path])
                    }
                });
            }
            entries.extend(folder.foreign.iter().map(|file| code(&folder.path(file))));
            for file in &folder.edited {
                let texts = [
                    "{} was there before: what ran is not run again",
                    "{} 之前已存在：已执行的不会再次执行",
                    "{} は以前からある：実行済みなら再実行されない",
                ];
                entries.push(self.say(texts, &[&code(&folder.path(file))]));
            }
        }
        if entries.is_empty() {
            let texts =
                ["no migrations among them", "变更文件中没有数据库迁移", "変更の中にマイグレーションはない"];
            entries.push(self.say(texts, &[]));
        }
        self.list(&entries);
    }

    fn dependencies(&mut self) {
        if self.facts.packages.is_empty() && self.facts.locks.is_empty() {
            return;
        }
        self.text(["### Dependencies", "### 依赖变更", "### 依存関係"], &[]);
        let mut entries = Vec::new();
        for (path, packages) in &self.facts.packages {
            let path = code(path);
            entries.extend(packages.iter().map(|package| format!("{path}: {}", self.moved(package))));
            if packages.is_empty() {
                entries.push(path);
            }
        }
        entries.extend(self.facts.locks.iter().map(|path| code(path)));
        self.list(&entries);
    }

    /// `fastapi` 0.110.0 → 0.115.0
    fn moved(&self, difference: &Difference) -> String {
        let elsewhere = self.wanted.language.pick("(another source)", "（其他来源）", "（別の取得元）");
        let version = |version: &Option<String>| {
            match version.as_deref() {
                None => "–",
                Some("") => "*",
                Some(version) => packages::shown(version).unwrap_or(elsewhere),
            }
            .to_owned()
        };
        format!("{} {} → {}", code(&difference.name), version(&difference.before), version(&difference.after))
    }

    fn settings(&mut self) {
        if self.facts.keys.is_empty() {
            return;
        }
        self.text(["### Settings", "### 环境变量变更", "### 環境変数"], &[]);
        let entry = |(path, keys): &(String, Vec<Difference>)| {
            let kinds = [
                ((false, true), ["new", "新增", "追加"]),
                ((true, false), ["gone", "删除", "削除"]),
                ((true, true), ["another value", "值有变", "値の変更"]),
            ];
            let mut parts = Vec::new();
            for (is, word) in kinds {
                let of_kind = keys.iter().filter(|key| (key.before.is_some(), key.after.is_some()) == is);
                let names = self.names(of_kind.map(|key| key.name.as_str()));
                if !names.is_empty() {
                    parts.push(format!("{} {names}", self.say(word, &[])));
                }
            }
            format!("{}: {}", code(path), parts.join("; "))
        };
        let entries: Vec<String> = self.facts.keys.iter().map(entry).collect();
        self.list(&entries);
    }

    fn services(&mut self) {
        let facts = self.facts;
        if facts.composed.is_empty() && facts.units.is_empty() && facts.proxies.is_empty() {
            return;
        }
        self.text(["### Services and proxy", "### 服务与代理", "### サービスとプロキシ"], &[]);
        let mut entries = Vec::new();
        for file in &facts.composed {
            let path = self.file(&file.path, file.how);
            let image = |image: &Difference| {
                let shown =
                    |image: &Option<String>| image.as_deref().filter(|image| !image.is_empty()).map(code);
                let (before, after) = (shown(&image.before), shown(&image.after));
                let dash = || "–".to_owned();
                format!(
                    "{path}: {} {} → {}",
                    code(&image.name),
                    before.unwrap_or_else(dash),
                    after.unwrap_or_else(dash)
                )
            };
            entries.extend(file.images.iter().map(image));
            if file.images.is_empty() {
                entries.push(path);
            }
        }
        entries.extend(facts.units.iter().chain(&facts.proxies).map(|(path, how)| self.file(path, *how)));
        self.list(&entries);
    }

    fn file(&self, path: &str, how: How) -> String {
        let word = match how {
            How::Added => ["{} (new)", "{}（新增）", "{}（追加）"],
            How::Edited => ["{}", "{}", "{}"],
            How::Removed => ["{} (gone)", "{}（删除）", "{}（削除）"],
        };
        self.say(word, &[&code(path)])
    }

    fn before(&mut self) {
        self.text(["## Checks before", "## 更新前检查", "## 事前確認"], &[]);
        self.gate(
            [
                "it is committed and reviewed, and its tests pass",
                "代码已提交并评审，测试通过",
                "コミットとレビューが済み、テストが通っている",
            ],
            &[],
        );
        self.gate(["who has to know was told", "已通知相关人员", "関係者に連絡した"], &[]);
        if self.wanted.config.policy.window.is_empty() {
            self.gate(["it is a quiet time", "现在是低峰期", "利用の少ない時間帯である"], &[]);
        }
        steps::migrate_before(self);
    }

    fn way_back(&mut self) {
        self.text(["## Way back", "## 回滚方案", "## 切り戻し"], &[]);
        self.text(
            [
                "A step or check that fails takes all steps back by itself, newest first. Later: `windlass rollback`. What people did \
                 by hand at the items above, people take back.",
                "步骤或检查失败时，已执行的步骤会自动按相反顺序回退；之后需要时执行 `windlass rollback`。上面清单中的人工操作由人工恢复。",
                "ステップか確認が失敗すると、実行済みのステップは新しい順に自動で戻る。後から戻すときは `windlass rollback`。上のチェック項目で人が行ったことは人が戻す。",
            ],
            &[],
        );
        let tool = self.facts.migrations.iter().find(|folder| !folder.is_plain() && !folder.added.is_empty());
        if let Some(folder) = tool {
            let on = steps::database(self).map_or_else(|| "TARGET".to_owned(), |(on, _)| on.to_owned());
            let command = code(&format!("windlass migrate down {} --on {on}", folder.folder));
            self.text(["Migrations: {}", "数据库迁移：{}", "マイグレーション：{}"], &[&command]);
        }
    }
}
