package org.optout.control;

import java.util.List;
import org.json.JSONObject;

/**
 * How things are with the engine.
 *
 * @param state {@code on}, {@code off} or {@code paused}
 * @param pausedUntil seconds since 1970, or null
 * @param problems each with its remedy
 */
public record Status(String version, String state, Long pausedUntil, List<String> problems) {
    static Status of(JSONObject from) {
        return new Status(
                Fields.text(from, "version"),
                Fields.text(from, "state"),
                Fields.number(from, "paused_until"),
                Fields.texts(from.optJSONArray("problems")));
    }
}
