package io.github.connecttransactretry.chaos;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * A JDBC object of a {@link FaultyLink}: a proxy with all public interfaces of the real one, those of pgjdbc too, which leads back
 * to its connection. Arrays and large objects are the driver's own. As thread-safe as the real object.
 */
final class FaultyObject implements InvocationHandler {

    private static final Set<String> ENDS_ITSELF = Set.of("close", "abort", "free", "cancel");

    private final FaultyLink link;
    private final Object target;
    /** What {@code getConnection()} leads back to; null for a connection itself. */
    private final Object connection;
    /** What {@code getStatement()} of a result set leads back to, if that is known. */
    private final Object parent;
    private final String prepared;
    private final List<String> batch = new ArrayList<>();

    private FaultyObject(FaultyLink link, Object target, Object connection, Object parent, String prepared) {
        this.link = link;
        this.target = target;
        this.connection = connection;
        this.parent = parent;
        this.prepared = prepared;
    }

    static Object connection(FaultyLink link, Connection real) {
        return new FaultyObject(link, real, null, null, "").proxy();
    }

    private Object proxy() {
        Set<Class<?>> interfaces = new LinkedHashSet<>();
        for (Class<?> type = target.getClass(); type != null; type = type.getSuperclass()) {
            for (Class<?> implemented : type.getInterfaces()) {
                if (Modifier.isPublic(implemented.getModifiers())) {
                    interfaces.add(implemented);
                }
            }
        }
        return Proxy.newProxyInstance(target.getClass().getClassLoader(), interfaces.toArray(new Class<?>[0]), this);
    }

    @Override
    public Object invoke(Object proxy, Method method, Object[] args) throws Throwable {
        String name = method.getName();
        if (method.getDeclaringClass() == Object.class) {
            return switch (name) {
                case "equals" -> proxy == args[0];
                case "hashCode" -> System.identityHashCode(proxy);
                default -> target.toString();
            };
        }
        if (name.equals("unwrap")) {
            return unwrap(proxy, (Class<?>) args[0], method, args);
        }
        if (name.equals("isWrapperFor") && ((Class<?>) args[0]).isInstance(proxy)) {
            return true;
        }
        if (name.equals("getConnection") && connection != null) {
            return connection;
        }
        if (name.equals("getStatement") && parent != null) {
            return parent;
        }
        if (link.isAway() && method.getDeclaringClass().getPackageName().startsWith("java.")) {
            return lost(name);
        }
        return wrapped(proxy, args, call(method, args));
    }

    /** The answers of a connection that the client has lost; the real one waits for its late COMMIT and is left alone. */
    private static Object lost(String name) throws SQLException {
        if (name.equals("isClosed")) {
            return true;
        }
        if (name.equals("isValid")) {
            return false;
        }
        if (ENDS_ITSELF.contains(name)) {
            return null;
        }
        throw new SQLException("This connection has been closed.", "08003");
    }

    private Object unwrap(Object proxy, Class<?> type, Method method, Object[] args) throws Throwable {
        if (type.isInstance(proxy)) {
            return proxy;
        }
        Object found = run(method, args);
        boolean ours = found == link.driver().connection() && type.isInstance(link.driverProxy());
        return ours ? link.driverProxy() : found;
    }

    private Object call(Method method, Object[] args) throws Throwable {
        String name = method.getName();
        if (target instanceof Statement) {
            if (name.startsWith("execute")) {
                return execute(method, args);
            }
            if (name.equals("addBatch")) {
                batch.add(args == null ? prepared : (String) args[0]);
            } else if (name.equals("clearBatch")) {
                batch.clear();
            }
        } else if (target instanceof Connection) {
            if (commits(name, args)) {
                return link.visit(Place.COMMIT, "", () -> run(method, args));
            }
            if (name.equals("abort") || name.equals("close")) {
                return end(method, args);
            }
        }
        return run(method, args);
    }

    private Object execute(Method method, Object[] args) throws Throwable {
        String text = args != null && args.length > 0 && args[0] instanceof String sql ? sql : prepared;
        if (method.getName().endsWith("Batch")) {
            if (batch.isEmpty()) {
                return run(method, args);
            }
            text = String.join(";\n", new LinkedHashSet<>(batch));
            batch.clear();
        }
        Place place = SqlText.split(text).stream().anyMatch(SqlText::isCommit) ? Place.COMMIT : Place.STATEMENT;
        return link.visit(place, text, () -> run(method, args));
    }

    /** Whether a COMMIT is about to be sent: pgjdbc sends none where there is no transaction. */
    private boolean commits(String name, Object[] args) throws SQLException {
        boolean asks = name.equals("commit")
                || name.equals("setAutoCommit") && Boolean.TRUE.equals(args[0]) && !((Connection) target).getAutoCommit();
        return asks && link.driver().isInTransaction();
    }

    private Object end(Method method, Object[] args) throws Throwable {
        if (target == link.driver().connection() || method.getName().equals("abort")) {
            link.wake();
        }
        Object nothing = run(method, args);
        if (method.getName().equals("abort")) {
            link.noticed();
        }
        return nothing;
    }

    private Object run(Method method, Object[] args) throws Throwable {
        try {
            return method.invoke(target, args);
        } catch (InvocationTargetException thrown) {
            throw thrown.getCause();
        }
    }

    private Object wrapped(Object proxy, Object[] args, Object result) {
        Object leadsTo = connection == null ? proxy : connection;
        if (result instanceof ResultSet) {
            return new FaultyObject(link, result, leadsTo, target instanceof Statement ? proxy : null, "").proxy();
        }
        if (result instanceof Statement) {
            String sql = target instanceof Connection && args != null && args.length > 0 && args[0] instanceof String text ? text : "";
            return new FaultyObject(link, result, leadsTo, null, sql).proxy();
        }
        if (result instanceof DatabaseMetaData) {
            return new FaultyObject(link, result, leadsTo, null, "").proxy();
        }
        return result;
    }
}
