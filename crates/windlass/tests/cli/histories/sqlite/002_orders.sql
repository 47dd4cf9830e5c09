CREATE TABLE orders (id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts (id), total REAL CHECK (total >= 0), state TEXT DEFAULT 'new');
INSERT INTO orders (account, total) SELECT id, id * 1.5 FROM accounts;
INSERT INTO orders (account, total) SELECT account, total + 1 FROM orders;
