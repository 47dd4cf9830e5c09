ALTER TABLE kinds RENAME TO order_kinds;
ALTER TABLE orders RENAME TO purchases;
