//! Copies of databases on a server, filled by the server's own programs.

use super::{
    Isolation, Janitor, Order, PREFIX, Scratch, failed, left_behind, new_name, reach, url::with_database,
};
use crate::{
    backup::{
        Progress, Source,
        create::{Reaped, text},
        pump::{Bounded, Watch, why},
        restore::{self, Events},
        tool::Tool,
    },
    disk::{human_bytes, room_for},
};
use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use windlass_driver::Failure;
use windlass_plan::UrlKind;
use windlass_sql::Dialect;

/// Bytes moved at a time.
const CHUNK: usize = 256 * 1024;
/// Time between two lines of progress.
const TELL: Duration = Duration::from_secs(1);
/// Longest wait for the end of a database that was left behind.
const SWEEP_MAX: Duration = Duration::from_secs(60);
/// Longest wait until a janitor is connected.
const CONNECT_MAX: Duration = Duration::from_secs(20);

/// Removes scratch databases on the server of `source` whose process is gone, and tells of each.
///
/// # Errors
/// The server cannot be asked.
pub fn leftovers(source: &Source, tools: Option<&Path>, progress: Progress<'_>) -> Result<(), Failure> {
    Server::new(source, tools)?.sweep(tools, progress)
}

/// Where the copy is made.
pub(super) struct Server {
    host: Source,
    tool: Tool,
}

