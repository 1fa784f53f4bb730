package io.github.connecttransactretry.drill;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * A data directory made once by initdb and copied for every server, each copy with a system identifier of its own.
 *
 * <p>Without that all servers would claim to be the same one. The identifier stands in {@code pg_control} (first eight
 * bytes; a CRC-32C follows the fields, see {@code src/include/catalog/pg_control.h}) and in the long header of the
 * first page of each WAL segment ({@code src/include/access/xlog_internal.h}).
 */
final class DataTemplate {

    private static final SecureRandom RANDOM = new SecureRandom();

    // magic 2, info 2, timeline 4, address 8, remaining length 4, padding 4
    private static final int IDENTIFIER_IN_WAL = 24;

    // The fields of pg_control have taken 200 to 300 bytes in all versions; the rest of the file is zero.
    private static final int MOST_CONTROL_FIELDS = 512;

    private DataTemplate() {
    }

    /** Makes a new data directory. */
    static void copyTo(Path data, PostgresBinaries binaries) throws IOException {
        Unprivileged way = Unprivileged.current();
        Path template = DrillCache.directory("data-1-" + binaries.key() + "-" + way.name().charAt(0),
                directory -> initdb(directory, binaries));
        Trees.copy(template.resolve("data"), data, path -> true);
        giveIdentifier(data);
        way.own(data);
    }

    private static void initdb(Path directory, PostgresBinaries binaries) throws IOException {
        Path data = Files.createDirectory(directory.resolve("data"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        Unprivileged.current().own(data);
        // A power failure may cost the template, not a run: hence --no-sync. The servers themselves do fsync.
        Command.run(Unprivileged.current().command(List.of(binaries.program("initdb"), "-D", data.toString(), "-U",
                PostgresServer.SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")));
    }

    private static void giveIdentifier(Path data) throws IOException {
        ByteBuffer control = ByteBuffer.wrap(Files.readAllBytes(data.resolve("global/pg_control")))
                .order(ByteOrder.nativeOrder());
        long old = control.getLong(0);
        int checksum = checksumPosition(control);
        long fresh = Instant.now().getEpochSecond() << 32 | RANDOM.nextInt(Integer.MAX_VALUE);
        control.putLong(0, fresh);
        control.putInt(checksum, crc(control, checksum));
        Files.write(data.resolve("global/pg_control"), control.array());
        try (DirectoryStream<Path> segments = Files.newDirectoryStream(data.resolve("pg_wal"), "0000*")) {
            for (Path segment : segments) {
                replaceInSegment(segment, old, fresh);
            }
        }
    }

    private static void replaceInSegment(Path segment, long old, long fresh) throws IOException {
        try (FileChannel file = FileChannel.open(segment, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer identifier = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.nativeOrder());
            file.read(identifier, IDENTIFIER_IN_WAL);
            if (identifier.getLong(0) != old) {
                throw new IOException(segment + " does not have the system identifier where it is expected");
            }
            file.write(identifier.putLong(0, fresh).rewind(), IDENTIFIER_IN_WAL);
        }
    }

    /** The checksum's place differs between versions; it is where the checksum of everything before it stands. */
    static int checksumPosition(ByteBuffer control) throws IOException {
        for (int position = Long.BYTES; position < MOST_CONTROL_FIELDS; position += Integer.BYTES) {
            if (control.getInt(position) == crc(control, position)) {
                return position;
            }
        }
        throw new IOException("no checksum found in pg_control: a layout that this template does not know");
    }

    private static int crc(ByteBuffer bytes, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes.array(), 0, length);
        return (int) crc.getValue();
    }
}
