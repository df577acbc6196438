package androidx.test.runner.intent;

import android.app.Instrumentation;
import android.content.Intent;

/** Would answer intents in the stead of other apps. */
public interface IntentStubber {
    Instrumentation.ActivityResult getActivityResultForIntent(Intent intent);
}
