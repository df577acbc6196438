package org.optout;

import android.app.Application;
import android.app.NotificationChannel;
import android.app.NotificationManager;
import android.os.Build;

/** Makes the channels that notifications go through. */
public final class App extends Application {
    static final String STATE = "state";
    static final String TROUBLE = "trouble";

    @Override
    public void onCreate() {
        super.onCreate();
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.O) {
            channels();
        }
    }

    private void channels() {
        NotificationChannel state =
                channel(STATE, R.string.notice_channel, NotificationManager.IMPORTANCE_LOW);
        state.setDescription(getString(R.string.notice_channel_what));
        state.setShowBadge(false);
        NotificationChannel trouble =
                channel(TROUBLE, R.string.trouble_channel, NotificationManager.IMPORTANCE_DEFAULT);
        trouble.setDescription(getString(R.string.trouble_channel_what));
        NotificationManager notifications = getSystemService(NotificationManager.class);
        notifications.createNotificationChannel(state);
        notifications.createNotificationChannel(trouble);
    }

    private NotificationChannel channel(String id, int name, int importance) {
        return new NotificationChannel(id, getString(name), importance);
    }
}
