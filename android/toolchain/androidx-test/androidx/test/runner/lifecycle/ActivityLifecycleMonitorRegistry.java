package androidx.test.runner.lifecycle;

/** Keeps the monitor of the test that runs. */
public final class ActivityLifecycleMonitorRegistry {
    private static ActivityLifecycleMonitor current;

    private ActivityLifecycleMonitorRegistry() {}

    public static void registerInstance(ActivityLifecycleMonitor monitor) {
        current = monitor;
    }

    public static ActivityLifecycleMonitor getInstance() {
        return current;
    }
}
