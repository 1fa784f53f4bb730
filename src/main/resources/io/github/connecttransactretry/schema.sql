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

-- The commit ledger. A row of kind 'committed' was written by a transaction and committed with it; a row of kind 'tombstone'
-- was written by whoever had to find out about a COMMIT in doubt, and keeps that COMMIT out for ever. The time is the
-- statement's and not the transaction's: a purge must not take a long transaction's row for an old one.
CREATE TABLE IF NOT EXISTS connect_transact_retry.commit_ledger (
    token           uuid PRIMARY KEY,
    kind            text NOT NULL CHECK (kind = 'committed' OR kind = 'tombstone' AND idempotency_key IS NULL),
    written         timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked           timestamptz,
    idempotency_key varchar(255),
    label           text,
    fingerprint     text,
    codec           text,
    result          bytea
);

CREATE UNIQUE INDEX IF NOT EXISTS commit_ledger_key
    ON connect_transact_retry.commit_ledger (idempotency_key) WHERE idempotency_key IS NOT NULL;

-- One row: which ledger this is, whether engines use it without being told to, and up to when rows may have been purged.
CREATE TABLE IF NOT EXISTS connect_transact_retry.commit_ledger_watermark (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    ledger        uuid NOT NULL DEFAULT gen_random_uuid(),
    enabled       boolean NOT NULL DEFAULT false,
    purged_before timestamptz NOT NULL DEFAULT '-infinity'
);

INSERT INTO connect_transact_retry.commit_ledger_watermark DEFAULT VALUES ON CONFLICT DO NOTHING;

-- The role of the application needs this and no more (or CommitSchema.standard().grant(dataSource, role)). UPDATE (one) is
-- what SELECT ... FOR SHARE asks for. A function that does SET LOCAL ROLE needs the same for that role; where row security is
-- on for these tables, the role needs a policy that lets it see and write every row.
--   GRANT USAGE ON SCHEMA connect_transact_retry TO app;
--   GRANT SELECT, INSERT ON connect_transact_retry.incarnation TO app;
--   GRANT SELECT, INSERT, UPDATE (asked, result) ON connect_transact_retry.commit_ledger TO app;
--   GRANT SELECT, UPDATE (one) ON connect_transact_retry.commit_ledger_watermark TO app;

-- To have every engine write the ledger that is not told otherwise (or CommitLedger.standard().enable(dataSource)):
--   UPDATE connect_transact_retry.commit_ledger_watermark SET enabled = true;

-- Whoever purges (CommitLedger.purge) needs this as well, and has to see when other roles' transactions began (pg_monitor):
--   GRANT DELETE ON connect_transact_retry.commit_ledger TO janitor;
--   GRANT UPDATE (purged_before) ON connect_transact_retry.commit_ledger_watermark TO janitor;
