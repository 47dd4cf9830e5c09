CREATE VIEW open_orders AS SELECT o.id, a.email FROM orders o JOIN accounts a ON a.id = o.account WHERE o.state <> 'sent';
CREATE TRIGGER orders_paid AFTER UPDATE OF state ON orders WHEN NEW.state = 'paid' BEGIN UPDATE accounts SET locale = locale || '+' WHERE id = NEW.account; END;
UPDATE orders SET state = 'paid' WHERE id <= 3;
