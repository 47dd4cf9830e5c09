CREATE FUNCTION order_label(o orders) RETURNS text LANGUAGE sql STABLE AS $$ SELECT o.id || ': ' || o.state $$;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = timestamptz '2024-02-02'; RETURN NEW; END $$;
ALTER TABLE accounts ADD COLUMN updated_at timestamptz;
CREATE TRIGGER accounts_touch BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION touch();
UPDATE accounts SET locale = 'en' WHERE id % 10 = 0;
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = timestamptz '2024-03-03'; RETURN NEW; END $$;
ALTER FUNCTION touch() COST 50;
