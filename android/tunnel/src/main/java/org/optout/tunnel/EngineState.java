package org.optout.tunnel;

import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * What the engine says of itself when something changed ({@link Bridge#onState}).
 *
 * @param problems each with its remedy
 * @param planChanged another tunnel is needed
 * @param hasTunnel whether it has one
 */
record EngineState(List<String> problems, boolean planChanged, boolean hasTunnel) {
    static EngineState parse(String json) throws EngineException {
        try {
            JSONObject said = new JSONObject(json);
            List<String> problems = new ArrayList<>();
            JSONArray from = said.optJSONArray("problems");
            for (int i = 0; from != null && i < from.length(); i++) {
                problems.add(from.getString(i));
            }
            boolean planChanged = said.optBoolean("plan_changed");
            return new EngineState(problems, planChanged, said.optBoolean("has_tunnel", true));
        } catch (JSONException e) {
            throw new EngineException(json);
        }
    }
}
