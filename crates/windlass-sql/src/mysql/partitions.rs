//! Partitions of a table, as its definition lists them, and how one list becomes another.

use super::words::tokens;
use crate::Dialect;
use crate::lexer::{Token, TokenKind};
use crate::name::{identifier, quote};

/// What stands behind the parts of a table: `PARTITION BY …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partitioning {
    /// All in front of the list.
    pub head: String,
    /// The partitions in order.
    pub list: Vec<Partition>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name.
    pub name: String,
    /// Its definition; empty where only their number is said.
    pub text: String,
    /// What holds its rows: its subpartitions, or itself.
    pub leaves: Vec<String>,
}

fn is(token: &Token, text: &str, word: &str) -> bool {
    token.kind == TokenKind::Word && token.span.of(text).eq_ignore_ascii_case(word)
}

fn name_of(token: &Token, text: &str) -> Option<String> {
    let is_name = matches!(token.kind, TokenKind::Word | TokenKind::Name);
    is_name.then(|| identifier(token.span.of(text), Dialect::Mysql))
}

impl Partitioning {
    /// Reads `PARTITION BY …`. `None`: it is not of the known form.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let tokens = tokens(text);
        let begins =
            |pair: &[Token]| pair[0].kind == TokenKind::Symbol(b'(') && is(&pair[1], text, "PARTITION");
        let open = tokens.windows(2).position(begins);
        let (before, listed) = tokens.split_at(open.unwrap_or(tokens.len()));
        if !is(before.first()?, text, "PARTITION") {
            return None;
        }
        let number = |word: &str| {
            let at = before.iter().position(|token| is(token, text, word))?;
            before.get(at + 1)?.span.of(text).parse::<usize>().ok()
        };
        let has_subs = before.iter().any(|token| is(token, text, "SUBPARTITION"));
        let subs = has_subs.then(|| number("SUBPARTITIONS").unwrap_or(1));
        let head = text.get(..before.last()?.span.end)?.to_owned();
        let list = match open {
            Some(_) => items(text, listed).iter().filter_map(|item| Partition::read(item, subs)).collect(),
            None => (0..number("PARTITIONS").unwrap_or(1)).map(|at| Partition::unlisted(at, subs)).collect(),
        };
        Some(Self { head, list })
    }

    /// `RANGE`, `LIST`, …
    fn method(&self) -> String {
        let tokens = tokens(&self.head);
        tokens.get(2).map_or(String::new(), |token| token.span.of(&self.head).to_ascii_uppercase())
    }

    /// Whether a partition takes what no other one does, but for the end of a range.
    fn has_default(&self) -> bool {
        let says = |part: &Partition| tokens(&part.text).iter().any(|token| is(token, &part.text, "DEFAULT"));
        self.method() == "LIST" && self.list.iter().any(says)
    }
}

/// The texts between the outer brackets and commas; `tokens` begin with a bracket.
fn items<'t>(text: &'t str, tokens: &[Token]) -> Vec<&'t str> {
    let (mut depth, mut start, mut found) = (0_usize, 0, vec![]);
    for token in tokens {
        match token.kind {
            TokenKind::Symbol(b'(') => {
                depth += 1;
                if depth == 1 {
                    start = token.span.end;
                }
            }
            TokenKind::Symbol(b')') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    found.push((start, token.span.start));
                    break;
                }
            }
            TokenKind::Symbol(b',') if depth == 1 => {
                found.push((start, token.span.start));
                start = token.span.end;
            }
            _ => {}
        }
    }
    found.into_iter().filter_map(|(start, end)| Some(text.get(start..end)?.trim())).collect()
}

impl Partition {
    fn read(text: &str, subs: Option<usize>) -> Option<Self> {
        let tokens = tokens(text);
        let name = name_of(tokens.get(1)?, text)?;
        let said = tokens.windows(2).filter(|pair| is(&pair[0], text, "SUBPARTITION"));
        let said: Vec<String> = said.filter_map(|pair| name_of(&pair[1], text)).collect();
        let leaves = if said.is_empty() { leaves(&name, subs) } else { said };
        Some(Self { name, text: text.to_owned(), leaves })
    }

    fn unlisted(at: usize, subs: Option<usize>) -> Self {
        let name = format!("p{at}");
        Self { leaves: leaves(&name, subs), text: String::new(), name }
    }
}

/// As the servers name subpartitions that have no name.
fn leaves(name: &str, subs: Option<usize>) -> Vec<String> {
    subs.map_or_else(|| vec![name.to_owned()], |subs| (0..subs).map(|at| format!("{name}sp{at}")).collect())
}

