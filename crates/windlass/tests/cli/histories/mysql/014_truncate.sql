CREATE TABLE `cache` (`k` varchar(20) PRIMARY KEY, `v` blob);
INSERT INTO `cache` VALUES ('a', x'00ff'), ('b', NULL);
TRUNCATE TABLE `cache`;
DROP TABLE `cache`;
