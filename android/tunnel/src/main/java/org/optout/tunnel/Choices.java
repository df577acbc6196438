package org.optout.tunnel;

import android.content.Context;
import android.content.SharedPreferences;
import android.util.Base64;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.json.JSONArray;
import org.json.JSONObject;

/** What the user chose in the app. What the engine decides by is in the engine's own files. */
public final class Choices {
    private final SharedPreferences stored;

    public Choices(Context context) {
        stored = context.getSharedPreferences("choices", Context.MODE_PRIVATE);
    }

    /** Whether it is to run: the last the user said. */
    public boolean wanted() {
        return stored.getBoolean(WANTED, false);
    }

    public void setWanted(boolean wanted) {
        stored.edit().putBoolean(WANTED, wanted).apply();
    }

    public boolean atBoot() {
        return stored.getBoolean(AT_BOOT, true);
    }

    public void setAtBoot(boolean atBoot) {
        stored.edit().putBoolean(AT_BOOT, atBoot).apply();
    }

    /** Packages that stay outside the tunnel. None by default, apps of the system neither. */
    public Set<String> exempt() {
        return new TreeSet<>(stored.getStringSet(EXEMPT, Set.of()));
    }

    public void setExempt(String app, boolean exempt) {
        Set<String> now = exempt();
        if (exempt) {
            now.add(app);
        } else {
            now.remove(app);
        }
        stored.edit().putStringSet(EXEMPT, now).apply();
    }

    public boolean automation() {
        return stored.getBoolean(AUTOMATION, false);
    }

    public void setAutomation(boolean on) {
        stored.edit().putBoolean(AUTOMATION, on).apply();
    }

    /** The key that other apps need; made when it is first asked for. */
    public synchronized String key() {
        String key = stored.getString(KEY, null);
        return key == null ? newKey() : key;
    }

    public synchronized String newKey() {
        byte[] random = new byte[KEY_BYTES];
        new SecureRandom().nextBytes(random);
        int plain = Base64.URL_SAFE | Base64.NO_PADDING | Base64.NO_WRAP;
        String key = Base64.encodeToString(random, plain);
        stored.edit().putString(KEY, key).apply();
        return key;
    }

    /** Whether automation is on and this is its key. Takes as long for a wrong one as for a right. */
    public boolean admits(String key) {
        byte[] given = key == null ? new byte[0] : key.getBytes();
        return MessageDigest.isEqual(key().getBytes(), given) && automation();
    }

    /** For a backup. The key is not in it: a file that travels must open nothing. */
    public JSONObject toJson() {
        return new JSONObject(
                Map.of(
                        AT_BOOT, atBoot(),
                        AUTOMATION, automation(),
                        EXEMPT, new JSONArray(exempt())));
    }

    /** From a backup; what it does not say stays as it is. */
    public void fromJson(JSONObject from) {
        SharedPreferences.Editor edit = stored.edit();
        edit.putBoolean(AT_BOOT, from.optBoolean(AT_BOOT, atBoot()));
        edit.putBoolean(AUTOMATION, from.optBoolean(AUTOMATION, automation()));
        JSONArray exempt = from.optJSONArray(EXEMPT);
        if (exempt != null) {
            Set<String> apps = new TreeSet<>();
            for (int i = 0; i < exempt.length(); i++) {
                apps.add(exempt.optString(i));
            }
            edit.putStringSet(EXEMPT, apps);
        }
        edit.apply();
    }

    private static final String WANTED = "wanted";
    private static final String AT_BOOT = "at_boot";
    private static final String EXEMPT = "exempt";
    private static final String AUTOMATION = "automation";
    private static final String KEY = "key";
    private static final int KEY_BYTES = 18; // 144 bits: not guessed, and short enough to copy
}
