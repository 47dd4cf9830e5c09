//! An edit between two tries of a run by which a service has to be kept that was not before.

use crate::sealed::{CONFIG, Project, Said};

/// It runs from `settings.txt`, and says in `serving.txt` with what it was started, before it listens. Perl is part of every Debian.
const SERVER: &str = r#"
use IO::Socket::INET;
open my $f, '<', 'settings.txt' or die; my $settings = <$f>; close $f;
open my $o, '>', 'serving.txt' or die; print $o $settings; close $o;
my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => $ARGV[0]) or die;
while (my $c = $s->accept) { close $c }
"#;

/// The second statement is wrong.
const RELEASE: &str = "---
release: 2.0.0
---
# 2.0.0

```sql {#up on=db}
UPDATE record SET name = 'x';
UPDATE recrod SET name = 'y';
```

```sh {#restart on=app}
windlass service restart web
```
";

const COPY: &str = "```sh {#copy on=app}\ncp new.txt settings.txt\n```\n";

struct World(Project);

impl World {
    /// Version 1 serves, and the release is stopped at its wrong statement.
    fn stopped(release: &str) -> Self {
        let project = Project::new(release);
        let service =
            "[service.web]\non = \"app\"\nrun = [\"perl\", \"server.pl\", \"{port}\"]\nstable = \"50ms\"\n";
        project.write("windlass.toml", format!("{CONFIG}\n{service}"));
        project.write("server.pl", SERVER);
        project.write("settings.txt", "old");
        project.write("new.txt", "new");
        project.run(&["service", "start", "web", "--version", "1.0.0"]).code(0);
        let world = Self(project);
        world.run(&["apply", "release.md", "--yes", "--despite-problems", "--on-failure=stop"]).code(3);
        world
    }

    fn run(&self, args: &[&str]) -> Said {
        self.0.run(args)
    }

    fn edit(&self, changes: &[(&str, &str)]) {
        for (from, to) in changes {
            self.0.edit(from, to);
        }
    }

    /// What the service runs with, what is on disk, the rows.
    fn state(&self) -> [String; 3] {
        [self.0.read("serving.txt"), self.0.read("settings.txt"), self.0.world()]
    }

    /// The units of the run, in order.
    fn units(&self) -> Vec<String> {
        let show = self.run(&["show", "--json"]).code(0).json();
        let units = show["units"].as_array().unwrap().iter();
        units.map(|unit| unit["unit"].as_str().unwrap().to_owned()).collect()
    }
}

/// The service is stopped at the end, whatever became of the test.
impl Drop for World {
    fn drop(&mut self) {
        self.0.run(&["service", "stop", "web"]);
    }
}

#[test]
fn a_file_that_is_changed_in_front_of_a_restart_has_the_service_kept_behind_what_ran() {
    let world = World::stopped(RELEASE);
    assert_eq!(world.units(), ["up/1", "up/2", "restart/1"]);
    let before = Project::new(RELEASE);
    let restart = "```sh {#restart";
    world.edit(&[("recrod", "record"), (restart, &format!("{COPY}{restart}"))]);
    world.run(&["resume", "--yes", "--fault", "crash-after:copy/1"]);
    assert_eq!(world.units(), ["up/1", "up/2", "keep-app/1", "copy/1", "restart/1"]);
    let said = world.run(&["resume", "--yes"]).code(0);
    assert!(!said.stderr.contains("was edited"), "it is the plan that was taken over: {}", said.stderr);
    assert_eq!(world.state()[..2], ["new", "new"]);
    world.run(&["rollback", "--yes"]).code(0);
    assert_eq!(world.state(), ["old".to_owned(), "old".to_owned(), before.world()]);
}

#[test]
fn a_service_that_is_kept_may_be_left_out_of_what_is_to_come() {
    let restart = "```sh {#restart on=app}\nwindlass service restart web\n```\n";
    let world = World::stopped(&RELEASE.replace("```sql {#up", &format!("{COPY}```sql {{#up")));
    assert_eq!(world.units(), ["keep-app/1", "copy/1", "up/1", "up/2", "restart/1"]);
    world.edit(&[("recrod", "record"), (restart, "")]);
    world.run(&["resume", "--yes"]).code(0);
    assert_eq!(world.units(), ["keep-app/1", "copy/1", "up/1", "up/2"]);
    assert_eq!(world.state()[..2], ["old", "new"]);
    world.run(&["rollback", "--yes"]).code(0);
    assert_eq!(world.state()[..2], ["old", "old"]);
}

#[test]
fn a_restart_behind_files_that_have_changed_is_refused_with_what_to_type() {
    let (restart, up) = ("```sh {#restart on=app}\nwindlass service restart web\n```\n", "```sql {#up");
    let world = World::stopped(&RELEASE.replace(restart, "").replace(up, &format!("{COPY}{up}")));
    let state = world.state();
    world.edit(&[("recrod", "record")]);
    let text = world.0.read("release.md");
    world.0.write("release.md", format!("{text}{restart}"));
    world.run(&["resume", "--yes"]).code(4).says(&[
        "restart/1 (release.md:15:1) comes too late",
        "copy/1 (release.md:7:1) has changed files already",
        "leave restart/1 out of this run, or take the run back",
        "nothing was done",
        "--as-planned",
        "windlass rollback",
    ]);
    assert_eq!(world.state(), state);
    world.run(&["rollback", "--yes"]).code(0);
    assert_eq!(world.state()[..2], ["old", "old"]);
}

#[test]
fn a_line_that_changed_nothing_keeps_no_restart_out() {
    let (restart, up) = ("```sh {#restart on=app}\nwindlass service restart web\n```\n", "```sql {#up");
    // It is there already: the state of the project.
    let made = "```sh {#make on=app}\nmkdir -p .windlass\n```\n";
    let world = World::stopped(&RELEASE.replace(restart, "").replace(up, &format!("{made}{up}")));
    world.edit(&[("recrod", "record")]);
    let text = world.0.read("release.md");
    world.0.write("release.md", format!("{text}{restart}"));
    world.run(&["resume", "--yes"]).code(0);
    assert_eq!(world.units(), ["make/1", "up/1", "up/2", "keep-app/1", "restart/1"]);
}

#[test]
fn a_document_that_nobody_edited_is_as_it_was_between_two_steps_that_change_nothing() {
    let gates = "- [ ] one\n\n```sh {#look on=app readonly}\nls\n```\n\n- [ ] two\n\n";
    let text = RELEASE.replace("recrod", "record");
    let world = World::stopped(&text.replace("```sql {#up", &format!("{gates}{COPY}```sql {{#up")));
    let planned = world.units();
    assert_eq!(planned[..4], ["gate-1/1", "look/1", "gate-2/1", "keep-app/1"]);
    world.run(&["confirm", "gate-1"]).code(3);
    let said = world.run(&["confirm", "gate-2"]).code(0);
    assert!(!said.stderr.contains("was edited"), "{}", said.stderr);
    assert_eq!(world.units(), planned);
    assert_eq!(world.state()[..2], ["new", "new"]);
}
