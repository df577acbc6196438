package org.optout.tunnel;

import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;
import static org.junit.Assume.assumeTrue;

import java.io.File;

/**
 * The engine itself for tests. OPTOUT_ENGINE is the library, built for this machine with the
 * feature jni. A process loads it once, so who asks for it has to run on the same Android.
 */
public final class RealEngine {
    private static Door door;

    private RealEngine() {}

    /** The way to it; without one the test is skipped, or fails where nothing may be. */
    public static synchronized Door door() {
        String library = System.getenv("OPTOUT_ENGINE");
        if (library == null && (isSet("CI") || isSet("OPTOUT_REQUIRE_NETNS"))) {
            fail(MISSING);
        }
        assumeTrue(MISSING, library != null);
        if (door == null) {
            door = new NativeDoor(() -> System.load(new File(library).getAbsolutePath()));
        }
        assertTrue(library + " is there and loads", door.isPresent());
        return door;
    }

    private static boolean isSet(String variable) {
        String value = System.getenv(variable);
        return value != null && !value.isEmpty() && !value.equals("0");
    }

    private static final String MISSING = "OPTOUT_ENGINE names no library; `./dev android` builds and names it";
}
