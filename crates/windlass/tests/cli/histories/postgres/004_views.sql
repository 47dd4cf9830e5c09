CREATE VIEW open_orders AS SELECT o.id, o.total, a.email FROM orders o JOIN accounts a ON a.id = o.account_id WHERE o.state <> 'sent';
CREATE MATERIALIZED VIEW totals AS SELECT account_id, sum(total) AS total, count(*) AS orders FROM orders GROUP BY 1;
CREATE UNIQUE INDEX totals_account ON totals (account_id);
CREATE OR REPLACE VIEW open_orders AS SELECT o.id, o.total, a.email, a.locale FROM orders o JOIN accounts a ON a.id = o.account_id WHERE o.state <> 'sent';
COMMENT ON VIEW open_orders IS 'what has to be sent';
