DELETE FROM orders WHERE id > 6;
UPDATE orders SET total = total * 2 WHERE account IN (SELECT id FROM accounts WHERE email LIKE 'a%');
INSERT INTO accounts (email, display_name) VALUES ('e@x', '戊');
