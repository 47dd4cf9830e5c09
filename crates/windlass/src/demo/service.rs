//! The booking service of the demo: a small HTTP service over SQLite whose versions differ in schema.
//!
//! `GET /health`, `POST /bookings/ID` (body: the guest's name), `GET /bookings/ID`. Its version stands in
//! `booking.conf`, as a real service's image tag stands in its compose file.

use super::problem;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rusqlite::Connection;
use std::{
    convert::Infallible,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, signal::unix::SignalKind, sync::watch, task::JoinSet};

/// A guest's name is short; a longer body is refused.
const BODY_BYTES_MAX: usize = 4096;

/// How long requests in flight may finish after SIGTERM.
const DRAIN: Duration = Duration::from_secs(5);

/// What one version of the service says to its database.
struct Version {
    number: u32,
    /// Proves that the schema is the one this version needs.
    health: &'static str,
    /// Writes booking ?1 of guest ?2.
    write: &'static str,
}

const VERSIONS: [Version; 4] = [
    Version {
        number: 1,
        health: "SELECT id, guest, seats FROM bookings LIMIT 1",
        write: "INSERT INTO bookings (id, guest, seats) VALUES (?1, ?2, 2)",
    },
    Version {
        number: 2,
        health: "SELECT id, guest, seats, price_cents FROM bookings LIMIT 1",
        write: "INSERT INTO bookings (id, guest, seats, price_cents) VALUES (?1, ?2, 2, 9000)",
    },
    Version {
        // It asks for a column that its release document forgot to add: this is the release that fails.
        number: 3,
        health: "SELECT phone FROM guests LIMIT 1",
        write: "INSERT INTO bookings (id, guest, seats, price_cents) VALUES (?1, ?2, 2, 9000)",
    },
    Version {
        number: 4,
        health: "SELECT b.id, r.name FROM bookings b LEFT JOIN rooms r ON r.id = b.room_id LIMIT 1",
        write: "INSERT INTO bookings (id, guest, seats, price_cents, room_id) VALUES (?1, ?2, 2, 9000, 1 + ?1 % 3)",
    },
];

struct App {
    version: &'static Version,
    database: Mutex<Connection>,
}

/// Serves until SIGTERM.
pub async fn serve(database: &Path, config: &Path, port: u16) -> Result<(), String> {
    let version = read_version(config)?;
    let connection = Connection::open(database).map_err(problem("the database cannot be opened"))?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(problem("the database refused its time-out"))?;
    let app = Arc::new(App { version, database: Mutex::new(connection) });
    let listener =
        TcpListener::bind(("127.0.0.1", port)).await.map_err(problem("the port cannot be opened"))?;
    let mut term = tokio::signal::unix::signal(SignalKind::terminate()).map_err(problem("no signals"))?;
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection_loop(app.clone(), stream, stopped.clone()));
                while connections.try_join_next().is_some() {}
            }
            _ = term.recv() => break,
        }
    }
    drop(listener);
    stop.send_replace(true);
    // What is still open after the time for it is cut by the end of the process.
    let _ = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

async fn connection_loop(app: Arc<App>, stream: tokio::net::TcpStream, mut stopped: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(answer(&app, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // A client that went away is nothing to report.
        _ = connection.as_mut() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn answer(app: &Arc<App>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body = match Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let app = app.clone();
    let handled = tokio::task::spawn_blocking(move || app.handle(&method, &path, &body)).await;
    match handled {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

impl App {
    fn handle(&self, method: &Method, path: &str, body: &str) -> rusqlite::Result<Response<Full<Bytes>>> {
        let database = self.database.lock().expect("no request panics while it holds the database");
        let id = path.strip_prefix("/bookings/").and_then(|id| id.parse::<i64>().ok());
        match (method, path, id) {
            (&Method::GET, "/health", _) => {
                // A row need not be there; the columns must.
                database.prepare(self.version.health)?;
                Ok(text(StatusCode::OK, format!("{{\"version\": {}}}", self.version.number)))
            }
            (&Method::POST, _, Some(id)) => {
                database.prepare_cached(self.version.write)?.execute(rusqlite::params![id, body])?;
                Ok(text(StatusCode::CREATED, String::new()))
            }
            (&Method::GET, _, Some(id)) => {
                let mut query = database.prepare_cached("SELECT guest FROM bookings WHERE id = ?1")?;
                match query.query_row([id], |row| row.get::<_, String>(0)) {
                    Ok(guest) => Ok(text(StatusCode::OK, guest)),
                    Err(rusqlite::Error::QueryReturnedNoRows) => {
                        Ok(text(StatusCode::NOT_FOUND, String::new()))
                    }
                    Err(error) => Err(error),
                }
            }
            _ => Ok(text(StatusCode::NOT_FOUND, String::new())),
        }
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}

fn read_version(config: &Path) -> Result<&'static Version, String> {
    let text = std::fs::read_to_string(config).map_err(problem("booking.conf cannot be read"))?;
    let number =
        text.lines().find_map(|line| line.strip_prefix("version = ")).and_then(|n| n.trim().parse().ok());
    let number: u32 = number.ok_or("booking.conf names no version")?;
    VERSIONS.iter().find(|v| v.number == number).ok_or_else(|| format!("there is no version {number}"))
}
