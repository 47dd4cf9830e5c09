//! Foreign keys, as the server writes them, and what it does with them by itself: it renames them with their tables, and makes an index
//! for one that has none.

use super::diff::Renames;
use super::table::{Part, PartKind, Table, name};
use super::words::tokens;
use crate::Dialect;
use crate::lexer::{Token, TokenKind};
use crate::name::identifier;
use std::collections::BTreeSet;

/// A foreign key of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that they refer to, with its database if it is another one.
    pub parent: Vec<String>,
    /// The columns there.
    pub parent_columns: Vec<String>,
}

/// All that stand in a text: a definition, or a statement that adds them.
#[must_use]
pub fn foreign_keys(text: &str) -> Vec<ForeignKey> {
    let tokens = tokens(text);
    let is = |at: usize, word: &str| {
        tokens.get(at).is_some_and(|token| {
            token.kind == TokenKind::Word && token.span.of(text).eq_ignore_ascii_case(word)
        })
    };
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !(is(at, "FOREIGN") && is(at + 1, "KEY")) {
            at += 1;
            continue;
        }
        let mut key = ForeignKey::default();
        (key.columns, at) = names(text, &tokens, at + 2);
        if !is(at, "REFERENCES") {
            continue;
        }
        at += 1;
        while let Some(token) = tokens.get(at).filter(|token| token.kind != TokenKind::Symbol(b'(')) {
            if matches!(token.kind, TokenKind::Name | TokenKind::Word) {
                key.parent.push(identifier(token.span.of(text), Dialect::Mysql));
            }
            at += 1;
        }
        (key.parent_columns, at) = names(text, &tokens, at);
        found.push(key);
    }
    found
}

/// The names in brackets, and the place behind them.
fn names(text: &str, tokens: &[Token], mut at: usize) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    if tokens.get(at).is_none_or(|token| token.kind != TokenKind::Symbol(b'(')) {
        return (names, at);
    }
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.kind {
            TokenKind::Name | TokenKind::Word => {
                names.push(identifier(token.span.of(text), Dialect::Mysql));
            }
            TokenKind::Symbol(b')') => break,
            _ => {}
        }
    }
    (names, at)
}

/// The definition `text` of a foreign key with other names: its own columns, the table that it refers to, and the columns there.
fn rewritten(
    text: &str,
    own: &dyn Fn(&str) -> String,
    table: &dyn Fn(&str) -> String,
    theirs: &dyn Fn(&str) -> String,
) -> String {
    let tokens = tokens(text);
    let is = |token: &Token, word: &str| {
        token.kind == TokenKind::Word && token.span.of(text).eq_ignore_ascii_case(word)
    };
    let Some(begin) = tokens.windows(2).position(|pair| is(&pair[0], "FOREIGN") && is(&pair[1], "KEY"))
    else {
        return text.to_owned();
    };
    let Some(refers) = tokens.iter().position(|token| is(token, "REFERENCES")) else {
        return text.to_owned();
    };
    let open = |from: usize| tokens.iter().skip(from).position(|token| token.kind == TokenKind::Symbol(b'('));
    let end = refers + open(refers).unwrap_or_default();
    let close = tokens.iter().skip(end).position(|token| token.kind == TokenKind::Symbol(b')'));
    let close = end + close.unwrap_or_default();
    // Of another database: its tables are not followed.
    let elsewhere = end > refers + 2;
    let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == TokenKind::Name) {
        let old = identifier(token.span.of(text), Dialect::Mysql);
        let new = match at {
            at if at > begin && at < refers => own(&old),
            at if at > refers && at < end && !elsewhere => table(&old),
            at if at > end && at < close && !elsewhere => theirs(&old),
            _ => continue,
        };
        out.push_str(text.get(copied..token.span.start).unwrap_or_default());
        out.push_str(&name(&new));
        copied = token.span.end;
    }
    out + text.get(copied..).unwrap_or_default()
}

/// The definition of a foreign key whose own columns have other names.
pub(super) fn with_columns(text: &str, renames: &[(&str, &str)]) -> String {
    let own = |column: &str| {
        let new = renames.iter().find(|(old, _)| *old == column);
        new.map_or(column.to_owned(), |(_, new)| (*new).to_owned())
    };
    rewritten(text, &own, &str::to_owned, &str::to_owned)
}

