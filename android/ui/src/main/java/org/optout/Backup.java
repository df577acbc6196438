package org.optout;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.json.JSONException;
import org.json.JSONObject;
import org.optout.tunnel.Tunnel;

/**
 * What the user decided, in one file of JSON: the engine's configuration and state as they stand
 * on disk, and the choices of the app. The journal is not in it.
 */
final class Backup {
    private final Tunnel tunnel;

    Backup(Tunnel tunnel) {
        this.tunnel = tunnel;
    }

    void write(OutputStream out) throws IOException {
        try {
            JSONObject all = new JSONObject();
            all.put(FORMAT, VERSION);
            put(all, CONFIG, config());
            put(all, STATE, state());
            all.put(CHOICES, tunnel.choices().toJson());
            out.write(all.toString(2).getBytes(StandardCharsets.UTF_8));
        } catch (JSONException e) {
            throw new IOException(e);
        }
    }

    /**
     * Puts everything back; a tunnel that was there is there again with it.
     *
     * @return false if it is no backup; then nothing was changed
     */
    boolean read(InputStream in) throws IOException {
        JSONObject all;
        try {
            all = new JSONObject(text(in));
        } catch (JSONException e) {
            return false;
        }
        JSONObject choices = all.optJSONObject(CHOICES);
        if (all.optInt(FORMAT) != VERSION || choices == null) {
            return false;
        }
        // The engine writes its state too: what is put back while it runs, it would overwrite.
        boolean ran = tunnel.upkeep().halt();
        replace(config(), all.isNull(CONFIG) ? null : all.optString(CONFIG));
        replace(state(), all.isNull(STATE) ? null : all.optString(STATE));
        tunnel.choices().fromJson(choices);
        if (ran) {
            tunnel.start();
        }
        return true;
    }

    private File config() {
        return new File(tunnel.configDir(), "optout.toml");
    }

    private File state() {
        return new File(tunnel.dataDir(), "state.json");
    }

    private static void put(JSONObject into, String key, File file)
            throws IOException, JSONException {
        if (file.exists()) {
            into.put(key, text(new FileInputStream(file)));
        }
    }

    private static void replace(File file, String text) throws IOException {
        if (text == null) {
            return;
        }
        File beside = new File(file.getPath() + ".new");
        try (OutputStream out = new FileOutputStream(beside)) {
            out.write(text.getBytes(StandardCharsets.UTF_8));
        }
        // Either the old or the new one, also if the phone goes off in between.
        if (!beside.renameTo(file)) {
            throw new IOException(file.getPath());
        }
    }

    private static String text(InputStream in) throws IOException {
        try (InputStream from = in) {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            byte[] part = new byte[8192];
            for (int n = from.read(part); n >= 0; n = from.read(part)) {
                all.write(part, 0, n);
                if (all.size() > LIMIT) {
                    throw new IOException(String.valueOf(LIMIT));
                }
            }
            return new String(all.toByteArray(), StandardCharsets.UTF_8);
        }
    }

    static final String TYPE = "application/json";
    static final String NAME = "optout-backup.json";

    private static final String FORMAT = "optout_backup";
    private static final int VERSION = 1;
    private static final String CONFIG = "config";
    private static final String STATE = "state";
    private static final String CHOICES = "choices";
    private static final int LIMIT = 8 << 20; // bytes: state with many rules is far smaller
}
