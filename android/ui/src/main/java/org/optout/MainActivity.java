package org.optout;

import android.Manifest;
import android.app.Activity;
import android.content.Intent;
import android.net.VpnService;
import android.os.Build;
import android.os.Bundle;
import android.provider.Settings;
import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.widget.Button;
import android.widget.TextView;
import java.util.List;
import org.optout.control.LogLine;
import org.optout.control.Outcome;
import org.optout.control.Report;
import org.optout.tunnel.Board;
import org.optout.tunnel.Hindrance;
import org.optout.tunnel.Phase;
import org.optout.tunnel.Standing;

/** The first screen: the switch, what it means now, and the ways to everything else. */
public final class MainActivity extends Screen implements Board.Listener {
    private Programs programs;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        programs = new Programs(this);
        show(R.layout.main);
        visible(R.id.back, false);
        onClick(R.id.toggle, this::toggle);
        onClick(R.id.pause_5, () -> tunnel().pause(5 * MINUTE));
        onClick(R.id.pause_15, () -> tunnel().pause(15 * MINUTE));
        onClick(R.id.pause_60, () -> tunnel().pause(60 * MINUTE));
        onClick(R.id.resume, () -> tunnel().resume());
        opens(R.id.to_log, LogActivity.class);
        opens(R.id.to_vendors, VendorsActivity.class);
        opens(R.id.to_lists, ListsActivity.class);
        opens(R.id.to_rules, RulesActivity.class);
        opens(R.id.to_audit, AuditActivity.class);
        opens(R.id.to_apps, AppsActivity.class);
        opens(R.id.to_settings, SettingsActivity.class);
        if (SWITCH_ON.equals(getIntent().getAction())) {
            switchOn();
        }
    }

    @Override
    protected void onResume() {
        super.onResume();
        tunnel().board().listen(this);
        onStanding(tunnel().board().standing());
    }

    @Override
    protected void onPause() {
        tunnel().board().leave(this);
        super.onPause();
    }

    @Override
    protected void onNewIntent(Intent intent) {
        super.onNewIntent(intent);
        if (SWITCH_ON.equals(intent.getAction())) {
            switchOn();
        }
    }

    @Override
    public void onStanding(Standing now) {
        boolean active = now.isActive();
        View toggle = findViewById(R.id.toggle);
        toggle.setActivated(now.phase() == Phase.ON);
        toggle.setContentDescription(getString(active ? R.string.switch_off : R.string.switch_on));
        setText(R.id.state, getString(Words.state(now)));
        setText(R.id.state_what, Words.stateWhat(this, now));
        visible(R.id.pauses, now.phase() == Phase.ON);
        visible(R.id.resume, now.phase() == Phase.PAUSED);
        problems(now);
        boolean running = now.phase() == Phase.ON || now.phase() == Phase.PAUSED;
        visible(R.id.counts, running);
        visible(R.id.latest_card, false);
        if (running) {
            ask(() -> tunnel().control().report(Words.midnight() / 1000), this::counts);
            ask(() -> tunnel().control().log(LATEST, Outcome.BLOCKED), this::latest);
        }
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        if (request == CONSENT && result == Activity.RESULT_OK) {
            begin();
        }
    }

    private void toggle() {
        if (tunnel().board().standing().isActive()) {
            tunnel().stop();
        } else {
            switchOn();
        }
    }

    private void switchOn() {
        Intent consent = VpnService.prepare(this);
        if (consent == null) {
            begin();
        } else {
            startActivityForResult(consent, CONSENT);
        }
    }

    private void begin() {
        tunnel().start();
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
            requestPermissions(new String[] {Manifest.permission.POST_NOTIFICATIONS}, NOTIFY);
        }
    }

    private void counts(Report report) {
        setText(R.id.stopped, Words.number(this, report.blocked()));
        setText(R.id.stopped_what, getResources()
                .getQuantityText(R.plurals.stopped_today, Words.quantity(report.blocked())));
        setText(R.id.asked, Words.number(this, report.total()));
        setText(R.id.asked_what, getResources()
                .getQuantityText(R.plurals.asked_today, Words.quantity(report.total())));
    }

    private void latest(List<LogLine> lines) {
        ViewGroup into = findViewById(R.id.latest);
        into.removeAllViews();
        for (LogLine line : lines.subList(0, Math.min(LATEST, lines.size()))) {
            View row = LayoutInflater.from(this).inflate(R.layout.log_row, into, false);
            LogRow.fill(row, line, programs);
            row.setOnClickListener(view -> startActivity(EntryActivity.about(this, line)));
            into.addView(row);
        }
        visible(R.id.latest_card, !lines.isEmpty());
    }

    private void problems(Standing now) {
        ViewGroup into = findViewById(R.id.problems);
        into.removeAllViews();
        if (now.fault() != null) {
            problem(into, now.fault(), 0, null);
        }
        for (Hindrance hindrance : now.hindrances()) {
            String said = getString(Words.hindrance(hindrance));
            switch (hindrance) {
                case LOCKDOWN -> problem(into, said, R.string.open_vpn_settings,
                        new Intent(Settings.ACTION_VPN_SETTINGS));
                case PRIVATE_DNS -> problem(into, said, R.string.open_network_settings,
                        new Intent(Settings.ACTION_WIRELESS_SETTINGS));
                default -> problem(into, said, 0, null);
            }
        }
        for (String said : now.problems()) {
            problem(into, said, 0, null);
        }
    }

    private void problem(ViewGroup into, String what, int label, Intent remedy) {
        View card = LayoutInflater.from(this).inflate(R.layout.problem, into, false);
        card.<TextView>findViewById(R.id.what).setText(what);
        Button button = card.findViewById(R.id.remedy);
        if (remedy == null) {
            button.setVisibility(View.GONE);
        } else {
            button.setText(label);
            button.setOnClickListener(view -> startActivity(remedy));
        }
        into.addView(card);
    }

    private void opens(int id, Class<? extends Activity> screen) {
        onClick(id, () -> startActivity(new Intent(this, screen)));
    }

    /** From the tile, where Android has to ask for consent first. */
    static final String SWITCH_ON = "org.optout.SWITCH_ON";

    private static final int CONSENT = 1;
    private static final int NOTIFY = 2;
    private static final int LATEST = 2; // more would push the entries off a small screen
    private static final long MINUTE = 60;
}
