CREATE TABLE accounts (
    id bigserial PRIMARY KEY,
    email text NOT NULL,
    name text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX accounts_email_key ON accounts (lower(email));
INSERT INTO accounts (email, name, created_at)
    SELECT 'user' || i || '@example.com', '用户 ' || i, timestamptz '2024-01-01' + i * interval '1 hour' FROM generate_series(1, 200) i;
COMMENT ON TABLE accounts IS '账户';
COMMENT ON COLUMN accounts.email IS 'unique, without case';
