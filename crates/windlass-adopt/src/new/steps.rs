//! What is done and checked: steps where files and configuration say how, items for people where they do not.

use super::{
    databases,
    facts::{Difference, Migrations},
    page::{Page, Piece, Step, code},
};
use std::collections::BTreeSet;
use windlass_document::shell::quote;
use windlass_plan::{
    COMPOSE_FILES, Runner, Service, Target, UrlKind, Value, endpoint, migrations::Migration, sqlite_path,
};
use windlass_sql::Dialect;

/// The one database there is; of several nobody knows which is meant.
pub(super) fn database<'a>(page: &Page<'a>) -> Option<(&'a str, Dialect)> {
    match databases(page.wanted.config)[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// Migrations of a tool that keeps its own table: a run of their own, before this one.
pub(super) fn migrate_before(page: &mut Page<'_>) {
    let on = database(page).map_or("TARGET", |(on, _)| on);
    for folder in &page.facts.migrations {
        for problem in &folder.problems {
            let file = code(&folder.path(&problem.file));
            page.open(["{}: {}", "{}：{}", "{}：{}"], &[&file, &problem.message]);
        }
        if !folder.foreign.is_empty() {
            page.open(
                [
                    "{}: its new files were run by the tool whose folder it is; say here how they are taken back",
                    "{}：新文件已由所属工具执行；请在此写明如何回退",
                    "{}：新しいファイルはそのツールで実行した。戻し方をここに書く",
                ],
                &[&code(&folder.folder)],
            );
        }
        if folder.is_plain() || folder.added.is_empty() {
            continue;
        }
        let command = code(&format!("windlass migrate up {} --on {on}", word(&folder.folder)));
        let tools = folder.tools.iter().map(|tool| tool.name()).collect::<Vec<_>>().join(" / ");
        page.open(
            [
                "the new migrations ({}) were run before this document, by a run of its own: {}",
                "新的迁移（{}）已在本方案之前单独执行：{}",
                "新しいマイグレーション（{}）はこの手順の前に別の実行で済ませた：{}",
            ],
            &[&tools, &command],
        );
    }
}

/// The steps, in the order of the team's template.
pub(super) fn steps(page: &mut Page<'_>, halted: bool) {
    page.text(["## Steps", "## 部署步骤", "## 手順"], &[]);
    let config = page.wanted.config;
    backup(page);
    by_hand(page);
    images(page);
    if halted {
        page.text(
            [
                "The version before cannot work with the new definitions, so it stands still meanwhile.",
                "旧版本无法使用新的表结构，因此变更期间停止服务。",
                "前のバージョンは新しい定義では動かないため、その間は停止する。",
            ],
            &[],
        );
        config.services.iter().for_each(|(name, service)| pull(page, name, service));
        config.services.iter().for_each(|(name, service)| switch(page, name, service, "stop"));
    }
    migrations(page);
    for (name, service) in &config.services {
        switch(page, name, service, if halted { "start" } else { "restart" });
    }
    if config.services.is_empty() {
        page.open(
            [
                "windlass.toml names no service: write here how the new version starts",
                "windlass.toml 中没有服务：请在此写明如何启动新版本",
                "windlass.toml にサービスがない：新しいバージョンの起動方法をここに書く",
            ],
            &[],
        );
    }
}

/// A word of a shell line, quoted where it has to be.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-@:+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quote(text) }
}

fn step(
    page: &mut Page<'_>,
    like: &str,
    (language, more): (&'static str, String),
    body: String,
    what: String,
) {
    let id = page.ids.give(like);
    page.pieces.push(Piece::Step(Step { id, language, more, body, what }));
}

/// Migrations that run as steps of this document.
fn plain<'a>(page: &Page<'a>) -> Vec<(&'a Migrations, &'a Migration)> {
    let facts = page.facts;
    let folders = facts.migrations.iter().filter(|folder| folder.is_plain());
    folders.flat_map(|folder| folder.added.iter().map(move |migration| (folder, migration))).collect()
}

/// A backup of the database that changes.
fn backup(page: &mut Page<'_>) {
    if plain(page).is_empty() {
        return;
    }
    let Some((on, _)) = database(page) else { return };
    let file = format!("before-{}", word_of_name(page.wanted.name, page.wanted.date));
    let Some(Target::Url { url, kind }) = page.wanted.config.targets.get(on) else { return };
    let line = match (kind, url) {
        (UrlKind::Sqlite, Value::Plain(url)) => {
            sqlite_path(url).map(|path| format!("sqlite3 {} \".backup {file}.db\"\n", word(path)))
        }
        (UrlKind::Postgresql, _) => Some(format!("pg_dump > {file}.sql\n")),
        (UrlKind::Mysql, Value::Plain(url)) => endpoint(url)
            .and_then(|endpoint| endpoint.database)
            .map(|name| format!("mysqldump --single-transaction --hex-blob {} > {file}.sql\n", word(&name))),
        (UrlKind::Sqlite | UrlKind::Mysql, Value::Secret(_)) => None,
    };
    let texts = ["a backup of {} was made: {}", "{} 已备份：{}", "{} のバックアップを取った：{}"];
    let command = code(&format!("windlass backup create {on}"));
    match line {
        Some(line) => {
            let what = page.say(texts, &[&code(on), &command]);
            step(page, "backup", ("sh", format!(" on={on}")), line, what);
        }
        None => page.open(texts, &[&code(on), &command]),
    }
}

/// A part of a file name, from the name of the release.
fn word_of_name(name: &str, date: &str) -> String {
    let fits = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '-' };
    format!("{}-{}", name.chars().map(fits).collect::<String>(), date.replace('-', ""))
}

