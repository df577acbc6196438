package org.optout;

import android.app.AlertDialog;
import android.content.Context;
import android.content.Intent;
import android.os.Bundle;
import android.widget.RadioGroup;
import java.util.ArrayList;
import java.util.List;
import org.optout.control.ListLine;
import org.optout.control.Mode;

/** One list of the user: where it comes from, what becomes of it, and which version is in force. */
public final class OneListActivity extends ErrandScreen {
    private String id;
    private boolean shown;

    static Intent about(Context context, String list) {
        return new Intent(context, OneListActivity.class).putExtra(LIST, list);
    }

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        id = String.valueOf(getIntent().getStringExtra(LIST));
        show(R.layout.one_list);
        visible(R.id.content, false);
        this.<RadioGroup>findViewById(R.id.modes)
                .setOnCheckedChangeListener((group, button) -> choose(mode(button)));
        onClick(R.id.accept, () -> errand(lists -> lists.accept(id)));
        onClick(R.id.update, () -> errandOutside(lists -> lists.update(id)));
        onClick(R.id.rollback, () -> errand(lists -> lists.rollback(id)));
    }

    @Override
    void load() {
        ask(() -> find(tunnel().control().lists().all()), this::show);
    }

    private ListLine find(List<ListLine> lists) {
        for (ListLine line : lists) {
            if (line.id().equals(id)) {
                return line;
            }
        }
        return null;
    }

    private void show(ListLine line) {
        if (line == null) {
            finish();
            return;
        }
        title(LogRow.breakable(line.name()));
        setText(R.id.facts, String.join("\n", facts(line)));
        setText(R.id.trouble, problem(line));
        visible(R.id.trouble, line.problem() != null);
        setText(R.id.held, getString(R.string.list_held, String.valueOf(line.quarantined())));
        visible(R.id.held_card, line.quarantined() != null);
        shown = false;
        this.<RadioGroup>findViewById(R.id.modes).check(button(line.mode()));
        shown = true;
        visible(R.id.mode_until, line.modeUntil() != null);
        setText(R.id.mode_until, line.modeUntil() == null ? "" : getString(
                R.string.list_mode_until, Words.moment(this, line.modeUntil() * 1000)));
        visible(R.id.update, line.isFetched());
        visible(R.id.rollback, line.versions() > 1);
        onClick(R.id.remove, () -> askWhether(line.name()));
        visible(R.id.content, true);
        failAgain();
    }

    private List<String> facts(ListLine line) {
        List<String> facts = new ArrayList<>();
        String rules = ListsActivity.rules(this, line);
        if (line.changed() == null) {
            facts.add(rules);
        } else {
            String day = Words.moment(this, line.changed() * 1000);
            String changed = getString(R.string.list_changed, day);
            facts.add(getString(R.string.vendor_row, rules, changed));
        }
        if (line.allow()) {
            facts.add(getString(R.string.fact_allow));
        }
        if (line.checked() != null) {
            facts.add(getString(
                    R.string.fact_checked, Words.moment(this, line.checked() * 1000)));
        }
        facts.add(getString(R.string.fact_place, place(line)));
        return facts;
    }

    /** It may be long, and has no spaces. */
    private static String place(ListLine line) {
        return LogRow.breakable(line.place()).replace("/", "/\u200b");
    }

    private String problem(ListLine line) {
        return line.problem() == null ? "" : getString(R.string.list_problem, line.problem());
    }

    private void choose(Mode mode) {
        // Checking the button that fits what the engine says is no choice of the user.
        if (shown) {
            errand(lists -> lists.setMode(id, mode));
        }
    }

    private void askWhether(String name) {
        new AlertDialog.Builder(this)
                .setMessage(getString(R.string.remove_list_ask, name))
                .setNegativeButton(android.R.string.cancel, null)
                .setPositiveButton(R.string.remove,
                        (dialog, which) -> errand(lists -> lists.remove(id)))
                .show();
    }

    private static Mode mode(int button) {
        if (button == R.id.mode_enforce) {
            return Mode.ENFORCE;
        }
        return button == R.id.mode_watch ? Mode.WATCH : Mode.OFF;
    }

    private static int button(Mode mode) {
        return switch (mode) {
            case ENFORCE -> R.id.mode_enforce;
            case WATCH -> R.id.mode_watch;
            case OFF -> R.id.mode_off;
        };
    }

    private static final String LIST = "list";
}
