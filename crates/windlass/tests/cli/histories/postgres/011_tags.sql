CREATE TABLE tags (id serial PRIMARY KEY, label text UNIQUE NOT NULL);
CREATE TABLE order_tags (order_id bigint REFERENCES orders ON DELETE CASCADE, tag_id int REFERENCES tags, PRIMARY KEY (order_id, tag_id));
INSERT INTO tags (label) VALUES ('急'), ('gift'), ('vip') ON CONFLICT (label) DO NOTHING;
INSERT INTO order_tags SELECT o.id, t.id FROM orders o JOIN tags t ON o.id % 7 = t.id;
WITH gone AS (DELETE FROM order_tags WHERE order_id % 2 = 0 RETURNING *) UPDATE orders SET note = '去标签' WHERE id IN (SELECT order_id FROM gone);
INSERT INTO tags (id, label) VALUES (2, 'present') ON CONFLICT (id) DO UPDATE SET label = excluded.label;
