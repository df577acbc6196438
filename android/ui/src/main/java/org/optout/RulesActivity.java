package org.optout;

import android.app.AlertDialog;
import android.content.Intent;
import android.os.Bundle;
import android.view.View;
import android.widget.ListView;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.optout.control.Client;
import org.optout.control.Outcome;
import org.optout.control.UserRule;

/** The user's own rules: what each does, for whom and until when, and a way to be rid of it. */
public final class RulesActivity extends Screen {
    private Programs programs;
    private Rows<UserRule> rows;
    private List<UserRule> rules = List.of();

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        programs = new Programs(this);
        rows = new Rows<>(R.layout.rule_row, this::fill);
        show(R.layout.list);
        setText(R.id.intro, getString(R.string.rules_intro));
        visible(R.id.intro, true);
        visible(R.id.empty, false);
        corner(R.drawable.ic_add, R.string.add_rule,
                () -> startActivity(new Intent(this, AddRuleActivity.class)));
        ListView list = findViewById(R.id.list);
        list.setItemsCanFocus(true);
        list.setAdapter(rows);
        Search.in(this, this::sift);
    }

    @Override
    protected void onResume() {
        super.onResume();
        load();
    }

    private void load() {
        ask(() -> tunnel().control().rules(), found -> {
            rules = found;
            sift();
        });
    }

    private void sift() {
        List<UserRule> found = Search.sift(this, rules,
                rule -> rule.subject() + " " + (rule.app() == null ? "" : app(rule.app())));
        Collections.reverse(found); // the newest first
        rows.show(found);
        setText(R.id.empty, getString(
                rules.isEmpty() ? R.string.rules_empty : R.string.log_no_match));
        visible(R.id.empty, found.isEmpty());
        visible(R.id.list, !found.isEmpty());
    }

    private void fill(View row, UserRule rule) {
        row.<TextView>findViewById(R.id.subject).setText(LogRow.breakable(rule.subject()));
        Outcome does = rule.allow() ? Outcome.PASSED : Outcome.BLOCKED;
        TextView outcome = row.findViewById(R.id.outcome);
        outcome.setText(Words.outcome(does));
        outcome.setTextColor(getColor(Words.colour(does)));
        String limits = String.join(" · ", limits(rule));
        TextView said = row.findViewById(R.id.limits);
        said.setText(limits);
        said.setVisibility(limits.isEmpty() ? View.GONE : View.VISIBLE);
        View remove = row.findViewById(R.id.remove);
        remove.setContentDescription(getString(R.string.remove_rule, rule.subject()));
        remove.setOnClickListener(view -> askWhether(rule.subject()));
    }

    private List<String> limits(UserRule rule) {
        List<String> limits = new ArrayList<>();
        if (rule.until() != null) {
            limits.add(getString(R.string.rule_until, Words.moment(this, rule.until() * 1000)));
        }
        if (rule.app() != null) {
            limits.add(getString(R.string.rule_for, app(rule.app())));
        }
        if (rule.client() != null) {
            limits.add(getString(R.string.rule_for, LogRow.breakable(rule.client())));
        }
        if (rule.exact()) {
            limits.add(getString(R.string.rule_only_name));
        }
        if (rule.schedule() != null) {
            limits.add(getString(R.string.rule_schedule, rule.schedule()));
        }
        return limits;
    }

    /** The engine calls one by its package, or by its uid where it knows no more. */
    private String app(String app) {
        if (app.matches("uid:\\d{1,9}")) {
            return programs.name(new Client(Integer.valueOf(app.substring(4)), null));
        }
        return programs.name(new Client(null, app));
    }

    /** The engine removes all that name the same, so that is what is asked. */
    private void askWhether(String subject) {
        int same = 0;
        for (UserRule rule : rules) {
            same += rule.subject().equals(subject) ? 1 : 0;
        }
        new AlertDialog.Builder(this)
                .setMessage(getResources()
                        .getQuantityString(R.plurals.remove_rule_ask, same, subject, same))
                .setNegativeButton(android.R.string.cancel, null)
                .setPositiveButton(R.string.remove, (dialog, which) -> change(
                        () -> tunnel().control().removeRule(subject), this::load))
                .show();
    }
}
