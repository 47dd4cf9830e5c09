CREATE TABLE audit (account INTEGER NOT NULL, was TEXT);
CREATE TRIGGER account_renamed AFTER UPDATE OF name ON account
BEGIN
    INSERT INTO audit VALUES (old.id, old.name);
END;
