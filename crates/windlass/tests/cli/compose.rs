//! Releases of a real project of docker compose, on a real engine with a registry, with both versions of compose.

use crate::sealed::{Project, Running, Said, wait_for};
use windlass_lab::{Compose, Docker, docker};

/// A project that serves version 2.0.9, and a release document for 2.1.0.
struct Scene {
    docker: &'static Docker,
    compose: Compose,
    project: Project,
    /// Of the project of compose.
    name: String,
    port: u16,
    image: String,
}

impl Scene {
    /// `health`: what 2.1.0 answers at `/health`; nothing: 404.
    fn new(docker: &'static Docker, compose: Compose, health: Option<&str>) -> Self {
        let name = docker.name("shop");
        let image = docker.image(&name, "2.0.9", &[("www/health", "2.0.9\n")]);
        let side = docker.image(&format!("{name}-side"), "1", &[]);
        let files = health.map(|text| ("www/health", text));
        docker.image(&name, "2.1.0", files.as_slice());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let scene = Self { docker, compose, project: Project::empty(), name, port, image };
        scene.project.write("windlass.toml", "[target.app]\ndir = \".\"\n");
        scene.project.write("web.env", "GREETING=hello\nPASSWORD=hunter2\n");
        scene.project.write(
            "docker-compose.yml",
            format!(
                "version: '3.7'\nservices:\n  web:\n    image: {}\n    env_file: web.env\n    stop_signal: SIGKILL\n    ports: ['127.0.0.1:{port}:8080']\n    \
                 volumes: ['data:/data', '/anonymous']\n  side:\n    image: {}\n    command: [sleep, '1000']\n    stop_signal: SIGKILL\n\
                 volumes:\n  data: {{}}\n",
                scene.image, side
            ),
        );
        scene.line("pull -q");
        scene.line("up -d");
        wait_for("2.0.9 serves", || scene.answer() == "2.0.9\n");
        scene.write_release(&format!("{} down", compose.words()));
        scene
    }

    /// A release with these lines between pull and up.
    fn write_release(&self, between: &str) {
        let compose = self.compose.words();
        let moved = self.image.replace("2.0.9", "2.1.0");
        self.project.write(
            "release.md",
            format!(
                "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# 2.1.0\n\n```diff {{#config on=app}}\n--- docker-compose.yml\n\
                 -    image: {}\n+    image: {moved}\n--- web.env\n-GREETING=hello\n+GREETING=bye\n```\n\
                 ```sh {{#pull on=app}}\n{compose} pull\n```\n```sh {{#between on=app}}\n{between}\n```\n\
                 ```sh {{#start on=app}}\n{compose} up -d\ndocker ps -a\n```\n\
                 ```http {{#check within=2s}}\nGET http://127.0.0.1:{}/health\nHTTP 200\n```\n",
                self.image, self.port
            ),
        );
    }

    /// A line of compose by hand.
    fn line(&self, words: &str) -> String {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", &format!("{} {words}", self.compose.words())]).current_dir(self.project.path("."));
        let out = shell.env_clear().envs(self.environment()).output().unwrap();
        assert!(out.status.success(), "{words}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.docker.environment();
        environment.push(("COMPOSE_PROJECT_NAME", self.name.clone()));
        environment
    }

    fn start(&self, args: &[&str]) -> Running {
        let mut command = self.project.command(args);
        command.envs(self.environment());
        Running::start(command)
    }

    fn run(&self, args: &[&str]) -> Said {
        // Version 1 takes a second only to start.
        self.start(args).end_within(3 * crate::sealed::PATIENCE)
    }

    /// Name, id of the image, greeting of every container, and whether it runs.
    fn containers(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.name);
        let ids = self.docker.run(&["ps", "-aq", "--filter", &filter]);
        let format = "{{.Name}} {{.Image}} {{.State.Status}} {{.Config.Env}} {{json .HostConfig.PortBindings}} \
                      {{range .Mounts}}{{.Name}}:{{.Destination}} {{end}}";
        let mut args = vec!["inspect", "--format", format];
        args.extend(ids.split_whitespace());
        if ids.is_empty() {
            return Vec::new();
        }
        let mut lines: Vec<_> = self.docker.run(&args).lines().map(sorted).collect();
        lines.sort();
        lines
    }

