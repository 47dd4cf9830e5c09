DROP VIEW IF EXISTS account_list;
CREATE VIEW account_list AS SELECT id, name FROM account ORDER BY name;
