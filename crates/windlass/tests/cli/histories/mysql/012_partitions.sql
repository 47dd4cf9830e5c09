CREATE TABLE `event` (`id` bigint NOT NULL, `at` date NOT NULL, `kind` varchar(20) NOT NULL, PRIMARY KEY (`id`, `at`))
PARTITION BY RANGE (YEAR(`at`)) (PARTITION p2023 VALUES LESS THAN (2024), PARTITION p2024 VALUES LESS THAN (2025));
INSERT INTO `event` VALUES (1, '2023-05-05', 'a'), (2, '2024-05-05', 'b'), (3, '2024-06-06', '丙');
ALTER TABLE `event` ADD COLUMN `source` varchar(10) DEFAULT 'web';
UPDATE `event` SET `source` = 'app' WHERE `id` = 2;
