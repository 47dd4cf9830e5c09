ALTER TABLE accounts ADD COLUMN locale TEXT NOT NULL DEFAULT 'zh-CN';
ALTER TABLE accounts RENAME COLUMN name TO display_name;
UPDATE accounts SET display_name = '无名' WHERE display_name IS NULL;
