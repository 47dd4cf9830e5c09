CREATE TABLE `orders` (
  `id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `user_id` int unsigned NOT NULL,
  `state` enum('new','paid','sent') NOT NULL DEFAULT 'new',
  `total` decimal(12,2) NOT NULL DEFAULT '0.00',
  `weight` float DEFAULT NULL,
  KEY `idx_user` (`user_id`),
  CONSTRAINT `fk_orders_user` FOREIGN KEY (`user_id`) REFERENCES `user` (`id`) ON DELETE RESTRICT
);
INSERT INTO `orders` (`user_id`, `state`, `total`, `weight`) SELECT `id`, 'paid', `id` * 1.5, `id` / 3 FROM `user`;
INSERT INTO `orders` (`user_id`, `total`) SELECT `user_id`, `total` + 1 FROM `orders`;
