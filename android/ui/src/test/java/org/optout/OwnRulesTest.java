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
import android.widget.CheckBox;
import android.widget.ListView;
import android.widget.TextView;
import org.json.JSONObject;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowDialog;

/** The screens of the user's own rules: what they show, and what a tap asks the engine for. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = {24, 35})
public class OwnRulesTest {
    private Scene scene;

    @Before
    public void begin() {
        scene = new Scene().on();
    }

    @Test
    public void each_rule_says_what_it_does_for_whom_and_until_when() {
        ListView list = scene.open(RulesActivity.class).findViewById(R.id.list);
        assertEquals(5, list.getCount());
        assertEquals("crashlytics.com: Let through, only for Landesbank Example Banking", row(list, 0));
        assertEquals("crashlytics.com: Let through, until 1:00 PM · only for Chat", row(list, 1));
        assertEquals("updates.oneplus.example: Let through, "
                + "only for Android itself (uid 1000) · only this name", row(list, 2));
        assertEquals("192.0.2.0/24: Stopped, only at the time “night”", row(list, 3));
        assertEquals("telemetry.weather.example: Stopped, ", row(list, 4));
    }

    @Test
    public void rules_are_found_by_what_they_name_and_by_the_app() {
        RulesActivity rules = scene.open(RulesActivity.class);
        ListView list = rules.findViewById(R.id.list);
        rules.<TextView>findViewById(R.id.search).setText("LANDESBANK");
        assertEquals(1, list.getCount());
        rules.<TextView>findViewById(R.id.search).setText("oneplus");
        assertEquals(1, list.getCount());
        rules.<TextView>findViewById(R.id.search).setText("nowhere");
        assertEquals(rules.getString(R.string.log_no_match), text(rules, R.id.empty));
        assertEquals(View.VISIBLE, rules.findViewById(R.id.empty).getVisibility());
    }

    @Test
    public void without_rules_it_says_how_to_get_some() {
        scene.engine.answers.put("rules", OwnLists.NO_RULES);
        RulesActivity rules = scene.open(RulesActivity.class);
        assertEquals(rules.getString(R.string.rules_empty), text(rules, R.id.empty));
        rules.findViewById(R.id.corner).performClick();
        assertEquals(AddRuleActivity.class.getName(),
                shadowOf(rules).getNextStartedActivity().getComponent().getClassName());
    }

    @Test
    public void an_engine_that_cannot_answer_is_shown_as_it_says() {
        scene.engine.answers.put("rules", "[{\"failed\":\"the state is damaged; restore a backup\"}]");
        RulesActivity rules = scene.open(RulesActivity.class);
        assertEquals("the state is damaged; restore a backup", text(rules, R.id.fault));
        assertEquals(View.VISIBLE, rules.findViewById(R.id.fault).getVisibility());
    }

    @Test
    public void a_rule_is_removed_when_that_was_confirmed() {
        ListView list = scene.open(RulesActivity.class).findViewById(R.id.list);
        remove(list, 4, DialogInterface.BUTTON_NEGATIVE);
        assertNull(scene.engine.asked("remove_rule"));
        assertEquals("Remove your rule for telemetry.weather.example?",
                remove(list, 4, DialogInterface.BUTTON_POSITIVE));
        assertEquals("telemetry.weather.example", scene.engine.asked("remove_rule").optString("subject"));
        JSONObject last = scene.engine.requests.get(scene.engine.requests.size() - 1);
        assertEquals("what is left is looked up", "rules", last.optString("do"));
    }

    @Test
    public void that_all_rules_for_a_name_go_is_said_before() {
        ListView list = scene.open(RulesActivity.class).findViewById(R.id.list);
        assertEquals("Remove all 2 of your rules for crashlytics.com?",
                remove(list, 0, DialogInterface.BUTTON_NEGATIVE));
    }

    @Test
    public void a_rule_is_added_as_it_was_chosen() {
        AddRuleActivity add = scene.open(AddRuleActivity.class);
        add.<TextView>findViewById(R.id.rule_subject).setText("  Ads.Example. ");
        add.findViewById(R.id.add).performClick();
        Scene.settle();
        JSONObject rule = scene.engine.asked("add_rule");
        assertEquals("block", rule.optString("action"));
        assertEquals("as the engine would remove it", "ads.example", rule.optString("subject"));
        assertFalse(rule.optBoolean("exact", true));
        assertTrue(add.isFinishing());

        add = scene.open(AddRuleActivity.class);
        add.<TextView>findViewById(R.id.rule_subject).setText("192.0.2.0/24");
        add.findViewById(R.id.action_allow).performClick();
        add.<CheckBox>findViewById(R.id.exact).performClick();
        add.findViewById(R.id.add).performClick();
        Scene.settle();
        rule = scene.engine.asked("add_rule");
        assertEquals("allow", rule.optString("action"));
        assertEquals("192.0.2.0/24", rule.optString("subject"));
        assertTrue(rule.optBoolean("exact"));
    }

    @Test
    public void a_rule_that_is_refused_stays_to_be_corrected() {
        scene.engine.answers.put("add_rule", "[{\"failed\":\"\\\"a b\\\" is no host name\"}]");
        AddRuleActivity add = scene.open(AddRuleActivity.class);
        add.<TextView>findViewById(R.id.rule_subject).setText("a b");
        add.findViewById(R.id.add).performClick();
        Scene.settle();
        assertEquals("\"a b\" is no host name", text(add, R.id.fault));
        assertEquals("a b", text(add, R.id.rule_subject));
        assertFalse(add.isFinishing());
    }

    /** Taps the bin of that row and answers; what was asked. */
    private static String remove(ListView list, int place, int answer) {
        list.getAdapter().getView(place, null, list).findViewById(R.id.remove).performClick();
        Scene.settle();
        AlertDialog dialog = (AlertDialog) ShadowDialog.getLatestDialog();
        String asked = dialog.<TextView>findViewById(android.R.id.message).getText().toString();
        dialog.getButton(answer).performClick();
        Scene.settle();
        return asked;
    }

    private static String row(ListView list, int place) {
        View row = list.getAdapter().getView(place, null, list);
        String said = row.<TextView>findViewById(R.id.subject).getText() + ": "
                + row.<TextView>findViewById(R.id.outcome).getText() + ", "
                + row.<TextView>findViewById(R.id.limits).getText();
        return said.replace("\u200b", "").replace('\u202f', ' ');
    }

    private static String text(Activity screen, int id) {
        return screen.<TextView>findViewById(id).getText().toString();
    }
}
