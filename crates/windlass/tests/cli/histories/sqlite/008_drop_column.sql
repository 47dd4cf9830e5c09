ALTER TABLE accounts DROP COLUMN created;
DROP INDEX accounts_name;
