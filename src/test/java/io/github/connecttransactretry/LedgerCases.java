package io.github.connecttransactretry;

import io.github.connecttransactretry.LedgerCase.Setting;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.Map;

/** The cases of one test class on one server, each made when it is asked for first and emptied when it is asked for again. */
final class LedgerCases {

    private final CommitScene scene = CommitScene.open();
    private final Connection direct = scene.server().connect();
    private final Map<Setting, LedgerCase> made = new HashMap<>();

    LedgerCases() throws SQLException {
        LedgerCase.prepare(scene);
    }

    CommitScene scene() {
        return scene;
    }

    LedgerCase of(Setting setting) throws SQLException {
        LedgerCase known = made.get(setting);
        if (known == null) {
            known = new LedgerCase(scene, direct, setting);
            made.put(setting, known);
        }
        return known.begin();
    }

    void close() throws SQLException {
        made.values().forEach(LedgerCase::close);
        direct.close();
        scene.close();
    }
}
