ALTER TABLE events DETACH PARTITION events_2024;
DROP TABLE events_rest;
ALTER TABLE events_2024 RENAME TO events_old;
DROP TRIGGER orders_audit ON orders;
DROP TABLE audit.log CASCADE;
DROP FUNCTION order_label(orders);
ALTER TABLE orders DROP CONSTRAINT orders_total_check;
