//! Pages as HTML: one file, no script, nothing that is loaded from elsewhere.

use super::{Block, Page};
use crate::text::tame;

/// Long statements wrap, on paper too; a table's head comes again on each sheet, and no row is cut in two.
const STYLE: &str = "\
body{max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff;\
font:16px/1.6 system-ui,'PingFang SC','Hiragino Sans','Microsoft YaHei','Noto Sans CJK SC','Noto Sans CJK JP',sans-serif}
h1{font-size:1.6rem}h2{margin-top:2rem;border-bottom:1px solid #ccc;font-size:1.25rem}h3{font-size:1.05rem}
table{width:100%;border-collapse:collapse;margin:1rem 0}
th,td{padding:.35rem .6rem;border:1px solid #ccc;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{background:#f2f2f2;font-weight:600}table.fields th{width:10rem}
table:not(.fields) th{white-space:nowrap}
pre{padding:.75rem;border:1px solid #ddd;background:#f7f7f7;font:14px/1.5 ui-monospace,Consolas,monospace;\
white-space:pre-wrap;overflow-wrap:anywhere}
@media print{body{max-width:none;margin:0;padding:0;font-size:10.5pt}pre{font-size:9pt}\
h2,h3{break-after:avoid}tr{break-inside:avoid}thead{display:table-header-group}}";

pub(super) fn write(page: &Page) -> String {
    let (lang, title) = (page.lang, escape(&page.title));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    for block in &page.blocks {
        html.push_str(&part(block));
        html.push('\n');
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn part(block: &Block) -> String {
    match block {
        Block::Heading(depth, text) => {
            let level = (depth + 1).min(6);
            format!("<h{level}>{}</h{level}>", escape(text))
        }
        Block::Fields(fields) => {
            let row = |(name, value): &(String, String)| {
                format!("<tr>{}{}</tr>\n", cell("th scope=\"row\"", name), cell("td", value))
            };
            format!("<table class=\"fields\">\n{}</table>", fields.iter().map(row).collect::<String>())
        }
        Block::Table { heads, rows } => {
            let heads: String = heads.iter().map(|head| cell("th scope=\"col\"", head)).collect();
            let row = |row: &Vec<String>| {
                format!("<tr>{}</tr>\n", row.iter().map(|text| cell("td", text)).collect::<String>())
            };
            let rows: String = rows.iter().map(row).collect();
            format!("<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>")
        }
        Block::Paragraph(text) => format!("<p>{}</p>", escape(text)),
        Block::Lead(name, words) => format!("<p><strong>{}</strong> {}</p>", escape(name), escape(words)),
        Block::List(items) => {
            let items: String = items.iter().map(|item| format!("<li>{}</li>\n", escape(item))).collect();
            format!("<ul>\n{items}</ul>")
        }
        Block::Code(_, text) => format!("<pre><code>{}</code></pre>", escape(text.trim_end())),
    }
}

fn cell(tag: &str, text: &str) -> String {
    let name = tag.split(' ').next().unwrap_or(tag);
    format!("<{tag}>{}</{name}>", escape(text))
}

/// The only place that escapes: text becomes text, in elements and in quoted attributes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in tame(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
