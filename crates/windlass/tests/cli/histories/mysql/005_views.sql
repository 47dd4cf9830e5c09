CREATE VIEW `open_order` AS SELECT o.`id`, u.`email` FROM `orders` o JOIN `user` u ON u.`id` = o.`user_id` WHERE o.`state` <> 'sent';
CREATE OR REPLACE VIEW `open_order` AS SELECT o.`id`, u.`email`, o.`total` FROM `orders` o JOIN `user` u ON u.`id` = o.`user_id` WHERE o.`state` <> 'sent';
CREATE VIEW `rich` AS SELECT * FROM `open_order` WHERE `total` > 3;
