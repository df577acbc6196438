package org.optout.control;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.json.JSONArray;
import org.json.JSONObject;

/** Reads answers: what is not there or {@code null} is null, and what is not known is skipped. */
final class Fields {
    private Fields() {}

    static String text(JSONObject from, String key) {
        return from.isNull(key) ? null : from.optString(key);
    }

    /** A number, or null where there is none. */
    static Long number(JSONObject from, String key) {
        return from.isNull(key) ? null : Long.valueOf(from.optLong(key));
    }

    /** An object, or an empty one where there is none. */
    static JSONObject object(JSONObject from, String key) {
        JSONObject found = from.optJSONObject(key);
        return found == null ? new JSONObject() : found;
    }

    static <T> List<T> list(JSONArray from, Function<JSONObject, T> read) {
        List<T> found = new ArrayList<>();
        for (int i = 0; from != null && i < from.length(); i++) {
            JSONObject one = from.optJSONObject(i);
            if (one != null) {
                found.add(read.apply(one));
            }
        }
        return found;
    }

    static List<String> texts(JSONArray from) {
        List<String> found = new ArrayList<>();
        for (int i = 0; from != null && i < from.length(); i++) {
            found.add(from.optString(i));
        }
        return found;
    }
}
