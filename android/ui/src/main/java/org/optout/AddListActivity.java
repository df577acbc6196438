package org.optout;

import android.os.Bundle;
import android.widget.TextView;
import org.optout.tunnel.Errands;

/** One more list, by the address that its author gives. */
public final class AddListActivity extends ErrandScreen {
    private boolean asked;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        asked = saved != null && saved.getBoolean(ASKED);
        show(R.layout.add_list);
        field(R.id.list_place, this::add);
        onClick(R.id.add, this::add);
    }

    @Override
    protected void onSaveInstanceState(Bundle saved) {
        saved.putBoolean(ASKED, asked);
        super.onSaveInstanceState(saved);
    }

    private void add() {
        if (!findViewById(R.id.add).isEnabled()) {
            return; // the keyboard asks again
        }
        String place = this.<TextView>findViewById(R.id.list_place).getText().toString().trim();
        asked = true;
        if (place.startsWith(WEB)) {
            errandOutside(lists -> lists.add(place));
        } else {
            errand(lists -> lists.add(place));
        }
        load();
    }

    /** While the list comes it is not asked for a second time. */
    @Override
    void load() {
        findViewById(R.id.add).setEnabled(!(asked && tunnel().errands().isBusy()));
    }

    /** What was typed stays until the list is there. */
    @Override
    void came(Errands.Outcome outcome) {
        super.came(outcome);
        if (tunnel().errands().isBusy()) {
            return;
        }
        if (asked && outcome.done()) {
            tunnel().errands().keep(outcome); // the screen below says it, where the list now is
            finish();
        }
        asked = false;
    }

    private static final String WEB = "https://";
    private static final String ASKED = "asked";
}
