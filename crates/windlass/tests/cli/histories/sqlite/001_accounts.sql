CREATE TABLE accounts (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, name TEXT, created TEXT DEFAULT '2024-01-01');
INSERT INTO accounts (email, name) VALUES ('a@x', '甲'), ('b@x', NULL), ('c@x', '丙'), ('d@x', '丁');
CREATE INDEX accounts_name ON accounts (name COLLATE NOCASE) WHERE name IS NOT NULL;
