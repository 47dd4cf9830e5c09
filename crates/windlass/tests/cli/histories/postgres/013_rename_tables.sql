ALTER TABLE addresses RENAME TO postal_addresses;
ALTER INDEX addresses_account_idx RENAME TO postal_addresses_account_idx;
ALTER TABLE postal_addresses RENAME CONSTRAINT addresses_account_fk TO postal_addresses_account_fk;
ALTER SEQUENCE tags_id_seq RENAME TO tag_numbers;
ALTER TYPE order_state RENAME TO state_of_order;
ALTER TYPE state_of_order RENAME VALUE 'sent' TO 'shipped';
