package org.optout;

import android.content.Context;
import android.view.View;
import android.widget.ImageView;
import android.widget.TextView;
import org.optout.control.LogLine;

/** A line of the log in its row: the host, the app, what became of it and when. */
final class LogRow {
    private LogRow() {}

    static void fill(View row, LogLine line, Programs programs) {
        Context context = row.getContext();
        row.<ImageView>findViewById(R.id.icon).setImageDrawable(programs.icon(line.client()));
        row.<TextView>findViewById(R.id.host).setText(host(context, line));
        row.<TextView>findViewById(R.id.app).setText(programs.name(line.client()));
        TextView outcome = row.findViewById(R.id.outcome);
        outcome.setText(outcome(context, line));
        outcome.setTextColor(context.getColor(Words.colour(line.outcome())));
    }

    static String host(Context context, LogLine line) {
        return line.host() != null
                ? breakable(line.host())
                : context.getString(R.string.host_unknown, breakable(line.subject()));
    }

    /** A long name may go on in the next line behind a dot, and not in the middle of a word. */
    static String breakable(String name) {
        return name.replace(".", "." + BREAK).replace(":", ":" + BREAK);
    }

    private static String outcome(Context context, LogLine line) {
        return context.getResources().getQuantityString(
                R.plurals.outcome_times,
                Words.quantity(line.count()),
                context.getString(Words.outcome(line.outcome())),
                Words.moment(context, line.lastMs()),
                line.count());
    }

    private static final char BREAK = '\u200b'; // zero width space
}
