//! Backups: whole, never over another file, for their owner only.

use super::*;

#[tokio::test]
async fn backup_is_whole_and_never_overwrites() {
    for mode in MODES {
        let world = World::new(mode, &[backup("b/1", "app.bak")]);
        let _open = world.db();
        let file = world.folder.join("out/app.bak");
        assert!(world.survey("b/1").await.problems.is_empty());
        assert_eq!(world.inspect("b/1", Way::Forward).await, Found::NotApplied);
        let done = world.go("b/1").await;
        assert_eq!(fingerprint(&file).unwrap(), world.print());
        assert_eq!(fs::read_dir(world.folder.join("out")).unwrap().count(), 1, "{mode}: one file");
        assert!(!world.apply("b/1").await.unwrap().changed);
        assert_eq!(world.inspect("b/1", Way::Forward).await, Found::Applied(done));
        assert!(!world.undo("b/1").await.unwrap().changed);
        assert_eq!(fingerprint(&file).unwrap(), world.print(), "{mode}: no way back deletes a backup");
        assert_eq!(world.inspect("b/1", Way::Undo).await, Found::Applied(Done::default()));

        fs::remove_file(&file).unwrap();
        fs::write(&file, "mine").unwrap();
        assert_eq!(world.survey("b/1").await.problems.len(), 1);
        assert!(world.apply("b/1").await.unwrap_err().message.contains("exists"));
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }
}

#[tokio::test]
async fn copies_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() { files(&entry.path(), found) } else { found.push(entry.path()) }
        }
    }
    for mode in MODES {
        let world = World::new(mode, &[backup("b/1", "app.bak"), sql("s/1", "DELETE FROM booking")]);
        let live = world.folder.join("app.db");
        fs::set_permissions(&live, fs::Permissions::from_mode(0o600)).unwrap();
        world.go("b/1").await;
        world.go("s/1").await;
        let mut found = vec![];
        files(&world.folder, &mut found);
        // Beside the copies lie only their descriptions: names of tables and hashes.
        found.retain(|file| file.extension().is_some_and(|end| end == "bak" || end == "db"));
        assert_eq!(found.len(), 3, "{mode}: the database, the backup and the copy: {found:?}");
        for file in found {
            let bits = file.metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(bits, 0o600, "{mode}: {}", file.display());
        }
    }
}