impl Server {
    pub(super) fn new(host: &Source, tools: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self { tool: Tool::new(host, tools)?, host: host.clone() })
    }

    /// Databases with our prefix that nobody holds. One that cannot be removed (it may be another account's) is told, and in
    /// nobody's way.
    pub(super) fn sweep(&self, tools: Option<&Path>, progress: Progress<'_>) -> Result<(), Failure> {
        let shared = self.is_one_of_many();
        let list = match self.is_postgres() {
            true => format!(
                "SELECT datname FROM pg_database WHERE datname ~ '^{PREFIX}' AND datname NOT IN \
                 (SELECT application_name FROM pg_stat_activity WHERE application_name IS NOT NULL)"
            ),
            false => format!(
                "SELECT schema_name FROM information_schema.schemata WHERE LEFT(schema_name, {}) = '{PREFIX}' \
                 AND IS_FREE_LOCK(schema_name) = 1",
                PREFIX.len()
            ),
        };
        for name in self.ask(&list)?.lines() {
            if shared {
                progress(&format!(
                    "{name} is left behind, or in use at another node of the cluster: it is not removed"
                ));
                continue;
            }
            progress(&match self.remove(name, tools) {
                Ok(()) => left_behind(name),
                Err(failure) => format!("{name}, left behind, cannot be removed: {}", failure.message),
            });
        }
        Ok(())
    }

    /// A MySQL whose databases are those of other servers too: who holds a lock there is not known here.
    fn is_one_of_many(&self) -> bool {
        let asks = [
            "SHOW GLOBAL STATUS WHERE variable_name = 'wsrep_cluster_size' AND value > 1",
            "SELECT member_id FROM performance_schema.replication_group_members WHERE member_state = 'ONLINE'",
        ];
        // Servers that do not know the question are in no such cluster.
        !self.is_postgres() && asks.iter().any(|sql| self.ask(sql).is_ok_and(|rows| !rows.trim().is_empty()))
    }

    fn remove(&self, name: &str, tools: Option<&Path>) -> Result<(), Failure> {
        let sql = self.drop_database(name);
        let drop = || self.tool.ask_within(SWEEP_MAX, Some(&self.host.database), &sql).map(|_| ());
        let dropped = drop();
        if !self.is_postgres() || dropped.is_ok() {
            return dropped;
        }
        // A copy that was killed while a backup was read into it: with a subscription it cannot be dropped.
        let place = Source { url: with_database(&self.host.url, name), ..self.host.with_database(name) };
        let _ = reach::unsubscribe(&Tool::new(&place, tools)?, name);
        drop()
    }

    fn is_postgres(&self) -> bool {
        self.host.kind == UrlKind::Postgresql
    }

    fn ask(&self, sql: &str) -> Result<String, Failure> {
        self.tool.ask(Some(self.host.database.as_str()), sql)
    }

    fn quoted(&self, name: &str) -> String {
        quoted(self.host.kind, name)
    }

    fn drop_database(&self, name: &str) -> String {
        drop_database(self.host.kind, name)
    }

    /// Whoever drops `name` when this process is gone, connected.
    pub(super) fn janitor(&self, name: &str) -> Result<Janitor, Failure> {
        let mut client = self.tool.client(Some(&self.host.database));
        let by_hand = format!("drop it by hand: {}", self.drop_database(name));
        let (first, ready) = if self.is_postgres() {
            client.env("PGAPPNAME", name);
            let first =
                "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';";
            (
                first.to_owned(),
                format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'"),
            )
        } else {
            let first = format!("SET SESSION wait_timeout = 2147483; SELECT GET_LOCK('{name}', 10);");
            (first, format!("SELECT IS_USED_LOCK('{name}') IS NOT NULL"))
        };
        let mut janitor = Janitor::with_client(&client, &first, &self.drop_database(name), by_hand)?;
        let end = Instant::now() + CONNECT_MAX;
        while self.ask(&ready)? == "0" {
            if janitor.is_gone() || Instant::now() > end {
                return Err(failed(format!("the janitor is not connected: {}", janitor.words())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(janitor)
    }
}

/// The name of a database of a server.
pub(crate) fn quoted(kind: UrlKind, name: &str) -> String {
    let dialect = if kind == UrlKind::Postgresql { Dialect::Postgresql } else { Dialect::Mysql };
    windlass_sql::quote(name, dialect)
}

/// A client that was killed may still be connected for a moment.
pub(crate) fn drop_database(kind: UrlKind, name: &str) -> String {
    let force = if kind == UrlKind::Postgresql { " WITH (FORCE)" } else { "" };
    format!("DROP DATABASE IF EXISTS {}{force};", quoted(kind, name))
}

/// Makes a copy beside the live database, or on the server of the order.
pub(super) fn make(order: &Order<'_>, folder: PathBuf, janitors: Vec<Janitor>) -> Result<Scratch, Failure> {
    let isolation = if order.server.is_some() { Isolation::Elsewhere } else { Isolation::Beside };
    let host = order.server.unwrap_or(order.source).clone();
    if host.kind != order.source.kind {
        return Err(failed("the other server is of another kind than the database; nothing was done"));
    }
    make_on(order, host, isolation, &new_name(PREFIX), folder, janitors)
}

/// Makes the copy `name` on the server `host`.
pub(super) fn make_on(
    order: &Order<'_>,
    host: Source,
    isolation: Isolation,
    name: &str,
    folder: PathBuf,
    mut janitors: Vec<Janitor>,
) -> Result<Scratch, Failure> {
    let live = Tool::new(order.source, order.tools)?;
    let server = Server::new(&host, order.tools)?;
    server.sweep(order.tools, order.progress)?;
    let mut notes = vec![];
    let bytes = if order.is_empty { 0 } else { may_be_copied(order, &live, &server, isolation, &mut notes)? };
    janitors.insert(0, server.janitor(name)?);
    create(order, &live, &server, name, &mut notes)?;
    let url = with_database(&server.host.url, name);
    let place = Source { url: url.clone(), ..server.host.with_database(name) };
    let new = Tool::new(&place, order.tools)?;
    match order.backup {
        _ if order.is_empty => {}
        Some(data) => {
            // Beside the live ones they would run; a private server runs none.
            let events = match isolation {
                Isolation::Private => Events::Made,
                _ => Events::LeftOut,
            };
            let fed = restore::feed(&new, data, events, restore::SILENT_MAX, order.progress);
            if place.kind == UrlKind::Postgresql {
                // Whatever came of it: a database with a subscription cannot be dropped.
                let gone = reach::unsubscribe(&new, name);
                fed?;
                notes.extend(gone?);
            } else {
                fed?;
            }
            // What it holds may be older than what the live one was judged by.
            reach::tables_elsewhere(&place, &new)?;
            if isolation != Isolation::Private {
                reach::definitions(&place, &new)?;
            }
        }
        None => fill(order, (&live, &server, &new), isolation, bytes, &mut notes)?,
    }
    if place.kind == UrlKind::Postgresql {
        notes.extend(reach::cut_off(&new, name)?);
        new.ask(Some(name), "ANALYZE")?;
    }
    Ok(Scratch { url, kind: place.kind, name: name.to_owned(), isolation, notes, bytes, janitors, folder })
}

/// Bytes of the live database; fails if a copy would reach out of itself, or has no room.
fn may_be_copied(
    order: &Order<'_>,
    live: &Tool,
    server: &Server,
    isolation: Isolation,
    notes: &mut Vec<String>,
) -> Result<u64, Failure> {
    reach::tables_elsewhere(order.source, live)?;
    if isolation != Isolation::Private {
        reach::definitions(order.source, live)?;
    }
    room(order, live, server, notes)
}

/// Bytes of the live database; fails if they certainly do not fit.
fn room(order: &Order<'_>, live: &Tool, server: &Server, notes: &mut Vec<String>) -> Result<u64, Failure> {
    let (size, place) = match order.source.kind {
        UrlKind::Postgresql => (
            "SELECT pg_database_size(current_database())",
            "SELECT setting FROM pg_settings WHERE name = 'data_directory'",
        ),
        _ => (
            "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables WHERE table_schema = DATABASE()",
            "SELECT @@datadir",
        ),
    };
    let source = Some(order.source.database.as_str());
    let bytes: u64 =
        live.ask(source, size)?.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let needed = match order.sample {
        Some(_) => 0,
        None => order.backup.map_or(bytes, |data| data.manifest.bytes.max(bytes)) / 10 * 12,
    };
    let folder = server.ask(place).unwrap_or_default();
    let is_here = server.host.host.starts_with('/')
        || matches!(server.host.host.as_str(), "" | "localhost" | "127.0.0.1" | "::1" | "[::1]");
    if is_here && !folder.is_empty() && Path::new(&folder).exists() {
        room_for(needed, Path::new(&folder)).map_err(|error| {
            failed(format!("no room for a copy in {folder}: {error}; nothing was done"))
                .hint("`--sample 10000` takes less, `--on URL` makes it on another server")
        })?;
    } else if order.sample.is_none() {
        notes.push(format!(
            "the free disk of the server cannot be seen from here; the copy takes about {}",
            human_bytes(needed)
        ));
    }
    Ok(bytes)
}

/// Makes the empty database as the live one was made.
fn create(
    order: &Order<'_>,
    live: &Tool,
    server: &Server,
    name: &str,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let source = Some(order.source.database.as_str());
    let quoted = server.quoted(name);
    if !server.is_postgres() {
        let made = live.ask(
            source,
            "SELECT CONCAT('CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name) FROM \
             information_schema.schemata WHERE schema_name = DATABASE()",
        )?;
        return server
            .ask(&format!("CREATE DATABASE {quoted} {made}"))
            .map(drop)
            .map_err(|failure| may_not(server.host.kind, failure));
    }
    let about = live.ask(source, "SELECT to_jsonb(d) || jsonb_build_object('enc', pg_encoding_to_char(encoding)) FROM pg_database d WHERE datname = current_database()")?;
    let about: serde_json::Value = serde_json::from_str(&about).unwrap_or_default();
    let word = |name: &str| about[name].as_str().unwrap_or_default().replace('\'', "''");
    let mut options = format!(
        " ENCODING '{}' LC_COLLATE '{}' LC_CTYPE '{}'",
        word("enc"),
        word("datcollate"),
        word("datctype")
    );
    let locale = [word("datlocale"), word("daticulocale")].into_iter().find(|locale| !locale.is_empty());
    match (word("datlocprovider").as_str(), locale) {
        ("i", Some(locale)) => options += &format!(" LOCALE_PROVIDER icu ICU_LOCALE '{locale}'"),
        ("b", Some(locale)) => options += &format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE '{locale}'"),
        _ => {}
    }
    let make = format!("CREATE DATABASE {quoted} TEMPLATE template0");
    if let Err(failure) = server.ask(&format!("{make}{options}")) {
        server.ask(&make).map_err(|_| may_not(server.host.kind, failure))?;
        notes.push(
            "the copy has the character set and the sorting of its server, not those of the live one"
                .to_owned(),
        );
    }
    let settings = "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase \
                    WHERE setrole = 0 AND datname = current_database()";
    for setting in live.ask(source, settings)?.lines() {
        let Some((option, value)) = setting.split_once('=') else { continue };
        let value = match option {
            "search_path" | "temp_tablespaces" => value.to_owned(),
            _ => format!("'{}'", value.replace('\'', "''")),
        };
        server.ask(&format!("ALTER DATABASE {quoted} SET {option} TO {value}"))?;
    }
    Ok(())
}

fn may_not(kind: UrlKind, failure: Failure) -> Failure {
    failure.hint(match kind {
        UrlKind::Postgresql => {
            "let the account of the target make databases (ALTER ROLE … CREATEDB), or use `--on URL` or `--private`"
        }
        _ => {
            "GRANT ALL PRIVILEGES ON `windlass\\_copy\\_%`.* to the account of the target, or use `--on URL` or `--private`"
        }
    })
}

/// Copies definitions and rows.
fn fill(
    order: &Order<'_>,
    (live, server, new): (&Tool, &Server, &Tool),
    isolation: Isolation,
    bytes: u64,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let mut owners: Vec<&str> = vec![];
    if server.is_postgres() {
        let roles = "SELECT rolname FROM pg_roles ORDER BY 1";
        let theirs = server.ask(roles)?;
        let lacks = || {
            live.ask(Some(&order.source.database), roles).is_ok_and(|ours| {
                ours.lines()
                    .any(|role| !role.starts_with("pg_") && !theirs.lines().any(|other| other == role))
            })
        };
        let is_super = server.ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")? == "t";
        if !is_super || isolation == Isolation::Elsewhere && lacks() {
            owners.extend(["--no-owner", "--no-privileges"]);
            notes.push("owners and grants are not in the copy: its account may not give them away, or lacks the roles".to_owned());
        }
    }
    let run = |options: &[&str], bytes: u64| {
        let mut moved = |done| {
            (order.progress)(&format!("copied {} of about {}", human_bytes(done), human_bytes(bytes)));
        };
        let dump = live.dump_for_copy(&[&owners, options].concat());
        pipe((live, new), dump, restore::SILENT_MAX, &mut moved, order.progress)
    };
    let Some(rows) = order.sample else {
        let all: &[&str] = if server.is_postgres() { &[] } else { &["--routines", "--triggers"] };
        return run(all, bytes);
    };
    if server.is_postgres() {
        run(&["--section=pre-data"], 0)?;
        let kept = super::sample::postgres(live, new, rows)?;
        run(&["--section=post-data"], 0)?;
        notes.push(kept);
    } else {
        let limit = format!("--where=1 LIMIT {rows}");
        run(&[&limit, "--skip-triggers"], 0)?;
        notes.push(super::sample::mysql(new, rows)?);
        run(&["--no-data", "--no-create-info", "--routines", "--triggers"], 0)?;
    }
    Ok(())
}

/// What the dump says, into the client. A dump that says nothing for `silent_max` is ended, and so is a client that takes nothing for so long,
/// unless its server is at work for it.
pub(crate) fn pipe(
    (live, new): (&Tool, &Tool),
    mut dump: Command,
    silent_max: Duration,
    moved: &mut dyn FnMut(u64),
    progress: Progress<'_>,
) -> Result<(), Failure> {
    let broken = |error: std::io::Error| failed(format!("the copy broke off: {error}"));
    let errors = [tempfile::tempfile().map_err(broken)?, tempfile::tempfile().map_err(broken)?];
    let [said, answered] = [errors[0].try_clone().map_err(broken)?, errors[1].try_clone().map_err(broken)?];
    let dump = dump.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said).spawn().map_err(broken)?;
    let mut dump = Reaped(dump);
    let client = new
        .client(Some(&new.source.database))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(answered)
        .spawn();
    let mut client = Reaped(client.map_err(broken)?);
    let speaks = |silent: Duration| if silent > silent_max { Err(live.silent(silent)) } else { Ok(()) };
    let patience = restore::Patience::new(new, silent_max, progress);
    let takes = |silent: Duration| patience.go_on(silent);
    let (speaks, takes) = (Watch::silent(&speaks), Watch::silent(&takes));
    let output = dump.0.stdout.take().expect("the pipe was asked for");
    let input = client.0.stdin.take().expect("the pipe was asked for");
    let mut output = Bounded::new(output, &speaks).map_err(broken)?;
    let mut input = Bounded::new(input, &takes).map_err(broken)?;
    let (mut chunk, mut done, mut told) = (vec![0; CHUNK], 0_u64, Instant::now());
    let copied = loop {
        match output.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Ok(read) => {
                if let Err(error) = input.write_all(&chunk[..read]) {
                    break Err(error);
                }
                done += read as u64;
                if told.elapsed() > TELL {
                    told = Instant::now();
                    moved(done);
                }
            }
            Err(error) => break Err(error),
        }
    };
    drop(output);
    // Who reads no more, or is not read any more, has an error of its own.
    if let Err(error) = copied.as_ref().map_err(std::io::Error::kind)
        && error != std::io::ErrorKind::BrokenPipe
    {
        // What it has would look like the end to it.
        let _ = client.0.kill();
        return copied.map_err(|error| why(error, broken));
    }
    drop(input);
    let filled = takes.ended(&mut client.0).map_err(|error| why(error, broken))?;
    let dumped = speaks.ended(&mut dump.0).map_err(|error| why(error, broken))?;
    let [said, answered] = errors.map(text);
    // Who reads no more has an error; who is not read any more only its consequence.
    if !filled.success() {
        return Err(new.said(&answered));
    }
    if !dumped.success() {
        return Err(live.said(&said));
    }
    copied.map_err(broken)
}
