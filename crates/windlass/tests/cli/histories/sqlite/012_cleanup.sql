DROP VIEW open_orders;
DROP TABLE notes;
DELETE FROM order_kinds;
