//! Migration folders of every tool on real servers.

use crate::sealed::Project;
use windlass_lab::{Database, Flavor, server};

const UP: [&str; 2] = [
    "CREATE TABLE account (id INT PRIMARY KEY, name VARCHAR(50));\nINSERT INTO account VALUES (1, 'Ann'), (2, 'Bob');\n",
    "ALTER TABLE account ADD COLUMN email VARCHAR(80);\nUPDATE account SET email = 'a@example.org' WHERE id = 1;\n",
];
const DOWN: [&str; 2] = ["DROP TABLE account;\n", "ALTER TABLE account DROP COLUMN email;\n"];

/// The two migrations as `tool` keeps them.
fn folder(project: &Project, tool: &str) {
    for (at, (up, down)) in UP.iter().zip(DOWN).enumerate() {
        let n = at + 1;
        let file = |name: &str, text: &str| project.write(&format!("m/{name}"), text);
        match tool {
            "golang-migrate" | "sqlx" => {
                file(&format!("{n}_x.up.sql"), up);
                file(&format!("{n}_x.down.sql"), down);
            }
            "dbmate" => file(&format!("{n}_x.sql"), &format!("-- migrate:up\n{up}\n-- migrate:down\n{down}")),
            "flyway" => {
                file(&format!("V{n}__x.sql"), up);
                file(&format!("U{n}__x.sql"), down);
            }
            "goose" => file(&format!("{n}_x.sql"), &format!("-- +goose Up\n{up}\n-- +goose Down\n{down}")),
            "diesel" => {
                file(&format!("2024-01-0{n}-000000_x/up.sql"), up);
                file(&format!("2024-01-0{n}-000000_x/down.sql"), down);
            }
            "liquibase" => file(
                &format!("{n}.sql"),
                &format!("--liquibase formatted sql\n--changeset ann:{n}\n{up}--rollback {down}"),
            ),
            _ => {
                file(&format!("{n}.sql"), up);
                file(&format!("{n}.down.sql"), down);
            }
        }
    }
}

fn project(database: &Database, tool: &str) -> Project {
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
    folder(&project, tool);
    project
}

fn states(project: &Project, tool: &str) -> Vec<String> {
    let json = project.run(&["migrate", "status", "m", "--tool", tool, "--json"]).code(0).json();
    json["migrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["state"].as_str().unwrap().to_owned())
        .collect()
}

fn up_down_up(flavor: Flavor) {
    for tool in ["golang-migrate", "dbmate", "flyway", "sqlx", "goose", "diesel", "liquibase", "plain"] {
        let database = server(flavor).database();
        let project = project(&database, tool);
        let up = ["migrate", "up", "m", "--tool", tool, "--yes"];
        assert_eq!(states(&project, tool), ["pending", "pending"], "{tool}");
        project.run(&up).code(0);
        let emails = || database.run("SELECT email FROM account WHERE id = 1");
        assert!(emails().contains("a@example.org"), "{tool}");
        assert_eq!(states(&project, tool), ["applied", "applied"], "{tool}");
        project.run(&["migrate", "down", "m", "--tool", tool, "--yes"]).code(0);
        assert_eq!(states(&project, tool), ["applied", "pending"], "{tool}");
        project.run(&up).code(0);
        project.run(&["rollback", "--yes"]).code(0);
        assert_eq!(states(&project, tool), ["applied", "pending"], "{tool}");
        project.run(&up).code(0);
        assert!(emails().contains("a@example.org"), "{tool}");
        project.run(&["migrate", "verify", "m", "--tool", tool, "--try", "none"]).code(0);
    }
}

#[test]
fn every_tool_on_postgresql() {
    up_down_up(Flavor::Postgres15);
}

#[test]
fn every_tool_on_mariadb() {
    up_down_up(Flavor::Mariadb);
}

#[test]
fn every_tool_on_mysql() {
    up_down_up(Flavor::Mysql);
}
