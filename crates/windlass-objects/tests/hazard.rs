//! What a line's words alone tell.

use windlass_objects::{Hazard, read};

fn hazards(line: &str) -> Vec<Hazard> {
    let words: Vec<_> = line.split_whitespace().collect();
    read(&words).unwrap_or_else(|error| panic!("{line}: {error:?}")).hazards()
}

#[test]
fn the_lines_of_the_runbook_that_lost_its_data() {
    use Hazard::{ExcludesOneName, IncludeWithoutEffect, IntoItself};
    let filters = "--include *.txt --exclude spec-v1";
    let expected = [IntoItself, IncludeWithoutEffect(0), ExcludesOneName(1)];
    assert_eq!(
        hazards(&format!("s3 sync s3://d/production/ s3://d/production/spec-v1/ {filters}")),
        expected
    );
    assert_eq!(
        hazards(&format!("s3 mv s3://d/production/ s3://d/production/discard/ {filters} --recursive")),
        expected
    );
}

#[test]
fn overlaps() {
    for (line, expected) in [
        (
            "s3 sync s3://b/p/ s3://b/p/v1/ --exclude * --include *.txt --exclude v1/*",
            vec![Hazard::CopiesAllAgain],
        ),
        ("s3 mv s3://b/p/ s3://b/p/v1/ --recursive --exclude v1/*", vec![]),
        ("s3 sync s3://b/p/ s3://b/p/v1/ --exclude v1/* --include *.txt", vec![Hazard::IntoItself]),
        ("s3 sync s3://b/p/ s3://b/p/v1/ --exclude v1/* --include x/*.txt", vec![Hazard::IntoItself]),
        ("s3 sync s3://b/p/ s3://b/p/v1/ --exclude v*", vec![Hazard::CopiesAllAgain]),
        ("s3 sync s3://b/p/ s3://b/p/v1/ --exclude v?/*", vec![Hazard::IntoItself]),
        ("s3 sync s3://b/ s3://b/v1/", vec![Hazard::IntoItself]),
        ("s3 sync s3://b/p/ s3://b/p/ --delete", vec![Hazard::OntoItself]),
        ("s3 sync s3://b/p/v1/ s3://b/p/ --delete", vec![Hazard::DeletesSource]),
        ("s3 cp s3://b/p/v1/ s3://b/p/ --recursive", vec![]),
        ("s3 sync s3://b/p/ s3://b/p2/", vec![]),
        ("s3 sync s3://b/p/ s3://c/p/v1/", vec![]),
        ("s3 sync s3://b/p s3://b/p2/", vec![Hazard::NoSlash]),
        ("s3 rm s3://b/p/ --recursive --include *.txt", vec![Hazard::IncludeWithoutEffect(0)]),
        (
            "s3 rm s3://b/p/ --recursive --include *.txt --exclude *",
            vec![Hazard::IncludeWithoutEffect(0), Hazard::ExcludesEverything(1)],
        ),
        ("s3 rm s3://b/p/ --recursive --exclude * --include *.txt", vec![]),
        ("s3 rm s3://b/p/ --recursive --exclude /tmp/*", vec![Hazard::FilterFromRoot(0)]),
        ("s3 cp s3://b/p s3://b/p/v1", vec![]),
        ("s3 sync . s3://b/p/ --exclude .git/*", vec![]),
    ] {
        assert_eq!(hazards(line), expected, "{line}");
    }
}
