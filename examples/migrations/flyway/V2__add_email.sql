ALTER TABLE account ADD COLUMN email TEXT;
UPDATE account SET email = lower(name) || '@example.org' WHERE email IS NULL;
