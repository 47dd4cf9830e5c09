//! What a write that was repeated finds at its destination: its own object, or somebody's.

use crate::{
    common::{line, settings},
    fake::{listing, refusal, serve},
};
use std::sync::atomic::{AtomicBool, Ordering};
use windlass_objects::Scene;
use windlass_s3::{Client, Freeze, State, freeze, run};

/// A store that does the first write and does not say so; of what stands there then it says `told`. ETags are no hashes.
fn store_of(told: String) -> Client {
    let is_there = AtomicBool::new(false);
    let endpoint = serve(move |asked| {
        let ok = |headers: &str, body: &str| ("200 OK", headers.to_owned(), body.to_owned());
        let is_written = is_there.load(Ordering::Relaxed);
        match asked.method.as_str() {
            "HEAD" if asked.path.ends_with("from") => {
                ok("etag: \"e\"\r\nx-amz-checksum-crc64nvme: A=\r\n", "a")
            }
            "HEAD" if is_written => ok(&format!("etag: \"h\"\r\n{told}"), "a"),
            "HEAD" => ("404 Not Found", String::new(), String::new()),
            "GET" if asked.path.contains("versioning") => ok("", "<VersioningConfiguration/>"),
            "GET" if is_written => ok("", &listing(&["to"]).replace(">e<", ">h<")),
            "GET" => ok("", "<ListBucketResult/>"),
            _ if is_there.swap(true, Ordering::Relaxed) => {
                ("412 Precondition Failed", String::new(), refusal("PreconditionFailed"))
            }
            _ => ("500 Internal Server Error", String::new(), refusal("InternalError")),
        }
    });
    Client::new(&settings(&endpoint)).unwrap()
}

#[tokio::test]
async fn where_an_etag_is_no_hash_checksums_or_size_and_time_tell_whose_it_is() {
    let at =
        |time: jiff::Timestamp| format!("last-modified: {}\r\n", time.strftime("%a, %d %b %Y %H:%M:%S GMT"));
    let (now, old) =
        (at(jiff::Timestamp::now()), at(jiff::Timestamp::now() - std::time::Duration::from_secs(9)));
    let (kms, sum) = ("x-amz-server-side-encryption: aws:kms\r\n", "x-amz-checksum-crc64nvme: ");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "a").unwrap();
    let (copy, upload) = ("s3 cp s3://b/from s3://b/to", format!("s3 cp {} s3://b/to", file.display()));
    for (text, told, state) in [
        (copy, format!("{kms}{now}"), State::Done),
        (copy, format!("{kms}{old}"), State::Left),
        (copy, now.clone(), State::Left),
        (copy, format!("{sum}A=\r\n{old}"), State::Done),
        (copy, format!("{kms}{sum}B=\r\n{now}"), State::Left),
        (&upload, format!("{kms}{now}"), State::Done),
        (&upload, format!("{kms}{old}"), State::Left),
        (&upload, now.clone(), State::Left),
    ] {
        let client = store_of(told.clone());
        let how = Freeze::at(&folder.path().join("manifest.db"), ["", ""], "");
        let manifest = freeze(&client, &line(text), &Scene::default(), &how).await.unwrap();
        let count = run(&client, &manifest, &()).await.unwrap();
        assert_eq!(count.of(state), 1, "{text} {told}: {:?}", manifest.some(State::Left, 1));
    }
}
