package androidx.test.runner.lifecycle;

/** Where an activity is in its life. The order is Robolectric's to rely on. */
public enum Stage {
    PRE_ON_CREATE,
    CREATED,
    STARTED,
    RESUMED,
    PAUSED,
    STOPPED,
    RESTARTED,
    DESTROYED
}
