package org.optout;

import android.app.Activity;
import android.content.Context;
import android.content.res.Configuration;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Color;
import android.graphics.drawable.GradientDrawable;
import android.view.ContextThemeWrapper;
import android.view.Gravity;
import android.view.View;
import android.view.ViewGroup;
import android.widget.FrameLayout;
import android.widget.ImageView;
import android.widget.LinearLayout;
import android.widget.ListAdapter;
import android.widget.ListView;
import android.widget.RemoteViews;
import android.widget.TextView;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.Locale;
import java.util.TimeZone;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.optout.tunnel.Hindrance;
import org.optout.tunnel.Written;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/**
 * The pictures in docs/android, drawn by Android 15's own code in the JVM. Each is as high as what is on
 * the screen, which on a phone scrolls. The notification is what Android makes of ours; the tile is our icon and our words in a frame drawn here, for a tile
 * is drawn by another app of the phone.
 */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35)
public class Screenshots {
    private static final String PHONE = "en-rUS-w360dp-h760dp-port-notnight-xhdpi";

    @Before
    public void begin() {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        look(PHONE, 1f);
    }

    @Test
    public void main_on() throws IOException {
        light_and_dark("main-on", () -> new Scene().on().open(MainActivity.class));
    }

    @Test
    public void main_off() throws IOException {
        shoot("main-off", new Scene().open(MainActivity.class));
    }

    @Test
    public void main_paused() throws IOException {
        Scene scene = new Scene().on();
        Written.pausedUntil(scene.board(), Words.midnight() / 1000 + 13 * 3600);
        shoot("main-paused", scene.open(MainActivity.class));
    }

    @Test
    public void main_with_problems() throws IOException {
        light_and_dark("main-problem", () -> new Scene().on().with(Hindrance.PRIVATE_DNS).open(MainActivity.class));
    }

    @Test
    public void main_taken() throws IOException {
        Scene scene = new Scene();
        Written.taken(scene.board());
        shoot("main-taken", scene.open(MainActivity.class));
    }

    @Test
    public void vendors() throws IOException {
        light_and_dark("vendors", () -> new Scene().on().open(VendorsActivity.class));
    }

    @Test
    public void vendor_story() throws IOException {
        light_and_dark("vendor-story", () -> open_story());
    }

    @Test
    public void lists() throws IOException {
        light_and_dark("lists", () -> new Scene().on().open(ListsActivity.class));
    }

    @Test
    public void rules() throws IOException {
        light_and_dark("rules", () -> new Scene().on().open(RulesActivity.class));
    }

    @Test
    public void log() throws IOException {
        light_and_dark("log", () -> new Scene().on().open(LogActivity.class));
    }

    @Test
    public void entry() throws IOException {
        light_and_dark("log-detail", () -> open_entry());
    }

    @Test
    public void audit() throws IOException {
        light_and_dark("audit", () -> new Scene().on().open(AuditActivity.class));
    }

    @Test
    public void apps() throws IOException {
        shoot("apps", new Scene().on().open(AppsActivity.class));
    }

    @Test
    public void settings() throws IOException {
        light_and_dark("settings", () -> open_settings());
    }

    @Test
    public void in_german() throws IOException {
        look(PHONE.replace("en-rUS", "de-rDE"), 1f);
        shoot("main-german", new Scene().on().with(Hindrance.LOCKDOWN).open(MainActivity.class));
        shoot("log-german", new Scene().on().open(LogActivity.class));
    }

    @Test
    public void with_large_type() throws IOException {
        look(PHONE, 1.6f);
        shoot("main-large-type", new Scene().on().open(MainActivity.class));
        shoot("log-large-type", new Scene().on().open(LogActivity.class));
    }

    @Test
    public void notification() throws IOException {
        for (String night : new String[] {"", "-dark"}) {
            look(night.isEmpty() ? PHONE : PHONE.replace("notnight", "night"), 1f);
            draw("notification" + night, notice(), 720);
        }
    }

    @Test
    public void tile() throws IOException {
        for (String night : new String[] {"", "-dark"}) {
            look(night.isEmpty() ? PHONE : PHONE.replace("notnight", "night"), 1f);
            draw("tile" + night, tiles(), 720);
        }
    }

    private interface Open {
        Activity open();
    }

    private static Activity open_story() {
        Scene scene = new Scene().on();
        return scene.open(VendorActivity.class, VendorActivity.about(scene.context, "oneplus"));
    }

    private static Activity open_entry() {
        Scene scene = new Scene().on();
        return scene.open(EntryActivity.class, EntryActivity.about(scene.context, scene.newest()));
    }

    private static Activity open_settings() {
        Scene scene = new Scene().on();
        scene.tunnel.choices().setAutomation(true);
        // One that opens nothing, and the same in every picture.
        scene.context.getSharedPreferences("choices", Context.MODE_PRIVATE)
                .edit().putString("key", "key-of-this-picture-only").commit();
        return scene.open(SettingsActivity.class);
    }

    private void light_and_dark(String name, Open screen) throws IOException {
        String light = RuntimeEnvironment.getQualifiers();
        shoot(name, screen.open());
        look(light.replace("notnight", "night"), 1f);
        shoot(name + "-dark", screen.open());
        look(light, 1f);
    }

    private static void look(String qualifiers, float type) {
        RuntimeEnvironment.setQualifiers(qualifiers);
        Locale.setDefault(qualifiers.startsWith("de") ? Locale.GERMANY : Locale.US);
        RuntimeEnvironment.setFontScale(type);
    }

