package org.optout;

import android.content.pm.ApplicationInfo;
import android.content.pm.PackageManager;
import android.graphics.drawable.Drawable;
import android.os.Bundle;
import android.view.View;
import android.widget.ImageView;
import android.widget.ListView;
import android.widget.Switch;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Every app on this phone, those of the system too, with a switch whether it is covered. */
public final class AppsActivity extends Screen {
    private final Map<String, Drawable> icons = new HashMap<>();
    private Rows<Item> rows;
    private List<Item> apps = List.of();
    private Set<String> exempt;

    private record Item(String name, ApplicationInfo app) {}

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        exempt = tunnel().choices().exempt();
        rows = new Rows<>(R.layout.app_row, this::fill);
        show(R.layout.list);
        setText(R.id.intro, getString(R.string.apps_intro));
        visible(R.id.intro, true);
        visible(R.id.empty, false);
        setText(R.id.empty, getString(R.string.apps_empty));
        ListView list = findViewById(R.id.list);
        list.setItemsCanFocus(true);
        list.setAdapter(rows);
        Search.in(this, this::sift);
        fetch(this::installed, found -> {
            apps = found;
            sift();
        });
    }

    @Override
    protected void onStop() {
        if (!exempt.equals(tunnel().choices().exempt())) {
            exempt = tunnel().choices().exempt();
            // Once for all that was changed here: every new tunnel cuts what runs through the old.
            tunnel().renew();
        }
        super.onStop();
    }

    /** Exempt ones first, then in the order of the alphabet. */
    private List<Item> installed() {
        PackageManager packages = getPackageManager();
        List<Item> found = new ArrayList<>();
        for (ApplicationInfo app : packages.getInstalledApplications(0)) {
            if (!app.packageName.equals(getPackageName())) {
                found.add(new Item(app.loadLabel(packages).toString(), app));
            }
        }
        found.sort((a, b) -> {
            boolean first = exempt.contains(a.app.packageName);
            boolean second = exempt.contains(b.app.packageName);
            return first == second ? a.name.compareToIgnoreCase(b.name) : first ? -1 : 1;
        });
        return found;
    }

    private void sift() {
        List<Item> found =
                Search.sift(this, apps, item -> item.name + " " + item.app.packageName);
        rows.show(found);
        visible(R.id.empty, found.isEmpty());
    }

    private void fill(View row, Item item) {
        String id = item.app.packageName;
        row.<ImageView>findViewById(R.id.icon).setImageDrawable(
                icons.computeIfAbsent(id, key -> getPackageManager().getApplicationIcon(item.app)));
        row.<TextView>findViewById(R.id.name).setText(item.name);
        row.<TextView>findViewById(R.id.package_name).setText(LogRow.breakable(id));
        Switch covered = row.findViewById(R.id.covered);
        covered.setOnCheckedChangeListener(null);
        covered.setChecked(!tunnel().choices().exempt().contains(id));
        covered.setContentDescription(getString(R.string.cover_app, item.name));
        covered.setOnCheckedChangeListener(
                (view, on) -> tunnel().choices().setExempt(id, !on));
    }
}
