CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
INSERT INTO account (name) VALUES ('Ann'), ('Bob');
