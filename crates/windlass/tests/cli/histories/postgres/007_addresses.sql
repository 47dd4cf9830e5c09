CREATE TABLE addresses (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), account_id bigint NOT NULL, lines text[] NOT NULL, place point);
INSERT INTO addresses (id, account_id, lines)
    SELECT md5('a' || id)::uuid, id, ARRAY['路 ' || id, '上海'] FROM accounts WHERE id % 2 = 0;
ALTER TABLE addresses ADD CONSTRAINT addresses_account_fk FOREIGN KEY (account_id) REFERENCES accounts (id) NOT VALID;
ALTER TABLE addresses VALIDATE CONSTRAINT addresses_account_fk;
ALTER TABLE accounts ADD COLUMN address_id uuid;
UPDATE accounts a SET address_id = d.id FROM addresses d WHERE d.account_id = a.id;
CREATE INDEX CONCURRENTLY addresses_account_idx ON addresses (account_id);
