package org.optout;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import android.app.Activity;
import android.graphics.Rect;
import android.text.Layout;
import android.view.View;
import android.view.ViewGroup;
import android.widget.ListView;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.optout.tunnel.Hindrance;
import org.optout.tunnel.Written;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/** Every screen, in both languages, on a small phone, with type of both ends of the scale. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35)
public class ScreensTest {
    private final List<String> faults = new ArrayList<>();

    @Test
    public void no_text_is_cut_off_in_english() {
        every("en-rUS-w320dp-h640dp-xhdpi", 1f, this::cut);
    }

    @Test
    public void no_text_is_cut_off_in_german() {
        every("de-rDE-w320dp-h640dp-xhdpi", 1f, this::cut);
    }

    @Test
    public void no_text_is_cut_off_at_twice_the_size() {
        every("en-rUS-w320dp-h640dp-xhdpi", 2f, this::cut);
    }

    @Test
    public void no_text_is_cut_off_at_twice_the_size_in_german() {
        every("de-rDE-w320dp-h640dp-xhdpi", 2f, this::cut);
    }

    @Test
    public void what_can_be_tapped_is_large_enough() {
        every("en-rUS-w360dp-h640dp-xhdpi", 1f, this::small);
    }

    @Test
    public void what_can_be_tapped_has_words_for_those_who_cannot_see_it() {
        every("en-rUS-w360dp-h640dp-xhdpi", 1f, this::mute);
    }

    private interface Look {
        void at(String screen, View view);
    }

    private void every(String qualifiers, float type, Look look) {
        RuntimeEnvironment.setQualifiers(qualifiers);
        RuntimeEnvironment.setFontScale(type);
        Locale.setDefault(qualifiers.startsWith("de") ? Locale.GERMANY : Locale.US);
        int seen = 0;
        for (Activity screen : screens()) {
            View root = screen.getWindow().getDecorView();
            List<View> views = all(root);
            seen += views.size();
            for (View view : views) {
                if (view.isShown()) {
                    look.at(screen.getClass().getSimpleName(), view);
                }
            }
        }
        assertTrue("hardly anything was looked at", seen > 300);
        assertEquals(String.join("\n", faults), 0, faults.size());
    }

    private static List<Activity> screens() {
        List<Activity> all = new ArrayList<>();
        all.add(new Scene().open(MainActivity.class));
        all.add(new Scene().on().with(Hindrance.LOCKDOWN).with(Hindrance.PRIVATE_DNS)
                .with(Hindrance.CAPTIVE).open(MainActivity.class));
        Scene paused = new Scene().on();
        Written.pausedUntil(paused.board(), 1795352400L);
        all.add(paused.open(MainActivity.class));
        Scene taken = new Scene();
        Written.taken(taken.board());
        all.add(taken.open(MainActivity.class));
        Scene failed = new Scene();
        Written.failed(failed.board(), "the data folder is full; free some space");
        all.add(failed.open(MainActivity.class));
        all.add(new Scene().on().open(LogActivity.class));
        Scene entry = new Scene().on();
        all.add(entry.open(EntryActivity.class, EntryActivity.about(entry.context, entry.newest())));
        all.add(new Scene().on().open(VendorsActivity.class));
        Scene vendor = new Scene().on();
        all.add(vendor.open(VendorActivity.class, VendorActivity.about(vendor.context, "oneplus")));
        lists(all);
        all.add(new Scene().on().open(AuditActivity.class));
        all.add(new Scene().on().open(AppsActivity.class));
        Scene settings = new Scene().on();
        settings.tunnel.choices().setAutomation(true);
        all.add(settings.open(SettingsActivity.class));
        return all;
    }

    /** Those of lists and rules: filled, empty, at work, and with a sentence of the engine. */
    private static void lists(List<Activity> all) {
        all.add(new Scene().on().open(RulesActivity.class));
        Scene bare = new Scene().on();
        bare.engine.answers.put("rules", OwnLists.NO_RULES);
        bare.engine.answers.put("lists", OwnLists.NONE);
        all.add(bare.open(RulesActivity.class));
        all.add(bare.open(ListsActivity.class));
        all.add(new Scene().on().open(AddRuleActivity.class));
        for (String list : List.of("ads-txt", "phones-txt", "games-txt")) {
            Scene one = new Scene().on();
            all.add(one.open(OneListActivity.class, OneListActivity.about(one.context, list)));
        }
        Scene working = new Scene(Runnable::run, work -> { }).on();
        ListsActivity lists = working.open(ListsActivity.class);
        lists.findViewById(R.id.beside_corner).performClick();
        all.add(lists);
        Scene refusing = new Scene();
        refusing.engine.answers.put("change_lists", "[{\"failed\":\"not added: the name of its server is not found; "
                + "check the address and this device's connection\"}]");
        AddListActivity add = refusing.open(AddListActivity.class);
        add.<TextView>findViewById(R.id.list_place).setText("https://lists.example/folder/of/lists/ads.txt");
        add.findViewById(R.id.add).performClick();
        Scene.settle();
        all.add(add);
        ListsActivity told = new Scene().on().open(ListsActivity.class);
        told.findViewById(R.id.beside_corner).performClick();
        Scene.settle();
        all.add(told);
    }

    private static List<View> all(View view) {
        List<View> found = new ArrayList<>();
        found.add(view);
        if (view instanceof ViewGroup group) {
            for (int i = 0; i < group.getChildCount(); i++) {
                found.addAll(all(group.getChildAt(i)));
            }
        }
        return found;
    }

    private void cut(String screen, View view) {
        if (!(view instanceof TextView text) || text.getText().length() == 0) {
            return;
        }
        String what = screen + ": \"" + text.getText() + "\" ";
        Layout layout = text.getLayout();
        int width = text.getWidth() - text.getCompoundPaddingLeft() - text.getCompoundPaddingRight();
        int height = text.getHeight() - text.getCompoundPaddingTop() - text.getCompoundPaddingBottom();
        if (layout == null || width <= 0) {
            faults.add(what + "has no room at all");
            return;
        }
        for (int line = 0; line < layout.getLineCount(); line++) {
            if (layout.getEllipsisCount(line) > 0) {
                faults.add(what + "is shortened");
            }
            if (layout.getLineMax(line) > width + 1) {
                faults.add(what + "is wider than its view");
            }
        }
        if (layout.getHeight() > height + 1) {
            faults.add(what + "is higher than its view");
        }
        beyond(what, view);
    }

    /** Beyond the sides of the screen; below it there is scrolling. */
    private void beyond(String what, View view) {
        Rect place = new Rect();
        view.getDrawingRect(place);
        ViewGroup root = (ViewGroup) view.getRootView();
        root.offsetDescendantRectToMyCoords(view, place);
        if (place.left < 0 || place.right > root.getWidth()) {
            faults.add(what + "reaches beyond the screen");
        }
    }

    private void small(String screen, View view) {
        float dp = view.getResources().getDisplayMetrics().density;
        boolean tapped = view.isClickable() && !(view.getParent() instanceof ListView);
        // Text that can be selected counts as clickable and is no target.
        boolean text = view instanceof TextView some && some.isTextSelectable();
        if (tapped && !text && (view.getHeight() < 48 * dp || view.getWidth() < 48 * dp)) {
            faults.add(screen + ": " + view + " is smaller than 48 dp");
        }
    }

    private void mute(String screen, View view) {
        boolean said = view.getContentDescription() != null;
        for (View inside : all(view)) {
            said |= inside instanceof TextView text
                    && (text.getText().length() > 0 || text.getHint() != null);
        }
        if (view.isClickable() && !said) {
            faults.add(screen + ": " + view + " says nothing");
        }
    }

    @Test
    public void every_pair_of_colours_can_be_read() {
        for (String night : List.of("notnight", "night")) {
            RuntimeEnvironment.setQualifiers("w360dp-h640dp-" + night);
            for (int ink : new int[] {R.color.text, R.color.faint, R.color.accent, R.color.stopped,
                R.color.watched, R.color.passed}) {
                readable(night, ink, R.color.card);
                readable(night, ink, R.color.ground);
            }
            readable(night, R.color.on_accent, R.color.accent);
            readable(night, R.color.on_warning, R.color.warning);
        }
        assertEquals(String.join("\n", faults), 0, faults.size());
    }

    /** 4.5 to 1 is what WCAG 2.2 asks for in 1.4.3. */
    private void readable(String night, int ink, int ground) {
        var context = RuntimeEnvironment.getApplication();
        double a = android.graphics.Color.luminance(context.getColor(ink)) + 0.05;
        double b = android.graphics.Color.luminance(context.getColor(ground)) + 0.05;
        double contrast = Math.max(a, b) / Math.min(a, b);
        if (contrast < 4.5) {
            faults.add(night + ": " + context.getResources().getResourceEntryName(ink) + " on "
                    + context.getResources().getResourceEntryName(ground) + ": " + contrast);
        }
        assertFalse(Double.isNaN(contrast));
    }
}
