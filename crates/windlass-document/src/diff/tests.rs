use super::*;
use crate::Severity;

fn ok(text: &str) -> Vec<FilePatch> {
    let (files, findings) = parse(text);
    assert_eq!(findings, [], "{text}");
    files
}

/// `before|remove|add|after` of each edit, lines joined by commas.
fn edits(file: &FilePatch) -> Vec<String> {
    file.edits
        .iter()
        .map(|edit| {
            [&edit.before, &edit.remove, &edit.add, &edit.after].map(|lines| lines.join(",")).join("|")
        })
        .collect()
}

fn rules(text: &str) -> Vec<(String, String)> {
    let (_, findings) = parse(text);
    findings.iter().map(|f| (f.rule.clone(), text[f.span.start..f.span.end].to_owned())).collect()
}

fn rule(rule: &str, at: &str) -> Vec<(String, String)> {
    vec![(rule.to_owned(), at.to_owned())]
}

#[test]
fn the_simple_form() {
    let text = "--- docker-compose.yml\n-    image: svc-biz-core:2.0.9\n+    image: svc-biz-core:2.1.0\n\
                --- local.svc-biz-core.env\n+X_PREFIX=spec-v2\n";
    let files = ok(text);
    assert_eq!(
        files.iter().map(|f| f.file.as_str()).collect::<Vec<_>>(),
        ["docker-compose.yml", "local.svc-biz-core.env"]
    );
    assert_eq!(edits(&files[0]), ["|    image: svc-biz-core:2.0.9|    image: svc-biz-core:2.1.0|"]);
    assert_eq!(edits(&files[1]), ["||X_PREFIX=spec-v2|"]);
    let span = files[0].edits[0].span;
    assert_eq!(&text[span.start..span.end], "-    image: svc-biz-core:2.0.9\n+    image: svc-biz-core:2.1.0");
    assert_eq!(&text[files[1].span.start..files[1].span.end], "local.svc-biz-core.env");
}

#[test]
fn edits_are_separated() {
    for (body, expected) in [
        ("-a\n+b\n-c\n+d\n", vec!["|a|b|", "|c|d|"]),
        ("-a\n-b\n+c\n+d\n\n-e\n", vec!["|a,b|c,d|", "|e||"]),
        ("-a\n\n-b\n", vec!["|a||", "|b||"]),
        ("+a\n\n+b\n", vec!["||a|", "||b|"]),
        (" x\n-a\n+b\n y\n", vec!["x|a|b|y"]),
        ("-a\n+b\n m\n n\n-c\n", vec!["|a|b|m,n", "m,n|c||"]),
        ("-a\n m\n+b\n", vec!["|a||m", "m||b|"]),
        ("-a\n m\n\n+b\n", vec!["|a||m", "||b|"]),
        (" x\n+数据: 1\n", vec!["x||数据: 1|"]),
        ("-a\r\n+b\r\n", vec!["|a|b|"]),
        ("-\n+ \n", vec!["|| |"]),
        ("+++ x\n", vec!["||++ x|"]),
        ("-a\n\\ No newline at end of file\n+b\n", vec!["|a|b|"]),
    ] {
        assert_eq!(edits(&ok(&format!("--- f\n\n{body}"))[0]), expected, "{body}");
    }
}

#[test]
fn a_file_line_or_a_removed_line() {
    // Behind a removed line or a file line it removes, behind anything else it starts a file.
    assert_eq!(
        edits(&ok("--- f.sql\n--- old comment\n--- x\n+-- new\n")[0]),
        ["|-- old comment,-- x|-- new|"]
    );
    assert_eq!(ok("--- f\n-a\n\n--- g.env\n-b\n").len(), 2);
    assert_eq!(ok("--- f\n+a\n--- g.env\n-b\n").len(), 2);
    assert_eq!(ok("--- f\n-a\n b\n--- g.env\n-b\n").len(), 2);
    assert_eq!(ok("--- f\n-a\n--- g.env\n+++ g.env\n-b\n").len(), 2);
    // What could be either is not guessed.
    assert_eq!(rules("--- f\n-a\n--- g.env\n-b\n"), rule("diff-ambiguous", "--- g.env"));
    assert_eq!(rules("--- f\n--- g.env\n-b\n"), rule("diff-ambiguous", "--- g.env"));
    assert_eq!(
        rules("--- f\n+a\n--- drop this line\n")[0],
        ("diff-path".to_owned(), "drop this line".to_owned())
    );
    // In a hunk its line counts decide.
    let files = ok("--- a/f.sql\n+++ b/f.sql\n@@ -1,2 +1,2 @@\n--- g.sql\n+++ h.sql\n x\n");
    assert_eq!(edits(&files[0]), ["|-- g.sql|++ h.sql|x"]);
}

