package org.optout;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.app.AlertDialog;
import android.content.DialogInterface;
import android.view.View;
import android.view.inputmethod.EditorInfo;
import android.widget.ListView;
import android.widget.RadioButton;
import android.widget.Switch;
import android.widget.TextView;
import org.json.JSONObject;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.optout.tunnel.Later;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowDialog;

/** The screens of lists: what they show, also while the engine works, and what a tap asks it for. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = {24, 35})
public class OwnListsTest {
    private final Later slow = new Later();
    private Scene scene;

    @Before
    public void begin() {
        scene = new Scene(Runnable::run, slow).on();
    }

    @Test
    public void each_list_says_how_it_is_and_what_is_wrong() {
        ListView list = scene.open(ListsActivity.class).findViewById(R.id.list);
        assertEquals("packs are vendors", 4, list.getCount());
        String[] want = {
            "ads.txt: 61,284 rules · updated 8:00 AM",
            "smart-tv.txt: Only watched · 318 rules · updated 8:00 AM",
            "phones.txt: 4,210 rules · updated 8:00 AM A newer version is held back: " + OwnLists.HELD,
            "games.txt: Set aside · 97 rules · updated 8:00 AM At the last look: "
                    + "the server did not answer within 60 s; it is tried again later",
        };
        for (int i = 0; i < want.length; i++) {
            View row = list.getAdapter().getView(i, null, list);
            assertEquals(want[i], (row.<TextView>findViewById(R.id.name).getText() + ": "
                    + row.<TextView>findViewById(R.id.count).getText() + " "
                    + row.<TextView>findViewById(R.id.trouble).getText())
                    .replace("\u200b", "").replace('\u202f', ' ').trim());
            assertEquals(i % 2 == 0, row.<Switch>findViewById(R.id.mode).isChecked());
        }
    }

    @Test
    public void without_lists_it_says_how_to_get_one() {
        scene.engine.answers.put("lists", OwnLists.NONE);
        ListsActivity lists = scene.open(ListsActivity.class);
        assertEquals(View.VISIBLE, lists.findViewById(R.id.empty).getVisibility());
        assertEquals("nothing to update", View.GONE, lists.findViewById(R.id.beside_corner).getVisibility());
        lists.findViewById(R.id.corner).performClick();
        assertEquals(AddListActivity.class.getName(),
                shadowOf(lists).getNextStartedActivity().getComponent().getClassName());
    }

    @Test
    public void the_switch_puts_a_list_in_force_or_aside() {
        ListView list = scene.open(ListsActivity.class).findViewById(R.id.list);
        list.getAdapter().getView(0, null, list).<Switch>findViewById(R.id.mode).performClick();
        done();
        assertChange("mode", "ads-txt", "off");
        list.getAdapter().getView(3, null, list).<Switch>findViewById(R.id.mode).performClick();
        done();
        assertChange("mode", "games-txt", "enforce");
    }

    @Test
    public void while_the_engine_works_it_says_so_and_the_screen_can_be_used() {
        ListsActivity lists = scene.open(ListsActivity.class);
        lists.findViewById(R.id.beside_corner).performClick();
        Scene.settle();
        assertEquals(View.VISIBLE, lists.findViewById(R.id.working).getVisibility());
        assertNull("not on the thread that others wait for", scene.engine.asked("change_lists"));
        VendorsActivity vendors = scene.open(VendorsActivity.class);
        assertTrue("another screen is answered", vendors.<ListView>findViewById(R.id.list).getCount() > 0);
        scene.engine.answers.put("change_lists", "[{\"done\":\"Nothing new.\"}]");
        done();
        assertEquals(0, scene.engine.asked("change_lists").optJSONArray("lists").length());
        assertEquals(View.GONE, lists.findViewById(R.id.working).getVisibility());
        assertEquals("Nothing new.", text(lists, R.id.word));
        assertEquals(View.VISIBLE, lists.findViewById(R.id.word).getVisibility());
    }

    @Test
    public void what_came_of_it_waits_for_the_next_screen_of_lists() {
        scene.engine.answers.put("change_lists", "[{\"failed\":\"1 of 4 lists could not be updated\"}]");
        var first = org.robolectric.Robolectric.buildActivity(ListsActivity.class).setup();
        first.get().findViewById(R.id.beside_corner).performClick();
        first.pause().stop().destroy();
        done();
        assertEquals("1 of 4 lists could not be updated", text(scene.open(ListsActivity.class), R.id.fault));
        assertEquals("", text(scene.open(ListsActivity.class), R.id.fault));
    }

    @Test
    public void a_list_is_added_by_its_address() {
        AddListActivity add = scene.open(AddListActivity.class);
        add.<TextView>findViewById(R.id.list_place).setText(" https://lists.example/a.txt\n");
        TextView field = add.findViewById(R.id.list_place);
        field.onEditorAction(EditorInfo.IME_ACTION_DONE);
        field.onEditorAction(EditorInfo.IME_ACTION_DONE);
        Scene.settle();
        assertEquals("not twice", 1, slow.waiting());
        assertFalse(add.findViewById(R.id.add).isEnabled());
        assertFalse(add.isFinishing());
        done();
        JSONObject change = scene.engine.asked("change_lists");
        assertEquals("add", change.optString("change"));
        assertEquals("https://lists.example/a.txt", change.optString("place"));
        assertTrue(add.isFinishing());
        ListsActivity lists = scene.open(ListsActivity.class);
        assertEquals(lists.getString(R.string.list_done), text(lists, R.id.word));
    }

    @Test
    public void an_address_that_is_refused_stays_to_be_corrected() {
        scene.engine.answers.put("change_lists", "[{\"failed\":\"not added: its server says 404\"}]");
        AddListActivity add = scene.open(AddListActivity.class);
        add.<TextView>findViewById(R.id.list_place).setText("https://lists.example/a.txt");
        add.findViewById(R.id.add).performClick();
        done();
        assertEquals("not added: its server says 404", text(add, R.id.fault));
        assertEquals("https://lists.example/a.txt", text(add, R.id.list_place));
        assertTrue(add.findViewById(R.id.add).isEnabled());
        assertFalse(add.isFinishing());
    }

    @Test
    public void while_it_is_off_a_failure_to_fetch_says_what_to_do() {
        scene = new Scene(Runnable::run, slow);
        scene.engine.answers.put("change_lists", "[{\"failed\":\"not fetched\"}]");
        ListsActivity lists = scene.open(ListsActivity.class);
        lists.findViewById(R.id.beside_corner).performClick();
        done();
        assertEquals("not fetched\n\n" + lists.getString(R.string.engine_off), text(lists, R.id.fault));
    }

    @Test
    public void where_the_address_is_wrong_there_is_no_word_of_the_network() {
        scene = new Scene(Runnable::run, slow);
        scene.engine.answers.put("change_lists", "[{\"failed\":\"not fetched\"}]");
        AddListActivity add = scene.open(AddListActivity.class);
        add.<TextView>findViewById(R.id.list_place).setText("lists.example");
        add.findViewById(R.id.add).performClick();
        done();
        assertEquals("not fetched", text(add, R.id.fault));
    }

    @Test
    public void a_row_opens_its_list() {
        ListsActivity lists = scene.open(ListsActivity.class);
        ListView list = lists.findViewById(R.id.list);
        list.getAdapter().getView(2, null, list).performClick();
        OneListActivity one = scene.open(OneListActivity.class, shadowOf(lists).getNextStartedActivity());
        assertEquals("phones.txt", text(one, R.id.title));
        assertTrue(text(one, R.id.facts), text(one, R.id.facts).contains("https://lists.example/phones.txt"));
        assertEquals(View.VISIBLE, one.findViewById(R.id.held_card).getVisibility());
        assertNull("to show a mode is not to choose it", scene.engine.asked("change_lists"));
    }

    @Test
    public void each_button_of_a_list_asks_for_what_it_says() {
        OneListActivity one = one("phones-txt");
        one.findViewById(R.id.accept).performClick();
        done();
        assertChange("accept", "phones-txt", "");
        one.findViewById(R.id.rollback).performClick();
        done();
        assertChange("rollback", "phones-txt", "");
        one.<RadioButton>findViewById(R.id.mode_watch).performClick();
        done();
        assertChange("mode", "phones-txt", "watch");
        one.findViewById(R.id.update).performClick();
        done();
        assertEquals("phones-txt", scene.engine.asked("change_lists").optJSONArray("lists").optString(0));
    }

    @Test
    public void without_a_version_before_there_is_no_way_back() {
        OneListActivity one = one("games-txt");
        assertEquals(View.GONE, one.findViewById(R.id.rollback).getVisibility());
        assertEquals(View.GONE, one.findViewById(R.id.held_card).getVisibility());
        assertEquals(View.VISIBLE, one.findViewById(R.id.trouble).getVisibility());
    }

    @Test
    public void a_list_of_the_configuration_stays_and_the_engine_says_why() {
        String why = "list \"ads-txt\" stands in the configuration; take its [[lists]] table out there";
        scene.engine.answers.put("change_lists", new org.json.JSONArray()
                .put(new JSONObject(java.util.Map.of("failed", why))).toString());
        OneListActivity one = one("ads-txt");
        answer(one, DialogInterface.BUTTON_POSITIVE);
        done();
        assertChange("remove", "ads-txt", "");
        assertEquals(why, text(one, R.id.fault));
        assertFalse(one.isFinishing());
    }

    @Test
    public void a_list_is_removed_when_that_was_confirmed_and_its_screen_closes() {
        OneListActivity one = one("ads-txt");
        answer(one, DialogInterface.BUTTON_NEGATIVE);
        done();
        assertNull(scene.engine.asked("change_lists"));
        answer(one, DialogInterface.BUTTON_POSITIVE);
        scene.engine.answers.put("lists", OwnLists.NONE);
        done();
        assertChange("remove", "ads-txt", "");
        assertTrue(one.isFinishing());
    }

    private OneListActivity one(String list) {
        return scene.open(OneListActivity.class, OneListActivity.about(scene.context, list));
    }

    private static void answer(OneListActivity one, int button) {
        one.findViewById(R.id.remove).performClick();
        Scene.settle();
        ((AlertDialog) ShadowDialog.getLatestDialog()).getButton(button).performClick();
        Scene.settle();
    }

    private void done() {
        slow.run();
        Scene.settle();
    }

    private void assertChange(String change, String list, String mode) {
        JSONObject asked = scene.engine.asked("change_lists");
        assertEquals(change, asked.optString("change"));
        assertEquals(list, asked.optString("list"));
        assertEquals(mode, asked.optString("mode"));
    }

    private static String text(Activity screen, int id) {
        return screen.<TextView>findViewById(id).getText().toString().replace("\u200b", "");
    }
}
