use super::*;

fn ok(text: &str) -> Vec<ShellCommand> {
    let (script, findings) = parse(text);
    assert_eq!(findings, [], "{text:?}");
    script.commands
}

fn words(text: &str) -> Vec<Vec<String>> {
    ok(text)
        .into_iter()
        .map(|command| match command.kind {
            CommandKind::Simple(simple) => simple.words.into_iter().map(|word| word.text).collect(),
            CommandKind::Compound { because, .. } => panic!("{text:?} is compound: {because}"),
        })
        .collect()
}

/// The commands as `text` of each span, with the reason of compound ones.
fn outline(text: &str) -> Vec<(String, Option<&'static str>)> {
    ok(text)
        .into_iter()
        .map(|command| {
            let source = text[command.span.start..command.span.end].to_owned();
            match command.kind {
                CommandKind::Simple(_) => (source, None),
                CommandKind::Compound { because, .. } => (source, Some(because)),
            }
        })
        .collect()
}

fn one(text: &str) -> Option<&'static str> {
    let all = outline(text);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].0, text.trim_end());
    all[0].1
}

fn rules(text: &str) -> Vec<(String, String)> {
    parse(text).1.into_iter().map(|f| (f.rule.clone(), text[f.span.start..f.span.end].to_owned())).collect()
}

fn rule(rule: &str, at: &str) -> Vec<(String, String)> {
    vec![(rule.to_owned(), at.to_owned())]
}

#[test]
fn quotes_are_removed() {
    assert_eq!(
        words("aws s3 sync a b --include \"*.txt\" --exclude 'spec v1' x\\ y \"a\\\"b\\c\" ''\n"),
        [["aws", "s3", "sync", "a", "b", "--include", "*.txt", "--exclude", "spec v1", "x y", "a\"b\\c", ""]]
    );
    assert_eq!(
        words("echo a\\\n  b c\\\nd # comment\n\n# another\ntrue"),
        vec![vec!["echo", "a", "b", "cd"], vec!["true"]]
    );
    assert_eq!(
        words("echo a#b '#' \"$\" $ 100% wow! a=b"),
        [["echo", "a#b", "#", "$", "$", "100%", "wow!", "a=b"]]
    );
    assert_eq!(
        words("[ -f x ]; find . -exec rm {} +; echo {a} b~ \\~ '~' \"~\""),
        vec![
            vec!["[", "-f", "x", "]"],
            vec!["find", ".", "-exec", "rm", "{}", "+"],
            vec!["echo", "{a}", "b~", "~", "~", "~"]
        ]
    );
}

#[test]
fn spans_are_bytes_as_written() {
    let text = "cd '数据'; ls  \"中 文\"   # 看\n";
    let commands = ok(text);
    let [first, second] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!(&text[first.span.start..first.span.end], "cd '数据'");
    assert_eq!(&text[second.span.start..second.span.end], "ls  \"中 文\"");
    let CommandKind::Simple(simple) = &second.kind else { panic!() };
    assert_eq!(simple.words[1].text, "中 文");
    assert_eq!(&text[simple.words[1].span.start..simple.words[1].span.end], "\"中 文\"");
}

#[test]
fn assignments_and_redirections() {
    let commands = ok("A=1 B='x y' cmd C=3 <in >>'out file' 2>&1 2>/dev/null\nA=5");
    let CommandKind::Simple(simple) = &commands[0].kind else { panic!("{commands:?}") };
    let assigned: Vec<_> = simple.assignments.iter().map(|a| (a.name.as_str(), a.value.as_str())).collect();
    assert_eq!(assigned, [("A", "1"), ("B", "x y")]);
    assert_eq!(simple.words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>(), ["cmd", "C=3"]);
    let redirects: Vec<_> =
        simple.redirects.iter().map(|r| (r.fd, r.operator.as_str(), r.target.text.as_str())).collect();
    assert_eq!(redirects, [(0, "<", "in"), (1, ">>", "out file"), (2, ">&", "1"), (2, ">", "/dev/null")]);
    let CommandKind::Simple(simple) = &commands[1].kind else { panic!("{commands:?}") };
    assert!(simple.words.is_empty() && simple.assignments.len() == 1);
    // Digits are a descriptor only directly before the operator.
    let commands = ok("echo 2 >x");
    let CommandKind::Simple(simple) = &commands[0].kind else { panic!("{commands:?}") };
    assert_eq!((simple.words.len(), simple.redirects[0].fd), (2, 1));
}

