//! Object stores: each answers, keeps an object, and SeaweedFS keeps it over a kill. Asked with aws-cli.

#![expect(clippy::unwrap_used, reason = "a test that cannot do what it wants has to fail")]

use windlass_lab::{Store, StoreKind};

fn aws(store: &Store, args: &[&str]) -> String {
    let out = store.aws(args).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn a_store_keeps_objects() {
    for kind in StoreKind::ALL {
        let store = Store::start(kind);
        let bucket = store.bucket_name();
        aws(&store, &["s3", "mb", &format!("s3://{bucket}")]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "hello").unwrap();
        let (from, to) = (folder.path().join("a").display().to_string(), format!("s3://{bucket}/x/a b+c"));
        aws(&store, &["s3", "cp", &from, &to]);
        if kind == StoreKind::Seaweed {
            store.kill();
            store.restart();
        }
        assert_eq!(aws(&store, &["s3", "cp", &to, "-"]), "hello", "{}", kind.name());
    }
}
