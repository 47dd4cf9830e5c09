//! An HTTP server on a port of its own.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A request.
pub struct Asked {
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

/// What is answered.
pub enum Reply {
    Text(u16, String),
    Redirect(String),
    Never,
}

impl Reply {
    pub fn text(status: u16, body: &str) -> Self {
        Self::Text(status, body.to_owned())
    }

    pub fn json(body: &str) -> Self {
        Self::text(200, body)
    }
}

/// Ends with the test.
pub struct Server {
    address: std::net::SocketAddr,
    asked: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    pub fn start(judge: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_counting(move |_, asked| judge(asked))
    }

    /// With the number of requests before.
    pub fn start_counting(judge: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, judge) = (Arc::new(AtomicUsize::new(0)), Arc::new(judge));
        let count = asked.clone();
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (judge, count) = (judge.clone(), count.clone());
                let service = service_fn(move |request| {
                    let (judge, count) = (judge.clone(), count.clone());
                    async move {
                        let asked = read(request).await;
                        reply(judge(count.fetch_add(1, Ordering::SeqCst), &asked)).await
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, asked, _runtime: runtime }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn read(request: Request<Incoming>) -> Asked {
    assert_eq!(request.method(), "POST");
    let url = url::Url::parse(&format!("http://h{}", request.uri())).unwrap();
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()));
    Asked {
        path: url.path().to_owned(),
        query: url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        headers: headers.collect(),
        body: request.into_body().collect().await.unwrap().to_bytes(),
    }
}

async fn reply(reply: Reply) -> Result<Response<Full<Bytes>>, Infallible> {
    let builder = Response::builder();
    Ok(match reply {
        Reply::Text(status, body) => builder.status(status).body(Full::new(body.into())).unwrap(),
        Reply::Redirect(to) => builder.status(307).header("Location", to).body(Full::default()).unwrap(),
        Reply::Never => std::future::pending().await,
    })
}