#[test]
fn each_kind_of_expansion_makes_it_compound() {
    for (text, because) in [
        ("ps aux | grep x", "a pipe"),
        ("make && make install", "a list"),
        ("test -f x || exit 1", "a list"),
        ("ls *.sql", "a glob"),
        ("ls a?", "a glob"),
        ("ls [ab]c", "a glob"),
        ("ls a[bc]", "a glob"),
        ("echo $HOME", "a variable"),
        ("echo \"x ${A:-\"}\"}\"", "a variable"),
        ("echo $1", "a variable"),
        ("cp a b.$(date +\"%Y)\")", "a command substitution"),
        ("echo `date`", "a command substitution"),
        ("echo $((1 + (2)))", "a command substitution"),
        ("cd ~/x", "a tilde"),
        ("A=~/x cmd", "a tilde"),
        ("PATH=/bin:~/x cmd", "a tilde"),
        ("cp a.{txt,bak}", "a brace expansion"),
        ("echo {1..5}", "a brace expansion"),
        ("echo $'a\\'b'", "a bash quote `$'…'`"),
        ("sleep 5 &", "a background job"),
        ("nohup python main.py > out.log 2>&1 &", "a background job"),
        ("(cd x; ls)", "a subshell"),
        ("{ ls; }", "a group"),
        ("! true", "a negation"),
        ("cat <<< x", "a bash redirection"),
        ("make &> log", "a bash redirection"),
        ("cmd >& log", "a bash redirection"),
        ("cmd >| log", "a special redirection"),
        ("cmd 12> log", "a descriptor above 9"),
        ("diff <(a; b) <(c) x", "a process substitution"),
        ("A+=b", "a bash assignment `+=`"),
        ("a=(x y 'z')", "an array"),
        ("[[ -f x && ( a < b || c =~ ^(x|y)$ ) ]]", "a bash test"),
        ("((i++))", "a bash arithmetic command"),
        ("cat <<EOF\nit's $x\nEOF", "a here-document"),
        ("cat <<-'E F' ; ls\n\tx\n\tE F", "a here-document"),
        ("f() { ls; }", "a function definition"),
        ("f ()\n{\nls\n}", "a function definition"),
        ("function f { ls; }", "a function definition"),
        ("function f()\n{ ls\n}", "a function definition"),
        ("echo $(case x in a) b;; (c) d;; esac)", "a command substitution"),
        ("echo $(cat <<E\n)'\nE\n)", "a command substitution"),
        ("echo $(: # a ) comment's\n)", "a command substitution"),
        ("echo $(echo case) x", "a command substitution"),
        ("ec\\\nho a &\\\n& b", "a list"),
        ("echo $\\\nHOME", "a variable"),
    ] {
        assert_eq!(one(text), Some(because), "{text}");
    }
}

#[test]
fn control_structures_are_one_command() {
    for text in [
        "if true; then\n  ls\nelif x; then y\nelse\n  z\nfi",
        "for f in a b c\ndo\n  echo x; done",
        "for f\ndo echo; done",
        "for ((i=0;;i<5)); do echo; done",
        "while read x\ndo\n  echo\ndone < in",
        "until x; do y; done &",
        "case x in\n  (a|b) ls ;;\n  c) if x; then y; fi\n  ;;\n  esac",
        "case x in a) ls; esac",
        "if a; then { { b; } } fi",
        "while true; do for x in 1 2; do if a; then b; fi; done; done | tee log",
        "if (a) then b; fi",
        "select x in a b; do break; done",
        "a &&\n\n# why\nb ||\n c",
        "a |\nb",
    ] {
        assert!(one(text).is_some(), "{text}");
    }
    assert_eq!(
        outline("if a; then b; fi; ls\npwd"),
        [
            ("if a; then b; fi".to_owned(), Some("a control structure")),
            ("ls".to_owned(), None),
            ("pwd".to_owned(), None)
        ]
    );
    assert_eq!(
        outline("a & b && c; d"),
        [
            ("a &".to_owned(), Some("a background job")),
            ("b && c".to_owned(), Some("a list")),
            ("d".to_owned(), None)
        ]
    );
    assert_eq!(
        outline("cat <<A <<B\n1\nA\n2\nB\nls"),
        [("cat <<A <<B\n1\nA\n2\nB".to_owned(), Some("a here-document")), ("ls".to_owned(), None)]
    );
    // Words that are reserved only as a command name.
    assert_eq!(
        words("echo if then fi done { } esac !"),
        [["echo", "if", "then", "fi", "done", "{", "}", "esac", "!"]]
    );
    assert_eq!(words("'if' x"), [["if", "x"]]);
}

#[test]
fn the_reason_is_the_first_and_its_place() {
    let text = "cat a.* | grep $x";
    let CommandKind::Compound { because, at, .. } = ok(text).remove(0).kind else { panic!() };
    assert_eq!((because, &text[at.start..at.end]), ("a glob", "*"));
}

#[test]
fn what_joins_commands() {
    for (text, wanted) in [
        ("a | b | c", Joint::Pipe),
        ("a && b &&\nc", Joint::And),
        ("a && b | c", Joint::Other),
        ("a && b || c", Joint::Other),
        ("a |& b", Joint::Other),
        ("a && $b", Joint::Other),
        ("! a && b", Joint::Other),
        ("(a && b)", Joint::Other),
        ("a && b &", Joint::Other),
        ("a && cat <<EOF\nx\nEOF", Joint::Other),
    ] {
        let CommandKind::Compound { joint, .. } = ok(text).remove(0).kind else { panic!("{text}") };
        assert_eq!(joint, wanted, "{text}");
    }
}

