//! MariaDB and MySQL: binaries, a fresh data folder, the server's command, its client.

use std::{
    fs,
    io::Read,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    Flavor,
    access::{Access, PASSWORD},
    process::{command, run},
    server::Place,
    template::lab,
};

/// MariaDB of Debian is where Debian puts programs, MySQL where `lab/install` puts it.
fn program(flavor: Flavor, name: &str) -> PathBuf {
    let places = match flavor {
        Flavor::Mariadb => vec![PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")],
        _ => vec![lab().join("sid/usr/sbin"), lab().join("sid/usr/bin")],
    };
    let found = places.iter().map(|place| place.join(name)).find(|program| program.exists());
    found.unwrap_or_else(|| panic!("lab: no `{name}` of {} in {places:?}: run lab/install", flavor.name()))
}

/// Folder of `mariadb` and `mariadb-dump`, or of `mysql` and `mysqldump`.
pub fn tools(flavor: Flavor) -> PathBuf {
    let client = if flavor == Flavor::Mariadb { "mariadb" } else { "mysql" };
    program(flavor, client).parent().expect("a program lies in a folder").to_owned()
}

pub fn socket(folder: &Path) -> PathBuf {
    folder.join("mysql.sock")
}

/// `root` comes without a password from everywhere; the others as [`PASSWORD`] says.
fn users() -> String {
    // MariaDB installs without privileges; this brings them in.
    let mut sql = "FLUSH PRIVILEGES;\nCREATE USER 'root'@'%' IDENTIFIED BY '';\n".to_owned();
    sql += &format!("CREATE USER 'guarded'@'%' IDENTIFIED BY '{PASSWORD}';\n");
    sql += &format!("CREATE USER 'tls_only'@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL;\n");
    for user in ["root", "guarded", "tls_only"] {
        sql += &format!("GRANT ALL PRIVILEGES ON *.* TO '{user}'@'%' WITH GRANT OPTION;\n");
    }
    sql
}

/// A server that is started by root says so, or it refuses. MySQL looks for its messages and plugins where it lies.
fn settle(flavor: Flavor, command: &mut Command) {
    if rustix::process::geteuid().is_root() {
        command.arg("--user=root");
    }
    if flavor == Flavor::Mysql {
        let usr = lab().join("sid/usr");
        command.arg(format!("--basedir={}", usr.display()));
        command.arg(format!("--plugin-dir={}", usr.join("lib/mysql/plugin").display()));
    }
}

/// Makes fsync do nothing. Their own settings leave some: 150 small tables made, changed and dropped in MariaDB take 21 s
/// with the settings alone, 2 s with this.
const NO_SYNC: &str = "/usr/lib/x86_64-linux-gnu/libeatmydata.so";

/// Where the server keeps temporary tables. A server that starts removes those of every other one in the same
/// folder, by default `/tmp`, and the others fail or end with a segmentation fault.
fn own_temporary_files(folder: &Path) -> String {
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary).unwrap_or_else(|e| panic!("lab: {}: {e}", temporary.display()));
    format!("--tmpdir={}", temporary.display())
}

/// Fills an empty data folder.
pub fn fresh(flavor: Flavor, data: &Path) {
    let folder = data.parent().expect("a data folder lies in a server's folder");
    let sql = folder.join("users.sql");
    fs::write(&sql, users()).unwrap_or_else(|e| panic!("lab: {}: {e}", sql.display()));
    let mut install;
    if flavor == Flavor::Mariadb {
        install = command(program(flavor, "mariadb-install-db"));
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.arg(format!("--extra-file={}", sql.display()));
        // Files as small as they may be: they are copied for each server.
        install.args(["--innodb-undo-tablespaces=0", "--innodb-log-file-size=8M"]);
    } else {
        install = command(program(flavor, "mysqld"));
        install.args(["--no-defaults", "--initialize-insecure", "--innodb-redo-log-capacity=8M"]);
        install.arg(format!("--init-file={}", sql.display()));
    }
    settle(flavor, &mut install);
    install.arg(own_temporary_files(folder));
    run(install.env("LD_PRELOAD", NO_SYNC).arg(format!("--datadir={}", data.display())).current_dir(folder));
}

/// The command that is the server.
pub fn server(place: &Place, port: u16) -> Command {
    let Place { setup, folder, data, .. } = place;
    let is_mariadb = setup.flavor == Flavor::Mariadb;
    let mut server = command(program(setup.flavor, if is_mariadb { "mariadbd" } else { "mysqld" }));
    server.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"]);
    settle(setup.flavor, &mut server);
    server.arg(own_temporary_files(folder));
    server.arg(format!("--datadir={}", data.display()));
    server.arg(format!("--socket={}", socket(folder).display()));
    server.arg(format!("--pid-file={}", data.join("server.pid").display()));
    server.arg(format!("--port={port}"));
    // Tests of LOAD DATA and INTO OUTFILE may use any folder.
    server.args(["--innodb-buffer-pool-size=64M", "--local-infile=1", "--secure-file-priv="]);
    if is_mariadb {
        // The character set as Debian configures it.
        server.args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"]);
        server.arg("--innodb-log-file-size=32M");
    } else {
        server.args(["--mysqlx=OFF", "--innodb-redo-log-capacity=32M"]);
        // A third less memory than with the defaults.
        server.args(["--max-connections=100", "--table-open-cache=400", "--table-definition-cache=400"]);
        server.args(["--innodb-log-buffer-size=4M", "--performance-schema-error-size=200"]);
    }
    if let Some(authority) = &place.authority {
        server.arg(format!("--ssl-ca={}", authority.certificate().display()));
        let (certificate, key) = authority.server();
        server
            .arg(format!("--ssl-cert={}", certificate.display()))
            .arg(format!("--ssl-key={}", key.display()));
    }
    if !setup.is_durable {
        // Written at each commit, so that a killed process loses nothing, but not forced to the disk.
        server.env("LD_PRELOAD", NO_SYNC);
        server.args([
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-flush-method=nosync",
            "--sync-binlog=0",
        ]);
    }
    server.args(setup.settings.iter().map(|(name, value)| format!("--{name}={value}")));
    server
}

/// The server greets on its socket.
pub fn is_ready(folder: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket(folder)) else { return false };
    let mut head = [0; 5];
    // Length (3), sequence number, protocol version 10.
    let is_timed = stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok();
    is_timed && stream.read_exact(&mut head).is_ok() && head[4] == 10
}

/// `mariadb` or `mysql` as the administrator over the socket.
pub fn client(access: &Access, database: Option<&str>) -> Command {
    let name = if access.flavor == Flavor::Mariadb { "mariadb" } else { "mysql" };
    let mut client = command(tools(access.flavor).join(name));
    client.args(["--no-defaults", "--default-character-set=utf8mb4", "-u", "root", "-N", "-B", "-S"]);
    client.arg(socket(&access.folder)).args(database);
    client
}
