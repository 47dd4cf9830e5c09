ALTER TABLE orders ALTER COLUMN note TYPE text;
ALTER TABLE audit.log ALTER COLUMN what TYPE varchar(100);
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
ALTER TABLE orders ADD COLUMN quantity positive;
UPDATE orders SET quantity = 1 + id % 5;
ALTER TABLE orders ALTER COLUMN quantity SET NOT NULL;
