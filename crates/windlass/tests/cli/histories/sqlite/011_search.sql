CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, data BLOB);
INSERT INTO notes VALUES (1, '一', x'00ff'), (2, NULL, NULL), (3, 3.5, 'text');
UPDATE notes SET data = zeroblob(10) WHERE id = 2;
PRAGMA user_version = 11;
