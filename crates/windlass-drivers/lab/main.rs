//! The processes that the tests of services need, in one program:
//! - `serve PORT [FLAG…]`: a small HTTP service that answers `version=V`. Flags:
//!   - `sick`: 500 at /health
//!   - `crash=MS`: ends with status 3 after MS
//!   - `needs=FILE`: ends with status 5 when there is no such file
//!   - `robbed=FILE`: if there is such a file, removes it, has another process take the port, ends with status 4
//!   - `chatter`: writes log lines without a break
//!   - `stubborn`: ignores SIGTERM
//! - `supervise SPEC`: a supervisor.
//! - `proxy FOLDER`: a proxy on a free port.
//! - `act JOB`: a controller that kills itself; see `act.rs`.

mod act;
mod scene;
mod secrets;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["serve", port, flags @ ..] = words.as_slice() {
        return serve::serve(port.parse().expect("a port"), flags);
    }
    rustls::crypto::ring::default_provider().install_default().expect("the first to install one");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let result = runtime.block_on(async {
        match words.as_slice() {
            ["supervise", spec] => windlass_drivers::service::supervise(std::path::Path::new(spec))
                .await
                .map_err(|error| error.to_string()),
            ["act", job] => act::act(job).await,
            ["proxy", folder] => {
                let config = windlass_proxy::Config::new("127.0.0.1:0", *folder);
                windlass_proxy::run(config, std::future::pending()).await.map_err(|error| error.to_string())
            }
            _ => Err(format!("unknown: {words:?}")),
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let mut stderr = std::io::stderr();
            let _ = std::io::Write::write_all(&mut stderr, message.as_bytes());
            ExitCode::FAILURE
        }
    }
}