    private static void shoot(String name, Activity activity) throws IOException {
        View view = activity.getWindow().getDecorView();
        int width = view.getWidth();
        int height = view.getHeight() + beyond(activity.findViewById(R.id.content));
        view.measure(exactly(width), exactly(height));
        view.layout(0, 0, width, height);
        Scene.settle();
        write(name, view, width, height);
    }

    /** How much higher the screen must be so that all of it is seen, or lower. */
    private static int beyond(ViewGroup content) {
        View list = content.findViewById(R.id.list);
        if (list == null) {
            ViewGroup scroll = (ViewGroup) content.getChildAt(0);
            View inside = scroll.getChildAt(0);
            return inside.getHeight() + scroll.getPaddingBottom() - scroll.getHeight();
        }
        int rows = 0;
        ListAdapter adapter = ((ListView) list).getAdapter();
        for (int i = 0; i < adapter.getCount(); i++) {
            View row = adapter.getView(i, null, (ViewGroup) list);
            row.measure(exactly(list.getWidth()), View.MeasureSpec.makeMeasureSpec(0, View.MeasureSpec.UNSPECIFIED));
            rows += row.getMeasuredHeight() + ((ListView) list).getDividerHeight();
        }
        return rows + list.getPaddingBottom() - list.getHeight();
    }

    private static int exactly(int size) {
        return View.MeasureSpec.makeMeasureSpec(size, View.MeasureSpec.EXACTLY);
    }

    private static void draw(String name, View view, int width) throws IOException {
        int most = View.MeasureSpec.makeMeasureSpec(width, View.MeasureSpec.AT_MOST);
        view.measure(exactly(width), most);
        view.layout(0, 0, width, view.getMeasuredHeight());
        Scene.settle();
        write(name, view, width, view.getMeasuredHeight());
    }

    private static void write(String name, View view, int width, int height) throws IOException {
        Bitmap picture = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888);
        view.draw(new Canvas(picture));
        File file = new File(System.getProperty("optout.screenshots"), name + ".png");
        try (FileOutputStream out = new FileOutputStream(file)) {
            picture.compress(Bitmap.CompressFormat.PNG, 100, out);
        }
    }

    private static View notice() {
        Scene scene = new Scene().on();
        Context context = themed(scene.context);
        android.app.Notification notice;
        try {
            notice = new Notices(context).running(scene.board().standing(), scene.tunnel.control().report(0));
        } catch (org.optout.tunnel.EngineException e) {
            throw new AssertionError(e);
        }
        RemoteViews drawn = android.app.Notification.Builder.recoverBuilder(context, notice).createBigContentView();
        FrameLayout around = frame(context);
        View view = drawn.apply(context, around);
        GradientDrawable ground = new GradientDrawable();
        ground.setColor(night(context) ? Color.rgb(0x2B, 0x2F, 0x2D) : Color.WHITE);
        ground.setCornerRadius(48);
        view.setBackground(ground);
        around.addView(view);
        return around;
    }

    private static View tiles() {
        Context context = themed(RuntimeEnvironment.getApplication());
        LinearLayout row = new LinearLayout(context);
        row.setPadding(32, 32, 32, 32);
        row.setBackgroundColor(night(context) ? Color.rgb(0x12, 0x14, 0x13) : Color.rgb(0xE6, 0xEA, 0xE7));
        row.addView(tile(context, R.drawable.ic_shield, R.string.tile_on, true));
        row.addView(tile(context, R.drawable.ic_shield_off, R.string.tile_off, false));
        return row;
    }

    private static View tile(Context context, int icon, int state, boolean on) {
        LinearLayout tile = new LinearLayout(context);
        LinearLayout.LayoutParams place = new LinearLayout.LayoutParams(0, 144, 1);
        place.setMargins(12, 12, 12, 12);
        tile.setLayoutParams(place);
        tile.setGravity(Gravity.CENTER_VERTICAL);
        tile.setPadding(40, 0, 24, 0);
        GradientDrawable ground = new GradientDrawable();
        int plain = night(context) ? Color.rgb(0x37, 0x3C, 0x39) : Color.rgb(0xCB, 0xD2, 0xCD);
        ground.setColor(on ? context.getColor(R.color.accent) : plain);
        ground.setCornerRadius(72);
        tile.setBackground(ground);
        int ink = context.getColor(on ? R.color.on_accent : R.color.text);
        ImageView image = new ImageView(context);
        image.setImageResource(icon);
        image.setColorFilter(ink);
        tile.addView(image, new LinearLayout.LayoutParams(56, 56));
        TextView text = new TextView(context);
        text.setText(context.getString(R.string.app_name) + "\n" + context.getString(state));
        text.setTextColor(ink);
        text.setPadding(24, 0, 0, 0);
        tile.addView(text);
        return tile;
    }

    private static FrameLayout frame(Context context) {
        FrameLayout around = new FrameLayout(context);
        around.setPadding(24, 24, 24, 24);
        around.setBackgroundColor(night(context) ? Color.rgb(0x12, 0x14, 0x13) : Color.rgb(0xE6, 0xEA, 0xE7));
        return around;
    }

    private static Context themed(Context context) {
        return new ContextThemeWrapper(context, android.R.style.Theme_DeviceDefault_DayNight);
    }

    private static boolean night(Context context) {
        int mode = context.getResources().getConfiguration().uiMode & Configuration.UI_MODE_NIGHT_MASK;
        return mode == Configuration.UI_MODE_NIGHT_YES;
    }
}
