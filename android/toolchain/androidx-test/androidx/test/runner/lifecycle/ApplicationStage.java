package androidx.test.runner.lifecycle;

/** Where the application is in its life. */
public enum ApplicationStage {
    PRE_ON_CREATE,
    CREATED
}
