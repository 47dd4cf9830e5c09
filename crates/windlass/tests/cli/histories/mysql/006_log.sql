CREATE TABLE `order_log` (`id` int AUTO_INCREMENT PRIMARY KEY, `order_id` bigint NOT NULL, `what` varchar(50) NOT NULL);
DELIMITER //
CREATE TRIGGER `orders_deleted` AFTER DELETE ON `orders` FOR EACH ROW
BEGIN
  INSERT INTO `order_log` (`order_id`, `what`) VALUES (OLD.`id`, 'deleted');
END //
CREATE PROCEDURE `clean`()
BEGIN
  DELETE FROM `order_log` WHERE `id` < 0;
END //
CREATE FUNCTION `label`(nr BIGINT) RETURNS varchar(20) DETERMINISTIC RETURN CONCAT('#', nr) //
DELIMITER ;
INSERT INTO `order_log` (`order_id`, `what`) VALUES (1, '导入'), (2, '导入');
