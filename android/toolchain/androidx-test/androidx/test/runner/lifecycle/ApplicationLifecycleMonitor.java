package androidx.test.runner.lifecycle;

/** Nobody here asks it anything. */
public interface ApplicationLifecycleMonitor {}
