package org.optout;

import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.content.Context;
import android.content.Intent;
import android.content.pm.ApplicationInfo;
import android.content.pm.PackageInfo;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Color;
import android.graphics.Paint;
import android.graphics.drawable.BitmapDrawable;
import android.graphics.drawable.Drawable;
import android.os.Looper;
import java.util.List;
import java.util.concurrent.Executor;
import org.optout.control.LogLine;
import org.optout.tunnel.Board;
import org.optout.tunnel.Examples;
import org.optout.tunnel.Hindrance;
import org.optout.tunnel.Script;
import org.optout.tunnel.Tunnel;
import org.optout.tunnel.Written;
import org.robolectric.Robolectric;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.shadows.ShadowPackageManager;

/** A phone of 2017 with the apps of its maker, and an engine that saw them call home. */
final class Scene {
    final Context context = RuntimeEnvironment.getApplication();
    final Script engine = new Script();
    final Tunnel tunnel;
    private final ShadowPackageManager packages = shadowOf(context.getPackageManager());

    Scene() {
        this(Runnable::run);
    }

    Scene(Executor work) {
        this(work, work);
    }

    Scene(Executor work, Executor slow) {
        tunnel = Tunnel.replace(context, engine, work, slow);
        app("net.oneplus.odm", "OnePlus System Service", Color.rgb(0xC6, 0x28, 0x28));
        app("com.example.weather", "Weather", Color.rgb(0x15, 0x65, 0xC0));
        app("com.example.chat", "Chat", Color.rgb(0x2E, 0x7D, 0x32));
        app("com.example.bank", "Landesbank Example Banking", Color.rgb(0x6A, 0x1B, 0x9A));
        engine.answers.put("status", Examples.answers("status").get(0));
        engine.answers.put("log", LOG);
        engine.answers.put("vendors", VENDORS);
        engine.answers.put("report", REPORT);
        engine.answers.put("explain", EXPLANATION);
        engine.answers.put("rules", OwnLists.RULES);
        engine.answers.put("lists", OwnLists.LISTS);
    }

    Scene on() {
        Written.on(tunnel);
        return this;
    }

    Scene with(Hindrance hindrance) {
        Written.hindered(tunnel.board(), hindrance);
        return this;
    }

    Board board() {
        return tunnel.board();
    }

    <A extends Activity> A open(Class<A> screen) {
        return open(screen, new Intent(context, screen));
    }

    <A extends Activity> A open(Class<A> screen, Intent intent) {
        A activity = Robolectric.buildActivity(screen, intent).setup().visible().get();
        settle();
        return activity;
    }

    /** The newest line of the log. */
    LogLine newest() {
        try {
            return tunnel.control().log(1, null).get(0);
        } catch (org.optout.tunnel.EngineException e) {
            throw new AssertionError(e);
        }
    }

    static void settle() {
        shadowOf(Looper.getMainLooper()).idle();
    }

    private void app(String name, String label, int colour) {
        PackageInfo info = new PackageInfo();
        info.packageName = name;
        info.applicationInfo = new ApplicationInfo();
        info.applicationInfo.packageName = name;
        info.applicationInfo.nonLocalizedLabel = label;
        packages.installPackage(info);
        Drawable icon = icon(label.substring(0, 1), colour);
        packages.setApplicationIcon(name, icon);
    }

    /** A letter in a disc: icons of real apps are not ours to show. */
    private Drawable icon(String letter, int colour) {
        Bitmap picture = Bitmap.createBitmap(96, 96, Bitmap.Config.ARGB_8888);
        Canvas canvas = new Canvas(picture);
        Paint paint = new Paint(Paint.ANTI_ALIAS_FLAG);
        paint.setColor(colour);
        canvas.drawCircle(48, 48, 46, paint);
        paint.setColor(Color.WHITE);
        paint.setTextSize(48);
        paint.setTextAlign(Paint.Align.CENTER);
        canvas.drawText(letter, 48, 65, paint);
        return new BitmapDrawable(context.getResources(), picture);
    }

    private static String line(long minute, int count, String outcome, String what, String client, String rule) {
        long ms = NOON + minute * 60000;
        return "{\"log\":{\"first_ms\":" + ms + ",\"last_ms\":" + ms + ",\"count\":" + count
                + ",\"outcome\":\"" + outcome + "\"," + what + ",\"client\":{\"address\":null,\"mac\":null,"
                + "\"name\":null," + client + "},\"rule\":" + rule + ",\"via\":"
                + (rule.equals("null") ? "null" : "{\"by\":\"name\"}") + "}}";
    }

    private static String asks(String host, String type) {
        return "\"host\":\"" + host + "\",\"query\":\"" + type + "\",\"connection\":null";
    }

    private static String by(int uid, String program) {
        String name = program == null ? "null" : "\"" + program + "\"";
        return "\"uid\":" + uid + ",\"pid\":null,\"program\":" + name;
    }

    private static String rule(String list, int line, String text) {
        return "{\"list\":\"" + list + "\",\"line\":" + line + ",\"text\":\"" + text + "\",\"vendor\":\"" + list + "\"}";
    }

    /** Of today: what is of today is shown with the time alone, so pictures do not age. */
    private static final long NOON = Words.midnight() + 12 * 3600_000;

