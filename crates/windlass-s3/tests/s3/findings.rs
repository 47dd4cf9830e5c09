//! What a preview says of the bucket.

use crate::{
    common::{line, settings},
    fake::{listing, refusal, serve},
    lines::{Case, HOLD},
};
use windlass_lab::{StoreKind, store};
use windlass_objects::{Scene, Surprise};
use windlass_s3::{Client, preview};

impl Case {
    async fn surprises(&self, text: &str, hold: &str) -> Vec<Surprise> {
        let line = line(&text.replace("BUCKET", &self.bucket));
        let holds = [hold, hold].map(str::to_owned);
        preview(&self.client, &line, &Scene::default(), &holds).await.unwrap().1
    }

    fn expire(&self, kind: StoreKind, prefix: &str, days: u32) {
        let rule = format!(
            r#"{{"Rules":[{{"ID":"x","Status":"Enabled","Filter":{{"Prefix":"{prefix}"}},"Expiration":{{"Days":{days}}}}}]}}"#
        );
        let put = ["s3api", "put-bucket-lifecycle-configuration", "--bucket", &self.bucket];
        let out =
            store(kind).aws(&[&put[..], &["--lifecycle-configuration", &rule]].concat()).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

fn lost(objects: u64, is_held: bool) -> Surprise {
    Surprise::NoVersions { objects, is_held }
}

#[tokio::test]
async fn what_could_not_come_back_is_told() {
    for kind in StoreKind::ALL {
        let case = Case::filled(kind, false).await;
        let (overwrites, deletes) =
            ("s3 cp s3://BUCKET/from/ s3://BUCKET/to/ --recursive", "s3 rm s3://BUCKET/from/ --recursive");
        assert_eq!(case.surprises(overwrites, HOLD).await, [lost(1, true)], "{}", kind.name());
        assert_eq!(case.surprises(deletes, HOLD).await, [lost(8, true)], "{}", kind.name());
        assert_eq!(case.surprises("s3 cp s3://BUCKET/from/1.txt s3://BUCKET/new/", HOLD).await, []);
        case.expire(kind, "tmp/", 1);
        assert_eq!(case.surprises(deletes, HOLD).await, [lost(8, true)], "{}", kind.name());
        case.expire(kind, ".windlass/", 30);
        let told = [lost(8, true), Surprise::HoldExpires(30)];
        assert_eq!(case.surprises(deletes, HOLD).await, told, "{}", kind.name());
        // Nothing is set aside.
        assert_eq!(case.surprises(deletes, "").await, [lost(8, false)], "{}", kind.name());
        case.client.enable_versions(&case.bucket).await.unwrap();
        assert_eq!(case.surprises(deletes, HOLD).await, [], "{}", kind.name());
    }
}

/// A bucket of `me`, with an object of another account.
fn store_of(may_ask: bool) -> Client {
    let endpoint = serve(move |asked| {
        let ok = |body: String| ("200 OK", String::new(), body);
        match &asked.path {
            path if path.contains("versioning") && !may_ask => {
                ("403 Forbidden", String::new(), refusal("AccessDenied"))
            }
            path if path.contains("versioning") => {
                ok("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".into())
            }
            path if path.contains("acl") && may_ask => {
                ok("<AccessControlPolicy><Owner><ID>me</ID></Owner></AccessControlPolicy>".into())
            }
            path if path.contains("acl") => ("403 Forbidden", String::new(), refusal("AccessDenied")),
            path if path.contains("fetch-owner=true") => {
                let owned = |key: &str, owner: &str| {
                    listing(&[key]).replace("<Size>", &format!("<Owner><ID>{owner}</ID></Owner><Size>"))
                };
                let (one, two) = (owned("p/1", "me"), owned("p/2", "other"));
                ok(one.replace("</ListBucketResult>", "") + two.split_once("</EncodingType>").unwrap().1)
            }
            _ => ok(listing(&["p/1", "p/2"])),
        }
    });
    Client::new(&settings(&endpoint)).unwrap()
}

#[tokio::test]
async fn objects_of_another_account_are_told_where_that_can_be_seen() {
    for (may_ask, told) in [(true, vec![Surprise::OthersOwn(1)]), (false, vec![])] {
        let line = line("s3 rm s3://b/p/ --recursive");
        let seen = preview(&store_of(may_ask), &line, &Scene::default(), &Default::default()).await.unwrap();
        assert_eq!(seen.1, told);
    }
}
