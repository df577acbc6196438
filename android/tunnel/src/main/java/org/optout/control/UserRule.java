package org.optout.control;

import org.json.JSONObject;

/**
 * A rule of the user's own.
 *
 * @param allow whether it lets through; else it stops
 * @param exact whether it is for this name alone; else also for all that is below it
 * @param until seconds since 1970 at which it ends, or null
 * @param app only for this program, or null
 * @param client only for this address, or null
 * @param schedule only while this schedule of the configuration holds, or null
 */
public record UserRule(
        boolean allow,
        String subject,
        boolean exact,
        Long until,
        String app,
        String client,
        String schedule) {

    static UserRule of(JSONObject from) {
        return new UserRule(
                "allow".equals(Fields.text(from, "action")),
                from.optString("subject"),
                from.optBoolean("exact"),
                Fields.number(from, "until"),
                Fields.text(from, "app"),
                Fields.text(from, "client"),
                Fields.text(from, "schedule"));
    }
}
