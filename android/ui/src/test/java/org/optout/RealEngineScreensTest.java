package org.optout;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.app.AlertDialog;
import android.content.DialogInterface;
import android.content.Intent;
import android.os.Looper;
import android.view.View;
import android.widget.ListView;
import android.widget.Switch;
import android.widget.TextView;
import java.io.File;
import java.nio.file.Files;
import java.util.List;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.optout.control.LogLine;
import org.optout.tunnel.Door;
import org.optout.tunnel.RealEngine;
import org.optout.tunnel.Standing;
import org.optout.tunnel.Tunnel;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowDialog;

/** Screens before the engine itself while the VPN is off. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35)
public class RealEngineScreensTest {
    private Door door;
    private Tunnel tunnel;
    private ActivityController<? extends Screen> screen;

    @Before
    public void begin() {
        door = RealEngine.door();
        tunnel = Tunnel.replace(RuntimeEnvironment.getApplication(), door, Runnable::run);
    }

    @After
    public void end() {
        if (screen == null) {
            return;
        }
        assertEquals("to look switches nothing on", Standing.OFF, tunnel.board().standing());
        assertFalse(tunnel.choices().wanted());
        screen.pause().stop();
        assertFalse("nothing is left", door.isRunning());
    }

    @Test
    public void a_vendor_is_switched_off_and_is_off_when_one_comes_back() {
        ListView list = open(VendorsActivity.class, null).findViewById(R.id.list);
        assertTrue("" + list.getCount(), list.getCount() > 20);
        assertTrue(mode(list, 0).isChecked());
        mode(list, 0).performClick();
        settle();
        screen.pause().stop();
        assertFalse(door.isRunning());
        list = open(VendorsActivity.class, null).findViewById(R.id.list);
        assertFalse(mode(list, 0).isChecked());
    }

    @Test
    public void a_story_is_told() {
        Activity story = open(VendorActivity.class,
                VendorActivity.about(RuntimeEnvironment.getApplication(), "oneplus"));
        assertFalse(text(story, R.id.story).isEmpty());
    }

    @Test
    public void the_log_says_that_nothing_happened() {
        Activity log = open(LogActivity.class, null);
        assertEquals(View.VISIBLE, log.findViewById(R.id.empty).getVisibility());
    }

    @Test
    public void an_entry_is_explained_and_allowed_for_an_hour() throws Exception {
        LogLine line = LogLine.parse("{\"outcome\":\"blocked\",\"host\":\"open.oneplus.net\",\"query\":\"A\"}");
        Activity entry = open(EntryActivity.class,
                EntryActivity.about(RuntimeEnvironment.getApplication(), line));
        assertTrue(text(entry, R.id.evidence).contains("https://"));
        entry.findViewById(R.id.allow_hour).performClick();
        settle();
        assertEquals(View.VISIBLE, entry.findViewById(R.id.done).getVisibility());
        assertTrue(door.control("{\"do\":\"rules\"}").contains("open.oneplus.net"));
    }

    @Test
    public void the_report_is_shared() {
        Activity audit = open(AuditActivity.class, null);
        audit.findViewById(R.id.corner).performClick();
        settle();
        Intent chooser = shadowOf(audit).getNextStartedActivity();
        assertEquals(Intent.ACTION_CHOOSER, chooser.getAction());
    }

    @Test
    public void the_first_screen_and_the_settings_need_no_engine() {
        open(MainActivity.class, null);
        assertFalse(door.isRunning());
        screen.pause().stop();
        open(SettingsActivity.class, null);
        assertFalse(door.isRunning());
    }

    @Test
    public void a_rule_of_ones_own_stops_and_is_removed() throws Exception {
        Activity add = open(AddRuleActivity.class, null);
        add.<TextView>findViewById(R.id.rule_subject).setText("Harmless.Example.");
        add.findViewById(R.id.add).performClick();
        settle();
        assertTrue(text(add, R.id.fault), add.isFinishing());
        close();
        assertEquals("blocked", outcome("www.harmless.example"));

        ListView list = open(RulesActivity.class, null).findViewById(R.id.list);
        assertEquals(1, list.getCount());
        list.getAdapter().getView(0, null, list).findViewById(R.id.remove).performClick();
        settle();
        confirm();
        assertEquals(0, list.getCount());
        assertEquals("passed", outcome("www.harmless.example"));
    }

    @Test
    public void what_is_no_name_is_refused_with_a_sentence() {
        Activity add = open(AddRuleActivity.class, null);
        add.<TextView>findViewById(R.id.rule_subject).setText("a b");
        add.findViewById(R.id.add).performClick();
        settle();
        assertTrue(text(add, R.id.fault), text(add, R.id.fault).contains("neither a host name nor an address"));
        assertFalse(add.isFinishing());
    }

    @Test
    public void a_list_that_cannot_be_fetched_while_it_is_off_says_what_to_do() {
        Activity add = open(AddListActivity.class, null);
        // An address of this machine, which the engine does not even try: tests ask no network.
        add.<TextView>findViewById(R.id.list_place).setText("https://127.0.0.1:1/ads.txt");
        add.findViewById(R.id.add).performClick();
        settle();
        String said = text(add, R.id.fault);
        assertTrue(said, said.endsWith(add.getString(R.string.engine_off)));
        assertTrue("and the engine's own sentence: " + said, said.startsWith("not added: "));
        assertFalse(add.isFinishing());
    }

    /** A file of the phone: what is fetched is put in force in the same way. */
    @Test
    public void a_list_is_added_set_aside_and_removed() throws Exception {
        File file = new File(RuntimeEnvironment.getApplication().getFilesDir(), "mine.txt");
        Files.write(file.toPath(), List.of("ads.example", "track.example"));
        Activity add = open(AddListActivity.class, null);
        add.<TextView>findViewById(R.id.list_place).setText(file.getPath());
        add.findViewById(R.id.add).performClick();
        settle();
        assertTrue(text(add, R.id.fault), add.isFinishing());
        close();

        Activity lists = open(ListsActivity.class, null);
        assertEquals(lists.getString(R.string.list_done), text(lists, R.id.word));
        ListView list = lists.findViewById(R.id.list);
        assertEquals(1, list.getCount());
        assertTrue(mode(list, 0).isChecked());
        assertEquals("blocked", outcome("ads.example"));
        mode(list, 0).performClick();
        settle();
        assertFalse(mode(list, 0).isChecked());
        assertEquals("passed", outcome("ads.example"));
        Activity one = openFirst(lists);
        one.findViewById(R.id.remove).performClick();
        settle();
        confirm();
        assertTrue(text(one, R.id.fault), one.isFinishing());
    }

    @Test
    public void a_list_of_the_configuration_stays_and_the_engine_says_why() throws Exception {
        File file = new File(tunnel.configDir(), "own.txt");
        Files.write(file.toPath(), List.of("ads.example"));
        Files.write(new File(tunnel.configDir(), "optout.toml").toPath(),
                List.of("[[lists]]", "path = '" + file.getPath() + "'"));
        Activity lists = open(ListsActivity.class, null);
        Activity one = openFirst(lists);
        one.findViewById(R.id.remove).performClick();
        settle();
        confirm();
        assertTrue(text(one, R.id.fault), text(one, R.id.fault).contains("stands in the configuration"));
        assertFalse(one.isFinishing());
    }

    /** The screen of the first list. */
    private Activity openFirst(Activity lists) throws Exception {
        ListView list = lists.findViewById(R.id.list);
        list.getAdapter().getView(0, null, list).performClick();
        Intent about = shadowOf(lists).getNextStartedActivity();
        close();
        return open(OneListActivity.class, about);
    }

    private String outcome(String host) throws Exception {
        return tunnel.upkeep().ask(() -> tunnel.control().explain(host, null)).outcome().word();
    }

    private static void confirm() {
        AlertDialog dialog = (AlertDialog) ShadowDialog.getLatestDialog();
        dialog.getButton(DialogInterface.BUTTON_POSITIVE).performClick();
        settle();
    }

    private void close() {
        screen.pause().stop();
        screen = null;
    }

    private <S extends Screen> S open(Class<S> kind, Intent intent) {
        ActivityController<S> opened = Robolectric.buildActivity(kind, intent).setup().visible();
        screen = opened;
        settle();
        assertEquals(text(opened.get(), R.id.fault), View.GONE,
                opened.get().findViewById(R.id.fault).getVisibility());
        return opened.get();
    }

    private static Switch mode(ListView list, int place) {
        return list.getAdapter().getView(place, null, list).findViewById(R.id.mode);
    }

    private static String text(Activity screen, int id) {
        return screen.<TextView>findViewById(id).getText().toString();
    }

    private static void settle() {
        shadowOf(Looper.getMainLooper()).idle();
    }
}
