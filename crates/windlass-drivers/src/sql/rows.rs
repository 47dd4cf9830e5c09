//! Rows for people.

/// Rows of a query that are shown.
pub(crate) const ROWS_SHOWN: usize = 50;
/// Longest value shown, in characters.
pub(crate) const VALUE_MAX: usize = 60;

/// Rows under their names (the first of `table`), in columns; `count` is how many there are in all.
pub(crate) fn aligned(table: &[Vec<String>], count: u64) -> String {
    let width = |column: usize| {
        table.iter().map(|row| unicode_width::UnicodeWidthStr::width(row[column].as_str())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table[0].len()).map(width).collect();
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (value, width) in row.iter().zip(&widths) {
            let pad = width - unicode_width::UnicodeWidthStr::width(value.as_str());
            line.extend([value.as_str(), &" ".repeat(pad + 2)]);
        }
        text.extend([line.trim_end(), "\n"]);
    }
    let shown = table.len() as u64 - 1;
    if count > shown {
        text.push_str(&format!("… {} more rows\n", count - shown));
    }
    text + &format!("({count} rows)\n")
}
