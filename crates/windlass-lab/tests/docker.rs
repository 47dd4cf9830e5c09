//! The container engine, the registry and both composes of the lab do what the tests of drivers take for granted.

use windlass_lab::{Compose, docker};

#[test]
fn images_are_pulled_by_tag_and_by_digest() {
    let Some(docker) = docker() else { return };
    let name = docker.name("pulled");
    let tag = docker.image(&name, "1", &[("www/health", "1\n")]);
    docker.run(&["pull", "--quiet", &tag]);
    let digest = docker.run(&["inspect", "--format", "{{index .RepoDigests 0}}", &tag]);
    let moved = docker.image(&name, "1", &[("www/health", "other\n")]);
    assert_eq!(tag, moved, "the same tag names another image now");
    docker.run(&["pull", "--quiet", &tag]);
    assert_ne!(docker.run(&["inspect", "--format", "{{index .RepoDigests 0}}", &tag]), digest);
    docker.run(&["pull", "--quiet", &digest]);
    assert_eq!(docker.run(&["run", "--rm", &digest, "cat", "/www/health"]), "1");
}

#[test]
fn both_composes_publish_a_port() {
    let Some(docker) = docker() else { return };
    for compose in Compose::ALL {
        let folder = tempfile::tempdir().unwrap();
        let project = docker.name("lab");
        let tag = docker.image(&project, "1", &[("www/health", "fine\n")]);
        let file = format!(
            "version: '3.7'\nservices:\n  web:\n    image: {tag}\n    stop_signal: SIGKILL\n    ports: ['127.0.0.1::8080']\n"
        );
        std::fs::write(folder.path().join("docker-compose.yml"), file).unwrap();
        let run = |words: &str| {
            let line = format!("{} -p {project} {words}", compose.words());
            let mut shell = std::process::Command::new("/bin/sh");
            shell.args(["-c", &line]).current_dir(&folder).env_clear().envs(docker.environment());
            let out = shell.output().unwrap();
            assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
            String::from_utf8(out.stdout).unwrap()
        };
        run("pull -q");
        run("up -d");
        let address = run("port web 8080");
        let mut stream = std::net::TcpStream::connect(address.trim()).unwrap();
        std::io::Write::write_all(&mut stream, b"GET /health HTTP/1.0\r\n\r\n").unwrap();
        let answer = std::io::read_to_string(stream).unwrap();
        assert!(answer.ends_with("fine\n"), "{answer}");
        run("down");
    }
}