#[test]
fn unified_diffs() {
    let text = "diff --git a/conf/app.yml b/conf/app.yml\nindex 1234567..89abcde 100644\n--- a/conf/app.yml\n\
                +++ b/conf/app.yml\n@@ -1,6 +1,6 @@ services:\n one\n-two\n+2\n three\n\n-five\n+5\n six\n\
                @@ -20 +20,2 @@\n-x\n+y\n+z\n\\ No newline at end of file\n\
                diff --git a/b b/b\n--- a/b\n+++ b/b\n@@ -1,2 +1 @@\n-p\n q";
    let (files, findings) = parse(text);
    assert_eq!(findings.iter().map(|f| f.rule.as_str()).collect::<Vec<_>>(), ["diff-newline"]);
    assert_eq!(findings[0].severity, Severity::Warning);
    assert_eq!((files[0].file.as_str(), files[1].file.as_str()), ("conf/app.yml", "b"));
    // A hunk is one run: its inner context is taken out and put back.
    assert_eq!(edits(&files[0]), ["one|two,three,,five|2,three,,5|six", "|x|y,z|"]);
    assert_eq!(edits(&files[1]), ["|p||q"]);
}

#[test]
fn paths() {
    for (header, expected) in [
        ("--- /etc/systemd/system/x.service", "/etc/systemd/system/x.service"),
        ("--- ./x", "./x"),
        ("--- a/x", "a/x"),
        ("--- \"my file.txt\"", "my file.txt"),
        ("--- \"\\346\\225\\260\\\"\"", "数\""),
        ("--- a/x\n+++ b/x", "x"),
        ("--- a/x y\t2026-01-01 10:00:00\n+++ b/x y\t2026-01-02", "x y"),
        ("--- \"a/\\346\\225\\260\"\n+++ \"b/\\346\\225\\260\"", "数"),
        ("--- x\n+++ x", "x"),
    ] {
        assert_eq!(ok(&format!("{header}\n-a\n"))[0].file, expected, "{header}");
    }
    for (header, name) in [
        ("../x", "diff-path"),
        ("a/../../x", "diff-path"),
        ("~/x", "diff-path"),
        ("x/", "diff-path"),
        ("\"\\377\"", "diff-path"),
        ("\"x", "diff-path"),
        ("\"x\\", "diff-path"),
        ("\"\\4", "diff-path"),
        ("\"a\\tb\"", "diff-path"),
        ("/dev/null", "diff-unsupported"),
        ("a b", "diff-path"),
    ] {
        assert_eq!(rules(&format!("--- {header}\n-a\n")), rule(name, header), "{header}");
    }
}

#[test]
fn a_file_named_twice_is_merged() {
    let files = ok("--- x\n-a\n\n--- y\n-b\n\n--- ./x\n-c\n");
    assert_eq!(files.len(), 2);
    assert_eq!(edits(&files[0]), ["|a||", "|c||"]);
}

#[test]
fn what_is_not_supported_says_what_to_do() {
    let git = |rest: &str| {
        format!("diff --git a/x b/x\n{rest}\ndiff --git a/y b/y\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-1\n+2\n")
    };
    for (rest, help) in [
        ("new file mode 100644\nindex 0..1\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a", "cp"),
        ("deleted file mode 100644\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a", "rm"),
        ("--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a", "rm"),
        ("similarity index 100%\nrename from x\nrename to z", "mv"),
        ("old mode 100644\nnew mode 100755", "chmod"),
        ("Binary files a/x and b/x differ", "cp"),
        ("GIT binary patch\nliteral 5\nzc$@x\n\n--- z", "cp"),
        ("--- a/x\n+++ b/z\n@@ -1 +1 @@\n-a\n+b", "name"),
        ("--- a/x\n+++ b/x\n@@ -3,0 +4 @@\n+b", "context"),
    ] {
        let text = git(rest);
        let (files, findings) = parse(&text);
        assert_eq!(findings.len(), 1, "{rest}: {findings:#?}");
        assert_eq!(findings[0].rule, "diff-unsupported", "{rest}");
        assert!(findings[0].help.contains(help), "{rest}: {}", findings[0].help);
        assert_eq!(edits(files.last().unwrap()), ["|1|2|"], "{rest}: the next file is read");
    }
}

#[test]
fn everything_else_is_an_error() {
    for (text, name, at) in [
        ("", "diff-empty", ""),
        ("\n\n", "diff-empty", "\n\n"),
        ("--- f\n", "diff-empty", "f"),
        ("--- f\n x\n", "diff-empty", "f"),
        ("-a\n+b\n", "diff-line", "-a"),
        ("hello\n--- f\n-a\n", "diff-line", "hello"),
        ("--- f\n-a\nhello\n", "diff-line", "hello"),
        ("--- f\n\tx\n", "diff-line", "\tx"),
        ("--- f\n+a\n-b\n", "diff-order", "-b"),
        ("--- f\n-a\n+a\n", "diff-no-effect", "-a\n+a"),
        ("--- f\n@@ -x +1 @@\n-a\n", "diff-hunk", "@@ -x +1 @@"),
        ("--- f\n@@ -1,2 +1,1 @@\n-a\n", "diff-hunk", "@@ -1,2 +1,1 @@"),
        ("--- f\n@@ -1 +1 @@\n-a\n+b\n+c\n", "diff-hunk", "@@ -1 +1 @@"),
        ("--- f\n@@@ -1 -1 +1 @@@\n--a\n", "diff-unsupported", "@@@ -1 -1 +1 @@@"),
    ] {
        assert_eq!(rules(text), rule(name, at), "{text:?}");
    }
    assert_eq!(rules("x\n\n--- ../f\n-a\n\n--- g\n?\n").len(), 3, "every problem at once");
}
