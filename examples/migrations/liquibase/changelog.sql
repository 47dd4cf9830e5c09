--liquibase formatted sql

--changeset ann:create-account
CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
INSERT INTO account (name) VALUES ('Ann'), ('Bob');
--rollback DROP TABLE account;

--changeset ann:add-email
ALTER TABLE account ADD COLUMN email TEXT;
UPDATE account SET email = lower(name) || '@example.org' WHERE email IS NULL;
--rollback ALTER TABLE account DROP COLUMN email;

--changeset ann:audit-table
CREATE TABLE audit (account INTEGER NOT NULL, was TEXT);
--rollback DROP TABLE audit;

--changeset ann:audit-trigger splitStatements:false
CREATE TRIGGER account_renamed AFTER UPDATE OF name ON account
BEGIN
    INSERT INTO audit VALUES (old.id, old.name);
END;
--rollback DROP TRIGGER account_renamed;
