package org.optout;

import android.app.Notification;
import android.app.PendingIntent;
import android.content.Context;
import android.content.Intent;
import android.graphics.drawable.Icon;
import android.os.Build;
import org.optout.control.Report;
import org.optout.tunnel.Phase;
import org.optout.tunnel.Standing;

/** What the notifications say, and what can be done from there. */
final class Notices {
    private final Context context;

    Notices(Context context) {
        this.context = context;
    }

    /**
     * The one that stands while optout runs.
     *
     * @param today what was counted, or null
     */
    Notification running(Standing standing, Report today) {
        boolean paused = standing.phase() == Phase.PAUSED;
        String text = text(standing, today);
        Notification.Builder builder = builder(App.STATE)
                .setSmallIcon(paused ? R.drawable.ic_shield_off : R.drawable.ic_shield)
                .setContentTitle(context.getString(Words.state(standing)))
                .setContentText(text)
                .setStyle(new Notification.BigTextStyle().bigText(text))
                .setOngoing(true)
                .setShowWhen(false)
                .setOnlyAlertOnce(true)
                .setCategory(Notification.CATEGORY_SERVICE)
                .addAction(paused
                        ? action(R.string.resume, OptoutService.RESUME)
                        : action(R.string.pause, OptoutService.PAUSE))
                .addAction(action(R.string.stop, OptoutService.STOP));
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) {
            builder.setForegroundServiceBehavior(Notification.FOREGROUND_SERVICE_IMMEDIATE);
        }
        return builder.build();
    }

    /** Once, where it ended without having been asked to. */
    Notification trouble(Standing standing) {
        String text = standing.fault() != null
                ? standing.fault()
                : Words.stateWhat(context, standing);
        return builder(App.TROUBLE)
                .setSmallIcon(R.drawable.ic_shield_off)
                .setContentTitle(context.getString(Words.state(standing)))
                .setContentText(text)
                .setStyle(new Notification.BigTextStyle().bigText(text))
                .setAutoCancel(true)
                .build();
    }

    private String text(Standing standing, Report today) {
        if (standing.phase() != Phase.ON || today == null) {
            return Words.stateWhat(context, standing);
        }
        return context.getResources().getQuantityString(
                R.plurals.notice_count,
                Words.quantity(today.blocked()),
                Words.number(context, today.blocked()),
                Words.number(context, today.total()));
    }

    private Notification.Builder builder(String channel) {
        Notification.Builder builder = Build.VERSION.SDK_INT >= Build.VERSION_CODES.O
                ? new Notification.Builder(context, channel)
                : new Notification.Builder(context);
        Intent open = new Intent(context, MainActivity.class);
        return builder
                .setColor(context.getColor(R.color.accent))
                .setContentIntent(PendingIntent.getActivity(
                        context, 0, open, PendingIntent.FLAG_IMMUTABLE));
    }

    private Notification.Action action(int label, String order) {
        PendingIntent intent = PendingIntent.getService(
                context,
                order.hashCode(),
                OptoutService.order(context, order),
                PendingIntent.FLAG_IMMUTABLE | PendingIntent.FLAG_UPDATE_CURRENT);
        Icon icon = Icon.createWithResource(context, R.drawable.ic_pause);
        return new Notification.Action.Builder(icon, context.getString(label), intent).build();
    }
}
