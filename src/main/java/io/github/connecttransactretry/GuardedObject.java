package io.github.connecttransactretry;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Array;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Set;

/**
 * A JDBC object as the function sees it: the connection, or a statement, result set, array or metadata that came from it and
 * leads back to it. A dynamic proxy, since JDBC's interfaces have some six hundred methods of which these few matter.
 */
final class GuardedObject implements InvocationHandler {

    private static final Set<String> REFUSED = Set.of("commit", "setAutoCommit", "abort", "setTransactionIsolation", "setReadOnly");

    /** Cleaning up is never refused, not even after the attempt. */
    private static final Set<String> ENDS_ITSELF = Set.of("close", "free");

    private final ConnectionGuard guard;
    private final Object target;
    /** What {@code getStatement()} of a result set leads back to. */
    private final Object parent;
    /** Of a prepared statement its text, else null. */
    private final String prepared;

    private GuardedObject(ConnectionGuard guard, Object target, Object parent, String prepared) {
        this.prepared = prepared;
        this.guard = guard;
        this.target = target;
        this.parent = parent;
    }

    static <T> T guard(ConnectionGuard guard, Class<T> type, Object target, Object parent) {
        return guard(guard, type, target, parent, null);
    }

    private static <T> T guard(ConnectionGuard guard, Class<T> type, Object target, Object parent, String prepared) {
        return type.cast(Proxy.newProxyInstance(GuardedObject.class.getClassLoader(), new Class<?>[] {type},
                new GuardedObject(guard, target, parent, prepared)));
    }

    @Override
    public Object invoke(Object proxy, Method method, Object[] args) throws Throwable {
        String name = method.getName();
        if (method.getDeclaringClass() == Object.class) {
            return asObject(proxy, name, args);
        }
        if (target instanceof Connection) {
            if (name.equals("close")) {
                return null;
            }
            if (name.equals("isClosed")) {
                return guard.isClosed();
            }
        }
        if (!ENDS_ITSELF.contains(name) && !name.equals("isClosed")) {
            guard.requireAlive();
        }
        if (name.equals("getConnection")) {
            return guard.connection();
        }
        if (name.equals("getStatement") && target instanceof ResultSet) {
            return parent;
        }
        if (name.equals("unwrap") && ((Class<?>) args[0]).isInstance(proxy)) {
            return proxy;
        }
        return call(proxy, method, args);
    }

    private Object asObject(Object proxy, String name, Object[] args) {
        switch (name) {
            case "equals":
                return proxy == args[0];
            case "hashCode":
                return System.identityHashCode(proxy);
            default:
                // Of an array it is the literal, which programs use as such; for it the driver may have to ask the server.
                return target instanceof Array && !guard.isClosed() ? target.toString() : "guarded " + target;
        }
    }

    private Object call(Object proxy, Method method, Object[] args) throws Throwable {
        String name = method.getName();
        if (target instanceof Connection) {
            refuseEnding(name, args);
        }
        String sql = args != null && args[0] instanceof String && takesSql(name) ? (String) args[0] : null;
        if (sql != null) {
            guard.check(sql);
        }
        Object result = invokeTarget(method, args, sql == null ? prepared : sql);
        if (runs(name) && !isEmptyBatch(result)) {
            guard.ran();
        }
        if (target instanceof Connection && name.equals("rollback")) {
            guard.rolledBackToSavepoint();
        }
        // What is unwrapped is wanted as what it is (PGConnection for COPY, say), which no proxy of ours can be.
        return name.equals("unwrap") ? result : guardedResult(proxy, result, sql);
    }

    private Object invokeTarget(Method method, Object[] args, String sql) throws Throwable {
        boolean closing = ENDS_ITSELF.contains(method.getName());
        long began = closing ? Long.MAX_VALUE : guard.enter();
        try {
            unguardArrays(args);
            return method.invoke(target, args);
        } catch (InvocationTargetException thrown) {
            if (thrown.getCause() instanceof SQLException) {
                guard.failed((SQLException) thrown.getCause(), sql, began);
            }
            throw thrown.getCause();
        } finally {
            if (!closing) {
                guard.leave();
            }
        }
    }

    /** The driver knows its own arrays only: a guarded one that comes back as a parameter would be sent as some text. */
    private void unguardArrays(Object[] args) {
        for (int i = 0; args != null && i < args.length; i++) {
            if (args[i] instanceof Array && Proxy.isProxyClass(args[i].getClass())
                    && Proxy.getInvocationHandler(args[i]) instanceof GuardedObject guarded && guarded.guard == guard) {
                args[i] = guarded.target;
            }
        }
    }

    private void refuseEnding(String name, Object[] args) throws SQLException {
        boolean wholeRollback = name.equals("rollback") && (args == null || args.length == 0);
        if (wholeRollback || REFUSED.contains(name)) {
            throw guard.refuse(name + "() is the engine's to call: return to commit, throw or call rollbackOnly() to roll back,"
                    + " use a savepoint for a part of it, and TransactionOptions for isolation and access");
        }
    }

    private boolean takesSql(String name) {
        return name.startsWith("prepare") || name.equals("addBatch") || target instanceof Statement && name.startsWith("execute");
    }

    private boolean runs(String name) {
        boolean statement = target instanceof Statement && name.startsWith("execute");
        boolean savepoint = target instanceof Connection
                && (name.equals("setSavepoint") || name.equals("rollback") || name.equals("releaseSavepoint"));
        return statement || savepoint;
    }

    /** A batch without entries is not sent, and begins no transaction. */
    private static boolean isEmptyBatch(Object result) {
        return result instanceof int[] && ((int[]) result).length == 0
                || result instanceof long[] && ((long[]) result).length == 0;
    }

    private Object guardedResult(Object proxy, Object result, String sql) {
        if (result instanceof ResultSet) {
            return guard(guard, ResultSet.class, result, target instanceof Statement ? proxy : null);
        }
        if (result instanceof Statement) {
            Class<? extends Statement> type = result instanceof CallableStatement ? CallableStatement.class
                    : result instanceof PreparedStatement ? PreparedStatement.class : Statement.class;
            return guard(guard, type, result, null, sql);
        }
        if (result instanceof Array) {
            return guard(guard, Array.class, result, null);
        }
        if (result instanceof DatabaseMetaData) {
            return guard(guard, DatabaseMetaData.class, result, null);
        }
        return result instanceof Connection ? guard.connection() : result;
    }
}
