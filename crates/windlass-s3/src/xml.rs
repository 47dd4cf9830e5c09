//! The XML of answers, as a tree: they are small and flat.

use crate::error::{Error, Kind};
use quick_xml::{Reader, events::Event};

/// An element.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Node>,
}

/// Answers of S3 have about four levels.
const DEPTH_MAX: usize = 32;

impl Node {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|error| unreadable(&error))?;
        let mut reader = Reader::from_str(text.trim_start());
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event().map_err(|error| unreadable(&error))?;
            let top = open.last_mut().expect("the root is never closed");
            match event {
                Event::Start(tag) => {
                    if open.len() > DEPTH_MAX {
                        return Err(unreadable(&"too deep"));
                    }
                    open.push(Self::named(tag.local_name().as_ref()));
                }
                Event::Empty(tag) => top.children.push(Self::named(tag.local_name().as_ref())),
                Event::End(_) => {
                    let node = open.pop().expect("the reader matches ends with starts");
                    open.last_mut().ok_or_else(|| unreadable(&"an end too many"))?.children.push(node);
                }
                Event::Text(text) => top.text.push_str(&text.xml10_content()),
                Event::CData(text) => top.text.push_str(&text.xml10_content()),
                Event::GeneralRef(name) => match name.resolve_char_ref().map_err(|e| unreadable(&e))? {
                    Some(letter) => top.text.push(letter),
                    None => top.text.push(named(&name).ok_or_else(|| unreadable(&"an entity"))?),
                },
                Event::Eof => break,
                _ => {}
            }
        }
        match open.pop() {
            Some(mut root) if open.is_empty() && root.children.len() == 1 => {
                Ok(root.children.pop().expect("there is one"))
            }
            _ => Err(unreadable(&"it ends too early")),
        }
    }

    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Text of a child; empty where there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| child.text.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

fn named(entity: &str) -> Option<char> {
    Some(match entity {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

fn unreadable(why: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Answer, format!("the answer is no XML of S3: {why}"))
}

/// Text inside an element.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // A reader would make a line feed of it; of most others XML 1.0 has no form, and a server says so.
            '\r' => out.push_str("&#13;"),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_and_empty_elements_are_read() {
        let node =
            Node::read(b"\n<?xml version=\"1.0\"?><R xmlns=\"x\"><K>a &amp;&#x65e5; b</K><E/></R>").unwrap();
        assert_eq!((node.name.as_str(), node.get("K"), node.get("E")), ("R", "a &日 b", ""));
        for broken in ["", "<a>", "<a></b>", "<a>&what;</a>", "text"] {
            assert!(Node::read(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
