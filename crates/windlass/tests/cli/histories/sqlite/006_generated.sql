ALTER TABLE orders ADD COLUMN cents INTEGER AS (CAST(total * 100 AS INTEGER));
CREATE INDEX orders_cents ON orders (cents);
ALTER TABLE orders ADD COLUMN kind TEXT REFERENCES kinds (code);
UPDATE orders SET kind = 'a' WHERE id % 2 = 0;
