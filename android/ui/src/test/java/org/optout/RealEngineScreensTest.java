package org.optout;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.content.Intent;
import android.os.Looper;
import android.view.View;
import android.widget.ListView;
import android.widget.Switch;
import android.widget.TextView;
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
