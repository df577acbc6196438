package androidx.test.runner.intent;

/** Nobody here asks it anything. */
public interface IntentMonitor {}
