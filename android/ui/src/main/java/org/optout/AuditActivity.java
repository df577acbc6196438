package org.optout;

import android.content.Intent;
import android.os.Bundle;
import android.view.View;
import android.widget.ListView;
import android.widget.TextView;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.optout.control.Report;
import org.optout.control.VendorLine;
import org.optout.tunnel.EngineException;

/** Who goes on calling home after the user opted out: those first, then everyone else. */
public final class AuditActivity extends Screen {
    private Rows<Report.Vendor> rows;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        rows = new Rows<>(R.layout.audit_row, this::fill);
        show(R.layout.list);
        visible(R.id.search, false);
        setText(R.id.intro, getString(R.string.audit_intro));
        visible(R.id.intro, true);
        setText(R.id.empty, getString(R.string.audit_empty));
        visible(R.id.corner, true);
        onClick(R.id.corner, this::share);
        this.<ListView>findViewById(R.id.list).setAdapter(rows);
        ask(this::audit, found -> {
            rows.show(found);
            visible(R.id.empty, found.isEmpty());
        });
    }

    private List<Report.Vendor> audit() throws EngineException {
        Report report = tunnel().control().report(since());
        List<Report.Vendor> promised = new ArrayList<>();
        List<Report.Vendor> others = new ArrayList<>();
        for (Report.Vendor vendor : report.vendors()) {
            if (vendor.optedOut() != null) {
                promised.add(vendor);
            } else if (!vendor.vendor().isEmpty()) {
                others.add(vendor);
            }
        }
        for (VendorLine vendor : tunnel().control().vendors()) {
            if (vendor.optedOut() != null && !names(promised, vendor.vendor())) {
                promised.add(silent(vendor));
            }
        }
        promised.addAll(others);
        return promised;
    }

    /** The report does not name who did nothing; here that is the best news there is. */
    private static Report.Vendor silent(VendorLine vendor) {
        String key = vendor.vendor();
        return new Report.Vendor(key, vendor.name(), 0, 0, 0, 0, vendor.optedOut(), 0L);
    }

    private static boolean names(List<Report.Vendor> vendors, String key) {
        for (Report.Vendor vendor : vendors) {
            if (vendor.vendor().equals(key)) {
                return true;
            }
        }
        return false;
    }

    private void fill(View row, Report.Vendor vendor) {
        row.<TextView>findViewById(R.id.name).setText(vendor.name());
        row.<TextView>findViewById(R.id.verdict).setText(verdict(vendor));
        TextView last = row.findViewById(R.id.last);
        last.setVisibility(vendor.hosts() == 0 ? View.GONE : View.VISIBLE);
        last.setText(getResources().getQuantityString(
                R.plurals.audit_last,
                Words.quantity(vendor.hosts()),
                vendor.hosts(),
                Words.date(this, vendor.last() * 1000)));
        row.setOnClickListener(view -> startActivity(VendorActivity.about(this, vendor.vendor())));
    }

    private String verdict(Report.Vendor vendor) {
        if (vendor.optedOut() == null) {
            long tried = vendor.blocked() + vendor.watched();
            return getResources().getQuantityString(
                    R.plurals.audit_no_date, Words.quantity(tried), Words.number(this, tried));
        }
        String day = Words.isoDate(this, vendor.optedOut());
        long tried = vendor.sinceOptOut() == null ? 0 : vendor.sinceOptOut();
        if (tried == 0) {
            return getString(R.string.audit_kept, day);
        }
        return getResources().getQuantityString(
                R.plurals.audit_since, Words.quantity(tried), Words.number(this, tried), day);
    }

    private void share() {
        ask(() -> tunnel().door().page(since()), page -> {
            try {
                startActivity(Intent.createChooser(
                        ReportProvider.share(this, page), getString(R.string.share_report)));
            } catch (IOException e) {
                fault(e.getMessage());
            }
        });
    }

    private static long since() {
        return System.currentTimeMillis() / 1000 - MONTH;
    }

    private static final long MONTH = 30 * 24 * 3600;
}