    fn ids(&self) -> String {
        self.docker.run(&[
            "ps",
            "-aq",
            "--filter",
            &format!("label=com.docker.compose.project={}", self.name),
        ])
    }

    fn answer(&self) -> String {
        use std::io::{Read as _, Write as _};
        let mut text = String::new();
        let asked = std::net::TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
            stream.read_to_string(&mut text)
        });
        drop(asked);
        text.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())
    }

    /// It is as it was before, and compose thinks so too.
    fn is_as_before(&self, before: &[String]) {
        assert_eq!(self.containers(), before);
        wait_for("2.0.9 serves again", || self.answer() == "2.0.9\n");
        let ids = self.ids();
        self.line("up -d");
        assert_eq!(self.ids(), ids, "compose finds nothing to do");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.line("down -v");
        }
    }
}

/// The engine names volumes in any order.
fn sorted(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    words.sort_unstable();
    words.join(" ")
}

#[test]
fn a_release_and_its_rollback() {
    let Some(docker) = docker() else { return };
    for compose in Compose::ALL {
        let scene = Scene::new(docker, compose, Some("2.1.0\n"));
        let before = scene.containers();
        let plan = scene.run(&["plan", "release.md"]).code(0);
        for words in [
            "stop and remove all services",
            "2.1.0",
            "shown with docker-compose.yml as it is now",
            "volumes stay",
        ] {
            let text = plan.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(words), "no {words:?} in\n{}", plan.stdout);
        }
        scene.run(&["apply", "release.md", "--yes"]).code(0);
        assert_eq!(scene.answer(), "2.1.0\n");
        assert!(scene.containers().iter().any(|one| one.contains("GREETING=bye")));
        for file in scene.project.state_files() {
            // What the undo needs: of the files, and of the containers, whose owner alone may read it.
            if file.ends_with("containers.json") || file.ends_with("config/2/saved-1") {
                continue;
            }
            let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
            assert!(!text.contains("hunter2"), "a password in {}", file.display());
        }
        scene.run(&["rollback", "--yes"]).code(0);
        scene.is_as_before(&before);
    }
}

/// What the undo keeps is not asked for where there is nothing to do for it.
#[test]
fn what_is_as_before_already_goes_back_without_what_was_kept() {
    let Some(docker) = docker() else { return };
    let scene = Scene::new(docker, Compose::V2, Some("2.1.0\n"));
    let before = scene.containers();
    let stop = format!("{} stop side", scene.compose.words());
    scene.project.write(
        "release.md",
        format!("---\nrelease: 2.1.0\n---\n# 2.1.0\n\n```sh {{#stop on=app}}\n{stop}\n```\n"),
    );
    scene.run(&["apply", "release.md", "--yes"]).code(0);
    std::fs::remove_dir_all(scene.project.path(".windlass/runs")).unwrap();
    scene.run(&["rollback", "--yes"]).code(4).says(&["nothing was taken back", "stop/1", "containers.json"]);
    scene.line("start side");
    scene.run(&["rollback", "--yes"]).code(0);
    scene.is_as_before(&before);
}

#[test]
fn a_release_that_fails_goes_back_to_the_same_images() {
    let Some(docker) = docker() else { return };
    let scene = Scene::new(docker, Compose::V1, None);
    let before = scene.containers();
    scene.run(&["apply", "release.md", "--yes"]).code(1).says(&["404", "failed and undone"]);
    scene.is_as_before(&before);
}

/// A service that is built from the files beside the compose file, and serves version 1.
fn built(scene: &Scene) -> String {
    let name = match scene.compose {
        Compose::V1 => format!("{}_web", scene.name),
        Compose::V2 => format!("{}-web", scene.name),
    };
    scene.line("down");
    scene.docker.run(&["pull", "-q", &scene.image]);
    scene.project.write("Dockerfile", format!("FROM {}\nCOPY health /www/health\n", scene.image));
    scene.project.write("health", "1\n");
    let file = scene.project.read("docker-compose.yml");
    scene.project.write("docker-compose.yml", file.replace(&format!("image: {}", scene.image), "build: ."));
    scene.line("up -d --build");
    wait_for("1 serves", || scene.answer() == "1\n");
    name
}

