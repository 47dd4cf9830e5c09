ALTER TABLE `purchase` MODIFY COLUMN `state` enum('new','paid','sent','returned') NOT NULL DEFAULT 'new' COMMENT '状态';
UPDATE `purchase` SET `state` = 'returned' WHERE `id` = 3;
ALTER TABLE `purchase` MODIFY COLUMN `state` varchar(10) NOT NULL DEFAULT 'new';
