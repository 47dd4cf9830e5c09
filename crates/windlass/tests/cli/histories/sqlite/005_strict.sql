CREATE TABLE kinds (code TEXT PRIMARY KEY, label TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO kinds VALUES ('a', '甲'), ('b', '乙') ON CONFLICT (code) DO UPDATE SET label = excluded.label;
INSERT OR REPLACE INTO kinds VALUES ('b', 'B'), ('c', 'C');
