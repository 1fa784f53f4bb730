-- The tables of ConnectTransactRetry. Safe to run again. Run it as the role that is to own them, or let
-- CommitSchema.standard().install(dataSource) do it.

CREATE SCHEMA IF NOT EXISTS connect_transact_retry;

-- One row that a crash or a promotion empties (that is what UNLOGGED means), so that another id tells another life of the
-- server. Whoever finds it empty puts a new row in.
CREATE UNLOGGED TABLE IF NOT EXISTS connect_transact_retry.incarnation (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id  uuid NOT NULL DEFAULT gen_random_uuid()
);

INSERT INTO connect_transact_retry.incarnation DEFAULT VALUES ON CONFLICT DO NOTHING;

-- The role of the application needs this and no more (or CommitSchema.standard().grant(dataSource, role)):
--   GRANT USAGE ON SCHEMA connect_transact_retry TO app;
--   GRANT SELECT, INSERT ON connect_transact_retry.incarnation TO app;
