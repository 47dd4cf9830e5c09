//! Requests over HTTP/1.1: one client for a store, connections kept, every wait bounded.

use crate::error::{Error, Kind};
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::{path::Path, sync::Arc, time::Duration};

/// For a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Until an answer begins; a store copies 5 GiB before it does.
const ANSWER_MAX: Duration = Duration::from_secs(300);
/// Between two pieces of a body.
const PIECE_MAX: Duration = Duration::from_secs(60);
/// Longest body that is kept in memory: a page of a listing has less than 2 MiB.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The way to a store.
#[derive(Clone)]
pub(crate) struct Wire(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why there is no answer; `sent` tells whether the request may have arrived.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) why: String,
}

impl Wire {
    /// `bundle`: certificates (PEM) that are trusted instead of those of this machine.
    pub(crate) fn new(bundle: Option<&Path>) -> Result<Self, Error> {
        let tls =
            tls(bundle).map_err(|why| Error::new(Kind::Transport, format!("TLS cannot be used: {why}")))?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_MAX));
        connector.set_keepalive(Some(Duration::from_secs(60)));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(256)
            .build(connector);
        Ok(Self(client))
    }

    /// The beginning of the answer.
    pub(crate) async fn begin(&self, request: Request<Bytes>) -> Result<Response<Incoming>, Lost> {
        let sent = tokio::time::timeout(ANSWER_MAX, self.0.request(request.map(Full::new))).await;
        sent.map_err(|_| Lost { why: format!("no answer within {} s", ANSWER_MAX.as_secs()) })?
            .map_err(|error| Lost { why: causes(&error) })
    }

    /// The whole answer.
    pub(crate) async fn whole(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Lost> {
        let (parts, mut body) = self.begin(request).await?.into_parts();
        let mut bytes = BytesMut::new();
        while let Some(piece) = piece(&mut body).await? {
            if bytes.len() + piece.len() > BODY_BYTES_MAX {
                return Err(Lost { why: format!("an answer of more than {BODY_BYTES_MAX} bytes") });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Response::from_parts(parts, bytes.freeze()))
    }
}

/// The first bytes of a body, at most so many; what is lost on the way is left out.
pub(crate) async fn beginning(body: &mut Incoming, most: usize) -> Bytes {
    let mut bytes = BytesMut::new();
    while let Ok(Some(piece)) = piece(body).await {
        bytes.extend_from_slice(&piece[..piece.len().min(most - bytes.len())]);
        if bytes.len() == most {
            break;
        }
    }
    bytes.freeze()
}

/// The next piece of a body.
pub(crate) async fn piece(body: &mut Incoming) -> Result<Option<Bytes>, Lost> {
    loop {
        let frame = tokio::time::timeout(PIECE_MAX, body.frame())
            .await
            .map_err(|_| Lost { why: format!("the answer stopped for {} s", PIECE_MAX.as_secs()) })?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(Lost { why: causes(&error) }),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn tls(bundle: Option<&Path>) -> Result<rustls::ClientConfig, String> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let Some(bundle) = bundle else {
        let builder = builder.with_platform_verifier().map_err(|error| error.to_string())?;
        return Ok(builder.with_no_client_auth());
    };
    let wrong = |error: &dyn std::fmt::Display| format!("AWS_CA_BUNDLE, {}: {error}", bundle.display());
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(bundle).map_err(|error| wrong(&error))? {
        roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
