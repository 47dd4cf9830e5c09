//! The real `diff -u` writes patches; applied as read, they give the new file.

use crate::random::Random;
use std::fs;
use std::process::Command;
use windlass_document::diff::{self, Edit};

/// A file of lines that are mostly unique, some of them nasty to a reader of diffs.
fn lines(random: &mut Random, count: usize) -> Vec<String> {
    const NASTY: [&str; 9] = ["-- c", "++ d", "", "@@ -1 +1 @@", "-", "+", " ", "数据", "\\ No newline"];
    (0..count)
        .map(|index| {
            if random.below(3) == 0 {
                format!("{}{index}", random.pick(&NASTY))
            } else {
                format!("line {index}")
            }
        })
        .collect()
}

fn change(random: &mut Random, old: &[String]) -> Vec<String> {
    let mut new = old.to_vec();
    for change in 0..1 + random.below(5) {
        let at = random.below(new.len());
        match random.below(3) {
            0 if new.len() > 1 => drop(new.remove(at)),
            1 => new.insert(at, format!("-- new {change}")),
            _ => new[at] = format!("++ changed {change}"),
        }
    }
    new
}

/// Applies an edit as the drivers do: its old lines stand exactly once.
fn apply(file: &mut Vec<String>, edit: &Edit) {
    let join = |middle: &[String]| [&edit.before[..], middle, &edit.after[..]].concat();
    let (old, new) = (join(&edit.remove), join(&edit.add));
    let found: Vec<usize> = (0..=file.len() - old.len()).filter(|at| file[*at..].starts_with(&old)).collect();
    assert_eq!(found.len(), 1, "{old:?} in {file:?}");
    file.splice(found[0]..found[0] + old.len(), new);
}

#[test]
fn patches_of_the_diff_program() {
    const SEED: u64 = 1;
    let folder = tempfile::tempdir().expect("a temporary folder");
    for side in ["a", "b"] {
        fs::create_dir(folder.path().join(side)).expect("a new folder");
    }
    for seed in SEED..SEED + 300 {
        let random = &mut Random::new(seed);
        let count = 3 + random.below(40);
        let old = lines(random, count);
        let new = change(random, &old);
        if old == new {
            continue;
        }
        for (side, lines) in [("a", &old), ("b", &new)] {
            fs::write(folder.path().join(side).join("f"), lines.join("\n") + "\n").expect("a file");
        }
        let output = Command::new("diff").args(["-u", "a/f", "b/f"]).current_dir(folder.path()).output();
        let patch = String::from_utf8(output.expect("diff starts").stdout).expect("UTF-8");
        let (files, findings) = diff::parse(&patch);
        assert_eq!(findings, [], "seed {seed}: {patch}");
        assert_eq!((files.len(), files[0].file.as_str()), (1, "f"), "seed {seed}");
        let mut got = old;
        files[0].edits.iter().for_each(|edit| apply(&mut got, edit));
        assert_eq!(got, new, "seed {seed}: {patch}");
    }
}
