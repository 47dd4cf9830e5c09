ALTER TABLE orders ADD COLUMN total_cents bigint GENERATED ALWAYS AS ((total * 100)::bigint) STORED;
ALTER TABLE orders ADD COLUMN nr bigint;
CREATE SEQUENCE order_numbers START 1000 OWNED BY orders.nr;
UPDATE orders SET nr = 1000 + id;
ALTER TABLE orders ALTER COLUMN nr SET DEFAULT nextval('order_numbers');
ALTER TABLE orders ADD CONSTRAINT orders_nr_key UNIQUE (nr);
