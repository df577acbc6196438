package org.optout;

import android.content.Context;
import android.content.Intent;
import android.os.Bundle;
import android.widget.CheckBox;
import android.widget.ImageView;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.json.JSONException;
import org.optout.control.Explanation;
import org.optout.control.LogLine;
import org.optout.control.Rule;

/** One line of the log: what happened, why, and what the user wants done about it. */
public final class EntryActivity extends Screen {
    private LogLine line;
    private Programs programs;

    static Intent about(Context context, LogLine line) {
        return new Intent(context, EntryActivity.class).putExtra(LINE, line.json());
    }

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        try {
            line = LogLine.parse(String.valueOf(getIntent().getStringExtra(LINE)));
        } catch (JSONException e) {
            finish();
            return;
        }
        programs = new Programs(this);
        show(R.layout.entry);
        head();
        setText(R.id.facts, String.join("\n", facts()));
        visible(R.id.evidence_card, false);
        actions();
        String app = line.client().program();
        if (!line.subject().isEmpty()) {
            ask(() -> tunnel().control().explain(line.subject(), app), this::evidence);
        }
    }

    private void head() {
        this.<ImageView>findViewById(R.id.icon).setImageDrawable(programs.icon(line.client()));
        setText(R.id.app, programs.name(line.client()));
        String program = line.client().program();
        setText(R.id.package_name, program == null ? "" : LogRow.breakable(program));
        visible(R.id.package_name, program != null);
        TextView outcome = findViewById(R.id.outcome);
        outcome.setText(Words.outcome(line.outcome()));
        outcome.setTextColor(getColor(Words.colour(line.outcome())));
    }

    private List<String> facts() {
        List<String> facts = new ArrayList<>();
        String host = line.host() != null
                ? line.host()
                : getString(R.string.host_unknown, line.subject());
        if (line.connection() == null) {
            facts.add(getString(R.string.fact_question, host, line.query()));
        } else {
            facts.add(getString(
                    R.string.fact_connection,
                    host,
                    line.connection().protocol().toUpperCase(Locale.ROOT),
                    line.connection().port(),
                    line.connection().address()));
        }
        facts.add(getResources().getQuantityString(
                R.plurals.fact_times,
                Words.quantity(line.count()),
                line.count(),
                Words.moment(this, line.lastMs())));
        if (line.alias() != null) {
            facts.add(getString(R.string.fact_alias, line.alias()));
        }
        return facts;
    }

    private void evidence(Explanation explanation) {
        List<String> found = new ArrayList<>();
        found.add(explanation.because());
        Explanation.Entry entry = explanation.entry();
        if (entry != null) {
            found.add(getString(R.string.evidence_vendor, entry.vendorName(), entry.product()));
            found.add(getString(R.string.evidence_collects, entry.collects()));
            if (entry.inferred()) {
                found.add(getString(R.string.evidence_inferred));
            }
            if (!entry.breaks().isEmpty()) {
                found.add(getString(R.string.evidence_breaks, entry.breaks()));
            }
        }
        for (Rule rule : explanation.rules()) {
            found.add(getString(R.string.fact_rule, rule.text(), rule.line(), rule.list()));
        }
        if (entry != null && !entry.sources().isEmpty()) {
            String sources = String.join("\n", entry.sources());
            found.add(getString(R.string.evidence_sources) + "\n" + sources);
        }
        setText(R.id.evidence, String.join("\n\n", found));
        visible(R.id.evidence_card, true);
    }

    private void actions() {
        boolean isApp = programs.isApp(line.client());
        String name = programs.name(line.client());
        this.<CheckBox>findViewById(R.id.only_app).setText(getString(R.string.only_app, name));
        visible(R.id.only_app, line.client().program() != null);
        visible(R.id.exempt, isApp);
        visible(R.id.actions, isApp || !line.subject().isEmpty());
        onClick(R.id.allow_hour, this::allowForAnHour);
        onClick(R.id.allow, () -> change(
                () -> tunnel().control().allow(line.subject(), null, app()),
                () -> done(getString(R.string.done_allow))));
        onClick(R.id.block, () -> change(
                () -> tunnel().control().block(line.subject(), app()),
                () -> done(getString(R.string.done_block))));
        onClick(R.id.exempt, () -> {
            tunnel().choices().setExempt(line.client().program(), true);
            tunnel().renew();
            done(getString(R.string.done_exempt, name));
        });
    }

    private void allowForAnHour() {
        long until = System.currentTimeMillis() / 1000 + HOUR;
        change(
                () -> tunnel().control().allow(line.subject(), until, app()),
                () -> done(getString(R.string.done_allow_hour, Words.time(this, until * 1000))));
    }

    private String app() {
        boolean only = this.<CheckBox>findViewById(R.id.only_app).isChecked();
        return only ? line.client().program() : null;
    }

    private void done(String what) {
        setText(R.id.done, what);
        visible(R.id.done, true);
    }

    private static final String LINE = "line";
    private static final long HOUR = 3600;
}
