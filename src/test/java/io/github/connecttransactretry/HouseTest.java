package io.github.connecttransactretry;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.ACCESS_STANDARD_STREAMS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Holds the plan of the house: a corridor (the root package), side rooms that it looks into, and leaves that nobody imports,
 * each with the one optional dependency that is its own.
 */
class HouseTest {
    private static final String ROOT = HouseTest.class.getPackageName();
    private static final String CORRIDOR = "the corridor";
    private static final String GROUND = "ground";
    private static final Set<String> SIDE_ROOMS =
            Set.of("classify", "pacing", "outcome", "observe", "recovery", "optimistic", "idempotency", "deadletter", GROUND);

    /** Each leaf with the packages that no other room may import. A new leaf, and a new dependency, is entered here. */
    private static final Map<String, List<String>> LEAVES = Map.of(
            "postgres", List.of("org.postgresql.."),
            "hikari", List.of("com.zaxxer.."),
            "micrometer", List.of("io.micrometer.."),
            "spring", List.of("org.springframework.."),
            "chaos", List.of(),
            "drill", List.of("io.zonky..", "org.apache.commons.compress..", "org.tukaani.."),
            "lab", List.of("eu.rekawek.toxiproxy..", "com.networknt..", "tools.jackson..", "com.zaxxer.."));

    /** The leaves for those who test: each may use those before it. */
    private static final List<String> TOOLS = List.of("chaos", "drill", "lab");

    private static final List<String> JDK = List.of("java..", "javax..", "jdk.jfr..");

    private static final JavaClasses MAIN =
            new ClassFileImporter().withImportOption(new ImportOption.DoNotIncludeTests()).importPackages(ROOT);
    private static final JavaClasses TESTS =
            new ClassFileImporter().withImportOption(new ImportOption.OnlyIncludeTests()).importPackages(ROOT);

    @Test
    void everyPackageHasItsPlace() {
        Set<String> known = new TreeSet<>(SIDE_ROOMS);
        known.addAll(LEAVES.keySet());
        known.add(CORRIDOR);
        Set<String> unknown = roomsInUse();
        assertTrue(unknown.contains(CORRIDOR), "no class of the root package was found");
        unknown.removeAll(known);
        assertEquals(Set.of(), unknown, "packages that are neither side room nor leaf: enter them in HouseTest");
    }

    @Test
    void noPackageCycles() {
        SlicesRuleDefinition.slices().assignedFrom(new PackageSlices()).should().beFreeOfCycles().check(MAIN);
    }

    @Test
    void sideRoomsNeverOpenOntoTheCorridor() {
        noClasses()
                .that(inAnyOf(SIDE_ROOMS))
                .should()
                .dependOnClassesThat(in(CORRIDOR).or(inAnyOf(LEAVES.keySet())))
                .because("a side room gives advice to whoever asks")
                .allowEmptyShould(true)
                .check(MAIN);
    }

    @ParameterizedTest
    @MethodSource("leaves")
    void nobodyImportsALeaf(String leaf) {
        noClasses()
                .that(not(inAnyOf(mayUse(leaf))))
                .should()
                .dependOnClassesThat(in(leaf))
                .because("the engine finds a leaf through the service loader, or works without it")
                .check(MAIN);
    }

    @ParameterizedTest
    @MethodSource("roomsInUse")
    void eachRoomImportsOnlyWhatIsItsOwn(String room) {
        Stream<String> logging = room.equals(GROUND) ? Stream.of() : Stream.of("org.slf4j..");
        Stream<String> house = room.equals(GROUND) ? Stream.of(ROOT + "." + GROUND + "..") : Stream.of(ROOT + "..");
        Stream<String> own = LEAVES.getOrDefault(room, List.of()).stream();
        String[] allowed = Stream.of(JDK.stream(), logging, house, own).flatMap(s -> s).toArray(String[]::new);
        classes()
                .that(in(room))
                .should()
                .onlyDependOnClassesThat(resideInAnyPackageOrArePrimitive(allowed))
                .because("a user without an optional dependency must be able to load every other room")
                .check(MAIN);
    }

