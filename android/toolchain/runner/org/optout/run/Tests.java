package org.optout.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.runner.Description;
import org.junit.runner.JUnitCore;
import org.junit.runner.Result;
import org.junit.runner.notification.Failure;
import org.junit.runner.notification.RunListener;

/** Runs every class whose name ends in {@code Test}, or the one that is asked for, and counts. */
public final class Tests {
    private Tests() {}

    public static void main(String[] arguments) throws IOException, ClassNotFoundException {
        String only = System.getProperty("optout.tests");
        List<String> names = only == null ? all(Path.of(arguments[0])) : List.of(only.split(","));
        Class<?>[] classes = new Class<?>[names.size()];
        for (int i = 0; i < classes.length; i++) {
            classes[i] = Class.forName(names.get(i));
        }
        JUnitCore core = new JUnitCore();
        core.addListener(new Printer());
        Result result = core.run(classes);
        int failed = result.getFailureCount();
        long left = result.getIgnoreCount() + result.getAssumptionFailureCount();
        long passed = result.getRunCount() - failed - result.getAssumptionFailureCount();
        System.out.println("took " + result.getRunTime() / 1000 + " s");
        String skipped = left == 0 ? "" : ", " + left + " skipped";
        System.out.println(passed + " passed, " + failed + " failed" + skipped);
        System.exit(failed == 0 && passed > 0 ? 0 : 1);
    }

    private static List<String> all(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.map(folder::relativize)
                    .map(Path::toString)
                    .filter(name -> name.endsWith("Test.class"))
                    .map(name -> name.replace(".class", "").replace('/', '.'))
                    .sorted()
                    .collect(Collectors.toList());
        }
    }

    private static final class Printer extends RunListener {
        private boolean told;

        @Override
        public void testStarted(Description test) {
            told = false;
        }

        @Override
        public void testIgnored(Description test) {
            System.out.println("SKIPPED " + test.getDisplayName());
        }

        @Override
        public void testAssumptionFailure(Failure failure) {
            told = true;
            System.out.println("SKIPPED " + failure.getDescription().getDisplayName() + ": " + failure.getMessage());
        }

        @Override
        public void testFailure(Failure failure) {
            told = true;
            System.out.println("FAILED " + failure.getDescription().getDisplayName());
            System.out.println(failure.getTrimmedTrace());
        }

        @Override
        public void testFinished(Description test) {
            if (!told) {
                System.out.println("ok " + test.getDisplayName());
            }
        }
    }
}
