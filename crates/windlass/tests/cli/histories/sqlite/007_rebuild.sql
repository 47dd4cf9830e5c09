CREATE TABLE orders_new (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, total NUMERIC NOT NULL, state TEXT NOT NULL, kind TEXT);
INSERT INTO orders_new (id, account, total, state, kind) SELECT id, account, total, state, kind FROM orders;
DROP VIEW open_orders;
DROP TABLE orders;
ALTER TABLE orders_new RENAME TO orders;
CREATE VIEW open_orders AS SELECT o.id, a.email FROM orders o JOIN accounts a ON a.id = o.account WHERE o.state <> 'sent';