/// The table as the server shows it when tables and columns were renamed: foreign keys follow what they refer to ("Foreign keys that point to the
/// renamed table are automatically updated", MySQL 8.0 reference, RENAME TABLE), and the names that the server gave to
/// foreign keys and checks of the table itself begin with its new one (`t_ibfk_1`, `t_chk_1`).
pub(super) fn follow(table: &Table, now: &str, renames: &Renames, renamed: &dyn Fn(&str) -> String) -> Table {
    let mut table = table.clone();
    for part in &mut table.parts {
        if part.kind == PartKind::Foreign {
            let parent =
                foreign_keys(&part.text).into_iter().next().and_then(|key| key.parent.last().cloned());
            let parent = renamed(&parent.unwrap_or_default());
            let theirs = |column: &str| {
                let new = renames.columns.iter().find(|(of, old, _)| *of == parent && old == column);
                new.map_or(column.to_owned(), |(_, _, new)| new.clone())
            };
            part.text = rewritten(&part.text, &str::to_owned, renamed, &theirs);
        }
        let Some(number) = by_server(part, &table.name) else { continue };
        let new = format!("{now}{number}");
        part.text = part.text.replacen(&name(&part.name), &name(&new), 1);
        part.name = new;
    }
    table
}

/// What stands behind the name of the table in a name that the server gave to a foreign key or a check of it.
fn by_server<'p>(part: &'p Part, table: &str) -> Option<&'p str> {
    let mark = match part.kind {
        PartKind::Foreign => "_ibfk_",
        PartKind::Check => "_chk_",
        _ => return None,
    };
    let rest = part.name.strip_prefix(table)?;
    rest.strip_prefix(mark)?.chars().all(|c| c.is_ascii_digit()).then_some(rest)
}

/// A key under a name that no table has: the server makes the index for it, and then it is taken away.
const NOBODY: &str = "windlass_nobody";
/// Numbers of keys that are gone, at most, that are passed over.
const NUMBERS_MAX: usize = 64;

impl Table {
    /// Indexes that the server may have made by itself for a foreign key: it takes them away when another index does as well, and nothing
    /// that it shows tells them from others. With `left` also those of keys that are not there any more.
    pub fn maybe_generated(&self, left: bool) -> impl Iterator<Item = (&Part, Vec<String>)> {
        let of_kind = |kind| self.parts.iter().filter(move |part| part.kind == kind);
        let keys: Vec<Vec<String>> = of_kind(PartKind::Foreign)
            .flat_map(|part| foreign_keys(&part.text))
            .map(|key| key.columns)
            .collect();
        of_kind(PartKind::Index).filter_map(move |part| {
            let columns = part.plain_columns()?;
            (left || keys.contains(&columns)).then_some((part, columns))
        })
    }

    /// The statements that create it so that the server makes these indexes by itself.
    #[must_use]
    pub fn create_generating(&self, generated: &BTreeSet<String>) -> Vec<String> {
        let mut table = self.clone();
        let mut left: Vec<(String, Vec<String>)> = self
            .maybe_generated(true)
            .filter(|(part, _)| generated.contains(&part.name))
            .map(|(part, columns)| (part.name.clone(), columns))
            .collect();
        let is_gone =
            |part: &Part| part.kind == PartKind::Index && left.iter().any(|(name, _)| *name == part.name);
        table.parts.retain(|part| !is_gone(part));
        let of = |columns: &[String]| {
            let is_of = move |part: &&Part| key_columns(part).as_deref() == Some(columns);
            self.parts.iter().find(is_of)
        };
        // A key that was given a name gives it to its index; one without leaves it the name of its column. The server numbers those without a
        // name, so it is either none or all of them.
        let unnamed = left.iter().any(|(index, columns)| {
            of(columns).is_some_and(|key| key.name != *index && by_server(key, &self.name).is_some())
        });
        left.retain(|(_, columns)| of(columns).is_none());
        let mut nobody = if unnamed { self.renumbered(&mut table, &mut left) } else { Vec::new() };
        for (index, columns) in left {
            table.parts.push(key_of_nobody(Some(&index), &columns));
            nobody.push(index);
        }
        let mut statements = vec![table.create()];
        if !nobody.is_empty() {
            let drops: Vec<_> = nobody.iter().map(|key| format!("DROP FOREIGN KEY {}", name(key))).collect();
            statements.push(format!("ALTER TABLE {} {}", name(&self.name), drops.join(", ")));
        }
        statements
    }

