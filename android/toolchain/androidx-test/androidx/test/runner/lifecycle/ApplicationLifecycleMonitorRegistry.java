package androidx.test.runner.lifecycle;

/** Keeps the monitor of the test that runs. */
public final class ApplicationLifecycleMonitorRegistry {
    private static ApplicationLifecycleMonitor current;

    private ApplicationLifecycleMonitorRegistry() {}

    public static void registerInstance(ApplicationLifecycleMonitor monitor) {
        current = monitor;
    }

    public static ApplicationLifecycleMonitor getInstance() {
        return current;
    }
}
