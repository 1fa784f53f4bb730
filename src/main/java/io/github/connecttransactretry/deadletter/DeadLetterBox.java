package io.github.connecttransactretry.deadletter;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

/** A sink whose letters can be read again and taken up. Thread-safe. */
public interface DeadLetterBox extends DeadLetterSink {

    /**
     * The letters that are not marked as done, the oldest first; each once, all in memory. Not null.
     *
     * @throws Exception if they cannot be read
     */
    List<DeadLetter> open() throws Exception;

    /**
     * Whether letters are marked as done. If not, the ledger alone tells which of them were taken up.
     */
    boolean keepsMarks();

    /**
     * Marks a letter as done in the transaction that takes it up. May be repeated. Does nothing if no marks are kept.
     *
     * @param connection of that transaction, not null; its role needs the rights for it
     * @param letter     not null
     * @throws SQLException if the server refuses
     */
    void done(Connection connection, DeadLetter letter) throws SQLException;
}
