//! Client and listing against real stores.

use crate::common::fresh;
use futures_util::{StreamExt as _, stream};
use windlass_lab::{READER_KEY, READER_SECRET, StoreKind, store};
use windlass_s3::{Client, Copy, Kind, Over, Settings, Versioning, list};

const KEYS: &[&str] =
    &["a b", "a+b", "a//b", "a/", "a%20b", "日本/語", "q?x=1&y", "é", "~-_.", "<&>\"'", "x/y/z"];

#[tokio::test]
async fn any_key_goes_there_and_back() {
    for kind in StoreKind::ALL {
        let (client, bucket) = fresh(kind).await;
        for key in KEYS {
            // A folder of SeaweedFS keeps its content, and says that it has none.
            let text = if key.ends_with('/') { "" } else { key };
            let written = client.put(&bucket, key, text.into(), &[]).await.unwrap();
            let head = client.head(&bucket, key, None).await.unwrap().unwrap();
            assert_eq!((head.size, &head.etag), (text.len() as u64, &written.etag), "{key}");
            if !is_copied(key, kind) {
                continue;
            }
            let copy = Copy { from: (&bucket, key), to: (&bucket, &format!("to/{key}")), ..Copy::default() };
            assert_eq!(client.copy(&copy).await.unwrap().etag, written.etag, "{key}");
        }
        let mut listing = list(&client, &bucket, "to/").await.unwrap();
        let mut found = Vec::new();
        while let Some(object) = listing.next().await.unwrap() {
            found.push(object.key);
        }
        let mut wanted: Vec<_> =
            KEYS.iter().filter(|key| is_copied(key, kind)).map(|key| format!("to/{key}")).collect();
        wanted.sort();
        assert_eq!(found, wanted, "{}", kind.name());
        let keys: Vec<_> = found.iter().map(String::as_str).collect();
        let deleted = client.delete_many(&bucket, &keys).await.unwrap();
        assert!(deleted.iter().all(|deleted| deleted.error.is_none()), "{deleted:?}");
        assert!(list(&client, &bucket, "to/").await.unwrap().next().await.unwrap().is_none());
        assert_eq!(client.head(&bucket, "to/é", None).await.unwrap(), None);
    }
}

/// SeaweedFS keeps objects as files: it makes one `/` of two, and copies no folder.
fn is_copied(key: &str, kind: StoreKind) -> bool {
    kind == StoreKind::Moto || !(key.ends_with('/') || key.contains("//"))
}

#[tokio::test]
async fn a_long_listing_is_read_in_ranges_and_is_whole() {
    let (client, bucket) = fresh(StoreKind::Seaweed).await;
    // Flat, nested, and with a part that all have in common.
    let keys: Vec<_> =
        (0..2600_u32).map(|n| format!("data/{:x}/{n}", n.wrapping_mul(2_654_435_761) % 37)).collect();
    let puts = keys.iter().map(|key| async { client.put(&bucket, key, "x".into(), &[]).await.unwrap() });
    stream::iter(puts).buffer_unordered(64).for_each(|_| async {}).await;
    let mut wanted = keys.clone();
    wanted.sort();
    for prefix in ["", "data/", "da"] {
        let before = client.requests();
        let mut listing = list(&client, &bucket, prefix).await.unwrap();
        let mut found = Vec::new();
        while let Some(object) = listing.next().await.unwrap() {
            found.push(object.key);
        }
        assert!(found == wanted, "{prefix}: {} of {}", found.len(), wanted.len());
        assert!(client.requests() - before < 160, "{}", client.requests() - before);
    }
}

#[tokio::test]
async fn what_a_store_refuses_is_told() {
    let (client, bucket) = fresh(StoreKind::Seaweed).await;
    let error = client.page("lab-no-such-bucket", "", None, None, 1).await.unwrap_err();
    assert_eq!(error.kind, Kind::NoBucket, "{error}");
    client.put(&bucket, "k", "x".into(), &[]).await.unwrap();
    let other = Copy { from: (&bucket, "k"), etag: Some("0"), to: (&bucket, "l"), ..Copy::default() };
    assert_eq!(client.copy(&other).await.unwrap_err().kind, Kind::Changed);
    let reader = client_as(READER_KEY, READER_SECRET);
    assert!(reader.head(&bucket, "k", None).await.unwrap().is_some());
    let error = reader.put(&bucket, "k", "y".into(), &[]).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied, "{error}");
    assert!(error.message.contains(&format!("PUT s3://{bucket}/k")), "{error}");
    let error = client_as(READER_KEY, "wrong").head(&bucket, "k", None).await.unwrap_err();
    assert_eq!(error.kind, Kind::Credentials, "{error}");
    assert!(!error.message.contains("wrong"), "{error}");
    let none = Settings { endpoint: Some(store(StoreKind::Seaweed).endpoint()), ..Settings::default() };
    let none = Settings { variables: [("AWS_EC2_METADATA_DISABLED".into(), "true".into())].into(), ..none };
    let error = Client::new(&none).unwrap().head(&bucket, "k", None).await.unwrap_err();
    assert_eq!(error.kind, Kind::Credentials, "{error}");
}

fn client_as(key: &str, secret: &str) -> Client {
    let mut settings = crate::common::settings(&store(StoreKind::Seaweed).endpoint());
    settings.variables.insert("AWS_ACCESS_KEY_ID".into(), key.into());
    settings.variables.insert("AWS_SECRET_ACCESS_KEY".into(), secret.into());
    Client::new(&settings).unwrap()
}

#[tokio::test]
async fn versions_and_parts() {
    for kind in StoreKind::ALL {
        let (client, bucket) = fresh(kind).await;
        assert_eq!(client.versioning(&bucket).await.unwrap(), Versioning::Off);
        client.enable_versions(&bucket).await.unwrap();
        assert_eq!(client.versioning(&bucket).await.unwrap(), Versioning::Enabled);
        let first = client.put(&bucket, "k", "1".into(), &[]).await.unwrap();
        let second = client.put(&bucket, "k", "2".into(), &[]).await.unwrap();
        assert_ne!(first.version, second.version);
        client.delete(&bucket, "k", second.version.as_deref()).await.unwrap();
        assert_eq!(client.head(&bucket, "k", None).await.unwrap().unwrap().version, first.version);
        let marker = client.delete(&bucket, "k", None).await.unwrap();
        assert!(marker.is_some(), "{}", kind.name());
        client.delete(&bucket, "k", marker.as_deref()).await.unwrap();
        assert_eq!(client.read(&bucket, "k").await.unwrap(), "1");

        let big = vec![7_u8; 11 << 20];
        client.put(&bucket, "big", big.clone().into(), &[]).await.unwrap();
        let upload = client.begin_parts(&bucket, "parts", &[]).await.unwrap();
        let copy = Copy { from: (&bucket, "big"), to: (&bucket, "parts"), ..Copy::default() };
        let one = client.copy_part(&copy, &upload, 1, (0, (5 << 20) - 1)).await.unwrap();
        let two = client.copy_part(&copy, &upload, 2, (5 << 20, (11 << 20) - 1)).await.unwrap();
        let known = client.parts(&bucket, "parts", &upload).await.unwrap().unwrap();
        assert_eq!(known.iter().map(|part| part.size).sum::<u64>(), 11 << 20, "{}", kind.name());
        client.end_parts(&bucket, "parts", &upload, &[one, two], Over::Any).await.unwrap();
        assert_eq!(client.read(&bucket, "parts").await.unwrap(), big);
    }
}