    static final String LOG = "[" + String.join(",", List.of(
            line(0, 1, "passed", asks("forecast.weather.example", "A"), by(10120, "com.example.weather"), "null"),
            line(3, 2, "blocked", asks("app-measurement.com", "AAAA"), by(10120, "com.example.weather"), rule("google", 41, "app-measurement.com")),
            line(4, 1, "passed", asks("chat.example", "HTTPS"), by(10121, "com.example.chat"), "null"),
            line(9, 1, "watched", asks("settings.crashlytics.com", "A"), by(10121, "com.example.chat"), rule("google", 63, "crashlytics.com")),
            line(11, 1, "blocked", asks("data.mistat.intl.xiaomi.com", "A"), by(1000, null), rule("xiaomi", 18, "mistat.intl.xiaomi.com")),
            line(12, 1, "passed", "\"host\":null,\"query\":null,\"connection\":{\"protocol\":\"udp\",\"port\":443,\"address\":\"2001:db8::7\"}", by(10121, "com.example.chat"), "null"),
            line(14, 1, "blocked", "\"host\":\"open.oneplus.net\",\"query\":null,\"connection\":{\"protocol\":\"tcp\",\"port\":443,\"address\":\"198.18.1.0\"}", by(1000, "net.oneplus.odm"), rule("oneplus", 12, "open.oneplus.net")),
            line(15, 17, "blocked", asks("open.oneplus.net", "AAAA"), by(1000, "net.oneplus.odm"), rule("oneplus", 12, "open.oneplus.net")),
            "{\"done\":null}")) + "]";

    private static String vendor(String key, String name, String mode, int blocks, long blocked, String story, String where, String day) {
        return "{\"vendor\":\"" + key + "\",\"name\":\"" + name + "\",\"mode\":\"" + mode + "\",\"blocks\":" + blocks
                + ",\"watches\":3,\"allows\":1,\"story\":\"" + story + "\",\"opt_out\":" + text(where)
                + ",\"opted_out\":" + text(day) + ",\"blocked\":" + blocked + "}";
    }

    private static String text(String or) {
        return or == null ? "null" : "\"" + or + "\"";
    }

    private static final String STORY = "In October 2017 an engineer read what his OnePlus 2 sends to open.oneplus.net: "
            + "the IMEI, the phone number, the MAC addresses, the names of mobile networks and of the Wi-Fi, the serial number, "
            + "and when each app was opened and closed and the screen was unlocked. It came from the system, so no app could "
            + "be uninstalled to end it.";

    static final String VENDORS = "[{\"vendors\":[" + String.join(",", List.of(
            vendor("adjust", "Adjust", "enforce", 21, 0, "Counts installs for advertisers.", null, null),
            vendor("amazon", "Amazon", "watch", 17, 0, "Shops and speakers.", null, null),
            vendor("google", "Google", "enforce", 88, 341, "Measures apps by Firebase.", null, null),
            vendor("meta", "Meta", "off", 34, 0, "Counts what apps report to Facebook.", null, null),
            vendor("oneplus", "OnePlus", "enforce", 12, 1234, STORY,
                    "Settings, About device, User Experience Program", "2026-11-01"),
            vendor("samsung", "Samsung", "enforce", 45, 0, "Phones and televisions.", null, "2026-09-15"),
            vendor("xiaomi", "Xiaomi", "enforce", 63, 87, "Phones of Xiaomi, Redmi and Poco.", null, null))) + "]}]";

    private static String did(String key, String name, int blocked, int watched, int hosts, String day, String since) {
        return "{\"vendor\":\"" + key + "\",\"name\":\"" + name + "\",\"blocked\":" + blocked + ",\"watched\":" + watched
                + ",\"hosts\":" + hosts + ",\"first\":1794744001,\"last\":1795348799,\"opted_out\":" + text(day)
                + ",\"since_opt_out\":" + since + "}";
    }

    static final String REPORT = "[{\"report\":{\"since\":1794744000,\"until\":1795348800,\"blocked\":1483,\"watched\":56,"
            + "\"passed\":7890,\"vendors\":[" + String.join(",", List.of(
                    did("oneplus", "OnePlus", 1050, 0, 3, "2026-11-01", "1050"),
                    did("google", "Google", 341, 44, 9, null, "null"),
                    did("xiaomi", "Xiaomi", 87, 0, 4, null, "null"),
                    did("amazon", "Amazon", 0, 12, 2, null, "null"))) + "],\"hosts\":[],\"clients\":[]}}]";

    static final String EXPLANATION = "[{\"explanation\":{\"subject\":\"open.oneplus.net\",\"outcome\":\"blocked\","
            + "\"because\":\"The rule open.oneplus.net of oneplus stops it.\",\"rules\":[{\"rule\":"
            + rule("oneplus", 12, "open.oneplus.net") + ",\"action\":\"block\",\"via\":{\"by\":\"name\"}}],"
            + "\"entry\":{\"vendor\":\"oneplus\",\"vendor_name\":\"OnePlus\",\"product\":\"OxygenOS\",\"collects\":"
            + "\"IMEI, phone number, MAC addresses, mobile network, Wi-Fi name, serial number, which app was opened when\","
            + "\"category\":\"analytics\",\"breaks\":\"\",\"confidence\":\"high\",\"inferred\":false,\"sources\":"
            + "[\"https://xda-developers.com/oxygenos-is-allegedly-data-mining-personally-identifiable-information-for-analytics/\"],\"opt_out\":null}}}]";
}