    @Test
    void onlyTheDrillAndTheLabWriteToTheConsole() {
        noClasses().that(not(inAnyOf(Set.of("drill", "lab")))).should(ACCESS_STANDARD_STREAMS).check(MAIN);
    }

    @Test
    void namesSayWhatAThingIs() {
        noClasses()
                .should()
                .haveNameMatching(".*(Util|Utils|Helper|Manager|Impl)(\\$.*)?")
                .because("such a name fits everything")
                .check(MAIN);
    }

    @Test
    void onlyTheTimeSourceSleeps() {
        noClasses()
                .that(not(assignableTo(ROOT + ".ground.TimeSource")))
                .should()
                .accessTargetWhere(isASleep())
                .because("TimeSource is the only seam to the world's time")
                .check(MAIN);
        Set<String> sleepers = MAIN.stream()
                .filter(c -> c.getAccessesFromSelf().stream().anyMatch(isASleep()))
                .map(HouseTest::topLevelName)
                .collect(Collectors.toSet());
        assertTrue(sleepers.size() <= 1, "more than one class sleeps: " + sleepers);
    }

    @Test
    void testsWaitForAConditionAndDoNotSleep() {
        assertFalse(TESTS.isEmpty(), "no test class was found");
        noClasses()
                .that(not(describe("are the fixture Await", c -> topLevelName(c).endsWith(".Await"))))
                .should()
                .accessTargetWhere(isASleep())
                .because("a test waits for a condition with a bound: see Await")
                .check(TESTS);
    }

    private static Set<String> mayUse(String leaf) {
        Set<String> users = new TreeSet<>(Set.of(leaf));
        if (TOOLS.contains(leaf)) {
            users.addAll(TOOLS.subList(TOOLS.indexOf(leaf), TOOLS.size()));
        }
        return users;
    }

    static Set<String> leaves() {
        return new TreeSet<>(LEAVES.keySet());
    }

    /** The rooms that have classes now: a rule on an empty room could not fail. */
    static Set<String> roomsInUse() {
        return MAIN.stream().map(HouseTest::roomOf).collect(Collectors.toCollection(TreeSet::new));
    }

    private static String roomOf(JavaClass type) {
        String below = type.getPackageName().substring(ROOT.length());
        return below.isEmpty() ? CORRIDOR : below.substring(1).split("\\.")[0];
    }

    private static DescribedPredicate<JavaClass> in(String room) {
        return inAnyOf(Set.of(room));
    }

    private static DescribedPredicate<JavaClass> inAnyOf(Set<String> rooms) {
        return resideInAPackage(ROOT + "..").and(describe("are in " + rooms, c -> rooms.contains(roomOf(c))));
    }

    private static DescribedPredicate<JavaClass> resideInAnyPackageOrArePrimitive(String... packages) {
        DescribedPredicate<JavaClass> allowed = JavaClass.Predicates.resideInAnyPackage(packages);
        return describe(allowed.getDescription(), c -> c.getBaseComponentType().isPrimitive()
                || allowed.test(c.getBaseComponentType()));
    }

    private static DescribedPredicate<JavaAccess<?>> isASleep() {
        Set<String> clocks = Set.of("java.lang.Thread", "java.util.concurrent.TimeUnit");
        return describe(
                "is Thread.sleep or TimeUnit.sleep",
                access -> access.getName().equals("sleep") && clocks.contains(access.getTargetOwner().getName()));
    }

    private static String topLevelName(JavaClass type) {
        String name = type.getName();
        return name.contains("$") ? name.substring(0, name.indexOf('$')) : name;
    }

    private static final class PackageSlices implements SliceAssignment {
        @Override
        public SliceIdentifier getIdentifierOf(JavaClass type) {
            return SliceIdentifier.of(type.getPackageName());
        }

        @Override
        public String getDescription() {
            return "packages";
        }
    }
}
