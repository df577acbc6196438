package androidx.test.runner.lifecycle;

import android.app.Activity;

/** Who wants to be told of stages. */
public interface ActivityLifecycleCallback {
    void onActivityLifecycleChanged(Activity activity, Stage stage);
}
