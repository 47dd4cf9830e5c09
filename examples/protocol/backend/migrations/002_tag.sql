CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO tag (name) VALUES ('周会'), ('评审'), ('客户');
ALTER TABLE meeting ADD COLUMN tag_id INTEGER REFERENCES tag (id);
CREATE INDEX meeting_tag ON meeting (tag_id);
