//! Releases on many hosts of a real sshd, batch by batch.

use crate::hosts::{Fleet, HERE};

/// Of each batch the lines that its hosts wrote, sorted: hosts of a batch run beside each other.
fn batches(fleet: &Fleet, sizes: &[usize]) -> Vec<String> {
    let text = fleet.project.read("srv/order");
    let mut lines = text.lines();
    let batches: Vec<String> = sizes
        .iter()
        .map(|size| {
            let mut batch: Vec<_> = lines.by_ref().take(*size).collect();
            batch.sort_unstable();
            batch.join(" ")
        })
        .collect();
    assert_eq!(lines.next(), None, "{text}");
    batches
}

/// A step whose batches grow, and its check; the check fails on `sick`.
fn growing(hosts: u8, sick: u8) -> Fleet {
    Fleet::of(
        hosts,
        &format!(
            "```sh {{#switch on=app serial=1,50%}}\n{HERE}; echo 2 >version.$here; echo in-$here >>order\n```\n\
             ```sh {{#back undoes=switch}}\n{HERE}; echo back >>back.$here; rm -f version.$here\n```\n\
             ```sh {{#check on=app serial=1,50% readonly}}\n{HERE}; echo ok-$here >>order; [ $here != 127.0.0.{sick} ]\n```\n"
        ),
    )
}

#[test]
fn batches_grow_and_each_is_checked_before_the_next() {
    for (hosts, sizes) in [(1, &[1][..]), (2, &[1, 1]), (8, &[1, 4, 3])] {
        let fleet = growing(hosts, 99);
        let plan = fleet.project.run(&["plan", "release.md"]).code(0).stdout;
        if hosts == 8 {
            for batch in ["batch 1 of 3  127.0.0.1\n", "batch 3 of 3  127.0.0.6, 127.0.0.7, 127.0.0.8\n"] {
                assert!(plan.contains(batch), "{plan}");
            }
        }
        fleet.project.run(&["apply", "release.md", "--yes"]).code(0);
        let twice: Vec<usize> = sizes.iter().flat_map(|size| [*size, *size]).collect();
        let mut host = 0;
        let wanted: Vec<String> = sizes
            .iter()
            .flat_map(|size| {
                let hosts = host + 1..=host + size;
                host += size;
                ["in", "ok"].map(|word| {
                    hosts.clone().map(|host| format!("{word}-127.0.0.{host}")).collect::<Vec<_>>().join(" ")
                })
            })
            .collect();
        assert_eq!(batches(&fleet, &twice), wanted);
    }
}

#[test]
fn a_batch_that_is_not_well_takes_all_back_and_the_next_never_begins() {
    for (hosts, sick, begun) in [(2, 1, 1), (8, 3, 5)] {
        let fleet = growing(hosts, sick);
        let said = fleet.project.run(&["apply", "release.md", "--yes"]).code(1);
        said.says(&[&format!("on 127.0.0.{sick}"), "failed and undone"]);
        assert!(fleet.files("version").iter().all(String::is_empty));
        let back = fleet.files("back");
        assert!(back[..begun].iter().all(|back| back == "back\n"), "{back:?}");
        assert!(back[begun..].iter().all(String::is_empty), "{back:?}");
    }
}

#[test]
fn killed_between_batches_the_next_controller_keeps_their_order() {
    for (fault, verb) in [
        ("crash-after:switch/1@127.0.0.1", "resume"),
        ("crash-before:check/1@127.0.0.1", "resume"),
        ("crash-before:switch/1@127.0.0.2", "rollback"),
    ] {
        let fleet = growing(2, 99);
        killed(&fleet, fault, verb);
        if verb == "resume" {
            let order = fleet.project.read("srv/order");
            let place = |line: &str| order.find(line).unwrap_or_else(|| panic!("no {line} in {order}"));
            assert!(place("ok-127.0.0.1") < place("in-127.0.0.2"), "{order}");
        }
    }
}

/// A release of two hosts that is killed at `fault`, and what `verb` makes of it: one version.
fn killed(fleet: &Fleet, fault: &str, verb: &str) {
    let killed = fleet.project.run(&["apply", "release.md", "--yes", "--fault", fault]);
    assert_eq!(killed.code, None, "{fault} kills: {}", killed.stderr);
    let (args, version): (&[&str], _) = match verb {
        "resume" => (&["resume"], "2\n"),
        _ => (&["rollback", "--yes"], ""),
    };
    fleet.project.run(args).code(0);
    assert_eq!(fleet.files("version"), [version; 2], "{fault}, {verb}");
}

