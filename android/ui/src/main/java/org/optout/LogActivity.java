package org.optout;

import android.os.Bundle;
import android.widget.ListView;
import android.widget.RadioGroup;
import java.util.List;
import org.optout.control.LogLine;
import org.optout.control.Outcome;

/** Who wanted to reach what: by outcome, and by a text in the host or in the name of the app. */
public final class LogActivity extends Screen {
    private Programs programs;
    private Rows<LogLine> rows;
    private List<LogLine> lines = List.of();

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        programs = new Programs(this);
        rows = new Rows<>(R.layout.log_row, (row, line) -> LogRow.fill(row, line, programs));
        show(R.layout.list);
        visible(R.id.outcomes, true);
        ListView list = findViewById(R.id.list);
        list.setAdapter(rows);
        list.setOnItemClickListener((parent, view, position, id) ->
                startActivity(EntryActivity.about(this, rows.getItem(position))));
        this.<RadioGroup>findViewById(R.id.outcomes)
                .setOnCheckedChangeListener((group, id) -> load());
        Search.in(this, this::sift);
    }

    @Override
    protected void onResume() {
        super.onResume();
        load();
    }

    private void load() {
        Outcome outcome = chosen();
        ask(() -> tunnel().control().log(NEWEST, outcome), found -> {
            lines = found;
            sift();
        });
    }

    private Outcome chosen() {
        int id = this.<RadioGroup>findViewById(R.id.outcomes).getCheckedRadioButtonId();
        if (id == R.id.blocked) {
            return Outcome.BLOCKED;
        }
        if (id == R.id.watched) {
            return Outcome.WATCHED;
        }
        return id == R.id.passed ? Outcome.PASSED : null;
    }

    private void sift() {
        List<LogLine> found = Search.sift(this, lines,
                line -> line.subject() + " " + programs.name(line.client()));
        rows.show(found);
        setText(R.id.empty, getString(
                lines.isEmpty() && Search.text(this).isEmpty() ? R.string.log_empty : R.string.log_no_match));
        visible(R.id.empty, found.isEmpty());
    }

    private static final long NEWEST = 500; // lines: a few hours of a busy phone
}