/// What has to be where the services run, and is brought there in a way that no file says.
fn by_hand(page: &mut Page<'_>) {
    let services = &page.wanted.config.services;
    let is_composed = |service: &&Service| matches!(service.runner, Runner::Compose(_));
    let places: BTreeSet<&str> = services
        .values()
        .filter(|service| !is_composed(service))
        .map(|service| service.on.as_str())
        .collect();
    let to = page.wanted.compared.map_or_else(String::new, |compared| code(compared.to));
    for on in &places {
        page.open(
            [
                "{}: the new version {} is there; best write the step here, such as `git pull --ff-only` or `cp` in a `sh` fence",
                "{}：新版本 {} 已就位；建议在此写成步骤，例如 `sh` 代码块中的 `git pull --ff-only` 或 `cp`",
                "{}：新しいバージョン {} を置いた。`sh` ブロックの `git pull --ff-only` や `cp` などのステップをここに書くとよい",
            ],
            &[&code(on), &to],
        );
    }
    let lists = page.names(page.facts.packages.iter().map(|(path, _)| path.as_str()));
    if !lists.is_empty() && (!places.is_empty() || services.is_empty()) {
        page.open(
            [
                "packages are installed as {} says, such as by `npm ci` or `venv/bin/pip install -r FILE` in a `sh` fence here",
                "已按 {} 安装依赖，例如在此用 `sh` 代码块执行 `npm ci` 或 `venv/bin/pip install -r 文件`",
                "{} のとおりにパッケージを入れた。例：ここに `sh` ブロックで `npm ci` や `venv/bin/pip install -r ファイル`",
            ],
            &[&lists],
        );
    }
    settings(page);
    let files = page.facts.units.iter().chain(&page.facts.proxies);
    let files = page.names(files.map(|(path, _)| path.as_str()));
    if !files.is_empty() {
        page.open(
            [
                "{}: in place, read again by systemd or the proxy (`systemctl daemon-reload`, `reload`)",
                "{}：已就位，并由 systemd 或代理重新加载（`systemctl daemon-reload`、`reload`）",
                "{}：配置し、systemd かプロキシに読み直させた（`systemctl daemon-reload`、`reload`）",
            ],
            &[&files],
        );
    }
}

/// Names only: a value stands in no document.
fn settings(page: &mut Page<'_>) {
    let named = |is: fn(&Difference) -> bool| -> String {
        let keys = page.facts.keys.iter().flat_map(|(_, keys)| keys);
        let names: BTreeSet<&str> = keys.filter(|key| is(key)).map(|key| key.name.as_str()).collect();
        page.names(names.into_iter())
    };
    let (set, gone) = (named(|key| key.before.is_none()), named(|key| key.after.is_none()));
    if !set.is_empty() {
        page.open(
            [
                "set where the services run: {} (values stand in no document)",
                "已在服务运行处设置：{}（文档中不写值）",
                "サービスが動く場所で設定した：{}（値は文書に書かない）",
            ],
            &[&set],
        );
    }
    if !gone.is_empty() {
        page.open(
            [
                "no longer set where the services run: {}",
                "已在服务运行处移除：{}",
                "サービスが動く場所から外した：{}",
            ],
            &[&gone],
        );
    }
}

