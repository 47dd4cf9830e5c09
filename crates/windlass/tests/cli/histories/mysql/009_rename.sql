DROP VIEW `rich`;
DROP VIEW `open_order`;
RENAME TABLE `order_log` TO `order_history`;
ALTER TABLE `orders` RENAME TO `purchase`;
ALTER TABLE `purchase` RENAME COLUMN `note` TO `remark`;
ALTER TABLE `purchase` RENAME INDEX `idx_note` TO `idx_remark`;
