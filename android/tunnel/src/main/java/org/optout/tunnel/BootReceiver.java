package org.optout.tunnel;

import android.content.BroadcastReceiver;
import android.content.Context;
import android.content.Intent;

/** Goes on after a restart of the phone or an update of the app, if it ran before. */
public final class BootReceiver extends BroadcastReceiver {
    @Override
    public void onReceive(Context context, Intent intent) {
        String action = intent.getAction();
        Tunnel tunnel = Tunnel.of(context);
        boolean updated = Intent.ACTION_MY_PACKAGE_REPLACED.equals(action);
        boolean booted = Intent.ACTION_BOOT_COMPLETED.equals(action) && tunnel.choices().atBoot();
        if (tunnel.choices().wanted() && (updated || booted)) {
            tunnel.start();
        }
    }
}
