//! The headings as a tree: what each part is for, and which parts are ways to do the same.

use crate::{
    blocks::{Block, Kind},
    lexicon::{self, Role},
};
use std::collections::HashMap;

/// A part of the runbook under a heading.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) level: u8,
    pub(crate) title: String,
    pub(crate) role: Role,
    /// It is another way to do the same as the part with this title.
    pub(crate) instead_of: Option<String>,
    /// The whole part describes something.
    pub(crate) describes: bool,
    parent: Option<usize>,
    own_role: Option<Role>,
    has_code: bool,
    /// Words before its first part say that the parts are ways.
    ways_ahead: bool,
}

/// Reads the sections; `wanted` are words of the titles of parts that are to be done.
pub(crate) fn read(blocks: &[Block], wanted: &[String]) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for block in blocks {
        match &block.kind {
            Kind::Heading { level, text } => {
                while open.last().is_some_and(|at| sections[*at].level >= *level) {
                    open.pop();
                }
                let first = sections.is_empty();
                let own_role = lexicon::role(text).filter(|_| !first);
                let parent = open.last().copied();
                let inherited = parent.map(|at| (sections[at].role, sections[at].describes));
                let role = match (inherited, own_role) {
                    (Some((role, _)), _) if !matches!(role, Role::Forward | Role::Verify) => role,
                    (Some((Role::Verify, _)), None) => Role::Verify,
                    (_, own) => own.unwrap_or(Role::Forward),
                };
                let describes = inherited.is_some_and(|(_, describes)| describes)
                    || lexicon::is_description(text) && !first;
                let title = text.trim().to_owned();
                open.push(sections.len());
                sections.push(Section {
                    level: *level,
                    title,
                    role,
                    instead_of: None,
                    describes,
                    parent,
                    own_role,
                    has_code: false,
                    ways_ahead: false,
                });
            }
            Kind::Code(_) => open.iter().for_each(|at| sections[*at].has_code = true),
            Kind::Paragraph { text, .. } => {
                if let Some(at) = open.last().copied().filter(|_| says_ways(text)) {
                    sections[at].ways_ahead = true;
                    if let Some(parent) = sections[at].parent {
                        sections[parent].ways_ahead = true;
                    }
                }
            }
            _ => {}
        }
    }
    ways(&mut sections, wanted);
    sections
}

fn says_ways(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "パターン",
        "いずれか",
        "どちらか",
        "二选一",
        "任选",
        "方式",
        "either ",
        "one of the following",
        "two ways",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// Marks all but one of the parts that are ways to do the same.
fn ways(sections: &mut [Section], wanted: &[String]) {
    let mut groups: HashMap<(Option<usize>, u8), Vec<usize>> = HashMap::new();
    for (at, section) in sections.iter().enumerate() {
        if lexicon::way(&section.title).is_some() && section.own_role != Some(Role::Back) {
            groups.entry((section.parent, section.level)).or_default().push(at);
        }
    }
    let mut parts: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, section) in sections.iter().enumerate() {
        if let Some(parent) = section.parent {
            parts.entry(parent).or_default().push(at);
        }
    }
    for (parent, children) in &parts {
        if sections[*parent].ways_ahead {
            let like: Vec<_> = alike(sections, children, &parts);
            if like.len() > 1 {
                groups.entry((Some(*parent), sections[like[0]].level)).or_insert(like);
            }
        }
    }
    for members in groups.into_values().filter(|members| members.len() > 1) {
        let is_wanted =
            |at: &&usize| wanted.iter().any(|words| sections[**at].title.contains(words.as_str()));
        let taken = members.iter().find(is_wanted);
        let taken =
            taken.or_else(|| members.iter().find(|at| lexicon::is_recommended(&sections[**at].title)));
        let taken = *taken.unwrap_or(&members[0]);
        let title = sections[taken].title.clone();
        for at in members.into_iter().filter(|at| *at != taken) {
            sections[at].instead_of = Some(title.clone());
        }
    }
    for at in 0..sections.len() {
        if let Some(parent) = sections[at].parent
            && sections[at].instead_of.is_none()
        {
            sections[at].instead_of = sections[parent].instead_of.clone();
        }
    }
}

/// Those of the parts which have a part of the same title, numbers aside.
fn alike(sections: &[Section], children: &[usize], parts: &HashMap<usize, Vec<usize>>) -> Vec<usize> {
    let plain = |title: &str| {
        title.trim_start_matches(|c: char| c.is_ascii_digit() || " .、)）".contains(c)).to_owned()
    };
    let mut count: HashMap<String, usize> = HashMap::new();
    let titles = |at: &usize| -> Vec<String> {
        parts.get(at).into_iter().flatten().map(|part| plain(&sections[*part].title)).collect()
    };
    for child in children {
        for title in titles(child) {
            *count.entry(title).or_default() += 1;
        }
    }
    let shares = |at: &&usize| sections[**at].has_code && titles(at).iter().any(|title| count[title] > 1);
    children.iter().filter(shares).copied().collect()
}
