use super::*;

fn out(kind: UrlKind, statement: &str) -> Option<String> {
    reaches_out(statement, kind, Isolation::Beside, "biz_core")
}

#[test]
fn what_could_reach_the_live_database_is_not_run() {
    for statement in [
        "CREATE ROLE app",
        "ALTER ROLE app PASSWORD 'x'",
        "GRANT admin TO app",
        "GRANT CONNECT ON DATABASE biz TO app",
        "COMMENT ON DATABASE biz IS 'x'",
        "ALTER DATABASE biz SET search_path = a",
        "SELECT dblink_exec('dbname=biz', 'DELETE FROM t')",
        "DO $$ BEGIN PERFORM dblink('dbname=biz', 'x'); END $$",
        "DO $$ BEGIN EXECUTE 'CREATE ROLE x'; END $$",
        "COPY t TO '/tmp/x'",
        "COPY t TO PROGRAM 'sh'",
        "COPY t FROM '/tmp/x'",
        "DROP OWNED BY app",
        "PREPARE TRANSACTION 'x'",
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
        "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw",
        "INSERT INTO biz.public.t VALUES (1)",
        "ALTER SYSTEM SET work_mem = 1",
        "DO $$ BEGIN GRANT app_read TO reporting; COMMENT ON TABLE t IS 'x'; END $$",
        "DO $$ BEGIN GRANT CONNECT ON DATABASE biz TO app; END $$",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP OWNED BY app; END $$",
        "CREATE PROCEDURE f() LANGUAGE sql AS $$ COMMENT ON ROLE a IS 'x' $$",
        "SECURITY LABEL FOR p ON ROLE a IS 'x'",
        "UPDATE pg_database SET datallowconn = false WHERE datname = 'biz'",
        "DO $$ BEGIN DELETE FROM pg_catalog.pg_db_role_setting; END $$",
    ] {
        assert!(out(UrlKind::Postgresql, statement).is_some(), "{statement}");
    }
    for statement in [
        "UPDATE biz_core.record SET a = 1",
        "INSERT INTO `other`.`log` (a) VALUES (1)",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t",
        "CREATE DEFINER = a@b EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "LOAD DATA INFILE 'x' INTO TABLE t",
        "SELECT * FROM t INTO OUTFILE '/tmp/x'",
        "GRANT SELECT ON t TO a",
        "CREATE USER a",
        "USE other",
        "SET GLOBAL max_connections = 1",
        "SET @@global.max_connections = 1",
        "PREPARE s FROM 'DELETE FROM biz_core.t'",
        "DROP DATABASE x",
        "CREATE TABLE t (a int) ENGINE=FEDERATED CONNECTION='mysql://x'",
        "/*!40000 DROP DATABASE IF EXISTS `biz_core`*/",
        "/*!80000 CREATE USER a */",
        "/*!50106 CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1 */",
        "/*M!100100 GRANT ALL ON t TO a */",
        "/*!50003 SET GLOBAL max_connections = 1 */",
        "DROP /* a TABLE */ DATABASE x",
        "DROP /*!40000 DATABASE */ x",
        "CREATE DEFINER = 'a'@'h' EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "CREATE OR REPLACE DEFINER = a@one.two.three.four.five.six.seven.eight EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "PREPARE s FROM @sql",
        "EXECUTE IMMEDIATE CONCAT('DROP TABLE ', 'biz', '_core.t')",
        "CREATE PROCEDURE p(db text) BEGIN SET @s = CONCAT('DROP TABLE ', db, '.t'); PREPARE x FROM @s; EXECUTE x; END",
        "CREATE PROCEDURE p() BEGIN CREATE USER a; END",
        "CREATE PROCEDURE p() BEGIN DROP /*!40000 DATABASE */ x; END",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET GLOBAL max_connections = 1",
        "BEGIN NOT ATOMIC GRANT SELECT ON t TO a; END",
        "SET STATEMENT max_statement_time = 1 FOR DROP DATABASE x",
    ] {
        assert!(out(UrlKind::Mysql, statement).is_some(), "{statement}");
    }
    assert!(postgres_body("BEGIN GRANT app_read TO reporting; END").is_some());
    assert_eq!(postgres_body("BEGIN UPDATE t SET a = 1; END"), None);
    for statement in ["ATTACH 'live.db' AS x", "VACUUM INTO 'x.db'", "SELECT load_extension('x')"] {
        assert!(out(UrlKind::Sqlite, statement).is_some(), "{statement}");
    }
}

#[test]
fn ordinary_statements_are() {
    for statement in [
        "ALTER TABLE public.users ADD COLUMN role text",
        "CREATE TABLE \"user\" (id int)",
        "UPDATE t SET a = 1 FROM u WHERE u.id = t.id AND t.b = u.c",
        "GRANT SELECT ON t TO app",
        "GRANT ALL ON ALL TABLES IN SCHEMA app TO app",
        "NOTIFY x",
        "CREATE EXTENSION pgcrypto",
        "COPY t FROM stdin;\n1\n\\.\n",
        "SELECT setval('s', 1)",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "DO $$ BEGIN GRANT SELECT ON t TO app; END $$",
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_database) THEN NULL; END IF; END $$",
        "COMMENT ON TABLE t IS 'grant it'",
        "INSERT INTO t VALUES ('GRANT a TO b')",
    ] {
        assert_eq!(out(UrlKind::Postgresql, statement), None, "{statement}");
    }
    for statement in [
        "ALTER TABLE `record` ADD COLUMN `role` VARCHAR(50) COMMENT 'x' AFTER `id`",
        "UPDATE a JOIN b ON a.id = b.id SET a.x = b.y",
        "CREATE TABLE user_event (id int, event text)",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.x = 1",
        "DELETE a FROM a WHERE a.event = 1",
        "SET NAMES utf8mb4",
        "/*!40101 SET NAMES utf8mb4 */",
        "/*!40000 ALTER TABLE `event` DISABLE KEYS */",
        "INSERT INTO t VALUES ('PREPARE to GRANT')",
        "CREATE TABLE job (prepare_ms int COMMENT 'execute')",
        "CREATE PROCEDURE p() BEGIN START TRANSACTION; DROP TABLE IF EXISTS role; COMMIT; END",
        "CALL p(1)",
    ] {
        assert_eq!(out(UrlKind::Mysql, statement), None, "{statement}");
    }
    assert_eq!(out(UrlKind::Sqlite, "VACUUM"), None);
}

#[test]
fn on_a_server_of_its_own_roles_may_change() {
    let private = |sql| reaches_out(sql, UrlKind::Postgresql, Isolation::Private, "x");
    assert_eq!(private("CREATE ROLE app"), None);
    assert!(private("SELECT dblink('x', 'y')").is_some());
    assert!(private("CREATE USER MAPPING FOR app SERVER live").is_some());
    assert_eq!(base64("w6RiYw==").unwrap(), "äbc");
}
