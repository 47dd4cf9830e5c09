//! What the tests of this crate share.

use windlass_lab::{ACCESS_KEY, SECRET_KEY, StoreKind, store};
use windlass_s3::{Client, Settings};

/// For the account that may do everything.
pub fn settings(endpoint: &str) -> Settings {
    let variables = [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    Settings {
        endpoint: Some(endpoint.to_owned()),
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Settings::default()
    }
}

pub fn client(kind: StoreKind) -> Client {
    Client::new(&settings(&store(kind).endpoint())).unwrap()
}

/// A client and a bucket of its own.
pub async fn fresh(kind: StoreKind) -> (Client, String) {
    let (client, bucket) = (client(kind), store(kind).bucket_name());
    client.make_bucket(&bucket).await.unwrap();
    (client, bucket)
}

/// Every object with its ETag, size and content type.
pub type World = std::collections::BTreeMap<String, (String, u64)>;

pub async fn world(client: &Client, bucket: &str) -> World {
    let mut listing = windlass_s3::list(client, bucket, "").await.unwrap();
    let mut world = World::new();
    while let Some(object) = listing.next().await.unwrap() {
        world.insert(object.key, (object.etag.unwrap_or_default(), object.size));
    }
    world
}

/// Objects with these contents.
pub async fn fill(client: &Client, bucket: &str, objects: &[(String, String)]) {
    use futures_util::{StreamExt as _, stream};
    let puts = objects.iter().map(|(key, text)| async move {
        client.put(bucket, key, text.clone().into(), &[]).await.unwrap();
    });
    stream::iter(puts).buffer_unordered(64).for_each(|()| async {}).await;
}

/// A line as a person types it behind `aws`.
pub fn line(text: &str) -> windlass_objects::ObjectLine {
    let words: Vec<_> = text.split_whitespace().collect();
    windlass_objects::read(&words).unwrap_or_else(|error| panic!("{text}: {}", error.why))
}

/// Splitmix64.
pub struct Seed(pub u64);

impl Seed {
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }
}

/// In front of a store: answers every second connection with 503, and cuts the others after some requests, until `calm` is set.
pub fn storm(port: u16, seed: u64, calm: std::sync::Arc<std::sync::atomic::AtomicBool>) -> u16 {
    use std::{
        io::{Read as _, Write as _},
        net::{Shutdown, TcpListener, TcpStream},
        sync::atomic::Ordering,
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut random = Seed(seed);
        for client in listener.incoming() {
            let (Ok(mut client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", port))) else {
                return;
            };
            let is_calm = calm.load(Ordering::Relaxed);
            let (is_refused, most) = (random.next(2) == 0, 2_000 + random.next(30_000));
            std::thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                if is_refused && !is_calm {
                    let _ = client.read(&mut buffer);
                    let text = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
                    let head = "HTTP/1.1 503 Slow Down\r\nconnection: close\r\ncontent-type: application/xml";
                    let _ = write!(client, "{head}\r\ncontent-length: {}\r\n\r\n{text}", text.len());
                    return;
                }
                let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let answering = std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
                let most = if is_calm { u64::MAX } else { most };
                let _ = std::io::copy(&mut (&client).take(most), &mut &server);
                // In the middle of a request, or of its answer.
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Both);
                let _ = answering.join();
            });
        }
    });
    own
}
