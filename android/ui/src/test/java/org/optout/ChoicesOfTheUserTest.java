package org.optout;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.app.Application;
import android.content.Intent;
import android.net.Uri;
import android.provider.Settings;
import android.view.View;
import android.view.ViewGroup;
import android.widget.CheckBox;
import android.widget.ListView;
import android.widget.RadioButton;
import android.widget.Switch;
import android.widget.TextView;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileNotFoundException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.List;
import org.json.JSONObject;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.optout.tunnel.Hindrance;
import org.optout.tunnel.Later;
import org.optout.tunnel.Written;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowVpnService;

/** What a tap on each screen asks the engine for, and what the screen then shows. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = {24, 35})
public class ChoicesOfTheUserTest {
    private final Application context = RuntimeEnvironment.getApplication();
    private Scene scene;

    @Before
    public void begin() {
        ShadowVpnService.setPrepareResult(null);
        scene = new Scene();
    }

    @Test
    public void the_toggle_starts_and_stops() {
        MainActivity main = scene.open(MainActivity.class);
        main.findViewById(R.id.toggle).performClick();
        assertEquals("start", ordered());
        scene.on();
        Scene.settle();
        main.findViewById(R.id.toggle).performClick();
        assertEquals("stop", ordered());
    }

    @Test
    public void the_first_start_asks_for_consent_and_starts_with_it_alone() {
        ShadowVpnService.setPrepareResult(new Intent("consent"));
        MainActivity main = scene.open(MainActivity.class);
        main.findViewById(R.id.toggle).performClick();
        assertNull(ordered());
        var asked = shadowOf(main).getNextStartedActivityForResult();
        assertEquals("consent", asked.intent.getAction());
        shadowOf(main).receiveResult(asked.intent, Activity.RESULT_CANCELED, null);
        assertNull(ordered());
        ShadowVpnService.setPrepareResult(null);
        main.findViewById(R.id.toggle).performClick();
        assertEquals("start", ordered());
    }

    @Test
    public void pauses_are_as_long_as_they_say() {
        MainActivity main = scene.on().open(MainActivity.class);
        int[] buttons = {R.id.pause_5, R.id.pause_15, R.id.pause_60};
        for (int i = 0; i < buttons.length; i++) {
            main.findViewById(buttons[i]).performClick();
            Intent order = shadowOf(context).getNextStartedService();
            assertEquals(new int[] {300, 900, 3600}[i], order.getLongExtra("seconds", 0));
        }
    }

    @Test
    public void counters_and_the_latest_are_the_engines() {
        MainActivity main = scene.on().open(MainActivity.class);
        assertEquals("1,483", text(main, R.id.stopped));
        assertEquals("9,429", text(main, R.id.asked));
        assertEquals(2, main.<ViewGroup>findViewById(R.id.latest).getChildCount());
    }

    @Test
    public void a_problem_has_its_remedy() {
        MainActivity main = scene.on().with(Hindrance.LOCKDOWN).open(MainActivity.class);
        main.findViewById(R.id.remedy).performClick();
        assertEquals(Settings.ACTION_VPN_SETTINGS, shadowOf(context).getNextStartedActivity().getAction());
    }

    @Test
    public void problems_of_the_engine_stand_there_as_they_are() {
        String said = "no resolver answers; check the network";
        Written.problems(scene.on().board(), List.of(said));
        MainActivity main = scene.open(MainActivity.class);
        assertEquals(said, text(main, R.id.what));
    }

    @Test
    public void the_log_is_sifted_by_outcome_and_text() {
        LogActivity log = scene.on().open(LogActivity.class);
        ListView list = log.findViewById(R.id.list);
        assertEquals(8, list.getCount());
        log.<RadioButton>findViewById(R.id.watched).performClick();
        Scene.settle();
        assertEquals("watched", scene.engine.asked("log").optString("outcome"));
        assertEquals(1, list.getCount());
        log.<RadioButton>findViewById(R.id.all).performClick();
        Scene.settle();
        log.<TextView>findViewById(R.id.search).setText("WEATHER");
        assertEquals("by the name of the app, and by the host", 2, list.getCount());
        log.<TextView>findViewById(R.id.search).setText("nowhere");
        assertEquals(0, list.getCount());
        assertEquals(View.VISIBLE, log.findViewById(R.id.empty).getVisibility());
    }

    @Test
    public void a_row_of_the_log_opens_what_happened() {
        LogActivity log = scene.on().open(LogActivity.class);
        ListView list = log.findViewById(R.id.list);
        list.performItemClick(list.getChildAt(0), 0, 0);
        Intent opened = shadowOf(log).getNextStartedActivity();
        assertEquals(EntryActivity.class.getName(), opened.getComponent().getClassName());
    }

    @Test
    public void the_evidence_is_the_engines() {
        EntryActivity entry = entry();
        assertEquals("open.oneplus.net", scene.engine.asked("explain").optString("subject"));
        assertEquals("net.oneplus.odm", scene.engine.asked("explain").optString("app"));
        String evidence = text(entry, R.id.evidence);
        assertTrue(evidence, evidence.contains("IMEI"));
        assertTrue(evidence, evidence.contains("line 12 of oneplus"));
    }

    @Test
    public void allow_for_an_hour_ends_in_an_hour() {
        EntryActivity entry = entry();
        long before = System.currentTimeMillis() / 1000;
        entry.findViewById(R.id.allow_hour).performClick();
        Scene.settle();
        JSONObject rule = scene.engine.asked("add_rule");
        assertEquals("allow", rule.optString("action"));
        assertEquals("open.oneplus.net", rule.optString("subject"));
        long hour = rule.optLong("until") - before;
        assertTrue("" + hour, hour >= 3600 && hour < 3700);
        assertFalse(rule.has("app"));
        assertEquals(View.VISIBLE, entry.findViewById(R.id.done).getVisibility());
    }

    @Test
    public void a_rule_may_be_for_that_app_alone() {
        EntryActivity entry = entry();
        entry.<CheckBox>findViewById(R.id.only_app).performClick();
        entry.findViewById(R.id.block).performClick();
        Scene.settle();
        JSONObject rule = scene.engine.asked("add_rule");
        assertEquals("block", rule.optString("action"));
        assertEquals("net.oneplus.odm", rule.optString("app"));
        assertFalse(rule.has("until"));
    }

    @Test
    public void a_refusal_is_shown_as_it_is() {
        EntryActivity entry = entry();
        scene.engine.answers.put("add_rule", "[{\"failed\":\"the state cannot be saved; free some space\"}]");
        entry.findViewById(R.id.allow).performClick();
        Scene.settle();
        assertEquals("the state cannot be saved; free some space", text(entry, R.id.fault));
        assertEquals(View.GONE, entry.findViewById(R.id.done).getVisibility());
    }

    @Test
    public void an_entry_without_a_line_closes_itself() {
        EntryActivity entry = scene.on().open(EntryActivity.class);
        assertTrue(entry.isFinishing());
    }

    @Test
    public void an_app_is_left_alone_from_its_line() {
        entry().findViewById(R.id.exempt).performClick();
        assertTrue(scene.tunnel.choices().exempt().contains("net.oneplus.odm"));
        assertEquals("renew", ordered());
    }

    @Test
    public void the_switch_of_a_vendor_changes_its_mode() {
        VendorsActivity vendors = scene.on().open(VendorsActivity.class);
        ListView list = vendors.findViewById(R.id.list);
        View row = list.getAdapter().getView(4, null, list);
        row.<Switch>findViewById(R.id.mode).performClick();
        Scene.settle();
        assertEquals("oneplus", scene.engine.asked("set_vendor").optString("vendor"));
        assertEquals("off", scene.engine.asked("set_vendor").optString("mode"));
    }

    @Test
    public void the_story_page_changes_mode_and_forgets_the_day() {
        VendorActivity vendor = scene.on()
                .open(VendorActivity.class, VendorActivity.about(context, "oneplus"));
        assertNull("to show a mode is not to choose it", scene.engine.asked("set_vendor"));
        assertTrue(text(vendor, R.id.story).contains("2017"));
        vendor.findViewById(R.id.mode_watch).performClick();
        Scene.settle();
        assertEquals("watch", scene.engine.asked("set_vendor").optString("mode"));
        vendor.findViewById(R.id.forget_date).performClick();
        Scene.settle();
        assertEquals("", scene.engine.asked("set_vendor").optString("opted_out", "?"));
    }

    @Test
    public void the_audit_names_who_promised_first_and_who_kept_it() {
        AuditActivity audit = scene.on().open(AuditActivity.class);
        ListView list = audit.findViewById(R.id.list);
        String[] want = {
            "OnePlus: Opted out on Nov 1, 2026. Since then 1,050 attempts.",
            "Samsung: Opted out on Sep 15, 2026. Since then no attempt.",
            "Google: 385 attempts in 30 days; no opt-out set.",
        };
        for (int i = 0; i < want.length; i++) {
            View row = list.getAdapter().getView(i, null, list);
            String name = row.<TextView>findViewById(R.id.name).getText().toString();
            assertEquals(want[i], name + ": " + row.<TextView>findViewById(R.id.verdict).getText());
        }
    }

    @Test
    public void the_report_is_shared_as_a_file_that_only_its_receiver_reads() throws Exception {
        AuditActivity audit = scene.on().open(AuditActivity.class);
        audit.findViewById(R.id.corner).performClick();
        Scene.settle();
        Intent share = shadowOf(audit).getNextStartedActivity().getParcelableExtra(Intent.EXTRA_INTENT);
        Uri uri = share.getParcelableExtra(Intent.EXTRA_STREAM);
        assertTrue((share.getFlags() & Intent.FLAG_GRANT_READ_URI_PERMISSION) != 0);
        ReportProvider provider = Robolectric.setupContentProvider(ReportProvider.class, uri.getAuthority());
        assertEquals("text/html", provider.getType(uri));
        for (String other : new String[] {"/", "/../files/data/state.json", "/x/optout-report.html"}) {
            Uri wrong = uri.buildUpon().path(other).build();
            assertThrows(FileNotFoundException.class, () -> provider.openFile(wrong, "r"));
        }
        assertThrows(FileNotFoundException.class, () -> provider.openFile(uri, "rw"));
        provider.openFile(uri, "r").close();
    }

    @Test
    public void every_app_is_covered_until_it_is_switched_off() {
        AppsActivity apps = scene.on().open(AppsActivity.class);
        ListView list = apps.findViewById(R.id.list);
        View row = list.getAdapter().getView(0, null, list);
        Switch covered = row.findViewById(R.id.covered);
        assertTrue(covered.isChecked());
        covered.performClick();
        assertEquals(1, scene.tunnel.choices().exempt().size());
        assertNull("the tunnel is not cut at each switch", ordered());
    }

    @Test
    public void the_key_is_shown_where_it_opens_something() {
        SettingsActivity settings = scene.open(SettingsActivity.class);
        assertEquals(View.GONE, settings.findViewById(R.id.key_part).getVisibility());
        settings.findViewById(R.id.automation).performClick();
        assertEquals(scene.tunnel.choices().key(), text(settings, R.id.key));
        assertEquals(24, scene.tunnel.choices().key().length());
    }

    @Test
    public void a_backup_brings_everything_back() throws Exception {
        write("config/optout.toml", "mode = \"watch\"\n");
        write("data/state.json", "{\"version\":1}");
        scene.tunnel.choices().setExempt("com.example.bank", true);
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        new Backup(scene.tunnel).write(file);
        assertFalse(file.toString("UTF-8").contains(scene.tunnel.choices().key()));

        write("config/optout.toml", "");
        write("data/state.json", "{}");
        scene.tunnel.choices().setExempt("com.example.bank", false);
        scene.on();
        assertTrue(read(file.toByteArray()));
        assertEquals("mode = \"watch\"\n", content("config/optout.toml"));
        assertEquals("{\"version\":1}", content("data/state.json"));
        assertTrue(scene.tunnel.choices().exempt().contains("com.example.bank"));
        assertTrue(scene.engine.calls.contains("stop"));
        assertEquals("start", ordered());
    }

    @Test
    public void a_backup_that_is_put_back_while_it_is_off_switches_nothing_on() throws Exception {
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        new Backup(scene.tunnel).write(file);
        scene.open(VendorsActivity.class);
        assertTrue(scene.engine.isRunning());
        assertTrue(read(file.toByteArray()));
        assertNull(ordered());
        assertFalse(scene.engine.isRunning());
    }

    @Test
    public void what_is_no_backup_changes_nothing() throws Exception {
        write("config/optout.toml", "mode = \"watch\"\n");
        for (String wrong : new String[] {"", "{}", "[]", "PK\u0003", "{\"optout_backup\":2,\"choices\":{}}",
            "{\"optout_backup\":1,\"config\":\"x\"}"}) {
            assertFalse(wrong, read(wrong.getBytes(StandardCharsets.UTF_8)));
        }
        assertThrows(java.io.IOException.class, () -> read(new byte[9 << 20]));
        assertEquals("mode = \"watch\"\n", content("config/optout.toml"));
    }

    @Test
    public void no_screen_asks_the_engine_on_the_main_thread() {
        Later work = new Later();
        Scene slow = new Scene(work).on();
        for (Class<? extends Screen> screen : List.of(MainActivity.class, LogActivity.class,
                VendorsActivity.class, AuditActivity.class, AppsActivity.class, ListsActivity.class,
                RulesActivity.class)) {
            slow.open(screen);
            assertTrue(screen.getSimpleName(), work.waiting() > 0);
            assertEquals(screen.getSimpleName(), 0, slow.engine.requests.size());
            work.run();
            slow.engine.requests.clear();
            Scene.settle();
            work.run();
            slow.engine.requests.clear();
        }
    }

    private EntryActivity entry() {
        scene.on();
        return scene.open(EntryActivity.class, EntryActivity.about(context, scene.newest()));
    }

    private boolean read(byte[] file) throws Exception {
        return new Backup(scene.tunnel).read(new ByteArrayInputStream(file));
    }

    private void write(String name, String text) throws Exception {
        File file = new File(context.getFilesDir(), name);
        file.getParentFile().mkdirs();
        Files.write(file.toPath(), text.getBytes(StandardCharsets.UTF_8));
    }

    private String content(String name) throws Exception {
        File file = new File(context.getFilesDir(), name);
        return new String(Files.readAllBytes(file.toPath()), StandardCharsets.UTF_8);
    }

    private static String text(Activity screen, int id) {
        return screen.<TextView>findViewById(id).getText().toString();
    }

    private String ordered() {
        Intent order = shadowOf(context).getNextStartedService();
        return order == null ? null : order.getStringExtra("what");
    }
}
