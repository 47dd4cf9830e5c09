//! Checks that are sent from a host of a real sshd.

use super::*;
use crate::testing;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use windlass_driver::Effect;
use windlass_lab::Sshd;

#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_sent_from_the_host() {
    // Installing twice is no error that matters.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (sshd, folder) = (Sshd::start(2), testing::folder());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/health", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            let count = stream.read(&mut asked).await.unwrap();
            assert!(asked[..count].starts_with(b"GET /health HTTP/1.1\r\n"));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
        }
    });
    let check = HttpCheck { method: "GET".into(), url: url.clone(), ..HttpCheck::default() };
    let unit = |number| {
        let unit = testing::unit("check/1", Action::Http { check: check.clone() });
        Unit { host: sshd.host(number), ..unit }
    };
    let driver = HttpDriver::default();
    for number in [1, 2] {
        let unit = unit(number);
        let cx = testing::context_on(&sshd, folder.path(), &unit).0;
        let done = driver.apply(&cx, &unit, &Capsule::default()).await.unwrap();
        let said = format!("GET {url} from 127.0.0.{number}: 200");
        assert!(done.effects[0].starts_with(&said), "{done:?}");
    }
    server.await.unwrap();
    // Nobody listens any more.
    let unit = unit(1);
    let cx = testing::context_on(&sshd, folder.path(), &unit).0;
    let failure = driver.apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, true), "{failure:?}");
    assert!(failure.message.starts_with(&format!("GET {url} from 127.0.0.1: ")), "{failure:?}");
    // It does not go around the host.
    sshd.kill();
    let failure = driver.apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert!(failure.message.starts_with("no connection to 127.0.0.1"), "{failure:?}");
}