/// A step that looks first, and then switches in two lines; the first fails on the host that `sick-look` names, the second on
/// that of `sick-switch`.
fn two_phases(hosts: u8) -> Fleet {
    let fleet = Fleet::of(
        hosts,
        &format!(
            "```sh {{#up on=app}}\nsystemctl is-active app\nsh switch.sh\n```\n\
             ```sh {{#back undoes=up}}\n{HERE}; echo back >>back.$here; rm -f version.$here\n```\n"
        ),
    );
    fleet.project.write(
        "srv/switch.sh",
        format!("{HERE}\necho in >>order\n! grep -qx $here sick-switch && echo 2 >version.$here\n"),
    );
    let look = format!(
        "#!/bin/sh\n[ \"$1 $2\" = 'is-active app' ] || exit 0\n{HERE}\nsleep 0.$((10 * ${{here##*.}}))\necho look >>order\n! grep -qx $here sick-look\n"
    );
    std::fs::create_dir(fleet.project.path("bin")).unwrap();
    fleet.project.write("bin/systemctl", look);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(fleet.project.path("bin/systemctl"), mode).unwrap();
    for phase in ["look", "switch"] {
        fleet.project.write(&format!("srv/sick-{phase}"), "");
    }
    fleet
}

#[test]
fn all_hosts_are_prepared_before_any_is_switched_and_then_together() {
    for hosts in [1, 2, 8] {
        let fleet = two_phases(hosts);
        let plan = fleet.project.run(&["plan", "release.md"]).code(0).stdout;
        assert_eq!(plan.contains("first on all hosts  "), hosts > 1, "{plan}");
        fleet.project.run(&["apply", "release.md", "--yes"]).code(0);
        let count = usize::from(hosts);
        assert_eq!(fleet.project.read("srv/order"), "look\n".repeat(count) + &"in\n".repeat(count));
        let shown = fleet.project.run(&["show"]).code(0).stdout;
        assert_eq!(shown.contains(&format!("up: switched on {hosts} hosts within ")), hosts > 1, "{shown}");
    }
}

#[test]
fn a_host_that_cannot_prepare_keeps_all_from_being_switched() {
    for (hosts, sick) in [(2, 1), (8, 8)] {
        let fleet = two_phases(hosts);
        fleet.project.write("srv/sick-look", format!("127.0.0.{sick}\n"));
        let said = fleet.project.run(&["apply", "release.md", "--yes"]).code(1);
        said.says(&[&format!("on 127.0.0.{sick}"), "failed and undone"]);
        assert!(!fleet.project.read("srv/order").contains("in"), "nothing was switched");
        assert!(fleet.files("back").iter().all(String::is_empty), "so nothing goes back");
        fleet.project.write("srv/sick-look", "");
        fleet.project.run(&["apply", "release.md", "--yes"]).code(0);
        assert!(fleet.files("version").iter().all(|version| version == "2\n"));
    }
}

#[test]
fn a_host_that_cannot_be_switched_takes_all_back() {
    for (hosts, sick) in [(1, 1), (8, 5)] {
        let fleet = two_phases(hosts);
        fleet.project.write("srv/sick-switch", format!("127.0.0.{sick}\n"));
        fleet.project.run(&["apply", "release.md", "--yes"]).code(1).says(&["failed and undone"]);
        assert!(fleet.files("version").iter().all(String::is_empty));
        assert!(fleet.files("back").iter().all(|back| back == "back\n"), "also what failed in part");
        let shown = fleet.project.run(&["show"]).code(0).stdout;
        assert!(!shown.contains("switched on"), "{shown}");
    }
}

#[test]
fn killed_in_either_phase_two_hosts_have_one_version() {
    for (unit, fault, verb) in [
        ("up/1@127.0.0.1", "crash-after", "resume"),
        ("up/1@127.0.0.2", "crash-before", "rollback"),
        ("up/2@127.0.0.1", "crash-before", "resume"),
        ("up/2@127.0.0.2", "crash-after", "rollback"),
    ] {
        let fleet = two_phases(2);
        killed(&fleet, &format!("{fault}:{unit}"), verb);
        fleet.project.run(&["apply", "release.md", "--yes"]).code(0);
    }
}
