-- +goose Up
CREATE TABLE audit (account INTEGER NOT NULL, was TEXT);
-- +goose StatementBegin
CREATE TRIGGER account_renamed AFTER UPDATE OF name ON account
BEGIN
    INSERT INTO audit VALUES (old.id, old.name);
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER account_renamed;
DROP TABLE audit;
