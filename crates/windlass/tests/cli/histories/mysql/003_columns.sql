ALTER TABLE `user` ADD COLUMN `locale` varchar(10) NOT NULL DEFAULT 'zh-CN' COMMENT '语言' AFTER `email`;
ALTER TABLE `user` CHANGE COLUMN `name` `nickname` varchar(80) DEFAULT NULL COMMENT '昵称';
ALTER TABLE `orders` MODIFY COLUMN `total` decimal(14,4) NOT NULL DEFAULT '0.0000';
ALTER TABLE `orders` ADD COLUMN `note` text, ADD COLUMN `quantity` int NOT NULL DEFAULT 1 FIRST;
UPDATE `user` SET `nickname` = CONCAT('用户', `id`) WHERE `nickname` IS NULL;
ALTER TABLE `user` MODIFY COLUMN `nickname` varchar(80) NOT NULL DEFAULT '';