#[test]
fn a_name_means_the_image_again_that_it_meant_before_it_was_built() {
    let Some(docker) = docker() else { return };
    for (compose, lines, fault) in [
        (Compose::V2, "build\nup -d", None),
        (Compose::V1, "up -d --build", None),
        (Compose::V2, "up -d --build", Some("crash-after:start/1")),
    ] {
        let scene = Scene::new(docker, compose, Some("2.1.0\n"));
        let name = built(&scene);
        let image = |name: &str| docker.run(&["image", "inspect", "--format", "{{.Id}}", name]);
        let (before, id) = (scene.containers(), image(&name));
        let lines: Vec<_> = lines.lines().map(|line| format!("{} {line}", compose.words())).collect();
        let release = |answer: &str| {
            scene.project.write(
                "release.md",
                format!(
                    "---\nrelease: 2\n---\n```diff {{#code on=app}}\n--- health\n-1\n+2\n```\n```sh {{#start on=app}}\n{}\n```\n\
                     ```sh {{#clean on=app}}\ndocker image prune -f\n```\n\
                     ```http {{#check within=2s}}\nGET http://127.0.0.1:{}/health\nHTTP 200\n[Asserts]\nbody contains \"{answer}\"\n```\n",
                    lines.join("\n"),
                    scene.port
                ),
            );
        };
        release("2");
        let plan = scene.run(&["plan", "release.md"]).code(0);
        assert!(plan.stdout.contains("build the images of"), "{}", plan.stdout);
        let said = match fault {
            None => scene.run(&["apply", "release.md", "--yes"]),
            Some(fault) => {
                assert_eq!(scene.run(&["apply", "release.md", "--yes", "--fault", fault]).code, None);
                scene.run(&["resume"])
            }
        };
        said.code(0);
        assert_eq!(scene.answer(), "2\n");
        assert_ne!(image(&name), id, "it was built anew");
        scene.run(&["rollback", "--yes"]).code(0);
        assert_eq!(image(&name), id, "what {name} means");
        assert_eq!(scene.containers(), before);
        wait_for("1 serves again", || scene.answer() == "1\n");

        // A check that fails takes it back by itself.
        release("never");
        scene.run(&["apply", "release.md", "--yes"]).code(1);
        assert_eq!((image(&name), scene.containers()), (id, before), "{compose:?}");
    }
}

#[test]
fn a_killed_controller_loses_nothing() {
    let Some(docker) = docker() else { return };
    for (compose, fault, verb) in [
        (Compose::V2, "crash-after:between/1", "resume"),
        (Compose::V1, "crash-after:start/1", "rollback"),
        (Compose::V2, "crash-before:start/1", "rollback"),
    ] {
        let scene = Scene::new(docker, compose, Some("2.1.0\n"));
        let before = scene.containers();
        let killed = scene.run(&["apply", "release.md", "--yes", "--fault", fault]);
        assert_eq!(killed.code, None, "{fault} kills: {}", killed.stderr);
        if verb == "resume" {
            scene.run(&["resume"]).code(0);
            assert_eq!(scene.answer(), "2.1.0\n");
        } else {
            scene.run(&["rollback", "--yes"]).code(0);
            scene.is_as_before(&before);
        }
    }
}

#[test]
fn killed_while_containers_stop_the_next_controller_goes_on() {
    let Some(docker) = docker() else { return };
    let scene = Scene::new(docker, Compose::V2, Some("2.1.0\n"));
    // Its first process ignores SIGTERM: the engine waits before it kills.
    let file =
        scene.project.read("docker-compose.yml").replace("stop_signal: SIGKILL", "stop_grace_period: 2s");
    scene.project.write("docker-compose.yml", file);
    scene.line("up -d");
    let before = scene.containers();
    let running = scene.start(&["apply", "release.md", "--yes"]);
    wait_for("the line runs", || {
        let runs = std::fs::read_dir(scene.project.path(".windlass/runs")).into_iter().flatten().flatten();
        runs.into_iter().any(|run| run.path().join("between/1/attempt-1/claim").symlink_metadata().is_ok())
    });
    running.signal(rustix::process::Signal::KILL);
    running.end();
    scene.run(&["resume"]).code(0);
    assert_eq!(scene.answer(), "2.1.0\n");
    scene.run(&["rollback", "--yes"]).code(0);
    scene.is_as_before(&before);
}

