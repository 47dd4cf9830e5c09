//! URLs of scratch databases, from those of live ones.

use url::form_urlencoded::{Serializer, parse};

/// The same server, another database.
pub(super) fn with_database(url: &str, name: &str) -> String {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let (front, query) = url.split_once('?').map_or((url, None), |(front, query)| (front, Some(query)));
    let start = front.find("://").map_or(0, |at| at + 3);
    let end = front[start..].find('/').map_or(front.len(), |at| start + at);
    let mut new = format!("{}/{name}", &front[..end]);
    let others: Vec<_> =
        parse(query.unwrap_or_default().as_bytes()).filter(|(key, _)| key != "dbname").collect();
    if !others.is_empty() {
        // `+` is a plus in the URLs of databases.
        let query = Serializer::new(String::new()).extend_pairs(others).finish().replace('+', "%20");
        new = format!("{new}?{query}");
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_changes() {
        for (url, expected) in [
            ("postgres://a:p%40@h:1/live", "postgres://a:p%40@h:1/x"),
            ("postgres://a@h", "postgres://a@h/x"),
            ("postgres:///live?host=/run/pg&user=a", "postgres:///x?host=%2Frun%2Fpg&user=a"),
            ("postgres://h/?dbname=live&sslmode=require", "postgres://h/x?sslmode=require"),
            ("mysql://r@localhost/live?socket=/run/m.sock", "mysql://r@localhost/x?socket=%2Frun%2Fm.sock"),
        ] {
            assert_eq!(with_database(url, "x"), expected);
        }
    }
}