#[test]
fn what_is_never_closed() {
    for (text, at) in [
        ("echo 'abc\nls\n", "'"),
        ("echo \"abc\nls\n", "\""),
        ("echo \"a $(ls 'b) c\"", "'"),
        ("echo $(ls", "$("),
        ("echo ${ls", "${"),
        ("echo `ls", "`"),
        ("echo $'ls", "$'"),
        ("((a)", "("),
        ("cat <<EOF\nabc\n EOF\n", "<<"),
        ("cat <<EOF", "<<"),
        ("if a; then b\n", "if"),
        ("for x in a; do b\n", "for"),
        ("case x in a) b ;;\n", "case"),
        ("{ ls\n", "{"),
        ("(ls\n", "("),
        ("[[ -f x\n", "[["),
    ] {
        assert_eq!(rules(text), rule("shell-unterminated", at), "{text}");
    }
    let (_, findings) = parse("echo \"foo\necho \"bar\"\n");
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].notes[0].span, Span::new(5, 6), "the quote that was left out is on line 1");
    // The inner construct is named when the outer one is closed.
    assert_eq!(rules("while a; do if b; then c; done"), rule("shell-unterminated", "if"));
}

#[test]
fn what_does_not_belong() {
    for (text, at) in [
        ("fi", "fi"),
        ("ls; done", "done"),
        ("a ;; b", ";;"),
        ("ls )", ")"),
        ("echo a(b)", "("),
        ("; ls", ";"),
        ("&& ls", "&&"),
        ("ls &&", "&&"),
        ("ls | | wc", "|"),
        ("ls > ", ">"),
        ("then ls", "then"),
        ("(a) b", "b"),
    ] {
        assert_eq!(rules(text), rule("shell-syntax", at), "{text}");
    }
    let all = rules("fi\necho )\nls &&\n");
    assert_eq!(all.len(), 3, "every problem at once: {all:?}");
}

#[test]
fn control_characters_are_errors_everywhere() {
    assert_eq!(rules("echo a\0\0b"), rule("control-character", "\0\0"));
    assert_eq!(rules("echo 'a\u{1b}[2K'"), rule("control-character", "\u{1b}"));
    assert_eq!(rules("ls # \u{202e}x"), rule("control-character", "\u{202e}"));
    assert_eq!(rules("ls\r\n"), rule("control-character", "\r"));
}

#[test]
fn characters_of_input_methods() {
    for (text, at, ascii) in [
        ("ps aux ｜ grep x", "｜", "|"),
        ("ls ＞ x", "＞", ">"),
        ("a； b", "；", ";"),
        ("ls\u{a0}-l", "\u{a0}", " "),
        ("ls\u{3000}-l", "\u{3000}", " "),
        ("ls —all", "—", "-"),
    ] {
        let (_, findings) = parse(text);
        assert_eq!(rules(text), rule("lookalike-character", at), "{text}");
        assert_eq!(findings[0].severity, crate::Severity::Warning);
        assert_eq!(
            (findings[0].fixes[0].replacement.as_str(), findings[0].fixes[0].span),
            (ascii, findings[0].span)
        );
    }
    assert_eq!(rules("git commit -m “x” ‘y’").len(), 4);
    // Text is text.
    assert_eq!(rules("echo '完成；“好”' \"｜\" a—b # 注释；"), []);
}

#[test]
fn prompts() {
    assert_eq!(
        rules("$ docker compose pull\n$ docker compose down"),
        [("shell-prompt".to_owned(), "$ ".to_owned()), ("shell-prompt".to_owned(), "$ ".to_owned())]
    );
    assert_eq!(rules("root@db1:~# systemctl stop x"), rule("shell-prompt", "root@db1:~# "));
    assert_eq!(rules("# systemctl stop x"), rule("shell-prompt", "# "));
    // Beside commands it is a comment, and so is a sentence.
    assert_eq!(rules("# stop it\nsystemctl stop x"), []);
    assert_eq!(rules("# 停机"), []);
    assert_eq!(rules("# Stop it"), []);
    let (_, findings) = parse("$ ls");
    assert_eq!((findings[0].fixes[0].span, findings[0].fixes[0].replacement.as_str()), (Span::new(0, 2), ""));
}

#[test]
fn endless_problems_cost_no_endless_memory() {
    let (_, findings) = parse(&")\n".repeat(100_000));
    assert_eq!(findings.len(), 1001);
    assert!(findings[1000].message.starts_with("99000 more"), "{}", findings[1000].message);
}

#[test]
fn deep_nesting_and_repetition_end() {
    // With quadratic time or recursion this would not end, or overflow the stack.
    for piece in
        ["$(", "(", "{ ", "'", "\"`", "<<A\n", "if ", "fi\n", "case x in a) ", "a{,", "[a", "# x\n", "a=~ "]
    {
        let text = piece.repeat(200_000 / piece.len());
        let (script, findings) = parse(&text);
        assert!(!script.commands.is_empty() || !findings.is_empty() || text.starts_with('#'), "{piece}");
    }
}
