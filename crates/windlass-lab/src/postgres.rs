//! PostgreSQL: binaries, a fresh data folder, the server's command, its client.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Flavor,
    access::{Access, PASSWORD, feed},
    process::{Account, as_account, command, run},
    server::Place,
    template::lab,
};

/// Folder of all programs of this version.
pub fn binaries(flavor: Flavor) -> PathBuf {
    let folder = match flavor {
        Flavor::Postgres15 => PathBuf::from("/usr/lib/postgresql/15/bin"),
        _ => lab().join("sid/usr/lib/postgresql/18/bin"),
    };
    assert!(folder.join("postgres").exists(), "lab: no PostgreSQL in {}: run lab/install", folder.display());
    folder
}

/// The first rule that fits decides: `tls_only` must not be let in by the last line.
const HBA: &str = "\
local     all guarded,tls_only              scram-sha-256
local     all all                           trust
hostnossl all tls_only all                  reject
host      all guarded,tls_only all          scram-sha-256
host      all all 127.0.0.1/32              trust
host      replication all 127.0.0.1/32      trust
";

/// Fills an empty data folder.
pub fn fresh(flavor: Flavor, account: Option<&Account>, data: &Path) {
    let binaries = binaries(flavor);
    let folder = data.parent().expect("a data folder lies in a server's folder");
    let mut initdb = as_account(account, &binaries.join("initdb"));
    initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    run(initdb.arg("--pgdata").arg(data).current_dir(folder));
    fs::write(data.join("pg_hba.conf"), HBA).unwrap_or_else(|e| panic!("lab: pg_hba.conf: {e}"));
    let mut single = as_account(account, &binaries.join("postgres"));
    single.args(["--single", "-F", "-D"]).arg(data).arg("postgres").current_dir(folder);
    let users = ["guarded", "tls_only"]
        .map(|user| format!("CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{PASSWORD}'\n"));
    feed(single, &users.concat()).unwrap_or_else(|e| panic!("lab: postgres --single: {e}"));
}

/// The command that is the server.
pub fn server(place: &Place, port: u16) -> Command {
    let Place { setup, folder, data, account, authority, .. } = place;
    let mut server = as_account(account.as_ref(), &binaries(setup.flavor).join("postgres"));
    server.arg("-D").arg(data);
    let mut set = |name: &str, value: &str| {
        server.arg("-c").arg(format!("{name}={value}"));
    };
    set("listen_addresses", "127.0.0.1");
    set("port", &port.to_string());
    set("unix_socket_directories", &folder.display().to_string());
    set("shared_buffers", "32MB");
    set("log_line_prefix", "%m [%p] ");
    if !setup.is_durable {
        // What a killed process wrote stays; only a power cut would lose it.
        set("fsync", "off");
        set("full_page_writes", "off");
    }
    if let Some(authority) = authority {
        let (certificate, key) = authority.server();
        set("ssl", "on");
        set("ssl_cert_file", &certificate.display().to_string());
        set("ssl_key_file", &key.display().to_string());
    }
    setup.settings.iter().for_each(|(name, value)| set(name, value));
    server
}

/// The server with this number answers. PostgreSQL writes it into its own pid file.
pub fn is_ready(data: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    lines.next() == Some(&pid.to_string()) && lines.nth(6).is_some_and(|state| state.trim() == "ready")
}

/// `psql` as the administrator over the socket.
pub fn client(access: &Access, database: Option<&str>) -> Command {
    let mut client = command(binaries(access.flavor).join("psql"));
    client
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"])
        .arg(&access.folder);
    client.arg("-p").arg(access.port.to_string()).arg(database.unwrap_or("postgres"));
    client
}
