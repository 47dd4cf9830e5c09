//! With a terminal: questions, answers, colour. `script` (bsdutils, part of every Debian) gives the terminal.

use crate::sealed::{PATIENCE, Project, failing, gated, wait_for};
use std::{
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Instant,
};

/// `windlass` on a terminal of its own.
pub struct Terminal {
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    pub fn start(project: &Project, args: &[&str], no_color: bool) -> Self {
        let mut command = Command::new("script");
        let line = format!("exec {} {}", env!("CARGO_BIN_EXE_windlass"), args.join(" "));
        command.args(["-qefc", &line, "/dev/null"]);
        let sealed = project.command(&[]);
        command.current_dir(project.path("")).env_clear();
        command.envs(sealed.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TERM", "xterm").env("SHELL", "/bin/sh");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut out, text) = (child.stdout.take().unwrap(), shown.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = out.read(&mut piece) {
                text.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..n]));
            }
        });
        Self { child, shown }
    }

    /// Waits for `words`, then types.
    pub fn answer(&mut self, words: &str, typed: &str) -> &mut Self {
        wait_for(words, || self.text().contains(words));
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(typed.as_bytes()).unwrap();
        stdin.flush().unwrap();
        self
    }

    fn text(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    pub fn end(&mut self) -> (Option<i32>, String) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), self.text());
            }
            assert!(Instant::now() < end, "it hangs:\n{}", self.text());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

#[test]
fn the_start_and_the_gate_are_asked_and_answered() {
    let project = Project::new(&gated());
    let mut terminal = Terminal::start(&project, &["apply", "release.md"], false);
    terminal.answer("Start it? [y/N]", "y\n").answer("later (l)?", "what\n").answer("y, n or l?", "y\n");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("\u{1b}[32m"), "colour on a terminal: {text:?}");
    assert!(project.world().contains("spec-v1"));
}

#[test]
fn no_is_no_and_no_color_is_kept() {
    let project = Project::new(&gated());
    let before = project.world();
    let mut terminal = Terminal::start(&project, &["apply", "release.md"], true);
    let (code, text) = terminal.answer("Start it? [y/N]", "\n").end();
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("Nothing was started") && !text.contains("\u{1b}[3"), "{text:?}");
    assert_eq!(project.world(), before);
}

#[test]
fn a_refused_gate_fails_the_release_which_goes_back() {
    let project = Project::new(&gated());
    let before = project.world();
    let mut terminal = Terminal::start(&project, &["apply", "release.md", "--yes"], false);
    let (code, text) = terminal.answer("later (l)?", "n\n").end();
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(project.world(), before);
}

#[test]
fn ctrl_c_at_a_gate_is_an_interruption_and_later_leaves_it_waiting() {
    let project = Project::new(&gated());
    let mut terminal = Terminal::start(&project, &["apply", "release.md", "--yes"], false);
    let (code, text) = terminal.answer("later (l)?", "\u{3}").end();
    assert_eq!(code, Some(130), "{text}");
    let mut terminal = Terminal::start(&project, &["resume"], false);
    let (code, text) = terminal.answer("later (l)?", "l\n").end();
    assert_eq!(code, Some(3), "{text}");
    project.run(&["confirm", "gate-1"]).code(0);
}

#[test]
fn on_failure_ask_asks() {
    let project = Project::new(&failing());
    let before = project.world();
    let mut terminal =
        Terminal::start(&project, &["apply", "release.md", "--yes", "--on-failure=ask"], false);
    terminal.answer("stop here (s)?", "r\n");
    wait_for("asked again", || terminal.text().matches("stop here (s)?").count() == 2);
    let (code, text) = terminal.answer("stop here (s)?", "b\n").end();
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(project.world(), before);
}

#[test]
fn a_run_that_is_certain_to_stop_is_asked_about_in_these_words() {
    let project = Project::new(&crate::sealed::RELEASE.replace("UPDATE record", "UPDATE recrd"));
    let mut terminal = Terminal::start(&project, &["apply", "release.md"], true);
    terminal.answer("certain to stop at migrate/2? [y/N]", "n\n");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("no such table: recrd") && text.contains("Nothing was started"), "{text}");
}
