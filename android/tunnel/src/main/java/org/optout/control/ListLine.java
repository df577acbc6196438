package org.optout.control;

import org.json.JSONArray;
import org.json.JSONObject;

/**
 * One list that is a file or has an address.
 *
 * @param id what it is called where a list is named
 * @param place where it comes from
 * @param rules those in use; of a list that is off, those that its text has
 * @param changed seconds since 1970 of its last change, or null
 * @param modeUntil seconds since 1970 at which its mode ends, or null
 * @param allow whether it lets through what it names
 * @param checked seconds since 1970 of the last look for a new version, or null
 * @param versions how many versions are kept
 * @param quarantined why a newer version is held back, or null
 * @param problem what went wrong at the last look, or null
 */
public record ListLine(
        String id,
        String name,
        String place,
        long rules,
        Long changed,
        Mode mode,
        Long modeUntil,
        boolean allow,
        Long checked,
        int versions,
        String quarantined,
        String problem) {

    /** Whether it is fetched; else it is a file of this phone. */
    public boolean isFetched() {
        return place.startsWith("https://");
    }

    /** The list, or null for a pack, which is a vendor's. */
    static ListLine of(JSONObject from) {
        JSONObject more = from.optJSONObject("more");
        if (more == null) {
            return null;
        }
        JSONArray versions = more.optJSONArray("versions");
        return new ListLine(
                more.optString("id"),
                from.optString("name"),
                more.optString("place"),
                rules(from, versions),
                Fields.number(from, "changed"),
                Mode.of(Fields.text(from, "mode")),
                Fields.number(more, "mode_until"),
                more.optBoolean("allow"),
                Fields.number(more, "checked"),
                versions == null ? 0 : versions.length(),
                Fields.text(more, "quarantined"),
                Fields.text(more, "problem"));
    }

    private static long rules(JSONObject from, JSONArray versions) {
        long inUse = from.optLong("rules");
        JSONObject newest = versions == null ? null : versions.optJSONObject(0);
        return inUse == 0 && newest != null ? newest.optLong("rules") : inUse;
    }
}