/// The partitions that `ALTER TABLE … TRUNCATE PARTITION …` and its like name; empty: all.
#[must_use]
pub fn partition_names(statement: &str) -> Vec<String> {
    const BETWEEN: [&str; 4] = ["IF", "EXISTS", "NO_WRITE_TO_BINLOG", "LOCAL"];
    let tokens = tokens(statement);
    // The first words are `ALTER TABLE` and the table.
    let found = tokens.iter().skip(3).position(|token| is(token, statement, "PARTITION"));
    let Some(found) = found else { return vec![] };
    let mut rest = tokens.iter().skip(found + 4).peekable();
    while rest.peek().is_some_and(|token| BETWEEN.iter().any(|word| is(token, statement, word))) {
        rest.next();
    }
    if rest.peek().is_some_and(|token| is(token, statement, "ALL")) {
        return vec![];
    }
    let mut names = vec![];
    while let Some(name) = rest.next().and_then(|token| name_of(token, statement)) {
        names.push(name);
        if rest.next().is_none_or(|token| token.kind != TokenKind::Symbol(b',')) {
            break;
        }
    }
    names
}

/// What makes the partitions `to` of `from` behind `ALTER TABLE …`, where rows of others stay where they are; `None`: only all
/// of them anew. `DROP PARTITION` in it is for one without rows.
pub(super) fn repartition(from: &str, to: &str) -> Option<String> {
    let (from, to) = Partitioning::read(from).zip(Partitioning::read(to))?;
    let ranges = to.method() == "RANGE";
    // Rows of a default partition may belong to another one, which only all of them anew finds out.
    let is_known = (ranges || to.method() == "LIST") && !from.has_default() && !to.has_default();
    let all = || from.list.iter().chain(&to.list);
    if from.head != to.head || !is_known || all().any(|part| part.text.is_empty()) {
        return None;
    }
    let same = |(a, b): &(&Partition, &Partition)| a.text == b.text;
    let first = from.list.iter().zip(&to.list).take_while(same).count();
    let (old, new) = (from.list.get(first..)?, to.list.get(first..)?);
    let last = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old, behind) = old.split_at(old.len() - last);
    let new = new.get(..new.len() - last)?;
    let next = behind.first();
    let names = |parts: &[&Partition]| {
        parts.iter().map(|part| quote(&part.name, Dialect::Mysql)).collect::<Vec<_>>().join(", ")
    };
    let texts =
        |parts: &[&Partition]| parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(", ");
    let (mut old, mut new): (Vec<_>, Vec<_>) = (old.iter().collect(), new.iter().collect());
    // What a range held, the next one takes.
    let takes = new.is_empty() && ranges;
    if old.is_empty() || takes {
        old.extend(next);
        new.extend(next);
    }
    Some(match (old.is_empty(), new.is_empty()) {
        (true, _) => format!("ADD PARTITION ({})", texts(&new)),
        (_, true) => format!("DROP PARTITION {}", names(&old)),
        _ => format!("REORGANIZE PARTITION {} INTO ({})", names(&old), texts(&new)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(parts: &[&str]) -> String {
        let part = |part: &&str| {
            let end = part.strip_prefix('p').unwrap_or_default();
            let end = if end == "m" { "MAXVALUE".to_owned() } else { format!("({end})") };
            format!("PARTITION `{part}` VALUES LESS THAN {end} ENGINE = InnoDB")
        };
        format!("PARTITION BY RANGE (`id`)\n({})", parts.iter().map(part).collect::<Vec<_>>().join(",\n "))
    }

    fn list(parts: &[&str]) -> String {
        let part = |part: &&str| format!("PARTITION {part} VALUES IN ({}, 'a,b)')", part.len());
        format!(
            "PARTITION BY LIST  COLUMNS(k)\n({})",
            parts.iter().map(part).collect::<Vec<_>>().join(",\n ")
        )
    }

    #[test]
    fn a_list_in_its_parts() {
        let read = Partitioning::read(&range(&["p10", "p20"])).unwrap();
        assert_eq!(read.head, "PARTITION BY RANGE (`id`)");
        assert_eq!(read.list[1].text, "PARTITION `p20` VALUES LESS THAN (20) ENGINE = InnoDB");
        let leaves = |text: &str| {
            let read = Partitioning::read(text).unwrap();
            read.list.into_iter().flat_map(|part| part.leaves).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(leaves(&range(&["p10", "p20"])), "p10 p20");
        assert_eq!(leaves("PARTITION BY HASH (`id`)\nPARTITIONS 3"), "p0 p1 p2");
        assert_eq!(leaves("PARTITION BY LINEAR KEY (`id`)"), "p0");
        let subs = "PARTITION BY RANGE (`id`)\nSUBPARTITION BY HASH (`k`)\nSUBPARTITIONS 2\n(PARTITION a VALUES LESS THAN (1), PARTITION b VALUES LESS THAN (2))";
        assert_eq!(leaves(subs), "asp0 asp1 bsp0 bsp1");
        let named = "PARTITION BY RANGE (`id`)\nSUBPARTITION BY KEY (k)\n(PARTITION a VALUES LESS THAN (1)\n (SUBPARTITION `s 0` ENGINE = InnoDB,\n  SUBPARTITION s1 ENGINE = InnoDB))";
        assert_eq!(leaves(named), "s 0 s1");
        assert_eq!(Partitioning::read(""), None);
        assert_eq!(Partitioning::read("ENGINE=InnoDB"), None);
    }

    #[test]
    fn names_of_a_statement() {
        for (statement, names) in [
            ("ALTER TABLE t TRUNCATE PARTITION p0, `p 1`", "p0|p 1"),
            ("ALTER TABLE d.t DROP PARTITION IF EXISTS p0", "p0"),
            ("ALTER TABLE `partition` /* x */ TRUNCATE PARTITION ALL", ""),
            ("ALTER TABLE t REORGANIZE PARTITION a, b INTO (PARTITION c VALUES LESS THAN (5))", "a|b"),
            ("ALTER TABLE t OPTIMIZE PARTITION LOCAL a", "a"),
            ("ALTER TABLE t REORGANIZE PARTITION", ""),
            ("ALTER TABLE t ADD PARTITION (PARTITION p VALUES IN (1))", ""),
            ("ALTER TABLE t ADD COLUMN a INT", ""),
        ] {
            assert_eq!(partition_names(statement).join("|"), names, "{statement}");
        }
    }

    #[test]
    fn only_what_changes_is_made_anew() {
        for (from, to, sql) in [
            (vec!["p10", "p20"], vec!["p10"], "DROP PARTITION `p20`"),
            (vec!["p10"], vec!["p10", "p20"], "ADD PARTITION [p20]"),
            (
                vec!["p10", "pm"],
                vec!["p10", "p20", "p30", "pm"],
                "REORGANIZE PARTITION `pm` INTO [p20 p30 pm]",
            ),
            (vec!["p10", "p20", "pm"], vec!["p10", "pm"], "REORGANIZE PARTITION `p20`, `pm` INTO [pm]"),
            (vec!["p20"], vec!["p10", "p20"], "REORGANIZE PARTITION `p20` INTO [p10 p20]"),
            (
                vec!["p5", "p9", "pm"],
                vec!["p9", "p10", "pm"],
                "REORGANIZE PARTITION `p5`, `p9` INTO [p9 p10]",
            ),
        ] {
            let wanted = match sql.strip_suffix(']').and_then(|sql| sql.split_once('[')) {
                Some((head, parts)) => {
                    let parts: Vec<&str> = parts.split(' ').collect();
                    let texts = range(&parts).replace(",\n ", ", ");
                    head.to_owned() + texts.split_once('\n').unwrap().1
                }
                None => sql.to_owned(),
            };
            assert_eq!(repartition(&range(&from), &range(&to)).unwrap(), wanted, "{from:?} {to:?}");
        }
        let added = "REORGANIZE PARTITION `ccc` INTO (PARTITION bb VALUES IN (2, 'a,b)'), PARTITION ccc VALUES IN (3, 'a,b)'))";
        assert_eq!(repartition(&list(&["a", "ccc"]), &list(&["a", "bb", "ccc"])).unwrap(), added);
        assert_eq!(
            repartition(&list(&["a", "bb", "ccc"]), &list(&["a", "ccc"])).unwrap(),
            "DROP PARTITION `bb`",
            "the values of a list belong nowhere else"
        );
    }

    #[test]
    fn what_has_no_list_of_its_own_is_made_anew_whole() {
        assert_eq!(
            repartition("PARTITION BY HASH (`id`)\nPARTITIONS 3", "PARTITION BY HASH (`id`)\nPARTITIONS 5"),
            None
        );
        assert_eq!(repartition("", &range(&["p10"])), None);
        let other = range(&["p10"]).replace("`id`", "`k`");
        assert_eq!(repartition(&other, &range(&["p10", "p20"])), None);
        let default =
            "PARTITION BY LIST (`k`)\n(PARTITION `a` VALUES IN (1), PARTITION `d` DEFAULT ENGINE = InnoDB)";
        assert_eq!(repartition(default, &default.replace("(PARTITION `a` VALUES IN (1), ", "(")), None);
    }

    #[test]
    fn no_text_makes_it_panic() {
        let text = range(&["p10", "pm"]);
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = repartition(&text[..end], &text);
            let _ = partition_names(&text[..end]);
        }
        let _ = Partitioning::read("PARTITION (PARTITION ))))");
    }
}