    /// Takes the names from the keys of `table` that the server numbers, in the order of the numbers, with keys to nobody for those that are missing,
    /// which are returned; indexes that were left by such keys come with them.
    fn renumbered(&self, table: &mut Self, left: &mut Vec<(String, Vec<String>)>) -> Vec<String> {
        let number =
            |part: &Part| -> Option<usize> { by_server(part, &self.name)?.rsplit('_').next()?.parse().ok() };
        let is_numbered = |part: &Part| part.kind == PartKind::Foreign && number(part).is_some();
        let mut keys: Vec<Part> = table.parts.iter().filter(|part| is_numbered(part)).cloned().collect();
        table.parts.retain(|part| !is_numbered(part));
        keys.sort_by_key(|part| number(part));
        let (mut next, mut nobody) = (1, Vec::new());
        for mut key in keys {
            let own = number(&key).unwrap_or_default().min(next + NUMBERS_MAX);
            for missing in next..own {
                let of_column = left.iter().position(|(index, columns)| columns.first() == Some(index));
                let columns = match of_column {
                    Some(at) => left.remove(at).1,
                    None => key_columns(&key).unwrap_or_default(),
                };
                table.parts.push(key_of_nobody(None, &columns));
                nobody.push(format!("{}_ibfk_{missing}", self.name));
            }
            next = own + 1;
            let without = key.text.strip_prefix(&format!("CONSTRAINT {} ", name(&key.name)));
            key.text = without.unwrap_or(&key.text).to_owned();
            table.parts.push(key);
        }
        nobody
    }
}

/// The columns of a foreign key.
fn key_columns(part: &Part) -> Option<Vec<String>> {
    foreign_keys(&part.text).into_iter().next().map(|key| key.columns)
}

/// A foreign key that makes the server make an index: of this name, or of the name of its column.
fn key_of_nobody(index: Option<&str>, columns: &[String]) -> Part {
    let list = columns.iter().map(|column| name(column)).collect::<Vec<_>>().join(",");
    let constraint = index.map(|index| format!("CONSTRAINT {} ", name(index))).unwrap_or_default();
    let text = format!("{constraint}FOREIGN KEY ({list}) REFERENCES {NOBODY} ({list})");
    Part { kind: PartKind::Foreign, name: index.unwrap_or_default().to_owned(), text }
}

