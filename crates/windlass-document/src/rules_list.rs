//! All rules of this crate, with the words that explain them.

use crate::{
    Severity::{Error, Note, Warning},
    rules::{
        Example::{Document, Words},
        Rule,
    },
};

/// Declares the rules and, from the same lines, the list of all of them.
macro_rules! rules {
    ($($id:ident = $name:literal, $severity:ident, $summary:literal, $why:literal, $bad:expr, $good:literal;)*) => {
        $(pub(crate) const $id: Rule =
            Rule { name: $name, severity: $severity, summary: $summary, why: $why, bad: $bad, good: $good };)*

        /// All rules for the text of a release document, in the order of the reference.
        pub const RULES: &[Rule] = &[$($id),*];
    };
}

rules! {
    TOO_LARGE = "too-large", Error,
        "the file is too large for a release document",
        "a file of this size is a dump or a log that was named by mistake; reading it would only take time",
        Words("a file of more than 16 MiB"),
        "";
    NOT_UTF8 = "not-utf8", Error,
        "the file is not UTF-8 text",
        "in another encoding the same bytes are other characters: what runs would not be what you see",
        Words("a file that was saved as GBK, Shift_JIS, Latin-1 or UTF-16"),
        "";
    NUL_BYTE = "nul-byte", Error,
        "the file has a NUL byte",
        "no text has this byte; it is binary data, UTF-16, or a file damaged by a crash",
        Words("a file in UTF-16 without byte-order mark, or with binary data in it"),
        "";
    CARRIAGE_RETURN = "carriage-return", Error,
        "a carriage return does not end a line",
        "a terminal jumps back to the start of the line and shows other text than the one that runs",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\nrm -rf /srv/old\rdocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n";
    TOO_DEEP = "too-deep", Error,
        "lists or quotes are nested more than 64 deep",
        "reading such a file takes time that grows faster than its length; no document for people is nested like this",
        Document("---\nrelease: 2.1.0\n---\n> > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > deep\n"),
        "---\nrelease: 2.1.0\n---\n> > not deep\n";
    MORE_FINDINGS = "more-findings", Error,
        "a file has more than 1000 problems",
        "only the first 1000 are kept, since each takes more memory than the text that caused it",
        Words("a file with more than 1000 problems"),
        "";
    FRONT_MISSING = "front-missing", Error,
        "the document has no front matter",
        "without it nobody can tell which version this document releases",
        Document("# 2.1.0\n"),
        "---\nrelease: 2.1.0\n---\n# 2.1.0\n";
    FRONT_PLACE = "front-place", Error,
        "the front matter does not start on the first line",
        "other Markdown tools show it as text when something stands before it",
        Document("\n---\nrelease: 2.1.0\n---\n"),
        "---\nrelease: 2.1.0\n---\n";
    FRONT_UNCLOSED = "front-unclosed", Error,
        "the front matter has no closing line",
        "without it the header and the text cannot be told apart",
        Document("---\nrelease: 2.1.0\n\n# Release\n"),
        "---\nrelease: 2.1.0\n---\n\n# Release\n";
    FRONT_YAML = "front-yaml", Error,
        "the front matter is not YAML",
        "none of its keys could be read",
        Document("---\nrelease: 2.1.0\nticket: [OPS-17\n---\n"),
        "---\nrelease: 2.1.0\nticket: OPS-17\n---\n";
    FRONT_SHAPE = "front-shape", Error,
        "the front matter is not a list of keys and values",
        "none of its keys could be read",
        Document("---\nrelease 2.1.0\n---\n"),
        "---\nrelease: 2.1.0\n---\n";
    FRONT_KEY = "front-key", Error,
        "a key of the front matter is not known",
        "an unknown key would be ignored, and with it what you meant by it",
        Document("---\nrelease: 2.1.0\nseverty: critical\n---\n"),
        "---\nrelease: 2.1.0\nseverity: critical\n---\n";
    FRONT_DUPLICATE = "front-duplicate", Error,
        "a key of the front matter is given twice",
        "only one of the two values can be the right one",
        Document("---\nrelease: 2.1.0\nrelease: 2.1.1\n---\n"),
        "---\nrelease: 2.1.1\n---\n";
    FRONT_VALUE = "front-value", Error,
        "a value of the front matter cannot be used",
        "the plan and the policy depend on this value",
        Document("---\nrelease: 2.1.0\ndowntime: 5\n---\n"),
        "---\nrelease: 2.1.0\ndowntime: 5s\n---\n";
    FRONT_RELEASE = "front-release", Error,
        "the front matter does not name the version",
        "the version names the run, its record and its backups",
        Document("---\nfrom: 2.0.9\n---\n"),
        "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n";
    FRONT_SAME_VERSION = "front-same-version", Warning,
        "`from` and `release` are the same version",
        "one of them was probably not updated when the document was copied",
        Document("---\nrelease: 2.1.0\nfrom: 2.1.0\n---\n"),
        "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n";
    BARE_FENCE = "bare-fence", Error,
        "a fence in a language that runs has no braces",
        "nobody may have to guess whether a command in a release document runs or is an example",
        Document("---\nrelease: 2.1.0\n---\n```sh\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n\n```sh {prose}\ndocker ps   # to look around\n```\n";
    UNCLOSED_FENCE = "unclosed-fence", Error,
        "a fence has no closing line",
        "all text up to the end of the file, or of the list item, would be taken for commands",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n\nThen look at the dashboard.\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n\nThen look at the dashboard.\n";
    NESTED_FENCE = "nested-fence", Error,
        "a fence opens inside a fence of the same length",
        "the first closing line ends the outer fence, so what follows is no longer the example that it looks like",
        Document("---\nrelease: 2.1.0\n---\n```markdown\n## Deploy\n```yaml\nreplicas: 2\n```\nDone.\n```text\n```\n"),
        "---\nrelease: 2.1.0\n---\n````markdown\n## Deploy\n```yaml\nreplicas: 2\n```\nDone.\n````\n";
    UNREAD_FENCE = "unread-fence", Error,
        "a line looks like a step but is not a fence",
        "it would be passed over in silence",
        Document("---\nrelease: 2.1.0\n---\n<details>\n```sh {#pull on=app}\ndocker compose pull\n```\n</details>\n"),
        "---\nrelease: 2.1.0\n---\n<details>\n\n```sh {#pull on=app}\ndocker compose pull\n```\n\n</details>\n";
    FENCE_LANGUAGE = "fence-language", Error,
        "a fence with attributes is in a language that does not run",
        "it would be passed over in silence",
        Document("---\nrelease: 2.1.0\n---\n```shell {#pull on=app}\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n";
    FENCE_SPACE = "fence-space", Error,
        "language and braces are not one space apart",
        "other Markdown tools take `sh{…}` for the name of the language",
        Document("---\nrelease: 2.1.0\n---\n```sh{#pull on=app}\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n";
    FENCE_TEXT = "fence-text", Error,
        "the first line of a fence has other text than language and braces",
        "it is neither the language nor an attribute, so what it means is a guess",
        Document("---\nrelease: 2.1.0\n---\n```sh deploy.sh {#pull on=app}\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n";
    EMPTY_STEP = "empty-step", Error,
        "a step has nothing to run, or two things at once",
        "a step runs the text of its fence, or the statements of its files",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n";
    UNCLOSED_BRACE = "unclosed-brace", Error,
        "the braces of a step are not closed",
        "an attribute at the end of the line may be missing",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n";
    UNCLOSED_QUOTE = "unclosed-quote", Error,
        "a quoted value has no closing quote",
        "everything up to the end of the line would be the value",
        Document("---\nrelease: 2.1.0\n---\n```sql {#schema on=db files=\"migrations/*.sql}\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sql {#schema on=db files=\"migrations/*.sql\"}\n```\n";
    ATTRIBUTE_SYNTAX = "attribute-syntax", Error,
        "the braces are not written as `#id key=value flag`",
        "what is not read as you meant it would change how the step runs",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull, on = app}\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n";
    UNKNOWN_ATTRIBUTE = "unknown-attribute", Error,
        "an attribute is not known",
        "an unknown attribute would be ignored, and with it what you meant by it",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app timout=30s}\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app timeout=30s}\ndocker compose pull\n```\n";
    DUPLICATE_ATTRIBUTE = "duplicate-attribute", Error,
        "an attribute is given twice",
        "only one of the two values can be the right one",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app on=db}\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n";
    ATTRIBUTE_VALUE = "attribute-value", Error,
        "an attribute has a value that it cannot have",
        "a wrong deadline or count is worse than none",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app timeout=30}\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app timeout=30s}\ndocker compose pull\n```\n";
    ATTRIBUTE_LANGUAGE = "attribute-language", Error,
        "an attribute makes no sense in the language of its step",
        "it would have no effect, although somebody relies on it",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app rows=115}\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sql {#fill on=db rows=115}\nUPDATE record SET state = 'new';\n```\n";
    CONTRADICTION = "contradiction", Error,
        "two attributes contradict each other",
        "only one of the two can be true",
        Document("---\nrelease: 2.1.0\n---\n```sh {#purge on=app readonly irreversible}\n./purge.sh\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#purge on=app irreversible}\n./purge.sh\n```\n";
    ID_SYNTAX = "id-syntax", Error,
        "an id has characters that an id cannot have",
        "ids are typed on the command line and become parts of unit names, where `/` and `@` have a meaning",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull/all on=app}\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull-all on=app}\ndocker compose pull\n```\n";
    ID_DUPLICATE = "id-duplicate", Error,
        "two steps have the same id",
        "a reference, a retry or an undo by this id could mean either",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n\n```sh {#pull on=app}\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n\n```sh {#pull-again on=app}\ndocker compose pull\n```\n";
    ID_RESERVED = "id-reserved", Error,
        "an id looks like an automatic one",
        "it would change its meaning when a step is inserted",
        Document("---\nrelease: 2.1.0\n---\n```sh {#step-1 on=app}\ndocker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n";
    ID_UNKNOWN = "id-unknown", Error,
        "a reference names no step of the document",
        "the way back would not exist when it is needed",
        Document("---\nrelease: 2.1.0\n---\n```sh {#backup on=db}\npg_dump core > core.sql\n```\n\n```sql {#fill on=db undo=bakup}\nUPDATE record SET state = 'new';\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#backup on=db}\npg_dump core > core.sql\n```\n\n```sql {#fill on=db undo=backup}\nUPDATE record SET state = 'new';\n```\n";
    ID_ORDER = "id-order", Error,
        "a step refers to one that comes later",
        "the order of the file is the order of execution",
        Document("---\nrelease: 2.1.0\n---\n```sql {#fill on=db undo=backup}\nUPDATE record SET state = 'new';\n```\n\n```sh {#backup on=db}\npg_dump core > core.sql\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#backup on=db}\npg_dump core > core.sql\n```\n\n```sql {#fill on=db undo=backup}\nUPDATE record SET state = 'new';\n```\n";
    UNDO_CYCLE = "undo-cycle", Error,
        "steps undo themselves or each other",
        "going back would never end",
        Document("---\nrelease: 2.1.0\n---\n```sh {#a on=app undoes=b}\n./a.sh\n```\n\n```sh {#b on=app undoes=a}\n./b.sh\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#a on=app}\n./a.sh\n```\n\n```sh {#undo-a on=app undoes=a}\n./undo-a.sh\n```\n";
    UNDO_OF_UNDO = "undo-of-undo", Error,
        "a reference names a fence that is an undo itself",
        "an undo runs only when the release goes back; it takes no part in the way forward",
        Document("---\nrelease: 2.1.0\n---\n```sh {#a on=app}\n./a.sh\n```\n\n```sh {#b on=app undoes=a}\n./undo-a.sh\n```\n\n```sh {#c on=app undoes=b}\n./redo-a.sh\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#a on=app}\n./a.sh\n```\n\n```sh {#b on=app undoes=a}\n./undo-a.sh\n```\n";
    UNDO_TWICE = "undo-twice", Error,
        "a step has two ways back, or one that it does not need",
        "when it has to be undone, nobody would know which of them counts",
        Document("---\nrelease: 2.1.0\n---\n```sh {#a on=app}\n./a.sh\n```\n\n```sh {#b on=app undoes=a}\n./undo-a.sh\n```\n\n```sh {#c on=app undoes=a}\n./undo-a-too.sh\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#a on=app}\n./a.sh\n```\n\n```sh {#b on=app undoes=a}\n./undo-a.sh\n./undo-a-too.sh\n```\n";
    GATE_MARK = "gate-mark", Error,
        "a list item looks like a checklist item but is none",
        "nobody would be asked to confirm it",
        Document("---\nrelease: 2.1.0\n---\n- [] Both servers answer\n"),
        "---\nrelease: 2.1.0\n---\n- [ ] Both servers answer\n";
    GATE_EMPTY = "gate-empty", Error,
        "a checklist item has no text",
        "nobody can confirm what is not written",
        Document("---\nrelease: 2.1.0\n---\n- [ ] \n- [ ] Both servers answer\n"),
        "---\nrelease: 2.1.0\n---\n- [ ] Both servers answer\n";
    HTTP_EMPTY = "http-empty", Error,
        "an http fence has no request",
        "a check that asks nothing would always be green",
        Document("---\nrelease: 2.1.0\n---\n```http {#a on=app}\n# later\n```\n"),
        "---\nrelease: 2.1.0\n---\n```http {#a on=app}\nGET http://localhost:8080/health\nHTTP 200\n```\n";
    HTTP_URL = "http-url", Error,
        "the URL of a request is not absolute",
        "which server is asked must not depend on anything outside the document",
        Document("---\nrelease: 2.1.0\n---\n```http {#a on=app}\nGET /health\nHTTP 200\n```\n"),
        "---\nrelease: 2.1.0\n---\n```http {#a on=app}\nGET http://localhost:8080/health\nHTTP 200\n```\n";
    HTTP_SYNTAX = "http-syntax", Error,
        "a line of an http fence cannot be read",
        "a line that is skipped would be a check that is not made",
        Document("---\nrelease: 2.1.0\n---\n```http {#a on=app}\nGET http://localhost:8080/health\nHTTP OK\n```\n"),
        "---\nrelease: 2.1.0\n---\n```http {#a on=app}\nGET http://localhost:8080/health\nHTTP 200\n```\n";
    HTTP_UNSUPPORTED = "http-unsupported", Error,
        "an http fence uses a part of Hurl that is not supported",
        "what is not supported is never skipped: the check would look stricter than it is",
        Document("---\nrelease: 2.1.0\n---\n```http {#a on=app}\nGET http://localhost:8080/health\nHTTP 200\n[Asserts]\nduration < 1000\n```\n"),
        "---\nrelease: 2.1.0\n---\n```http {#a on=app}\nGET http://localhost:8080/health\nHTTP 200\n[Asserts]\njsonpath \"$.status\" == \"ok\"\n```\n";
    HTTP_VERSION = "http-version", Note,
        "an http fence expects a version of HTTP",
        "the version of an answer depends on what stands between; only its content is checked",
        Document("---\nrelease: 2.1.0\n---\n```http {#a on=app}\nGET http://localhost:8080/health\nHTTP/1.1 200\n```\n"),
        "---\nrelease: 2.1.0\n---\n```http {#a on=app}\nGET http://localhost:8080/health\nHTTP 200\n```\n";
    SHELL_SYNTAX = "shell-syntax", Error,
        "shell text that the shell would refuse",
        "the shell would refuse the fence when it runs, in the middle of the release",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull &&\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n";
    SHELL_UNTERMINATED = "shell-unterminated", Error,
        "a quote, bracket or here-document of shell text is not closed",
        "the rest of the fence would be its text instead of commands",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\necho 'done\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\necho 'done'\n```\n";
    SHELL_PROMPT = "shell-prompt", Warning,
        "a command starts with the prompt of a terminal",
        "the shell would look for a command of that name, or take the line as a comment",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\n$ docker compose pull\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull\n```\n";
    CONTROL_CHARACTER = "control-character", Error,
        "a step has a character that cannot be seen",
        "what a reader sees and what would run are not the same",
        Words("a step with an escape character, or with one that reorders the text on screen, such as U+202E"),
        "";
    LOOKALIKE_CHARACTER = "lookalike-character", Warning,
        "a character looks like one of the shell's but is not",
        "Chinese and Japanese input methods and word processors write it in place of the ASCII character; the shell takes it as part of a word",
        Document("---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull —quiet\n```\n"),
        "---\nrelease: 2.1.0\n---\n```sh {#pull on=app}\ndocker compose pull --quiet\n```\n";
    DIFF_EMPTY = "diff-empty", Error,
        "a diff, or a file in it, changes nothing",
        "a step that changes nothing is a mistake more often than a wish",
        Document("---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- app.env\n```\n"),
        "---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- app.env\n-LEVEL=info\n+LEVEL=debug\n```\n";
    DIFF_LINE = "diff-line", Error,
        "a line of a diff is neither a file nor a change",
        "a line that is skipped would be a change that does not happen",
        Document("---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- app.env\n-LEVEL=info\nLEVEL=debug\n```\n"),
        "---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- app.env\n-LEVEL=info\n+LEVEL=debug\n```\n";
    DIFF_ORDER = "diff-order", Error,
        "a removed line stands behind the added ones",
        "as two edits, the added lines would go to the end of the file",
        Document("---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- app.env\n+LEVEL=debug\n-LEVEL=info\n```\n"),
        "---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- app.env\n-LEVEL=info\n+LEVEL=debug\n```\n";
    DIFF_NO_EFFECT = "diff-no-effect", Warning,
        "an edit puts back what it removes",
        "nothing would change; often a wrong line was copied",
        Document("---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- app.env\n-LEVEL=info\n+LEVEL=info\n```\n"),
        "---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- app.env\n-LEVEL=info\n+LEVEL=debug\n```\n";
    DIFF_AMBIGUOUS = "diff-ambiguous", Error,
        "a line could name a file or remove a comment",
        "a wrong guess would patch the wrong file",
        Document("---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- schema.sql\n-a\n--- other.sql\n-b\n```\n"),
        "---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- schema.sql\n-a\n\n--- other.sql\n-b\n```\n";
    DIFF_PATH = "diff-path", Error,
        "a diff names a file that cannot be used",
        "a diff changes exactly one file in a known place",
        Document("---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- ../app.env\n-LEVEL=info\n+LEVEL=debug\n```\n"),
        "---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- app.env\n-LEVEL=info\n+LEVEL=debug\n```\n";
    DIFF_UNSUPPORTED = "diff-unsupported", Error,
        "a diff does more than change lines of a file",
        "a `diff` fence changes lines of files that exist, so that each edit can be undone exactly",
        Document("---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- /dev/null\n+++ b/app.env\n@@ -0,0 +1 @@\n+LEVEL=info\n```\n"),
        "---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- app.env\n-LEVEL=info\n+LEVEL=debug\n```\n";
    DIFF_NEWLINE = "diff-newline", Warning,
        "a diff changes whether the file ends with a newline",
        "that alone cannot be expressed as an edit of lines",
        Document("---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- a/app.env\n+++ b/app.env\n@@ -1 +1,2 @@\n-LEVEL=info\n+LEVEL=debug\n+PORT=80\n\\ No newline at end of file\n```\n"),
        "---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- app.env\n-LEVEL=info\n+LEVEL=debug\n```\n";
    DIFF_HUNK = "diff-hunk", Error,
        "the numbers of a hunk do not fit its lines",
        "which lines belong to the hunk is not certain",
        Document("---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- a/app.env\n+++ b/app.env\n@@ -1,3 +1,3 @@\n-LEVEL=info\n+LEVEL=debug\n```\n"),
        "---\nrelease: 2.1.0\n---\n```diff {#config on=app}\n--- a/app.env\n+++ b/app.env\n@@ -1 +1 @@\n-LEVEL=info\n+LEVEL=debug\n```\n";
}
