package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What callers may write: the compiler is asked, since a signature that is too wide is seen by nobody else. */
class SignatureTest {

    @TempDir
    private Path output;

    @ParameterizedTest
    @ValueSource(strings = {
        // Throws only what the function throws.
        "String m(ConnectTransactRetry e) { return e.run(tx -> \"no checked exception\"); }",
        "long m(ConnectTransactRetry e) throws SQLException { return e.run(tx -> insert(tx.connection())); }",
        "void m(ConnectTransactRetry e) throws SQLException { e.execute(tx -> { insert(tx.connection()); }); }",
        "void m(ConnectTransactRetry e) throws IOException { e.execute(tx -> { throw new IOException(); }); }",
        "void m(ConnectTransactRetry e) { e.execute(tx -> tx.rollbackOnly()); }",
        "void m(ConnectTransactRetry e) { e.execute(Transaction::rollbackOnly); }",
        "int m(ConnectTransactRetry e) { return e.run(Transaction::attempt); }",
        // A method reference, a value that is ignored, a null.
        "long m(ConnectTransactRetry e) throws SQLException { return e.run(this::work); }",
        "void m(ConnectTransactRetry e) throws SQLException { e.run(this::work); e.run(tx -> null); e.execute(this::work); }",
        // With options, and the try-with-resources that libraries write.
        "long m(ConnectTransactRetry e) throws SQLException { return e.run(TransactionOptions.serializable(), this::work); }",
        "long m(ConnectTransactRetry e) throws SQLException {"
            + " return e.run(tx -> { try (var c = tx.connection()) { return insert(c); } }); }",
        // Both builders, told apart by the compiler.
        "void m(javax.sql.DataSource d) { try (var e = ConnectTransactRetry.builder(d).build()) { e.run(tx -> 1); } }",
        "void m() { ConnectTransactRetry.builder(() -> java.sql.DriverManager.getConnection(\"jdbc:x\")).build().close(); }",
        // A function that is kept, with its exception's type.
        "TransactionalFunction<String, IOException> f = tx -> { throw new IOException(); };"
            + " String m(ConnectTransactRetry e) throws IOException { return e.run(f); }",
        // The sealed family can be told apart, and needs no throws clause.
        "void m(ConnectTransactRetry e) { try { e.run(tx -> 1); } catch (CommitOutcomeUnknownException u) { u.evidence(); }"
            + " catch (TransactionRetryException t) { t.failures(); } }"})
    void compiles(String member) throws IOException {
        assertEquals(List.of(), errors(member));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "long m(ConnectTransactRetry e) { return e.run(tx -> insert(tx.connection())); }|unreported exception java.sql.SQLException",
        "void m(ConnectTransactRetry e) { e.execute(tx -> { insert(tx.connection()); }); }|unreported exception java.sql.SQLException",
        "long m(ConnectTransactRetry e) { return e.run(this::work); }|SQLException",
        "void m(ConnectTransactRetry e) throws SQLException { e.execute(tx -> { throw new IOException(); }); }"
            + "|unreported exception java.io.IOException",
        "void m(ConnectTransactRetry e) { try { e.run(tx -> 1); } catch (SQLException never) { } }|never thrown",
        "String m(ConnectTransactRetry e) throws SQLException { return e.run(this::work); }|incompatible types",
        "class Mine extends TransactionRetryException { }|not allowed to extend",
        "Object m() { return new ConnectTransactRetry(null); }|not public",
        "void m(ConnectTransactRetryBuilder b) { b.drivers(); }|not public"})
    void doesNotCompile(String memberAndReason) throws IOException {
        String[] parts = memberAndReason.split("\\|");
        List<String> errors = errors(parts[0]);
        assertTrue(errors.size() == 1 && errors.get(0).contains(parts[1]), () -> "expected one error with \"" + parts[1]
                + "\", got " + errors);
    }

    /** Were the snippets not compiled at all, every one of them would "not compile". */
    @Test
    void theCompilerIsReallyAsked() throws IOException {
        assertTrue(errors("int m() { return \"\"; }").get(0).contains("incompatible types"));
    }

    private List<String> errors(String member) throws IOException {
        String source = "package user; import io.github.connecttransactretry.*; import java.io.IOException; import java.sql.*;"
                + " abstract class Caller { abstract long insert(Connection c) throws SQLException;"
                + " long work(Transaction tx) throws SQLException { return insert(tx.connection()); } " + member + " }";
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        DiagnosticCollector<JavaFileObject> diagnostics = new DiagnosticCollector<>();
        try (StandardJavaFileManager files = compiler.getStandardFileManager(diagnostics, Locale.ROOT, null)) {
            List<String> options = List.of("-d", output.toString(), "-proc:none", "-cp", mainClasses());
            StringWriter notes = new StringWriter();
            compiler.getTask(notes, files, diagnostics, options, null, List.of(new Snippet(source))).call();
        }
        return diagnostics.getDiagnostics().stream().filter(d -> d.getKind() == Diagnostic.Kind.ERROR)
                .map(d -> d.getMessage(Locale.ROOT)).collect(Collectors.toList());
    }

    private static String mainClasses() {
        try {
            return Path.of(ConnectTransactRetry.class.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static final class Snippet extends SimpleJavaFileObject {

        private final String source;

        Snippet(String source) {
            super(URI.create("string:///user/Caller.java"), Kind.SOURCE);
            this.source = source;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return source;
        }
    }
}
