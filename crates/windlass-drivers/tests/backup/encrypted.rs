//! Backups that only the holder of a private key can read.

use super::{
    NOW_MS, SERVERS,
    damage::{databases, replace},
    fill, how, means, quiet, shelf, source,
};
use age::{secrecy::ExposeSecret as _, x25519::Identity};
use std::{
    fs,
    path::{Path, PathBuf},
};
use windlass_drivers::backup::{self, How, Identities, Means, Recipients, Source};
use windlass_lab::server;

/// A file with a new private key, and its public key.
fn key(folder: &Path, name: &str) -> (PathBuf, String) {
    let (identity, file) = (Identity::generate(), folder.join(name));
    let public = identity.to_public().to_string();
    let text = format!("# public key: {public}\n\n{}\n", identity.to_string().expose_secret());
    fs::write(&file, text).unwrap();
    (file, public)
}

#[test]
fn either_key_opens_it_and_no_other() {
    for flavor in SERVERS {
        let server = server(flavor);
        let (database, folder) = (server.database(), tempfile::tempdir().unwrap());
        fill(&database);
        let keys = tempfile::tempdir().unwrap();
        let (first, written) = key(keys.path(), "first");
        let (second, in_file) = key(keys.path(), "second");
        let (other, _) = key(keys.path(), "other");
        let list = keys.path().join("recipients");
        fs::write(&list, format!("# the safe\n{in_file}\n")).unwrap();
        let tools = server.bin();
        let recipients = Recipients::new(std::slice::from_ref(&written), Some(&list)).unwrap();
        let how = How { recipients, ..how(tools.as_deref()) };
        let source = source(&database);
        let manifest =
            backup::create(&source, ("db", "x"), &shelf(folder.path()), &how, NOW_MS, &quiet).unwrap();
        assert_eq!((&manifest.recipients, manifest.format), (&vec![written, in_file], 2));
        assert_eq!(manifest.file, "x.sql.zst.age");
        let stored = fs::read(folder.path().join(&manifest.file)).unwrap();
        assert!(stored.starts_with(b"age-encryption.org/v1\n"), "the `age` command can read it");

        let verify = |identity: Option<&Path>| {
            let identities = identity.map(|file| Identities::read(file).unwrap());
            let means = Means { tools: tools.as_deref(), identities: identities.as_ref() };
            backup::verify(&source, &shelf(folder.path()), &manifest, means, &quiet)
        };
        let found = verify(None).unwrap();
        assert!(!found.restored, "nothing is said of what is in it");
        for file in [&first, &second] {
            let found = verify(Some(file)).unwrap();
            assert_eq!((found.restored, found.rows, found.differences.len()), (true, 5, 0), "{flavor:?}");
        }
        let into = format!("{}_opened", database.name());
        let restore = |identities: Option<&Identities>| {
            let means = Means { tools: tools.as_deref(), identities };
            backup::restore(&source, &shelf(folder.path()), &manifest, &into, means, &quiet)
        };
        let failure = restore(None).unwrap_err();
        assert!(failure.message.contains("x is encrypted for age1"), "{failure:?}");
        assert!(failure.message.contains("nothing was done"), "{failure:?}");
        assert!(failure.hints.iter().any(|hint| hint.contains("--identity FILE")), "{failure:?}");
        let failure = restore(Some(&Identities::read(&other).unwrap())).unwrap_err();
        assert!(failure.message.contains("none of the private keys in"), "{failure:?}");
        assert!(failure.message.contains("nothing was done"), "{failure:?}");
        assert_eq!(databases(server, &into), "0");
        assert_eq!(restore(Some(&Identities::read(&first).unwrap())).unwrap().rows.values().sum::<u64>(), 5);
    }
}

#[test]
fn a_flipped_byte_or_a_cut_is_seen_with_a_key_and_without() {
    let folder = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(folder.path().join("app.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES ('precious'), (2)")
        .unwrap();
    let (file, public) = key(folder.path(), "key");
    let source = Source::new("sqlite:app.db", folder.path()).unwrap();
    let backups = folder.path().join("backups");
    let how = How { recipients: Recipients::new(&[public], None).unwrap(), ..how(None) };
    let manifest = backup::create(&source, ("db", "x"), &shelf(&backups), &how, NOW_MS, &quiet).unwrap();
    let identities = Identities::read(&file).unwrap();
    let opened = Means { tools: None, identities: Some(&identities) };
    let found = backup::verify(&source, &shelf(&backups), &manifest, opened, &quiet).unwrap();
    assert_eq!((found.restored, found.rows), (true, 2));

    let stored = fs::read(backups.join(&manifest.file)).unwrap();
    assert!(!stored.windows(8).any(|bytes| bytes == b"precious"));
    let mut flipped = stored.clone();
    let last = flipped.len() - 40;
    flipped[last] ^= 1;
    for bytes in [&flipped[..], &stored[..stored.len() - 5]] {
        // With the hash of what was written, and with that of what is there now.
        let touched = replace(&backups, &manifest, bytes, manifest.bytes);
        for (manifest, means) in [(&manifest, means(None)), (&manifest, opened), (&touched, opened)] {
            let failure = backup::verify(&source, &shelf(&backups), manifest, means, &quiet).unwrap_err();
            assert!(failure.message.contains("is damaged"), "{failure:?}");
        }
        let failure =
            backup::restore(&source, &shelf(&backups), &touched, "new.db", opened, &quiet).unwrap_err();
        assert!(failure.message.contains("is damaged"), "{failure:?}");
        assert!(!folder.path().join("new.db").exists());
    }
}

#[test]
fn a_file_that_is_none_of_keys_is_refused_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (private, public) = key(folder.path(), "private");
    let secret = fs::read_to_string(&private).unwrap().lines().last().unwrap().to_owned();
    // The private key where the public one should be, and the other way around.
    let failure = Recipients::new(&[], Some(&private)).unwrap_err();
    assert!(failure.message.contains("private:3 is no public key of age"), "{failure:?}");
    assert!(!failure.message.contains(&secret), "{failure:?}");
    let file = folder.path().join("public");
    fs::write(&file, &public).unwrap();
    let failure = Identities::read(&file).err().unwrap();
    assert!(failure.message.contains("public:1 is no private key of age"), "{failure:?}");
    fs::write(&file, "# nothing\n").unwrap();
    assert!(Recipients::new(&[], Some(&file)).unwrap_err().message.contains("has no public key in it"));
    assert!(Identities::read(&file).err().unwrap().message.contains("has no private key in it"));
    let (rest, last) = public.split_at(public.len() - 1);
    let mistyped = format!("{rest}{}", if last == "q" { "p" } else { "q" });
    assert!(Recipients::new(&[mistyped], None).is_err());
}

#[test]
fn a_backup_comes_no_faster_than_it_may() {
    let server = server(SERVERS[0]);
    let (database, folder) = (server.database(), tempfile::tempdir().unwrap());
    database.run("CREATE TABLE t AS SELECT repeat('x', 1000) AS a FROM generate_series(1, 1500)");
    let tools = server.bin();
    let how = How { rate_bytes: Some(1 << 20), ..how(tools.as_deref()) };
    let manifest =
        backup::create(&source(&database), ("db", "x"), &shelf(folder.path()), &how, NOW_MS, &quiet).unwrap();
    assert!(manifest.took_ms >= manifest.bytes * 1000 / (1 << 20), "{manifest:?}");
}
