//! Lines against stores that are cut off, overloaded or restarted in the middle.

use crate::{
    common::fill,
    lines::{Case, LINES, expected},
};
use std::sync::Arc;
use windlass_lab::{Direction, Store, StoreKind, Wire, store};
use windlass_s3::{Client, Conflicts, Count, Error, State, back, run};

#[tokio::test]
async fn a_cut_link_costs_nothing() {
    let objects: Vec<_> = (0..300).map(|n| (format!("from/{n}"), format!("{n}"))).collect();
    let case = Case::new(StoreKind::Seaweed, false).await;
    fill(&case.client, &case.bucket, &objects).await;
    let before = case.world().await;
    let wire = Wire::to(store(StoreKind::Seaweed).port());
    let cut = Client::new(&crate::common::settings(&format!("http://127.0.0.1:{}", wire.port()))).unwrap();
    let manifest = case.freeze(LINES[2]).await;
    wire.cut_after(Direction::ToServer, 20_000);
    run(&cut, &manifest, &()).await.unwrap();
    wire.cut_after(Direction::ToClient, 9_000);
    assert_eq!(case.seen().await, expected(&before, LINES[2]));
    back(&cut, &manifest, &(), Conflicts::Keep).await.unwrap();
    assert_eq!(wire.cuts(), 2);
    assert_eq!(case.world().await, before);
}

/// Calls until it is done, as `windlass resume` does: a store that is away for longer than a request is repeated ends a call.
async fn to_its_end(call: impl AsyncFn() -> Result<Count, Error>) -> Count {
    for _ in 0..3 {
        if let Ok(count) = call().await {
            return count;
        }
    }
    call().await.unwrap()
}

/// Kills the store in the middle of what `client` asks of it, and starts it once the client has met that it is gone.
async fn restart_amid(store: &Arc<Store>, client: &Client) {
    let passed = async |more: u64| {
        let until = client.requests() + more;
        while client.requests() < until {
            tokio::task::yield_now().await;
        }
    };
    passed(150).await;
    store.kill();
    passed(60).await;
    let store = store.clone();
    tokio::task::spawn_blocking(move || store.restart()).await.unwrap();
}

#[tokio::test]
async fn a_restarted_store_costs_nothing() {
    // Its own: the one that tests share is everybody's.
    let own = Arc::new(Store::start(StoreKind::Seaweed));
    let client = Client::new(&crate::common::settings(&own.endpoint())).unwrap();
    let bucket = own.bucket_name();
    client.make_bucket(&bucket).await.unwrap();
    let objects: Vec<_> = (0..600).map(|n| (format!("from/{n}"), format!("{n}"))).collect();
    fill(&client, &bucket, &objects).await;
    let case = Case { client, bucket, folder: tempfile::tempdir().unwrap() };
    let before = case.world().await;
    let manifest = case.freeze(LINES[2]).await;
    let going = to_its_end(async || run(&case.client, &manifest, &()).await);
    let (count, ()) = tokio::join!(going, restart_amid(&own, &case.client));
    assert_eq!(count.of(State::Done), 600, "{count:?} {:?}", manifest.some(State::Left, 3));
    assert_eq!(case.seen().await, expected(&before, LINES[2]));
    let going = to_its_end(async || back(&case.client, &manifest, &(), Conflicts::Keep).await);
    let (count, ()) = tokio::join!(going, restart_amid(&own, &case.client));
    assert_eq!(count.of(State::Back), 600, "{count:?} {:?}", manifest.some(State::Conflict, 3));
    assert_eq!(case.world().await, before);
}

#[tokio::test]
async fn in_a_storm_of_503_and_cut_connections_nothing_is_lost() {
    let objects: Vec<_> = (0..400).map(|n| (format!("from/{n}"), format!("{n}"))).collect();
    for (seed, text) in [(1, LINES[2]), (2, LINES[3])] {
        let case = Case::new(StoreKind::Seaweed, false).await;
        fill(&case.client, &case.bucket, &objects).await;
        let before = case.world().await;
        let calm = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let port = crate::common::storm(store(StoreKind::Seaweed).port(), seed, calm.clone());
        let client = Client::new(&crate::common::settings(&format!("http://127.0.0.1:{port}"))).unwrap();
        let manifest = case.freeze(text).await;
        // It may give up; then it is called again, as by `windlass resume`.
        let mut count = run(&client, &manifest, &()).await;
        for _ in 0..3 {
            if count.is_err() {
                count = run(&client, &manifest, &()).await;
            }
        }
        calm.store(true, std::sync::atomic::Ordering::Relaxed);
        let count = run(&client, &manifest, &()).await.unwrap();
        assert_eq!(count.of(State::Left), 0, "{seed}: {:?}", manifest.some(State::Left, 3));
        assert_eq!(case.seen().await, expected(&before, text), "{seed}");
        calm.store(false, std::sync::atomic::Ordering::Relaxed);
        let mut count = back(&client, &manifest, &(), Conflicts::Keep).await;
        if count.is_err() {
            calm.store(true, std::sync::atomic::Ordering::Relaxed);
            count = back(&client, &manifest, &(), Conflicts::Keep).await;
        }
        assert_eq!(count.unwrap().of(State::Conflict), 0, "{seed}: {:?}", manifest.some(State::Conflict, 3));
        assert_eq!(case.world().await, before, "{seed}");
    }
}