/// Compose files: an edit on the hosts, where nothing but images changes; else a person brings the file.
fn images(page: &mut Page<'_>) {
    for file in &page.facts.composed {
        let runs =
            |service: &&Service| matches!(&service.runner, Runner::Compose(path) if *path == file.path);
        let on = page.wanted.config.services.values().find(runs).map(|service| service.on.as_str());
        let texts = ["{} is there as it is now", "{} 已更新到位", "{} を今の内容で置いた"];
        let hosts = on.and_then(|on| page.wanted.config.targets.get(on));
        let is_elsewhere = matches!(hosts, Some(Target::Hosts { hosts, .. }) if !hosts.is_empty());
        match (on, &file.edit) {
            (Some(on), Some(edit)) if is_elsewhere => {
                let what = page.say(texts, &[&code(&file.path)]);
                let body = format!("--- {}\n{edit}", file.path);
                step(page, "images", ("diff", format!(" on={on}")), body, what);
            }
            // On this machine the repository has it.
            (Some(_), _) if !is_elsewhere => {}
            _ => page.open(texts, &[&code(&file.path)]),
        }
    }
}

fn migrations(page: &mut Page<'_>) {
    for (folder, migration) in plain(page) {
        let path = folder.path(&migration.up.file);
        let texts = ["{} was run on {}", "{} 已在 {} 上执行", "{} を {} で実行した"];
        let fits = |c: char| c.is_alphanumeric() || "/._- +@".contains(c);
        match database(page) {
            Some((on, _)) if migration.up.program.is_none() && path.chars().all(fits) => {
                let what = page.say(texts, &[&code(&path), &code(on)]);
                let more = format!(" on={on} files=\"{path}\"");
                step(page, &format!("m-{}", migration.version), ("sql", more), String::new(), what);
            }
            on => {
                let names = page.names(databases(page.wanted.config).into_iter().map(|(name, _)| name));
                let on = on.map_or(names, |(on, _)| code(on));
                page.open(texts, &[&code(&path), &on]);
            }
        }
    }
}

/// `docker compose`, with the file where it has a name of its own.
fn compose(file: &str) -> String {
    if COMPOSE_FILES.contains(&file) {
        "docker compose".to_owned()
    } else {
        format!("docker compose -f {}", word(file))
    }
}

/// New images come before anything stands still.
fn pull(page: &mut Page<'_>, name: &str, service: &Service) {
    let Runner::Compose(file) = &service.runner else { return };
    let line = format!("{} pull {}\n", compose(file), word(name));
    let what = code(line.trim_end());
    step(page, &format!("pull-{name}"), ("sh", format!(" on={}", service.on)), line, what);
}

/// Stops, starts or restarts a service, as `windlass.toml` says that it runs.
fn switch(page: &mut Page<'_>, name: &str, service: &Service, verb: &'static str) {
    let lines = match &service.runner {
        Runner::Run(_) => format!("windlass service {verb} {name}\n"),
        Runner::Systemd(unit) => format!("sudo systemctl {verb} {}\n", word(unit)),
        Runner::Compose(file) => {
            let (compose, name) = (compose(file), word(name));
            match verb {
                "stop" => format!("{compose} stop {name}\n"),
                "start" => format!("{compose} up -d {name}\n"),
                // In one fence: no host is switched before all have the image.
                _ => format!("{compose} pull {name}\n{compose} up -d {name}\n"),
            }
        }
    };
    let what = code(&lines.trim_end().replace('\n', "; "));
    step(page, &format!("{verb}-{name}"), ("sh", format!(" on={}", service.on)), lines, what);
}

/// What is looked at afterwards.
pub(super) fn verification(page: &mut Page<'_>) {
    page.text(["## Verification", "## 更新后验证", "## 確認"], &[]);
    for (name, service) in &page.wanted.config.services {
        // An address of one instance is asked by its own start; one that may hold a password or token is not written again.
        let is_plain = |url: &&String| !url.contains(['{', '@', '?']);
        let texts = ["{} is healthy", "{} 健康检查通过", "{} は正常"];
        let what = page.say(texts, &[&code(name)]);
        let health = service.health.as_ref().filter(is_plain);
        let check = match (health, service.probe.as_ref().filter(is_plain)) {
            (Some(url), _) => Some((url, format!(" on={} within=60s", service.on))),
            (None, Some(url)) => Some((url, " within=60s".to_owned())),
            (None, None) => None,
        };
        match check {
            Some((url, more)) => {
                let body = format!("GET {url}\nHTTP 200\n");
                step(page, &format!("health-{name}"), ("http", more), body, what);
            }
            None => page.pieces.push(Piece::Gate(what)),
        }
    }
    page.open(
        [
            "what is new works: say here how it is tried",
            "新功能正常：请在此写明如何验证",
            "新しい機能が動く：確かめ方をここに書く",
        ],
        &[],
    );
    page.gate(["what was there before still works", "原有功能不受影响", "以前からの機能が動く"], &[]);
    page.gate(["the logs have no new errors", "日志中没有新的错误", "ログに新しいエラーがない"], &[]);
}
