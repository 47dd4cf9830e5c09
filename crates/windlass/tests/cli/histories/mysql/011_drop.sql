DROP TABLE `order_history`;
ALTER TABLE `purchase` DROP FOREIGN KEY `fk_orders_user`;
ALTER TABLE `purchase` DROP COLUMN `weight`;
DROP PROCEDURE `clean`;
DROP TRIGGER `orders_deleted`;
