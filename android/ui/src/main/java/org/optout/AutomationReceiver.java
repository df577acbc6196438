package org.optout;

import android.content.BroadcastReceiver;
import android.content.Context;
import android.content.Intent;
import org.optout.tunnel.Tunnel;

/** Lets other apps switch optout, if the user wants that and they know the key. */
public final class AutomationReceiver extends BroadcastReceiver {
    @Override
    public void onReceive(Context context, Intent intent) {
        Tunnel tunnel = Tunnel.of(context);
        if (intent.getAction() == null || !tunnel.choices().admits(intent.getStringExtra("key"))) {
            return;
        }
        boolean active = tunnel.board().standing().isActive();
        switch (intent.getAction()) {
            case ON -> on(tunnel, active);
            case OFF -> tunnel.stop();
            case PAUSE -> {
                long minutes = intent.getIntExtra("minutes", 15);
                if (active && minutes > 0) {
                    tunnel.pause(60 * Math.min(minutes, LONGEST));
                }
            }
            default -> { }
        }
    }

    /** Also ends a pause. */
    private static void on(Tunnel tunnel, boolean active) {
        if (active) {
            tunnel.resume();
        } else {
            tunnel.start();
        }
    }

    static final String ON = "org.optout.action.ON";
    static final String OFF = "org.optout.action.OFF";
    static final String PAUSE = "org.optout.action.PAUSE";
    private static final long LONGEST = 24 * 60; // minutes: for longer there is OFF
}
