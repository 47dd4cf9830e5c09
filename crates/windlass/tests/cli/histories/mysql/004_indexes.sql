CREATE INDEX `idx_state` ON `orders` (`state`, `total`);
ALTER TABLE `orders` ADD KEY `idx_note` (`note`(20));
ALTER TABLE `orders` DROP KEY `idx_state`;
ALTER TABLE `user` ADD UNIQUE KEY `uk_nickname` (`nickname`), ADD KEY `idx_locale` (`locale`);
DROP INDEX `idx_locale` ON `user`;
