package io.github.connecttransactretry;

import io.github.connecttransactretry.drill.PostgresServer;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.util.concurrent.atomic.AtomicBoolean;

/** Real connections whose first commit() throws what no driver should, before or after the real one. */
final class FaultyCommit {

    private FaultyCommit() {
    }

    static ConnectTransactRetryBuilder before(CommitScene scene, Throwable thrown) {
        return engine(scene, thrown, false);
    }

    static ConnectTransactRetryBuilder after(CommitScene scene, Throwable thrown) {
        return engine(scene, thrown, true);
    }

    private static ConnectTransactRetryBuilder engine(CommitScene scene, Throwable thrown, boolean commits) {
        AtomicBoolean done = new AtomicBoolean();
        return ConnectTransactRetry.builder(() -> faulty(
                scene.dataSource(scene.proxy().port(), PostgresServer.SUPERUSER).getConnection(), thrown, commits, done))
                .resolverDataSource(scene.dataSource());
    }

    private static Connection faulty(Connection real, Throwable thrown, boolean commits, AtomicBoolean done) {
        return (Connection) Proxy.newProxyInstance(FaultyCommit.class.getClassLoader(), new Class<?>[] {Connection.class},
                (proxy, method, args) -> {
                    boolean fault = method.getName().equals("commit") && done.compareAndSet(false, true);
                    if (fault && !commits) {
                        throw thrown;
                    }
                    try {
                        Object result = method.invoke(real, args);
                        if (fault) {
                            throw thrown;
                        }
                        return result;
                    } catch (InvocationTargetException failed) {
                        throw failed.getCause();
                    }
                });
    }
}
