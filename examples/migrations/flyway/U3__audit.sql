DROP TRIGGER account_renamed;
DROP TABLE audit;
