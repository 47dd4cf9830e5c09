//! Bytes both ways after `101 Switching Protocols`: WebSocket and other upgrades.

use crate::{
    body::{Answer, Flight},
    forward::Peer,
    headers,
};
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONNECTION, UPGRADE},
};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use std::sync::Arc;

/// Answers 101 and joins the two sides until one ends or the lane is cut. The tunnel is in flight all that time.
pub(crate) fn open(
    peer: &Arc<Peer>,
    client: OnUpgrade,
    mut response: Response<Incoming>,
    flight: Flight,
) -> Response<Answer> {
    let upstream = hyper::upgrade::on(&mut response);
    let peer = Arc::clone(peer);
    let cut = flight.ticket.lane.cut.clone();
    tokio::spawn(async move {
        // Both live as long as the tunnel: the request in flight, and the client's place among the connections.
        let (_flight, _peer) = (flight, peer);
        let joined = async {
            let (client, upstream) = tokio::try_join!(client, upstream)?;
            let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
            // How it ends concerns only the two ends.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            Ok::<(), hyper::Error>(())
        };
        tokio::select! {
            biased;
            () = cut.cancelled() => {}
            _ = joined => {}
        }
    });
    let (mut parts, _) = response.into_parts();
    let protocol = parts.headers.get(UPGRADE).cloned();
    headers::to_client(&mut parts.headers);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        parts.headers.insert(UPGRADE, protocol);
    }
    let mut answer = Response::new(Answer::Text(""));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = parts.headers;
    answer
}
