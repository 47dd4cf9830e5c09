CREATE TABLE `user` (
  `id` int unsigned NOT NULL AUTO_INCREMENT,
  `email` varchar(100) NOT NULL COMMENT '邮箱',
  `name` varchar(50) DEFAULT NULL,
  `created_at` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uk_email` (`email`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='用户';
INSERT INTO `user` (`id`, `email`, `name`, `created_at`) VALUES
  (1, 'a@example.com', '甲', '2024-01-01 00:00:00'), (2, 'b@example.com', NULL, '2024-01-02 00:00:00'),
  (3, 'c@example.com', '丙', '2024-01-03 00:00:00'), (4, 'd@example.com', '丁', '2024-01-04 00:00:00');
