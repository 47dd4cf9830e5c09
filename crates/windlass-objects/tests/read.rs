//! Words to lines: what is understood, and what is refused by its name and place.

use windlass_objects::{Filter, NotUnderstood, ObjectLine, Place, Verb, is_object_line, read};

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('"').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

fn line(text: &str) -> Result<ObjectLine, NotUnderstood> {
    let words = words(text);
    read(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn good(text: &str) -> ObjectLine {
    line(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn s3(bucket: &str, key: &str) -> Place {
    Place::S3 { bucket: bucket.to_owned(), key: key.to_owned() }
}

#[test]
fn the_line_of_a_runbook() {
    let line = good(
        r#"s3 sync s3://data/production/ s3://data/production/spec-v1/ --include "*.txt" --exclude "spec-v1""#,
    );
    assert_eq!(line.verb, Verb::Sync);
    assert_eq!(line.from, s3("data", "production/"));
    assert_eq!(line.to, Some(s3("data", "production/spec-v1/")));
    let filter = |include, pattern: &str| Filter { include, pattern: pattern.to_owned() };
    assert_eq!(line.options.filters, [filter(true, "*.txt"), filter(false, "spec-v1")], "in their order");
    assert!(line.is_recursive());
}

#[test]
fn options_stand_where_aws_lets_them_stand() {
    let line = good(
        "--profile p s3 --region r cp --recursive a --endpoint-url http://127.0.0.1:1 s3://b/k --quiet --acl=private --sse",
    );
    assert_eq!(line.from, Place::Local { path: "a".to_owned() });
    let options = &line.options;
    assert_eq!(options.profile.as_deref(), Some("p"));
    assert_eq!(options.region.as_deref(), Some("r"));
    assert_eq!(options.endpoint_url.as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(options.acl.as_deref(), Some("private"));
    assert_eq!(options.sse.as_deref(), Some("AES256"), "the first choice");
    assert!(options.recursive);
    let line = good("s3 cp a s3://b --storage-class STANDARD --storage-class GLACIER --metadata k=v,l=w");
    assert_eq!(line.options.storage_class.as_deref(), Some("GLACIER"), "the last counts");
    assert_eq!(line.options.metadata.len(), 2);
    assert_eq!(good("s3 rm s3://b --recursive").from, s3("b", ""));
}

/// The word, from 0, and a part of what is said of it.
#[test]
fn what_is_not_understood_is_refused_by_name() {
    for (text, word, why) in [
        ("s3 cp a s3://b/k --recurs", 4, "`--recurs`"),
        ("s3 cp a s3://b/k --expires 2030-01-01", 4, "`--expires`"),
        ("s3 cp a s3://b/k --sse-c", 4, "`--sse-c`"),
        ("s3 cp a s3://b/k --no-verify-ssl", 4, "`--no-verify-ssl`"),
        ("s3 cp a s3://b/k -r", 4, "`-r`"),
        ("s3 cp a s3://b/k --", 4, "`--`"),
        ("s3 cp a --quiet s3://b/k", 4, "between"),
        ("s3 --quiet cp a s3://b/k", 2, "between"),
        ("--quiet s3 cp a s3://b/k", 0, "in front of `s3`"),
        ("s3 cp a s3://b/k c", 4, "too many"),
        ("s3 cp a", 1, "a destination"),
        ("s3 cp a b", 2, "neither"),
        ("s3 cp - s3://b/k", 2, "`-`"),
        ("s3 cp s3://arn:aws:s3:::x/k a", 2, "ARN"),
        ("s3 cp s3:///k a", 2, "ARN"),
        ("s3 sync s3://b--use1-az4--x-s3/ a", 2, "directory bucket"),
        ("s3 cp s3://b a", 2, "without `--recursive`"),
        ("s3 rm s3://b", 2, "without `--recursive`"),
        ("s3 rm a", 2, "not files"),
        ("s3 rm s3://b/k --delete", 3, "does not know the option `--delete`"),
        ("s3 rm s3://b/k --acl private", 4, "does not know the option `--acl`"),
        ("s3 sync s3://b s3://c --recursive", 4, "does not know the option `--recursive`"),
        ("s3 sync s3://b s3://c --exclude", 4, "no value"),
        ("s3 sync s3://b s3://c --exclude --delete", 4, "no value"),
        ("s3 sync s3://b s3://c --acl secret", 4, "one of private"),
        ("s3 sync --sse s3://b s3://c", 2, "one of AES256"),
        ("s3 sync s3://b s3://c --content-type file://type", 4, "somewhere else"),
        ("s3 sync s3://b s3://c --page-size many", 5, "a number"),
        ("s3 mv s3://b/d/k s3://b/d/", 1, "onto itself"),
        ("s3 mv s3://b/k s3://b/k", 1, "onto itself"),
        ("s3 presign s3://b/k", 1, "`aws s3 presign`"),
        ("ec2 stop", 0, "`aws ec2`"),
        ("s3", 0, "needs a command"),
        ("", 0, "no command"),
    ] {
        let error = line(text).expect_err(text);
        assert!(error.word == word && error.why.contains(why), "{text}: {error:?}");
    }
}

#[test]
fn other_commands_are_none_of_ours() {
    let is = |text: &str| is_object_line(&words(text).iter().map(String::as_str).collect::<Vec<_>>());
    assert!(is("s3 cp a b") && is("--region r s3 sync a b --what"));
    assert!(!is("s3 ls s3://b") && !is("ec2 start") && !is("s3") && !is(""));
}
