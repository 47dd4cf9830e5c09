CREATE TABLE events (id bigint NOT NULL, at date NOT NULL, kind text NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO events SELECT i, date '2024-06-01' + i, 'kind ' || i % 7 FROM generate_series(1, 300) i;
CREATE INDEX events_kind_idx ON events (kind);
CREATE TABLE events_rest PARTITION OF events DEFAULT;
ALTER TABLE events ADD COLUMN source text DEFAULT 'web';
