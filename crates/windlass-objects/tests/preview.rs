//! What a choice comes to, from frozen listings.

use windlass_objects::{Object, Preview, Scene, Surprise, Work, read, select};

fn object(key: &str, size: u64) -> Object {
    Object { key: key.into(), size, modified_us: 1, etag: None, version: None, class: None }
}

fn previewed(line: &str, from: &[&str], to: &[&str]) -> (Preview, Vec<Surprise>) {
    let words: Vec<_> = line.split_whitespace().collect();
    let line = read(&words).unwrap_or_else(|error| panic!("{line}: {error:?}"));
    let listing = |keys: &[&str]| -> Vec<Result<Object, String>> {
        keys.iter().map(|key| Ok(object(key, 10))).collect()
    };
    let scene = Scene::default();
    let mut selection = select(&line, &scene, listing(from), listing(to));
    let mut preview = Preview::new(&line, &scene);
    for entry in selection.by_ref() {
        preview.add(&entry.expect("both are sorted"));
    }
    let surprises = preview.surprises(&selection.counts());
    (preview, surprises)
}

#[test]
fn it_is_summed_up_for_people() {
    let from: Vec<String> = (0..9).map(|n| format!("p/a{n}/x.txt")).chain(["p/top.pbd".to_owned()]).collect();
    let from: Vec<&str> = from.iter().map(String::as_str).collect();
    let (preview, surprises) =
        previewed("s3 sync s3://b/p/ s3://c/q/ --delete", &from, &["q/a0/x.txt", "q/old"]);
    assert_eq!((preview.copied.objects, preview.stay.objects, preview.deleted.objects), (9, 1, 1));
    assert_eq!(surprises, []);
    let lines = preview.lines(|bytes| format!("{bytes} B"));
    assert_eq!(
        lines,
        [
            "copy 9 objects, 90 B",
            "delete 1 object, 10 B",
            "leave 1 object, 10 B, at the destination already",
            "below (none) 2, a1/ 1, a2/ 1, a3/ 1, a4/ 1, a5/ 1, 3 others 3",
            "named .txt 8, (none) 1, .pbd 1",
            "a1/x.txt a2/x.txt a3/x.txt … a8/x.txt old top.pbd",
        ]
    );
}

#[test]
fn what_only_the_listings_tell() {
    use Surprise::{CopiedAgain, EmptySourceDeletes, FiltersHideNothing, NothingMeant, Tangled};
    for (line, from, to, expected) in [
        ("s3 sync s3://b/typo/ s3://c/ --delete", &[][..], &["a", "b"][..], vec![EmptySourceDeletes]),
        ("s3 sync s3://b/typo/ s3://c/", &[], &["a"], vec![NothingMeant]),
        ("s3 rm s3://b/p/ --recursive --exclude *.txt", &["p/a.pbd"], &[], vec![FiltersHideNothing]),
        ("s3 rm s3://b/p/ --recursive --exclude *", &["p/a.pbd"], &[], vec![NothingMeant]),
        ("s3 sync s3://b/p/ s3://b/p/v/ --exclude v/*", &["p/a", "p/v/a"], &["p/v/a"], vec![CopiedAgain(1)]),
        ("s3 sync s3://b/p/ s3://b/p/v/", &["p/a", "p/b"], &[], vec![CopiedAgain(2)]),
        // `p/v/a` is to be copied to `p/v/v/a`, and `p/a` to `p/v/a`.
        (
            "s3 cp s3://b/p/ s3://b/p/v/ --recursive",
            &["p/a", "p/v/a"],
            &["p/v/a"],
            vec![CopiedAgain(2), Tangled(1)],
        ),
        ("s3 mv s3://b/p/ s3://b/p/v/ --recursive", &["p/a"], &[], vec![CopiedAgain(1)]),
        // The source inside the destination: what lies once more below its name comes to stand in the source.
        ("s3 cp s3://b/p/v/ s3://b/p/ --recursive", &["p/v/a", "p/v/v/b"], &[], vec![CopiedAgain(1)]),
        (
            "s3 mv s3://b/p/v/ s3://b/p/ --recursive",
            &["p/v/a", "p/v/v/a"],
            &["p/v/a", "p/v/v/a"],
            vec![CopiedAgain(1), Tangled(1)],
        ),
        ("s3 sync s3://b/p/ s3://b/q/", &["p/a"], &[], vec![]),
    ] {
        assert_eq!(previewed(line, from, to).1, expected, "{line}");
    }
}

/// A listing in another order would take what is there for missing.
#[test]
fn a_listing_that_is_not_sorted_or_not_the_right_one_is_refused() {
    for keys in [["p/b", "p/a"], ["p/a", "p/a"], ["p/a", "q/b"]] {
        let line = read(&["s3", "rm", "s3://b/p/", "--recursive"]).expect("a line");
        let listing = keys.map(|key| Ok::<_, String>(object(key, 1)));
        let found: Vec<_> = select(&line, &Scene::default(), listing, []).collect();
        assert!(found.len() == 2 && found[1].is_err(), "{keys:?}: {found:?}");
    }
}

/// A million keys, one at a time; an iterator that kept them would be seen by its memory, one that read ahead by this count.
#[test]
fn a_choice_reads_one_object_ahead() {
    let line = read(&["s3", "sync", "s3://b/p/", "s3://c/"]).expect("a line");
    let read_so_far = std::cell::Cell::new(0);
    let from = (0..1_000_000).map(|n| {
        read_so_far.set(n + 1);
        Ok::<_, String>(object(&format!("p/{n:07}"), 1))
    });
    let mut copied = 0;
    for entry in select(&line, &Scene::default(), from, []) {
        copied += u64::from(entry.expect("sorted").work == Work::Copy);
        assert_eq!(read_so_far.get(), copied);
    }
    assert_eq!(copied, 1_000_000);
}
