//! What must never be lost on the way back: each case is one that once was, or is prepared as a kill leaves it.

use crate::{
    common::{fill, fresh},
    lines::{Case, HOLD},
};
use windlass_lab::StoreKind;
use windlass_s3::{Conflicts, Kind, Manifest, Over, State, back, run};

const OLD: &str = "text/x-old";

impl Case {
    pub async fn with(has_versions: bool, objects: &[(&str, &str)]) -> Self {
        let case = Self::new(StoreKind::Seaweed, has_versions).await;
        for (key, text) in objects {
            case.put(key, text).await;
        }
        case
    }

    pub async fn put(&self, key: &str, text: &str) {
        fill(&self.client, &self.bucket, &[(key.into(), text.into())]).await;
    }

    pub async fn done(&self, text: &str) -> Manifest {
        let manifest = self.freeze(text).await;
        run(&self.client, &manifest, &()).await.unwrap();
        manifest
    }

    pub async fn text(&self, key: &str) -> Option<String> {
        match self.client.read(&self.bucket, key).await {
            Ok(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            Err(error) if error.kind == Kind::NotFound => None,
            Err(error) => panic!("{error}"),
        }
    }

    async fn back(&self, manifest: &Manifest, conflicts: Conflicts) -> u64 {
        back(&self.client, manifest, &(), conflicts).await.unwrap().of(State::Conflict)
    }

    /// As a kill leaves a manifest.
    fn unsettle(&self, sql: &str) {
        let db = rusqlite::Connection::open(self.folder.path().join("manifest.db")).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        db.execute(&format!("UPDATE entry SET {sql}"), []).unwrap();
    }

    pub async fn kept(&self) -> usize {
        self.world().await.keys().filter(|key| key.starts_with(HOLD)).count()
    }
}

#[tokio::test]
async fn what_was_left_alone_in_doubt_keeps_what_was_set_aside() {
    for (text, state) in [
        ("s3 cp s3://BUCKET/from/1 s3://BUCKET/to/1", "state = 0, etag = NULL"),
        ("s3 rm s3://BUCKET/to/1", "state = 1"),
    ] {
        let case = Case::with(false, &[("from/1", "new"), ("to/1", "original")]).await;
        let manifest = case.done(text).await;
        case.unsettle(state);
        case.put("to/1", "of somebody").await;
        let count = run(&case.client, &manifest, &()).await.unwrap();
        assert_eq!(count.of(State::Left), 1, "{text}");
        assert_eq!(case.back(&manifest, Conflicts::Keep).await, 1, "{text}");
        assert_eq!(case.text("to/1").await.unwrap(), "of somebody");
        assert_eq!(case.kept().await, 1, "{text}: the only copy of the original");
        assert_eq!(case.back(&manifest, Conflicts::Force).await, 0, "{text}");
        assert_eq!(case.text("to/1").await.unwrap(), "original");
    }
}

#[tokio::test]
async fn a_conflict_is_looked_at_again_and_force_wins() {
    for has_versions in [false, true] {
        for text in ["s3 cp s3://BUCKET/from/1 s3://BUCKET/to/1", "s3 rm s3://BUCKET/to/1"] {
            let case = Case::with(has_versions, &[("from/1", "new"), ("to/1", "original")]).await;
            let manifest = case.done(text).await;
            case.put("to/1", "of somebody").await;
            assert_eq!(case.back(&manifest, Conflicts::Keep).await, 1, "{has_versions} {text}");
            assert_eq!(case.text("to/1").await.unwrap(), "of somebody");
            assert_eq!(case.back(&manifest, Conflicts::Force).await, 0, "{has_versions} {text}");
            assert_eq!(case.text("to/1").await.unwrap(), "original", "{has_versions} {text}");
        }
    }
}

#[tokio::test]
async fn an_equal_object_gets_its_own_metadata_back() {
    let case = Case::with(false, &[("from/1", "same")]).await;
    let headers = [("content-type".to_owned(), OLD.to_owned())];
    case.client.put(&case.bucket, "to/1", "same".into(), &headers).await.unwrap();
    let kind = async || {
        let head = case.client.head(&case.bucket, "to/1", None).await.unwrap().unwrap();
        head.attributes.into_iter().find(|(name, _)| name == "content-type").map(|(_, value)| value)
    };
    let manifest = case.done("s3 cp s3://BUCKET/from/1 s3://BUCKET/to/1").await;
    assert_ne!(kind().await.as_deref(), Some(OLD));
    assert_eq!(case.back(&manifest, Conflicts::Keep).await, 0);
    assert_eq!(kind().await.as_deref(), Some(OLD));
    assert_eq!(case.kept().await, 0);
}

#[tokio::test]
async fn markers_that_a_repeated_delete_made_all_go() {
    for text in ["s3 rm s3://BUCKET/from/1", "s3 mv s3://BUCKET/from/1 s3://BUCKET/to/1"] {
        let case = Case::with(true, &[("from/1", "original")]).await;
        let manifest = case.done(text).await;
        case.client.delete(&case.bucket, "from/1", None).await.unwrap();
        assert_eq!(case.back(&manifest, Conflicts::Keep).await, 0, "{text}");
        assert_eq!(case.text("from/1").await.as_deref(), Some("original"), "{text}");
        assert_eq!(case.text("to/1").await, None, "{text}");
    }
}

#[tokio::test]
async fn where_no_version_is_behind_nothing_is_taken_away() {
    for (text, expires) in [
        ("s3 rm s3://BUCKET/from/1", "from/1"),
        ("s3 mv s3://BUCKET/from/1 s3://BUCKET/to/1", "from/1"),
        ("s3 cp s3://BUCKET/from/1 s3://BUCKET/to/2", "to/2"),
    ] {
        let case = Case::with(true, &[("to/2", "was here"), ("from/1", "original")]).await;
        let manifest = case.done(text).await;
        let layers = case.client.stack(&case.bucket, expires).await.unwrap();
        assert_eq!(layers.len(), 2, "{layers:?}");
        case.client.delete(&case.bucket, expires, Some(&layers[1].version)).await.unwrap();
        let conflicts = case.back(&manifest, Conflicts::Keep).await;
        if text.contains(" mv ") {
            // The copy is the last one: it goes back.
            assert_eq!((conflicts, case.text("to/1").await), (0, None));
            assert_eq!(case.text("from/1").await.as_deref(), Some("original"));
        } else {
            assert_eq!(conflicts, 1, "{text}");
            let now = case.client.stack(&case.bucket, expires).await.unwrap();
            assert_eq!(now, layers[..1], "{text}");
        }
    }
}

#[tokio::test]
async fn what_somebody_else_deleted_stays_deleted() {
    for has_versions in [false, true] {
        let case = Case::with(has_versions, &[("from/1", "original")]).await;
        let manifest = case.freeze("s3 rm s3://BUCKET/from/1").await;
        case.client.delete(&case.bucket, "from/1", None).await.unwrap();
        run(&case.client, &manifest, &()).await.unwrap();
        assert_eq!(case.back(&manifest, Conflicts::Keep).await, 0);
        assert_eq!(case.text("from/1").await, None, "{has_versions}");
    }
}

#[tokio::test]
async fn a_file_that_was_moved_here_goes_back_to_its_versions() {
    let case = Case::with(true, &[("from/1", "original"), ("from/2", "equal")]).await;
    let folder = case.folder.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    let two = folder.join("2");
    std::fs::write(&two, "equal").unwrap();
    let head = case.client.head(&case.bucket, "from/2", None).await.unwrap().unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_micros(head.modified_us.cast_unsigned());
    std::fs::File::options().write(true).open(&two).unwrap().set_modified(time).unwrap();
    let text = format!("s3 mv s3://BUCKET/from/ {} --recursive", folder.display());
    let manifest = case.done(&text).await;
    assert_eq!((case.text("from/1").await, folder.join("1").exists()), (None, true));
    assert_eq!(case.back(&manifest, Conflicts::Keep).await, 0, "{:?}", manifest.some(State::Conflict, 3));
    assert_eq!(case.text("from/1").await.as_deref(), Some("original"));
    assert_eq!(case.text("from/2").await.as_deref(), Some("equal"));
    assert!(!folder.join("1").exists() && two.exists());
}

#[tokio::test]
async fn a_late_delete_of_a_killed_try_finds_a_copy_kept() {
    let case = Case::with(false, &[("from/1", "original")]).await;
    let manifest = case.done("s3 mv s3://BUCKET/from/1 s3://BUCKET/to/1").await;
    // Killed before the source was deleted; that request is still under way.
    case.put("from/1", "original").await;
    case.unsettle("state = 1");
    assert_eq!(case.back(&manifest, Conflicts::Keep).await, 0);
    case.client.delete(&case.bucket, "from/1", None).await.unwrap();
    assert_eq!((case.text("to/1").await, case.kept().await), (None, 1));
}

#[tokio::test]
async fn files_that_a_kill_left_half_are_no_sources() {
    let case = Case::with(false, &[]).await;
    let folder = case.folder.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    for name in ["a", ".windlass-12-7", ".windlass-notes"] {
        std::fs::write(folder.join(name), "x").unwrap();
    }
    case.done(&format!("s3 sync {} s3://BUCKET/to/", folder.display())).await;
    let keys: Vec<_> = case.world().await.into_keys().collect();
    assert_eq!(keys, ["to/.windlass-notes", "to/a"]);
}

#[tokio::test]
async fn a_completion_whose_answer_was_lost_is_known_again() {
    for kind in StoreKind::ALL {
        let (client, bucket) = fresh(kind).await;
        let upload = client.begin_parts(&bucket, "k", &[]).await.unwrap();
        let part = client.put_part(&bucket, "k", &upload, 1, "text".into()).await.unwrap();
        let first =
            client.end_parts(&bucket, "k", &upload, std::slice::from_ref(&part), Over::Any).await.unwrap();
        let again =
            client.end_parts(&bucket, "k", &upload, std::slice::from_ref(&part), Over::Any).await.unwrap();
        assert_eq!(first.etag, again.etag, "{}", kind.name());
        client.put(&bucket, "k", "other".into(), &[]).await.unwrap();
        // moto answers that with an error of its own; SeaweedFS as the first time, or not.
        if kind == StoreKind::Seaweed
            && let Err(error) = client.end_parts(&bucket, "k", &upload, &[part], Over::Any).await
        {
            assert_eq!(error.kind, Kind::Answer, "{error}");
        }
    }
}
