//! Copies in parts give what a copy in one request gives.

use crate::{
    common::{line, settings},
    fake::{listing, refusal, serve},
    lines::{Case, LINES},
};
use windlass_lab::{StoreKind, store};
use windlass_objects::Scene;
use windlass_s3::{Client, Conflicts, Freeze, Kind, Manifest, State, back, freeze, run};

const TAGS: &str = "%E6%97%A5=%2B&team=a%20b";

impl Case {
    /// Everything above `most` bytes is copied in parts.
    async fn freeze_in_parts(&self, text: &str, most: u64) -> Manifest {
        let how = Freeze { copy_bytes_max: most, part_bytes: 5 << 20, ..self.how() };
        let line = line(&text.replace("BUCKET", &self.bucket));
        freeze(&self.client, &line, &Scene::default(), &how).await.unwrap()
    }

    async fn put_described(&self, key: &str, body: &str, tags: &str) {
        let headers =
            [("x-amz-tagging", tags), ("content-type", "text/x-own"), ("x-amz-meta-from", "source")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.client.put(&self.bucket, key, body.to_owned().into(), &headers).await.unwrap();
    }

    async fn described(&self, key: &str) -> (String, Vec<(String, String)>) {
        let mut tags: Vec<_> =
            self.client.tags(&self.bucket, key, None).await.unwrap().split('&').map(str::to_owned).collect();
        tags.sort();
        let head = self.client.head(&self.bucket, key, None).await.unwrap().unwrap();
        let mut attributes = head.attributes;
        attributes.sort();
        (tags.join("&"), attributes)
    }
}

#[tokio::test]
async fn tags_and_metadata_are_those_of_a_copy_in_one_request() {
    let big = "x".repeat(6 << 20);
    for kind in StoreKind::ALL {
        for more in ["", " --metadata of=line --content-type text/x-line", " --content-type text/x-line"] {
            let text = format!("{}{more}", LINES[2]);
            let mut made = Vec::new();
            for most in [5 << 20, 5 << 30] {
                let case = Case::new(kind, false).await;
                case.put_described("from/big", &big, TAGS).await;
                // moto keeps tags by name, and adds those of what comes there.
                if kind == StoreKind::Seaweed {
                    case.put_described("to/big", &big[1..], "old=1").await;
                }
                let before = case.described("from/big").await;
                assert_eq!(before.0, TAGS, "{}", kind.name());
                let manifest = case.freeze_in_parts(&text, most).await;
                run(&case.client, &manifest, &()).await.unwrap();
                made.push(case.described("to/big").await);
                assert_eq!(case.world().await["to/big"].0.contains('-'), most == 5 << 20, "in parts");
                let count = back(&case.client, &manifest, &(), Conflicts::Keep).await.unwrap();
                assert_eq!(count.of(State::Back), 1);
                if more.is_empty() {
                    assert_eq!(case.described("from/big").await, before, "{}", kind.name());
                }
                if kind == StoreKind::Seaweed {
                    assert_eq!(case.described("to/big").await.0, "old=1", "{more}");
                }
            }
            assert_eq!(made[0], made[1], "{} {more}", kind.name());
            assert_eq!(made[0].0, TAGS, "{} {more}", kind.name());
        }
    }
}

#[tokio::test]
async fn who_replaces_metadata_gets_the_content_type_that_aws_cli_gives() {
    for kind in StoreKind::ALL {
        let case = Case::new(kind, false).await;
        for key in ["from/1.html", "from/2"] {
            case.put_described(key, "x", "team=a").await;
        }
        for options in [
            "--metadata a=b",
            "--metadata-directive REPLACE",
            "--metadata a=b --metadata-directive COPY",
            "--metadata a=b --content-type text/x-other",
            "--metadata a=b --no-guess-mime-type",
        ] {
            let text = format!("s3 cp s3://BUCKET/from/ s3://BUCKET/TO/ --recursive {options}");
            let text = text.replace("BUCKET", &case.bucket);
            let of_aws = text.replace("TO", "aws");
            let words: Vec<_> = of_aws.split(' ').collect();
            let out = store(kind).aws(&words).output().unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            run(&case.client, &case.freeze(&text.replace("TO", "to")).await, &()).await.unwrap();
            for name in ["1.html", "2"] {
                let wanted = case.described(&format!("aws/{name}")).await;
                assert_eq!(
                    case.described(&format!("to/{name}")).await,
                    wanted,
                    "{} {name} {options}",
                    kind.name()
                );
            }
        }
    }
}

/// A store that answers so when it is asked for tags.
fn store_of(status: &'static str, code: &'static str, tag_count: &'static str) -> Client {
    let endpoint = serve(move |asked| {
        let etag = "etag: \"e\"\r\n".to_owned();
        let ok = |body: &str| ("200 OK", etag.clone(), body.to_owned());
        match asked.method.as_str() {
            "HEAD" => ("200 OK", format!("{etag}{tag_count}"), "a".into()),
            "GET" if asked.path.contains("tagging") => (status, String::new(), refusal(code)),
            "GET" if asked.path.contains("versioning") => ok("<VersioningConfiguration/>"),
            "GET" => ok(&listing(&["to"])),
            "POST" if asked.path.contains("uploads") => {
                ok("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            }
            "POST" => ok("<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"),
            _ => ok("<CopyPartResult><ETag>e</ETag></CopyPartResult>"),
        }
    });
    Client::new(&settings(&endpoint)).unwrap()
}

#[tokio::test]
async fn tags_that_cannot_be_read_are_not_left_out() {
    let none = ("501 Not Implemented", "NotImplemented");
    for (status, code, count, refused) in [
        ("403 Forbidden", "AccessDenied", "", Some(Kind::Denied)),
        (none.0, none.1, "x-amz-tagging-count: 1\r\n", Some(Kind::Unsupported)),
        (none.0, none.1, "", None),
    ] {
        let client = store_of(status, code, count);
        let folder = tempfile::tempdir().unwrap();
        let how = Freeze::at(&folder.path().join("manifest.db"), ["", ""], "");
        let how = Freeze { copy_bytes_max: 0, part_bytes: 5, ..how };
        let line = line("s3 cp s3://b/from s3://b/to");
        let manifest = freeze(&client, &line, &Scene::default(), &how).await;
        let done = run(&client, &manifest.unwrap(), &()).await;
        match refused {
            Some(kind) => {
                let error = done.unwrap_err();
                assert_eq!(error.kind, kind, "{error}");
                assert!(error.message.contains("the tags of s3://b/from"), "{error}");
                assert_eq!(error.hints.len(), usize::from(kind == Kind::Denied));
            }
            None => assert_eq!(done.unwrap().of(State::Done), 1, "{code}"),
        }
    }
}
