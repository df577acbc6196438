package org.optout;

import android.app.Notification;
import android.app.NotificationManager;
import android.content.BroadcastReceiver;
import android.content.Context;
import android.content.Intent;
import android.content.IntentFilter;
import org.optout.control.Report;
import org.optout.tunnel.EngineException;
import org.optout.tunnel.Phase;
import org.optout.tunnel.Standing;
import org.optout.tunnel.Tunnel;
import org.optout.tunnel.TunnelService;

/** The tunnel with what the user sees of it: a notification with counters. */
public final class OptoutService extends TunnelService {
    static final String PAUSE = "pause";
    static final String RESUME = "resume";
    static final String STOP = "stop";

    private final BroadcastReceiver screen = new BroadcastReceiver() {
        @Override
        public void onReceive(Context context, Intent intent) {
            count();
        }
    };
    private volatile Report today;

    /** What an action of the notification sends. */
    static Intent order(Context context, String what) {
        return Tunnel.order(context, what).putExtra("seconds", PAUSE_SECONDS);
    }

    @Override
    public void onCreate() {
        super.onCreate();
        // Counters are looked up when somebody may look at them, and never by a timer: who lights
        // the screen or unlocks it sees them of now.
        IntentFilter looks = new IntentFilter(Intent.ACTION_SCREEN_ON);
        looks.addAction(Intent.ACTION_USER_PRESENT);
        registerReceiver(screen, looks);
    }

    @Override
    public void onDestroy() {
        unregisterReceiver(screen);
        super.onDestroy();
    }

    @Override
    protected Notification notice(Standing standing) {
        return new Notices(this).running(standing, today);
    }

    @Override
    protected void onNews(Standing standing) {
        if (standing.isActive()) {
            count();
            return;
        }
        if (standing.phase() == Phase.FAILED || standing.phase() == Phase.TAKEN) {
            notifications().notify(NOTICE + 1, new Notices(this).trouble(standing));
        }
    }

    private void count() {
        tunnel().work().execute(() -> {
            Standing now = tunnel().board().standing();
            try {
                today = tunnel().upkeep().hasTunnel()
                        ? tunnel().control().report(Words.midnight() / 1000)
                        : null;
            } catch (EngineException e) {
                today = null; // then the notification says how things are, without counters
            }
            if (now.isActive()) {
                notifications().notify(NOTICE, notice(now));
            }
        });
    }

    private NotificationManager notifications() {
        return getSystemService(NotificationManager.class);
    }

    private static final long PAUSE_SECONDS = 15 * 60;
}
