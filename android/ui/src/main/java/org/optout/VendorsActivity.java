package org.optout;

import android.os.Bundle;
import android.view.View;
import android.widget.ListView;
import android.widget.Switch;
import android.widget.TextView;
import java.util.List;
import org.optout.control.Mode;
import org.optout.control.VendorLine;

/** Every vendor of the catalogue, with a switch. */
public final class VendorsActivity extends Screen {
    private Rows<VendorLine> rows;
    private List<VendorLine> vendors = List.of();

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        rows = new Rows<>(R.layout.vendor_row, this::fill);
        show(R.layout.list);
        setText(R.id.intro, getString(R.string.vendors_intro));
        visible(R.id.intro, true);
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
        ask(() -> tunnel().control().vendors(), found -> {
            vendors = found;
            sift();
        });
    }

    private void sift() {
        List<VendorLine> found = Search.sift(this, vendors, VendorLine::name);
        rows.show(found);
        setText(R.id.empty, getString(
                vendors.isEmpty() ? R.string.vendors_empty : R.string.log_no_match));
        visible(R.id.empty, found.isEmpty());
    }

    private void fill(View row, VendorLine vendor) {
        row.<TextView>findViewById(R.id.name).setText(vendor.name());
        row.<TextView>findViewById(R.id.count).setText(count(vendor));
        row.setOnClickListener(view -> startActivity(VendorActivity.about(this, vendor.vendor())));
        Switch mode = row.findViewById(R.id.mode);
        mode.setOnCheckedChangeListener(null);
        mode.setChecked(vendor.mode() == Mode.ENFORCE);
        mode.setContentDescription(getString(R.string.stop_vendor, vendor.name()));
        mode.setOnCheckedChangeListener((view, on) -> change(
                () -> tunnel().control().setMode(vendor.vendor(), on ? Mode.ENFORCE : Mode.OFF),
                this::load));
    }

    private String count(VendorLine vendor) {
        String stopped = stopped(this, vendor);
        return switch (vendor.mode()) {
            case ENFORCE -> stopped;
            case WATCH -> getString(
                    R.string.vendor_row, getString(R.string.mode_short_watch), stopped);
            case OFF -> getString(R.string.vendor_row, getString(R.string.mode_short_off), stopped);
        };
    }

    static String stopped(Screen screen, VendorLine vendor) {
        return screen.getResources().getQuantityString(
                R.plurals.vendor_stopped,
                Words.quantity(vendor.blocked()),
                Words.number(screen, vendor.blocked()));
    }
}
