ALTER TABLE accounts ADD COLUMN first_name text, ADD COLUMN last_name text;
UPDATE accounts SET first_name = split_part(display_name, ' ', 1), last_name = split_part(display_name, ' ', 2);
ALTER TABLE accounts DROP COLUMN display_name;
ALTER TABLE accounts ADD CONSTRAINT accounts_name_check CHECK (first_name <> '' OR last_name <> '');
