package org.optout.control;

import org.json.JSONObject;

/**
 * A rule as it stands in its list.
 *
 * @param vendor key of the vendor of a pack, or null
 */
public record Rule(String list, long line, String text, String vendor) {
    /** The rule, or null where there is none. */
    static Rule of(JSONObject from) {
        if (from == null) {
            return null;
        }
        return new Rule(
                Fields.text(from, "list"),
                from.optLong("line"),
                Fields.text(from, "text"),
                Fields.text(from, "vendor"));
    }
}
