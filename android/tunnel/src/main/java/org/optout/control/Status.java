package org.optout.control;

import java.util.List;
import org.json.JSONObject;

/**
 * How things are with the engine.
 *
 * @param state {@code on}, {@code off} or {@code paused}
 * @param pausedUntil seconds since 1970, or null
 * @param device name of the tunnel; empty where there is none
 * @param problems each with its remedy
 */
public record Status(
        String version, String state, Long pausedUntil, String device, List<String> problems) {
    static Status of(JSONObject from) {
        return new Status(
                Fields.text(from, "version"),
                Fields.text(from, "state"),
                Fields.number(from, "paused_until"),
                from.optString("device"),
                Fields.texts(from.optJSONArray("problems")));
    }
}
