DROP MATERIALIZED VIEW totals;
DELETE FROM orders WHERE state = 'sent' AND id % 5 = 0;
DROP VIEW open_orders;
DROP INDEX orders_account_idx;
CREATE INDEX orders_account_state_idx ON orders (account_id, state) INCLUDE (total);
TRUNCATE audit.log;
