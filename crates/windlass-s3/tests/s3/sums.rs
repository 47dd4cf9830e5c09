//! Checksums of whole objects are compared, where a store keeps them.

use crate::{
    common::{fresh, line, settings},
    fake::{listing, refusal, serve},
};
use windlass_lab::StoreKind;
use windlass_objects::Scene;
use windlass_s3::{Client, Conflicts, Freeze, Kind, Manifest, State, back, freeze, run};

/// SHA-256 of `x`.
const SHA256: &str = "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=";

#[tokio::test]
async fn a_head_has_the_checksums_of_the_whole_object() {
    for kind in StoreKind::ALL {
        let (client, bucket) = fresh(kind).await;
        let headers = [("x-amz-sdk-checksum-algorithm", "SHA256"), ("x-amz-checksum-sha256", SHA256)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        client.put(&bucket, "k", "x".into(), &headers).await.unwrap();
        let head = client.head(&bucket, "k", None).await.unwrap().unwrap();
        assert_eq!(head.sums, [("sha256".to_owned(), SHA256.to_owned())], "{}", kind.name());
    }
}

#[tokio::test]
async fn a_store_that_refuses_to_be_asked_for_checksums_is_asked_without() {
    for (status, code, more) in [
        // Backblaze B2.
        ("400 Bad Request", "InvalidArgument", 1),
        ("501 Not Implemented", "NotImplemented", 1),
        // Of this object only: that of the next is asked for again, and why it is refused.
        ("400 Bad Request", "KMS.DisabledException", 3),
        ("403 Forbidden", "AccessDenied", 3),
    ] {
        let endpoint = serve(move |asked| match asked.header("x-amz-checksum-mode") {
            "" => ("200 OK", "etag: \"e\"\r\n".to_owned(), "a".to_owned()),
            _ => (status, String::new(), refusal(code)),
        });
        let client = Client::new(&settings(&endpoint)).unwrap();
        assert_eq!(client.head("b", "k", None).await.unwrap().unwrap().etag, "e", "{code}");
        let before = client.requests();
        assert_eq!(client.head("b", "k", None).await.unwrap().unwrap().etag, "e", "{code}");
        assert_eq!(client.requests() - before, more, "{code}");
    }
}

/// A store that copies in parts, with these checksums of the source and of the copy.
fn store_of(from: &'static str, to: &'static str) -> Client {
    let is_there = std::sync::atomic::AtomicBool::new(false);
    let endpoint = serve(move |asked| {
        use std::sync::atomic::Ordering::Relaxed;
        let ok = |headers: &str, body: &str| ("200 OK", headers.to_owned(), body.to_owned());
        let sums = |sums: &str| {
            if asked.header("x-amz-checksum-mode") == "ENABLED" { sums.to_owned() } else { String::new() }
        };
        match asked.method.as_str() {
            "HEAD" if asked.path.ends_with("from") => ok(&format!("etag: \"e\"\r\n{}", sums(from)), "a"),
            "HEAD" if is_there.load(Relaxed) => ok(&format!("etag: \"e-1\"\r\n{}", sums(to)), "a"),
            "HEAD" => ("404 Not Found", String::new(), String::new()),
            "GET" if asked.path.contains("versioning") => ok("", "<VersioningConfiguration/>"),
            "GET" if asked.path.contains("tagging") => ok("", "<Tagging><TagSet/></Tagging>"),
            "GET" if is_there.load(Relaxed) => ok("", &listing(&["to"]).replace(">e<", ">e-1<")),
            "GET" => ok("", "<ListBucketResult/>"),
            "POST" if asked.path.contains("uploads") => ok(
                "",
                "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
            ),
            "POST" => {
                is_there.store(true, Relaxed);
                ok("", "<CompleteMultipartUploadResult><ETag>e-1</ETag></CompleteMultipartUploadResult>")
            }
            _ => ok("", "<CopyPartResult><ETag>p</ETag></CopyPartResult>"),
        }
    });
    Client::new(&settings(&endpoint)).unwrap()
}

async fn frozen(client: &Client, folder: &tempfile::TempDir) -> Manifest {
    let how = Freeze::at(&folder.path().join("manifest.db"), ["", ""], "");
    let how = Freeze { copy_bytes_max: 0, part_bytes: 5, ..how };
    freeze(client, &line("s3 cp s3://b/from s3://b/to"), &Scene::default(), &how).await.unwrap()
}

#[tokio::test]
async fn a_copy_in_parts_with_another_checksum_is_none() {
    for (from, to, is_good) in [
        ("x-amz-checksum-crc64nvme: A=\r\n", "x-amz-checksum-crc64nvme: A=\r\n", true),
        ("x-amz-checksum-crc64nvme: A=\r\n", "x-amz-checksum-crc64nvme: B=\r\n", false),
        ("x-amz-checksum-crc32: A=\r\n", "x-amz-checksum-crc64nvme: B=\r\n", true),
        // Of parts, and who knows of which.
        ("x-amz-checksum-crc32: A=-2\r\n", "x-amz-checksum-crc32: B=-1\r\n", true),
        (
            "x-amz-checksum-crc32: A=\r\n",
            "x-amz-checksum-crc32: B=\r\nx-amz-checksum-type: COMPOSITE\r\n",
            true,
        ),
        ("", "", true),
    ] {
        let client = store_of(from, to);
        let folder = tempfile::tempdir().unwrap();
        let manifest = frozen(&client, &folder).await;
        if is_good {
            assert_eq!(run(&client, &manifest, &()).await.unwrap().of(State::Done), 1, "{from} {to}");
            continue;
        }
        let error = run(&client, &manifest, &()).await.unwrap_err();
        assert_eq!(error.kind, Kind::Answer, "{error}");
        assert!(error.message.contains("s3://b/to: its checksum is not that of s3://b/from"), "{error}");
    }
}

#[tokio::test]
async fn what_stands_there_with_another_checksum_is_nobody_of_ours() {
    for goes_back in [false, true] {
        let client = store_of("x-amz-checksum-crc32: A=\r\n", "x-amz-checksum-crc32: B=\r\n");
        let folder = tempfile::tempdir().unwrap();
        let manifest = frozen(&client, &folder).await;
        // As a killed try, it ends before it has noted that it wrote.
        run(&client, &manifest, &()).await.unwrap_err();
        let (count, state) = if goes_back {
            (back(&client, &manifest, &(), Conflicts::Keep).await.unwrap(), State::Conflict)
        } else {
            (run(&client, &manifest, &()).await.unwrap(), State::Left)
        };
        assert_eq!(count.of(state), 1, "{goes_back}: {count:?}");
    }
}
