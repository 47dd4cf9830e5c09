//! How long users will notice the release: the statements between the stop and the start of a service.

use std::collections::BTreeMap;
use windlass_document::shell::{CommandKind, parse};
use windlass_plan::{Action, Plan, ServiceOperation};
use windlass_report::Rehearsed;

/// What a unit does to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Stop,
    Start,
}

/// Downtime (`None`: no service is stopped), time that writers wait outside of it, both in milliseconds, and what has to be said.
pub fn downtime(plan: &Plan, statements: &[Rehearsed], is_sample: bool) -> (Option<u64>, u64, Vec<String>) {
    let by_unit: BTreeMap<&str, &Rehearsed> =
        statements.iter().map(|statement| (statement.unit.as_str(), statement)).collect();
    let (mut down, mut is_down, mut was_down, mut blocked) = (0, false, None, 0);
    for (_, unit) in plan.units() {
        match does(&unit.action) {
            Some(Does::Stop) => {
                is_down = true;
                was_down = was_down.or(Some(unit.line));
            }
            Some(Does::Start) => is_down = false,
            None => {}
        }
        let Some(statement) = by_unit.get(unit.id.0.as_str()) else { continue };
        if is_down {
            down += statement.took_ms.unwrap_or(0);
        } else if let Some(lock) = statement.lock.as_ref().filter(|lock| lock.blocks_writes) {
            blocked += lock.ms.unwrap_or(0);
        }
    }
    let mut notes = vec![];
    if let Some(line) = was_down {
        notes.push(format!(
            "the downtime is that of the SQL behind the stop in line {line}; the stop, the start and all other steps in between \
             come on top"
        ));
    }
    if is_sample {
        notes.push("a sample tells no downtime: the real tables have more rows".to_owned());
        return (None, 0, notes);
    }
    (was_down.map(|_| down), blocked, notes)
}

fn does(action: &Action) -> Option<Does> {
    match action {
        Action::Service { operation: ServiceOperation::Stop, .. } => Some(Does::Stop),
        Action::Service { operation: ServiceOperation::Start, .. } => Some(Does::Start),
        Action::Compose(line) if line.operation.ends_away() => Some(Does::Stop),
        Action::Compose(line) if line.operation.ends_up() => Some(Does::Start),
        Action::Shell { script, .. } => script_does(script),
        _ => None,
    }
}

/// Of the commands that are known; the last one counts.
fn script_does(script: &str) -> Option<Does> {
    let (parsed, _) = parse(script);
    let mut found = None;
    for command in parsed.commands {
        let CommandKind::Simple(simple) = command.kind else { continue };
        let words: Vec<&str> =
            simple.words.iter().map(|word| word.text.as_str()).filter(|word| *word != "sudo").collect();
        let rest = match words.as_slice() {
            ["docker-compose" | "systemctl", rest @ ..] | ["docker", "compose", rest @ ..] => rest,
            _ => continue,
        };
        let does = rest.iter().find_map(|word| match *word {
            "down" | "stop" => Some(Does::Stop),
            "up" | "start" => Some(Does::Start),
            _ => None,
        });
        found = does.or(found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_and_starts_are_read_as_shell() {
        for (script, expected) in [
            ("sudo docker-compose down", Some(Does::Stop)),
            ("docker compose -f x.yml up -d", Some(Does::Start)),
            ("systemctl stop app", Some(Does::Stop)),
            ("echo docker-compose down", None),
            ("cd /srv\nsudo systemctl stop app\nsudo systemctl start app", Some(Does::Start)),
        ] {
            assert_eq!(script_does(script), expected, "{script}");
        }
    }
}
