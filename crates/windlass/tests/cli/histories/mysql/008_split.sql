CREATE TABLE `profile` (`user_id` int unsigned PRIMARY KEY, `bio` varchar(200) NOT NULL DEFAULT '', CONSTRAINT `fk_profile` FOREIGN KEY (`user_id`) REFERENCES `user` (`id`));
INSERT INTO `profile` (`user_id`, `bio`) SELECT `id`, CONCAT('我是 ', `nickname`) FROM `user`;
ALTER TABLE `profile` ADD COLUMN `bio_length` int GENERATED ALWAYS AS (char_length(`bio`)) STORED;
ALTER TABLE `user` DROP COLUMN `locale`;
