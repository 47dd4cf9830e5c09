//! What is no whole dump never counts as a backup, neither when it is made nor when it is put back.

use super::{NOW_MS, SERVERS, create, fill, how, means, quiet, shelf, source};
use sha2::{Digest as _, Sha256};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};
use windlass_drivers::backup::{self, Manifest};
use windlass_lab::{Database, Flavor, Server, server};

/// A folder with the server's client, and a dump program of our own: a shell script in which `"$real"` is the server's.
fn tools(server: &Server, script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (dump, client) = match server.flavor().is_postgres() {
        true => ("pg_dump", "psql"),
        false => ("mysqldump", "mysql"),
    };
    let real = |name: &str| server.bin().unwrap_or_else(|| Path::new("/usr/bin").to_owned()).join(name);
    let version = r#"case "$*" in *--version*) exec "$real" "$@";; esac"#;
    // The server's own look for what they need where they lie.
    for (name, script) in [(client, "exec \"$real\" \"$@\""), (dump, script)] {
        let program = folder.path().join(name);
        let text = format!("#!/bin/sh\nreal={}\n{version}\n{script}\n", real(name).display());
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

#[test]
fn a_dump_program_that_does_not_run_is_said_to_be_so() {
    let server = server(Flavor::Mariadb);
    let (database, folder) = (server.database(), tempfile::tempdir().unwrap());
    let program = folder.path().join("mysqldump");
    fs::write(&program, "#!/bin/sh\necho 'error while loading shared libraries' >&2\nexit 127\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let failure = backup::create(
        &source(&database),
        ("db", "x"),
        &shelf(&folder.path().join("b")),
        &how(Some(folder.path())),
        NOW_MS,
        &quiet,
    )
    .unwrap_err();
    let words = "does not run: exit status: 127: error while loading shared libraries; nothing was done";
    assert!(failure.message.contains(words), "{}", failure.message);
}

/// What a backup by these programs ends with; nothing is left of it.
fn refused(database: &Database, server: &Server, script: &str) -> String {
    let (folder, tools) = (tempfile::tempdir().unwrap(), tools(server, script));
    let made = backup::create(
        &source(database),
        ("db", "x"),
        &shelf(folder.path()),
        &how(Some(tools.path())),
        NOW_MS,
        &quiet,
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{script}: nothing is left behind");
    made.unwrap_err().message
}

#[test]
fn a_dump_that_is_cut_off_is_no_backup() {
    for flavor in SERVERS {
        let server = server(flavor);
        let database = server.database();
        fill(&database);
        // Its program says that all went well.
        let in_a_row = r#""$real" "$@" | sed '/line/,$d'"#;
        let before_the_last_line = r#""$real" "$@" | sed '/ump complete/d'"#;
        // The last line, as a row has it, is not that of the dump.
        let in_a_row_of_its_own = match flavor.is_postgres() {
            true => r"printf 'COPY public.t (a) FROM stdin;\n-- PostgreSQL database dump complete\n'",
            false => r#"printf "INSERT INTO \`t\` VALUES ('\n-- Dump completed\n""#,
        };
        for script in [in_a_row, before_the_last_line, in_a_row_of_its_own, "exit 0"] {
            let message = refused(&database, server, script);
            assert!(message.contains("it is cut off; nothing was kept"), "{flavor:?}, {script}: {message}");
        }
        let message = refused(&database, server, r#""$real" "$@" | head -c 700; echo lost >&2; kill -9 $$"#);
        assert!(message.contains("lost"), "{flavor:?}: {message}");
        let whole = tools(server, r#"exec "$real" "$@""#);
        let folder = tempfile::tempdir().unwrap();
        backup::create(
            &source(&database),
            ("db", "x"),
            &shelf(folder.path()),
            &how(Some(whole.path())),
            NOW_MS,
            &quiet,
        )
        .unwrap();
    }
}

/// Restore and verify refuse, and the server has no new database.
fn unusable(
    database: &Database,
    server: &Server,
    folder: &Path,
    manifest: &Manifest,
    why: &str,
    known: &str,
) {
    let (source, tools) = (source(database), server.bin());
    let into = format!("{}_damaged", database.name());
    let restored = backup::restore(&source, &shelf(folder), manifest, &into, means(tools.as_deref()), &quiet);
    let verified = backup::verify(&source, &shelf(folder), manifest, means(tools.as_deref()), &quiet);
    let restored = restored.unwrap_err();
    assert!(format!("{}\n{}", restored.message, restored.hints.join("\n")).contains(known), "{restored:?}");
    for failure in [restored, verified.unwrap_err()] {
        assert!(failure.message.contains("is damaged"), "{failure:?}");
        assert!(failure.message.contains(why), "{failure:?}");
    }
    assert_eq!(databases(server, &into), "0");
}

/// How many databases have this name.
pub(super) fn databases(server: &Server, name: &str) -> String {
    server.run(&match server.flavor().is_postgres() {
        true => format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'"),
        false => format!("SELECT count(*) FROM information_schema.schemata WHERE schema_name = '{name}'"),
    })
}

/// Other bytes, and a manifest that is true to them, as a version without these checks would have written it.
pub(super) fn replace(folder: &Path, manifest: &Manifest, stored: &[u8], bytes: u64) -> Manifest {
    fs::write(folder.join(&manifest.file), stored).unwrap();
    let sha256 = Sha256::digest(stored).iter().map(|byte| format!("{byte:02x}")).collect();
    Manifest { sha256, bytes, stored_bytes: stored.len() as u64, ..manifest.clone() }
}

#[test]
fn a_damaged_backup_is_refused_and_leaves_no_database() {
    for flavor in SERVERS {
        let server = server(flavor);
        let (database, folder) = (server.database(), tempfile::tempdir().unwrap());
        fill(&database);
        let manifest = create(&database, server, folder.path(), "first");
        let stored = fs::read(folder.path().join(&manifest.file)).unwrap();
        let refused = |manifest: &Manifest, why: &str| {
            unusable(&database, server, folder.path(), manifest, why, "nothing was done");
        };
        // The hash is true: it is seen on the way that this is no whole dump.
        let dropped = |manifest: &Manifest, why: &str| {
            unusable(&database, server, folder.path(), manifest, why, "is gone again");
        };

        let mut flipped = stored.clone();
        flipped[stored.len() / 2] ^= 1;
        fs::write(folder.path().join(&manifest.file), &flipped).unwrap();
        refused(&manifest, "its SHA-256 is");

        let cut = &stored[..stored.len() - 10];
        refused(&replace(folder.path(), &manifest, cut, manifest.bytes), "incomplete frame");
        let no_frame = b"no frame at all";
        refused(&replace(folder.path(), &manifest, no_frame, manifest.bytes), "Unknown frame descriptor");

        let dump = zstd::decode_all(&stored[..]).unwrap();
        let half = &dump[..dump.len() / 2];
        let packed = zstd::encode_all(half, 3).unwrap();
        dropped(&replace(folder.path(), &manifest, &packed, half.len() as u64), "its last line is missing");
        dropped(&replace(folder.path(), &manifest, &packed, manifest.bytes), "the manifest says");
    }
}
