//! What before-images cost; run by `bench/update-images.sh`.

use super::*;
use std::time::Instant;

#[tokio::test]
#[ignore = "a measurement; bench/update-images.sh runs it"]
#[expect(clippy::print_stdout, reason = "its result")]
async fn an_update_with_images_beside_the_plain_one() {
    let rows = std::env::var_os("WINDLASS_BENCH_ROWS")
        .and_then(|text| text.into_string().ok())
        .unwrap_or_else(|| "2000000".into());
    let setup = format!(
        "CREATE TABLE t (id bigint PRIMARY KEY, a text, b int, c timestamptz DEFAULT now()); INSERT INTO t SELECT g, 'value ' || g, g % \
         100 FROM generate_series(1, {rows}) g; ANALYZE t;"
    );
    let statement = "UPDATE t SET a = 'spec/' || id || '.txt', b = b + 1";
    let world = World::new(&setup, &[statement]);
    let mut best = [f64::MAX; 2];
    for _ in 0..2 {
        world.run("VACUUM FULL t; ANALYZE t; CHECKPOINT");
        let begun = Instant::now();
        world.run(statement);
        best[0] = best[0].min(begun.elapsed().as_secs_f64());
        world.run("VACUUM FULL t; ANALYZE t; CHECKPOINT");
        let begun = Instant::now();
        world.apply(1).await.unwrap();
        best[1] = best[1].min(begun.elapsed().as_secs_f64());
        world.undo(1).await.unwrap();
    }
    println!("plain  {:.2} s\nimages {:.2} s\nratio  {:.2}", best[0], best[1], best[1] / best[0]);
}
