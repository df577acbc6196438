package androidx.test.runner.intent;

/** Takes the monitor of intents, which nobody here asks for. */
public final class IntentMonitorRegistry {
    private IntentMonitorRegistry() {}

    public static void registerInstance(IntentMonitor monitor) {}
}
