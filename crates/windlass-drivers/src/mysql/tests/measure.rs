//! What before-images cost; run by `bench/update-images-mysql.sh`.

use super::*;
use std::time::Instant;

/// Rows 1 to `count`, from a table of the ten digits.
fn numbers(count: u64) -> String {
    "CREATE TABLE d (d INT); INSERT INTO d VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9); CREATE TABLE t (id BIGINT PRIMARY KEY, \
     a VARCHAR(40), b INT, c DATETIME DEFAULT CURRENT_TIMESTAMP); INSERT INTO t (id, a, b) SELECT n, CONCAT('value ', n), n % 100 FROM \
     (SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d + 1000000 * h.d AS n FROM d a, d b, d c, d e, d f, \
     d g, d h) AS numbers WHERE n <= :count ORDER BY n"
        .replace(":count", &count.to_string())
}

fn measure(flavor: Flavor) -> (f64, f64) {
    let rows = testing::chosen("WINDLASS_BENCH_ROWS").and_then(|rows| rows.parse().ok()).unwrap_or(2_000_000);
    let statement = "UPDATE t SET a = CONCAT('spec/', id, '.txt'), b = b + 1";
    let mut release = Release::new(flavor, &numbers(rows), &[statement]);
    release.timeout_ms = 3_600_000;
    let mut best = [f64::MAX; 2];
    for _ in 0..2 {
        release.rows("ALTER TABLE t FORCE; ANALYZE TABLE t");
        let begun = Instant::now();
        release.rows(statement);
        best[0] = best[0].min(begun.elapsed().as_secs_f64());
        release.rows("ALTER TABLE t FORCE; ANALYZE TABLE t");
        let begun = Instant::now();
        release.apply();
        best[1] = best[1].min(begun.elapsed().as_secs_f64());
        release.roll_back();
        release.capsules.clear();
    }
    (best[0], best[1])
}

#[test]
#[ignore = "a measurement; bench/update-images-mysql.sh runs it"]
#[expect(clippy::print_stdout, reason = "its result")]
fn an_update_with_images_beside_the_plain_one() {
    for flavor in flavors() {
        let (plain, images) = measure(flavor);
        println!("{flavor:?}: plain {plain:.2} s, images {images:.2} s, ratio {:.2}", images / plain);
    }
}
