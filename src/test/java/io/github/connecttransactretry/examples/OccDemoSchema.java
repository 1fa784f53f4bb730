package io.github.connecttransactretry.examples;

import java.sql.SQLException;
import javax.sql.DataSource;

/** The tables of the {@link OccDemo}, and a trigger that refuses commits in the words of Aurora DSQL. */
final class OccDemoSchema {

    private static final int ACCOUNTS = 8;
    private static final int CONTENDED = 9;
    private static final int MISSING = 10;

    private OccDemoSchema() {
    }

    /** Orders 41 and 85 are of the contended account, 63 is of the missing one. */
    static int accountOf(int order) {
        return switch (order) {
            case 41, 85 -> CONTENDED;
            case 63 -> MISSING;
            default -> 1 + order % ACCOUNTS;
        };
    }

    /** The orders have no unique constraint: a doubled one would be seen. */
    static void create(DataSource owner) throws SQLException {
        Sql.execute(owner, "CREATE TABLE accounts (id int PRIMARY KEY, contended boolean)",
                "INSERT INTO accounts SELECT i, i = " + CONTENDED + " FROM generate_series(1, " + CONTENDED + ") i",
                "CREATE TABLE orders (number int, account int REFERENCES accounts)",
                // A sequence does not roll back: the next attempt is another commit.
                "CREATE SEQUENCE commits",
                """
                CREATE FUNCTION refuse_some_commits() RETURNS trigger LANGUAGE plpgsql AS $$
                DECLARE
                    this int := nextval('commits');
                BEGIN
                    IF this % 7 = 0 OR (SELECT contended FROM accounts WHERE id = NEW.account) THEN
                        RAISE EXCEPTION 'change conflicts with another transaction, please retry: (OC000)'
                            USING ERRCODE = '40001';
                    ELSIF this % 11 = 0 THEN
                        RAISE EXCEPTION 'schema has been updated by another transaction, please retry: (OC001)'
                            USING ERRCODE = '40001';
                    END IF;
                    RETURN NULL;
                END $$""",
                "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED"
                + " FOR EACH ROW EXECUTE FUNCTION refuse_some_commits()");
    }

    /** Takes away what makes the three orders fail. */
    static void mend(DataSource owner) throws SQLException {
        Sql.execute(owner, "UPDATE accounts SET contended = false",
                "INSERT INTO accounts (id, contended) VALUES (" + MISSING + ", false)");
    }
}