#[test]
fn what_cannot_be_is_said_before_anything_runs() {
    let Some(docker) = docker() else { return };
    let scene = Scene::new(docker, Compose::V2, Some("2.1.0\n"));
    let before = (scene.containers(), scene.ids());
    scene.write_release("docker compose down -v");
    scene.run(&["check", "release.md"]).code(2).says(&["deletes-volumes", "take `-v` out"]);
    scene.write_release("docker compose stop webb");
    let plan = scene.run(&["plan", "release.md"]).code(0);
    assert!(plan.stdout.contains("there is no service webb"), "{}", plan.stdout);
    scene.write_release("docker compose -f broken.yml down");
    scene.project.write("broken.yml", "services: [\n");
    let plan = scene.run(&["plan", "release.md"]).code(0);
    assert!(plan.stdout.contains("broken.yml"), "{}", plan.stdout);
    assert_eq!((scene.containers(), scene.ids()), before);
}

#[test]
fn what_others_started_since_is_left_alone() {
    let Some(docker) = docker() else { return };
    let scene = Scene::new(docker, Compose::V2, Some("2.1.0\n"));
    scene.run(&["apply", "release.md", "--yes"]).code(0);
    let other = scene.project.read("docker-compose.yml").replace("'1000'", "'2000'");
    scene.project.write("docker-compose.yml", other);
    scene.line("up -d");
    let ids = scene.ids();
    let said = scene.run(&["rollback", "--yes"]).code(3);
    let text = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("put there since by somebody else"), "{}", said.stderr);
    assert_eq!(scene.ids(), ids);
}

/// Asks a proxy again and again, each time on a new connection, until told to end: the answers that were none.
fn load(
    listen: String,
    end: std::sync::Arc<std::sync::atomic::AtomicBool>,
) -> std::thread::JoinHandle<(usize, Vec<String>)> {
    use std::{
        io::{Read as _, Write as _},
        sync::atomic::Ordering,
    };
    std::thread::spawn(move || {
        let (mut asked, mut failed) = (0, Vec::new());
        while !end.load(Ordering::Relaxed) {
            let mut text = String::new();
            let mut stream = std::net::TcpStream::connect(&listen).unwrap();
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let read = stream.read_to_string(&mut text);
            asked += 1;
            if read.is_err() || !text.starts_with("HTTP/1.1 200") {
                failed.push(format!("{read:?} {text}"));
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        (asked, failed)
    })
}

#[test]
fn behind_the_proxy_no_request_is_dropped() {
    let Some(docker) = docker() else { return };
    for (compose, between) in [(Compose::V1, "docker-compose down"), (Compose::V2, "docker compose stop")] {
        let scene = Scene::new(docker, compose, Some("2.1.0\n"));
        scene.write_release(between);
        let before = scene.containers();
        scene.project.write(
            "windlass.toml",
            format!(
                "[target.app]\ndir = \".\"\n\n[service.web]\non = \"app\"\ncompose = \"docker-compose.yml\"\nstable = \"200ms\"\n\
                 health = \"http://127.0.0.1:{}/health\"\nproxy = {{ listen = \"127.0.0.1:0\", hold = \"30s\", drain = \"5s\" }}\n",
                scene.port
            ),
        );
        let said = scene.run(&["apply", "release.md", "--yes"]).code(1);
        assert!(said.stderr.contains("windlass proxy run web"), "{}", said.stderr);
        let (proxy, listen) = crate::proxy::serve_service(&scene.project, "web");
        let first = format!("2.0.9=127.0.0.1:{}", scene.port);
        scene.run(&["proxy", "switch", "web", &first, "--resume"]).code(0);

        let end = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
        let clients: Vec<_> = (0..2).map(|_| load(listen.clone(), end.clone())).collect();
        scene.run(&["apply", "release.md", "--yes"]).code(0);
        assert_eq!(scene.answer(), "2.1.0\n");
        scene.run(&["rollback", "--yes"]).code(0);
        scene.is_as_before(&before);
        end.store(true, std::sync::atomic::Ordering::Relaxed);
        for (asked, failed) in clients.into_iter().map(|client| client.join().unwrap()) {
            assert!(asked > 50, "{asked}");
            assert_eq!(failed, Vec::<String>::new(), "of {asked} requests");
        }
        scene.run(&["proxy", "stop", "web"]).code(0);
        proxy.end().code(0);
    }
}
