UPDATE `orders` SET `note` = CONCAT('单 ', `id`) WHERE `id` <= 5;
UPDATE `orders` o JOIN `user` u ON u.`id` = o.`user_id` SET o.`weight` = 1.25 WHERE u.`locale` = 'zh-CN' AND o.`id` > 5;
REPLACE INTO `order_log` (`id`, `order_id`, `what`) VALUES (1, 9, '替换'), (7, 9, '新');
INSERT INTO `user` (`id`, `email`, `nickname`) VALUES (2, 'b@example.com', '乙') ON DUPLICATE KEY UPDATE `nickname` = '乙';
INSERT IGNORE INTO `user` (`id`, `email`, `nickname`) VALUES (1, 'x@example.com', 'x'), (9, 'i@example.com', '壬');
DELETE FROM `order_log` WHERE `what` = '导入';
