//! `windlass demo`: a release, a failing release, a killed controller and a rollback, for real, in a temporary
//! folder, under a load that never pauses.

mod database;
mod load;
mod scene;
mod service;
mod summary;

use crate::{
    args::{DemoArgs, DemoServiceArgs},
    exit::{Exit, Failure},
    terminal, wiring,
};
use scene::{Scene, Scenes};
use std::time::Instant;
use summary::Summary;

/// `windlass demo`. Fails unless every scene showed what it is for, no request failed and no write was lost.
pub fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    wiring::tls();
    let good = wiring::runtime()?.block_on(play(args)).map_err(Failure::refused)?;
    Ok(if good { Exit::Done } else { Exit::Undone })
}

/// `windlass demo-service`: the booking service.
pub fn service(args: &DemoServiceArgs) -> Result<Exit, Failure> {
    let serve = service::serve(&args.database, &args.config, args.port);
    wiring::runtime()?.block_on(serve).map_err(Failure::refused)?;
    Ok(Exit::Done)
}

async fn play(args: &DemoArgs) -> Result<bool, String> {
    let began = Instant::now();
    say("Windlass demo: a booking service with a SQLite database behind the Windlass proxy.");
    let scene = Scene::set_up(args.folder.clone()).await?;
    say(&format!("Folder: {}\n", scene.folder().display()));
    let played = Scenes::default().play(&scene).await;
    // The service and the proxy are ended whatever happened, so that the demo leaves no process behind.
    let ended = scene.strike().await;
    let mut summary = played?;
    ended?;
    summary.seconds = began.elapsed().as_secs_f64();
    say(&summary.text(&scene));
    if args.json {
        terminal::json(&summary).map_err(|failure| failure.to_string())?;
    }
    Ok(summary.passed())
}

fn say(text: &str) {
    terminal::line(text);
}

/// `what: error`, for `map_err`.
pub(crate) fn problem<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}