impl Part {
    /// The columns of an index that is nothing but a list of them, as one for a foreign key is.
    fn plain_columns(&self) -> Option<Vec<String>> {
        let tokens = tokens(&self.text);
        let open = tokens.iter().position(|token| token.kind == TokenKind::Symbol(b'('))?;
        let (columns, _) = names(&self.text, &tokens, open);
        let list: Vec<String> = columns.iter().map(|column| name(column)).collect();
        (self.text == format!("KEY {} ({})", name(&self.name), list.join(","))).then_some(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHILD: &str = "CREATE TABLE `t` (\n  `id` int NOT NULL,\n  `p` int DEFAULT NULL,\n  `q` int DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  \
        KEY `p` (`p`),\n  KEY `named` (`q`),\n  CONSTRAINT `named` FOREIGN KEY (`q`) REFERENCES `o`.`p` (`p`),\n  CONSTRAINT `t_ibfk_1` FOREIGN KEY (`p`) REFERENCES `p` (`p`) ON DELETE CASCADE\n)";

    #[test]
    fn names_follow_what_is_renamed() {
        let table = Table::read(CHILD).unwrap();
        let renames = Renames {
            tables: vec![("p".into(), "r".into()), ("t".into(), "t2".into())],
            columns: vec![("r".into(), "p".into(), "key".into())],
        };
        let renamed = |table: &str| match table {
            "p" => "r".to_owned(),
            "t" => "t2".to_owned(),
            other => other.to_owned(),
        };
        let followed = follow(&table, "t2", &renames, &renamed).create();
        assert!(
            followed.contains(
                "CONSTRAINT `t2_ibfk_1` FOREIGN KEY (`p`) REFERENCES `r` (`key`) ON DELETE CASCADE"
            ),
            "{followed}"
        );
        assert!(
            followed.contains("CONSTRAINT `named` FOREIGN KEY (`q`) REFERENCES `o`.`p` (`p`)"),
            "{followed}"
        );
        let own = with_columns(&table.parts[4].text, &[("p", "n")]);
        assert_eq!(own, "CONSTRAINT `t_ibfk_1` FOREIGN KEY (`n`) REFERENCES `p` (`p`) ON DELETE CASCADE");
    }

    #[test]
    fn what_the_server_made_by_itself_is_left_to_it() {
        let table = Table::read(CHILD).unwrap();
        let maybe: Vec<_> = table.maybe_generated(false).map(|(part, _)| part.name.as_str()).collect();
        assert_eq!(maybe, ["p", "named"]);
        let made = table.create_generating(&BTreeSet::from(["p".to_owned(), "named".to_owned()]));
        let [made] = made.as_slice() else { panic!("{made:?}") };
        assert!(!made.contains("\n  KEY") && made.contains("\n  FOREIGN KEY (`p`)"), "{made}");
        assert!(made.contains("CONSTRAINT `named` FOREIGN KEY (`q`)"), "{made}");
        assert_eq!(table.create_generating(&BTreeSet::new()), [table.create()]);
    }

    #[test]
    fn an_index_outlives_the_key_that_it_was_made_for() {
        let table = "CREATE TABLE `t` (\n  `p` int DEFAULT NULL,\n  `q` int DEFAULT NULL,\n  KEY `p` (`p`,`q`),\n  KEY `part` (`p`(3)),\n  UNIQUE KEY `q` (`q`)\n)";
        let table = Table::read(table).unwrap();
        assert_eq!(table.maybe_generated(false).count(), 0);
        let left: Vec<_> = table.maybe_generated(true).map(|(part, _)| part.name.as_str()).collect();
        assert_eq!(left, ["p"]);
        let made = table.create_generating(&BTreeSet::from(["p".to_owned()]));
        let [create, drop] = made.as_slice() else { panic!("{made:?}") };
        assert!(
            create.contains("CONSTRAINT `p` FOREIGN KEY (`p`,`q`) REFERENCES")
                && !create.contains("KEY `p` (`p`,"),
            "{create}"
        );
        assert_eq!(drop, "ALTER TABLE `t` DROP FOREIGN KEY `p`");

        // The number of the key that is there is not the first.
        let table = "CREATE TABLE `t` (\n  `p` int DEFAULT NULL,\n  `q` int DEFAULT NULL,\n  KEY `p` (`p`),\n  KEY `q` (`q`),\n  CONSTRAINT `t_ibfk_2` FOREIGN KEY (`q`) REFERENCES `o` (`q`)\n)";
        let made =
            Table::read(table).unwrap().create_generating(&BTreeSet::from(["p".to_owned(), "q".to_owned()]));
        let [create, drop] = made.as_slice() else { panic!("{made:?}") };
        assert!(create.ends_with("  FOREIGN KEY (`p`) REFERENCES windlass_nobody (`p`),\n  FOREIGN KEY (`q`) REFERENCES `o` (`q`)\n)"), "{create}");
        assert_eq!(drop, "ALTER TABLE `t` DROP FOREIGN KEY `t_ibfk_1`");
    }

    #[test]
    fn foreign_keys_of_a_text() {
        let text = "ALTER TABLE `t` ADD CONSTRAINT `f` FOREIGN KEY (`a`, `b``c`) REFERENCES `d`.`p` (`x`, `y`) ON DELETE CASCADE, \
            ADD CONSTRAINT `g` FOREIGN KEY (`a`) REFERENCES `q` (`id`)";
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let key = |columns: &[&str], parent: &[&str], theirs: &[&str]| ForeignKey {
            columns: strings(columns),
            parent: strings(parent),
            parent_columns: strings(theirs),
        };
        assert_eq!(
            foreign_keys(text),
            [key(&["a", "b`c"], &["d", "p"], &["x", "y"]), key(&["a"], &["q"], &["id"])]
        );
        assert_eq!(foreign_keys("COMMENT 'FOREIGN KEY (a) REFERENCES b (c)'"), []);
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = foreign_keys(&text[..end]);
        }
    }
}
