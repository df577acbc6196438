package org.optout;

import android.content.Intent;
import android.os.Bundle;
import android.view.View;
import android.widget.ListView;
import android.widget.Switch;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.List;
import org.optout.control.ListControl;
import org.optout.control.ListLine;
import org.optout.control.Mode;

/** The lists that the user added, each with a switch, and what is wrong with it. */
public final class ListsActivity extends ErrandScreen {
    private Rows<ListLine> rows;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        rows = new Rows<>(R.layout.list_row, this::fill);
        show(R.layout.list);
        setText(R.id.intro, getString(R.string.lists_intro));
        visible(R.id.intro, true);
        visible(R.id.search, false);
        setText(R.id.empty, getString(R.string.lists_empty));
        visible(R.id.empty, false);
        corner(R.drawable.ic_add, R.string.add_list,
                () -> startActivity(new Intent(this, AddListActivity.class)));
        onClick(R.id.beside_corner, () -> errandOutside(ListControl::updateAll));
        ListView list = findViewById(R.id.list);
        list.setItemsCanFocus(true);
        list.setAdapter(rows);
    }

    @Override
    void load() {
        ask(() -> tunnel().control().lists().all(), found -> {
            rows.show(found);
            visible(R.id.empty, found.isEmpty());
            visible(R.id.list, !found.isEmpty());
            visible(R.id.beside_corner, !found.isEmpty());
            failAgain();
        });
    }

    private void fill(View row, ListLine line) {
        row.<TextView>findViewById(R.id.name).setText(LogRow.breakable(line.name()));
        row.<TextView>findViewById(R.id.count).setText(count(line));
        String said = String.join("\n", trouble(this, line));
        TextView trouble = row.findViewById(R.id.trouble);
        trouble.setText(said);
        trouble.setVisibility(said.isEmpty() ? View.GONE : View.VISIBLE);
        row.setOnClickListener(view -> startActivity(OneListActivity.about(this, line.id())));
        Switch mode = row.findViewById(R.id.mode);
        mode.setOnCheckedChangeListener(null);
        mode.setChecked(line.mode() == Mode.ENFORCE);
        mode.setContentDescription(getString(R.string.enforce_list, line.name()));
        mode.setOnCheckedChangeListener((view, on) -> errand(
                lists -> lists.setMode(line.id(), on ? Mode.ENFORCE : Mode.OFF)));
    }

    private String count(ListLine line) {
        List<String> said = new ArrayList<>();
        if (line.mode() != Mode.ENFORCE) {
            boolean watched = line.mode() == Mode.WATCH;
            said.add(getString(watched ? R.string.mode_short_watch : R.string.list_aside));
        }
        if (line.rules() > 0 || line.mode() != Mode.OFF) {
            said.add(rules(this, line)); // what is off is not read, so its count may not be known
        }
        if (line.changed() != null) {
            String day = Words.moment(this, line.changed() * 1000);
            said.add(getString(R.string.list_changed, day));
        }
        return String.join(" · ", said);
    }

    static String rules(Screen screen, ListLine line) {
        return screen.getResources().getQuantityString(
                R.plurals.list_rules,
                Words.quantity(line.rules()),
                Words.number(screen, line.rules()));
    }

    /** What the user should know of it; mostly nothing. */
    static List<String> trouble(Screen screen, ListLine line) {
        List<String> said = new ArrayList<>();
        if (line.quarantined() != null) {
            said.add(screen.getString(R.string.list_held, line.quarantined()));
        }
        if (line.problem() != null) {
            said.add(screen.getString(R.string.list_problem, line.problem()));
        }
        return said;
    }
}
