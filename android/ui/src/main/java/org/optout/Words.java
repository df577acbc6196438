package org.optout;

import android.content.Context;
import android.text.format.DateFormat;
import android.text.format.DateUtils;
import java.text.NumberFormat;
import java.text.ParseException;
import java.text.SimpleDateFormat;
import java.util.Calendar;
import java.util.Date;
import java.util.Locale;
import org.optout.control.Outcome;
import org.optout.tunnel.Hindrance;
import org.optout.tunnel.Standing;

/** Numbers, times and states in the words and forms of the user's language. */
final class Words {
    private Words() {}

    static String number(Context context, long number) {
        Locale locale = context.getResources().getConfiguration().getLocales().get(0);
        return NumberFormat.getIntegerInstance(locale).format(number);
    }

    /** For {@code getQuantityString}, which takes no long. */
    static int quantity(long number) {
        return (int) Math.min(number, Integer.MAX_VALUE);
    }

    static String time(Context context, long ms) {
        return DateFormat.getTimeFormat(context).format(new Date(ms));
    }

    static String date(Context context, long ms) {
        return DateFormat.getMediumDateFormat(context).format(new Date(ms));
    }

    /** The time if it was today, else day and time. */
    static String moment(Context context, long ms) {
        int day = ms >= midnight() ? 0 : DateUtils.FORMAT_SHOW_DATE | DateUtils.FORMAT_ABBREV_MONTH;
        int form = DateUtils.FORMAT_SHOW_TIME | DateUtils.FORMAT_NO_YEAR | day;
        return DateUtils.formatDateTime(context, ms, form);
    }

    /** An ISO date in the form of the user; as it is, if it is none. */
    static String isoDate(Context context, String iso) {
        try {
            return date(context, isoForm().parse(iso).getTime());
        } catch (ParseException e) {
            return iso;
        }
    }

    static String iso(Calendar day) {
        return isoForm().format(day.getTime());
    }

    /** Milliseconds since 1970 at which today began here. */
    static long midnight() {
        Calendar day = Calendar.getInstance();
        day.setTimeInMillis(System.currentTimeMillis());
        day.set(Calendar.HOUR_OF_DAY, 0);
        day.set(Calendar.MINUTE, 0);
        day.set(Calendar.SECOND, 0);
        day.set(Calendar.MILLISECOND, 0);
        return day.getTimeInMillis();
    }

    static int outcome(Outcome outcome) {
        return switch (outcome) {
            case BLOCKED -> R.string.blocked;
            case WATCHED -> R.string.watched;
            case PASSED -> R.string.passed;
        };
    }

    static int colour(Outcome outcome) {
        return switch (outcome) {
            case BLOCKED -> R.color.stopped;
            case WATCHED -> R.color.watched;
            case PASSED -> R.color.passed;
        };
    }

    static int state(Standing standing) {
        return switch (standing.phase()) {
            case OFF -> R.string.state_off;
            case STARTING -> R.string.state_starting;
            case ON -> R.string.state_on;
            case PAUSED -> R.string.state_paused;
            case FAILED -> R.string.state_failed;
            case TAKEN -> R.string.state_taken;
        };
    }

    static String stateWhat(Context context, Standing standing) {
        if (standing.pausedUntil() > 0) {
            String until = time(context, standing.pausedUntil() * 1000);
            return context.getString(R.string.state_paused_until, until);
        }
        return context.getString(switch (standing.phase()) {
            case OFF -> R.string.state_off_what;
            case STARTING -> R.string.state_starting_what;
            case ON -> R.string.state_on_what;
            case PAUSED -> R.string.state_paused_what;
            case FAILED -> R.string.state_failed_what;
            case TAKEN -> R.string.state_taken_what;
        });
    }

    static int hindrance(Hindrance hindrance) {
        return switch (hindrance) {
            case NO_CONSENT -> R.string.no_consent;
            case NO_ENGINE -> R.string.no_engine;
            case PRIVATE_DNS -> R.string.private_dns;
            case LOCKDOWN -> R.string.lockdown;
            case CAPTIVE -> R.string.captive;
        };
    }

    private static SimpleDateFormat isoForm() {
        return new SimpleDateFormat("yyyy-MM-dd", Locale.ROOT);
    }
}
