package org.optout;

import android.app.DatePickerDialog;
import android.content.Context;
import android.content.Intent;
import android.os.Bundle;
import android.widget.RadioGroup;
import java.util.Calendar;
import java.util.List;
import org.optout.control.Mode;
import org.optout.control.VendorLine;

/** One vendor: its story, what becomes of it, and when the user opted out there. */
public final class VendorActivity extends Screen {
    private String key;
    private boolean shown;

    static Intent about(Context context, String vendor) {
        return new Intent(context, VendorActivity.class).putExtra(VENDOR, vendor);
    }

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        key = String.valueOf(getIntent().getStringExtra(VENDOR));
        show(R.layout.vendor);
        visible(R.id.content, false);
        this.<RadioGroup>findViewById(R.id.modes)
                .setOnCheckedChangeListener((group, id) -> choose(mode(id)));
        onClick(R.id.set_date, this::askForDate);
        onClick(R.id.forget_date, () -> setDate(""));
        load();
    }

    private void load() {
        ask(() -> find(tunnel().control().vendors()), this::show);
    }

    private VendorLine find(List<VendorLine> vendors) {
        for (VendorLine vendor : vendors) {
            if (vendor.vendor().equals(key)) {
                return vendor;
            }
        }
        return null;
    }

    private void show(VendorLine vendor) {
        if (vendor == null) {
            finish();
            return;
        }
        title(vendor.name());
        setText(R.id.story, vendor.story());
        String entries = getResources().getQuantityString(
                R.plurals.vendor_entries, Words.quantity(vendor.blocks()), vendor.blocks());
        String stopped = VendorsActivity.stopped(this, vendor);
        setText(R.id.count, getString(R.string.vendor_row, entries, stopped));
        shown = false;
        this.<RadioGroup>findViewById(R.id.modes).check(id(vendor.mode()));
        shown = true;
        optOut(vendor);
        visible(R.id.content, true);
    }

    private void optOut(VendorLine vendor) {
        String date = vendor.optedOut();
        setText(R.id.opted_out, date == null
                ? getString(R.string.opted_out_not)
                : getString(R.string.opted_out_on, Words.isoDate(this, date)));
        visible(R.id.forget_date, date != null);
        setText(R.id.opt_out_where, vendor.optOut() == null
                ? ""
                : getString(R.string.opt_out_where, vendor.optOut()));
        visible(R.id.opt_out_where, vendor.optOut() != null);
    }

    private void choose(Mode mode) {
        // Checking the button that fits what the engine says is no choice of the user.
        if (shown) {
            change(() -> tunnel().control().setMode(key, mode), this::load);
        }
    }

    private void askForDate() {
        Calendar today = Calendar.getInstance();
        DatePickerDialog dialog = new DatePickerDialog(
                this,
                (picker, year, month, day) -> {
                    Calendar chosen = Calendar.getInstance();
                    chosen.set(year, month, day);
                    setDate(Words.iso(chosen));
                },
                today.get(Calendar.YEAR),
                today.get(Calendar.MONTH),
                today.get(Calendar.DAY_OF_MONTH));
        dialog.getDatePicker().setMaxDate(today.getTimeInMillis());
        dialog.show();
    }

    private void setDate(String iso) {
        change(() -> tunnel().control().setOptedOut(key, iso), this::load);
    }

    private static Mode mode(int id) {
        if (id == R.id.mode_enforce) {
            return Mode.ENFORCE;
        }
        return id == R.id.mode_watch ? Mode.WATCH : Mode.OFF;
    }

    private static int id(Mode mode) {
        return switch (mode) {
            case ENFORCE -> R.id.mode_enforce;
            case WATCH -> R.id.mode_watch;
            case OFF -> R.id.mode_off;
        };
    }

    private static final String VENDOR = "vendor";
}
