//! Load of every kind that never pauses, while upstreams are switched 100 times, 20 of them inside a hold, and the
//! old one is killed as soon as the proxy says that it is drained: no request fails, no connection is reset.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Backend, Browser, Proxy, post, tunnel};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use windlass_proxy::control::Request as Command;

const SWITCHES: u64 = 100;
/// Each how manieth switch happens inside a hold.
const HOLD_EACH: u64 = 5;
const CLIENTS: u64 = 16;

/// Named when it fails; change it to look further.
const SEED: u64 = 20_261_121;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// One client: sends at its own times, whatever the answers take (open loop), on connections that it keeps.
async fn client(address: SocketAddr, mut random: Random, over: Arc<AtomicBool>, sent: Arc<AtomicU64>) {
    let (mut http1, mut http2) = (Browser::http1(address).await, Browser::http2(address).await);
    let mut due = tokio::time::Instant::now();
    while !over.load(SeqCst) {
        due += Duration::from_millis(random.next(12));
        tokio::time::sleep_until(due).await;
        let browser = if random.next(2) == 0 { &mut http1 } else { &mut http2 };
        match random.next(10) {
            0 => {
                let mut socket = tunnel(address).await;
                for n in 0..3_u8 {
                    socket.write_all(&[n; 100]).await.unwrap();
                    let mut echo = [0xff; 100];
                    socket.read_exact(&mut echo).await.unwrap();
                    assert_eq!(echo, [n; 100]);
                }
                socket.shutdown().await.unwrap();
            }
            1 => {
                let got = browser.get("/ticks").await;
                assert_eq!((got.status.as_u16(), got.body.matches("data:").count()), (200, 5), "{got:?}");
            }
            2..5 => {
                let length = random.next(200_000) as usize;
                let got = browser.send(post("/sum", vec![b'x'; length])).await.unwrap();
                assert!(got.status == 200 && got.body.ends_with(&format!(" {length}")), "{got:?}");
            }
            5 => assert_eq!(Browser::http1(address).await.get("/").await.status, 200),
            _ => {
                let got = browser.get("/").await;
                assert_eq!(got.status, 200, "{got:?}");
            }
        }
        sent.fetch_add(1, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_switches_and_twenty_holds_cost_no_request() {
    let mut random = Random(SEED);
    let mut current = Backend::start("0").await;
    let proxy = Proxy::start(vec![current.upstream(100)]).await;
    let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let (over, sent) = (Arc::clone(&over), Arc::clone(&sent));
            tokio::spawn(client(proxy.address, Random(SEED ^ n << 32), over, sent))
        })
        .collect();
    for n in 1..=SWITCHES {
        // Some load between two changes.
        let before = sent.load(SeqCst);
        let failed = || clients.iter().any(|client| client.is_finished());
        while sent.load(SeqCst) < before + random.next(40) && !failed() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let hold = n % HOLD_EACH == 0;
        if hold {
            let command = Command::Hold { hold_ms: 20_000, drain_ms: 20_000 };
            proxy.client.send(command).await.unwrap();
            // The old one is gone before the new one exists, as with a restart.
            current.kill();
        }
        let next = Backend::start(&n.to_string()).await;
        proxy.switch(vec![next.upstream(100)], 20_000, hold).await;
        current.kill();
        current = next;
    }
    over.store(true, SeqCst);
    for client in clients {
        client.await.unwrap_or_else(|error| panic!("seed {SEED}: {error}"));
    }
    let status = proxy.status().await;
    assert_eq!((status.refused, status.cut, status.waiting), (0, 0, 0), "seed {SEED}");
    let errors: u64 = status.versions.values().map(|version| version.errors).sum();
    assert_eq!(errors, 0, "seed {SEED}: {status:#?}");
    assert!(status.held > 0, "seed {SEED}: nothing was held");
    assert!(sent.load(SeqCst) > 500, "seed {SEED}: only {} requests", sent.load(SeqCst));
}
