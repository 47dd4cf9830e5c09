//! What was looked at on all hosts before anything runs, as a table by host.

use crate::{
    Mark, Text,
    text::{pad, width},
    words::count,
};
use windlass_plan::{Checked, State};

/// Up to so many hosts each has lines of its own, also where all is as it should be.
const WHOLE_HOSTS_MAX: usize = 8;

/// All of it.
#[must_use]
pub fn preflight_text(checked: &[Checked]) -> Text {
    let hosts = hosts(checked);
    let fine =
        |host: &&str| checked.iter().filter(|one| one.host == **host).all(|one| one.state == State::Ok);
    let folded: Vec<&str> =
        if hosts.len() > WHOLE_HOSTS_MAX { hosts.iter().copied().filter(fine).collect() } else { Vec::new() };
    let mut text = table(checked, |one| !folded.contains(&one.host.as_str()));
    if !folded.is_empty() {
        text.wrapped(
            "  ok  ",
            Mark::Good,
            &format!("{}: {}", count(folded.len(), "host"), folded.join(", ")),
        );
    }
    text
}

/// What is not as it should be; a line that says so, if there is nothing of the kind.
#[must_use]
pub fn preflight_short_text(checked: &[Checked]) -> Text {
    if checked.iter().any(|one| one.state != State::Ok) {
        return table(checked, |one| one.state != State::Ok);
    }
    let mut text = Text::new();
    if !checked.is_empty() {
        text.line().plain("Pre-flight: ").add(Mark::Good, "ok");
        text.plain(format!(" ({})", count(hosts(checked).len(), "host")));
    }
    text
}

fn table(checked: &[Checked], is_shown: impl Fn(&Checked) -> bool) -> Text {
    let mut text = Text::new();
    if checked.is_empty() {
        return text;
    }
    text.line();
    text.line().add(Mark::Strong, "Pre-flight");
    let shown: Vec<&Checked> = checked.iter().filter(|one| is_shown(one)).collect();
    let widest =
        |cell: fn(&Checked) -> &str| shown.iter().map(|one| width(cell(one))).max().unwrap_or(0).min(30);
    let (hosts, whats) = (widest(name), widest(|one| one.what));
    let mut last = "";
    for one in shown {
        let host = if one.host == last { "" } else { name(one) };
        last = &one.host;
        let lead = format!("  {}  {}  {:<7}  ", pad(host, hosts), pad(one.what, whats), word(one.state));
        text.wrapped(&lead, mark(one.state), &one.said);
    }
    text
}

fn hosts(checked: &[Checked]) -> Vec<&str> {
    let mut hosts: Vec<&str> = Vec::new();
    for one in checked {
        if !hosts.contains(&one.host.as_str()) {
            hosts.push(&one.host);
        }
    }
    hosts
}

fn name(one: &Checked) -> &str {
    if one.host == "local" { "this machine" } else { &one.host }
}

fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Unknown => "unknown",
        State::Warning => "warning",
        State::Error => "error",
    }
}

fn mark(state: State) -> Mark {
    match state {
        State::Ok => Mark::Dim,
        State::Unknown => Mark::Plain,
        State::Warning => Mark::Warn,
        State::Error => Mark::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(host: &str, what: &'static str, state: State, said: &str) -> Checked {
        Checked { host: host.to_owned(), what, state, said: said.to_owned() }
    }

    #[test]
    fn a_table_by_host() {
        let all = [
            checked("local", "disk", State::Ok, "fine"),
            checked("web1", "clock", State::Warning, "40 s ahead"),
            checked("web1", "programs", State::Error, "line 3 needs x"),
        ];
        let shown = "\nPre-flight\n  this machine  disk      ok       fine\n  web1          clock     warning  40 s ahead\n\
                     \x20               programs  error    line 3 needs x\n";
        assert_eq!(preflight_text(&all).to_string(), shown);
        let short = preflight_short_text(&all).to_string();
        assert!(!short.contains("fine") && short.contains("web1  clock     warning"), "{short}");
        assert_eq!(preflight_short_text(&all[..1]).to_string(), "Pre-flight: ok (1 host)\n");
        assert_eq!(preflight_text(&[]).to_string(), "");
    }

    #[test]
    fn hosts_of_a_fleet_that_are_fine_take_one_line() {
        let mut all: Vec<_> =
            (1..=9).map(|n| checked(&format!("h{n}"), "clock", State::Ok, "fine")).collect();
        all.push(checked("h9", "disk", State::Error, "full"));
        let shown = preflight_text(&all).to_string();
        assert!(
            shown.contains("8 hosts: h1, h2, h3, h4, h5, h6, h7, h8\n") && shown.contains("full"),
            "{shown}"
        );
        assert_eq!(shown.matches("h1").count(), 1, "{shown}");
    }
}
