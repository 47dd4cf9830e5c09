//! What before-images cost; run by `bench/update-images.sh`.

use super::*;
use std::time::Instant;

#[tokio::test]
#[ignore = "a measurement; bench/update-images.sh runs it"]
#[expect(clippy::print_stdout, reason = "its result")]
async fn an_update_with_images_beside_the_plain_one() {
    let rows = rows();
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

/// Latencies of a service's transactions on the table, milliseconds, while `work` is at it: rounds of 5 s, at least `rounds` of them.
fn latencies(
    url: &str,
    folder: &std::path::Path,
    rounds: usize,
    over: &std::sync::atomic::AtomicBool,
) -> Vec<f64> {
    let script = folder.join("service.sql");
    let text = "\\set one random(1, :rows)\n\\set two random(1, :rows)\nSELECT a FROM t WHERE id = :one;\nUPDATE t SET c = now() WHERE id = \
                :two;\n";
    std::fs::write(&script, text).unwrap();
    let mut found = vec![];
    for round in 0.. {
        if round >= rounds && over.load(std::sync::atomic::Ordering::SeqCst) {
            break;
        }
        let prefix = folder.join(format!("log-{round}"));
        let status = std::process::Command::new("/usr/lib/postgresql/15/bin/pgbench")
            .args(["-n", "-c", "8", "-j", "1", "-T", "5", "-R", "200", "-l", "-D"])
            .arg(format!("rows={}", rows()))
            .arg(format!("--log-prefix={}", prefix.display()))
            .arg("-f")
            .arg(&script)
            .arg(url)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "pgbench runs");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.file_name().unwrap().to_str().unwrap().starts_with("log-") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            // Client, number, microseconds since it was due.
            let time = |line: &str| line.split(' ').nth(2)?.parse::<f64>().ok().map(|us| us / 1000.0);
            found.extend(text.lines().filter_map(time));
            std::fs::remove_file(path).unwrap();
        }
    }
    found.sort_by(f64::total_cmp);
    found
}

fn rows() -> String {
    std::env::var_os("WINDLASS_BENCH_ROWS")
        .and_then(|text| text.into_string().ok())
        .unwrap_or_else(|| "2000000".into())
}

/// Most memory that this process had, in MB.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement; bench/batch-under-load.sh runs it"]
#[expect(clippy::print_stdout, reason = "its result")]
async fn batches_under_the_load_of_a_service() {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };
    let setup = format!(
        "CREATE TABLE t (id bigint PRIMARY KEY, a text, b int, c timestamptz DEFAULT now()) WITH (fillfactor = 80); INSERT INTO t SELECT \
         g, 'value ' || g, g % 100 FROM generate_series(1, {}) g; ANALYZE t;",
        rows()
    );
    let statement = "UPDATE t SET a = 'spec/' || id || '.txt', b = b + 1";
    let mut world = World::new(&setup, &[statement]);
    let batch = windlass_plan::Batch { rows: 5000, throttle: windlass_plan::Throttle::default() };
    if let windlass_plan::Action::Sql { batch: of, .. } = &mut world.units[0].action {
        *of = Some(Box::new(batch));
    }
    let folder = tempfile::tempdir().unwrap();
    let url = world.database().url();
    let mut idle_p99 = 0.0;
    for phase in ["idle", "batches", "plain"] {
        world.run("VACUUM ANALYZE t; CHECKPOINT");
        let over = Arc::new(AtomicBool::new(phase == "idle"));
        let (url, path, flag) = (url.clone(), folder.path().to_owned(), Arc::clone(&over));
        let load =
            std::thread::spawn(move || latencies(&url, &path, if phase == "idle" { 6 } else { 1 }, &flag));
        let begun = Instant::now();
        match phase {
            "batches" => drop(world.apply(1).await.unwrap()),
            "plain" => drop(world.run(statement)),
            _ => {}
        }
        let took = begun.elapsed().as_secs_f64();
        over.store(true, Ordering::SeqCst);
        let found = load.join().unwrap();
        let at = |percent: usize| found[(found.len() * percent / 100).min(found.len() - 1)];
        if phase == "idle" {
            idle_p99 = at(99);
        }
        println!(
            "{phase:<8} {took:7.1} s  p50 {:8.2} ms  p99 {:8.2} ms  max {:8.1} ms  p99 {:.2} x idle  ({} transactions)",
            at(50),
            at(99),
            at(100),
            at(99) / idle_p99,
            found.len()
        );
    }
    println!("memory   {} MB at most", peak_mb());
}
