ALTER TABLE accounts RENAME COLUMN name TO display_name;
ALTER TABLE accounts ADD COLUMN locale text NOT NULL DEFAULT 'zh-CN';
ALTER TABLE accounts ALTER COLUMN display_name SET DEFAULT '';
UPDATE accounts SET display_name = '' WHERE display_name IS NULL;
ALTER TABLE accounts ALTER COLUMN display_name SET NOT NULL;
