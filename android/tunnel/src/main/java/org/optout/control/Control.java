package org.optout.control;

import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.optout.tunnel.Door;
import org.optout.tunnel.EngineException;

/**
 * Asks the engine, in the language of docs/control.md. Every call may take long: none of them
 * belongs on the main thread.
 */
public final class Control {
    private final Door door;

    public Control(Door door) {
        this.door = door;
    }

    public void on() throws EngineException {
        ask(request("on"), "done");
    }

    public void pause(long seconds) throws EngineException {
        ask(put(request("pause"), "seconds", seconds), "done");
    }

    public void resume() throws EngineException {
        ask(request("resume"), "done");
    }

    public Status status() throws EngineException {
        return Status.of(one(request("status"), "status"));
    }

    public Report report(long since) throws EngineException {
        return Report.of(one(put(request("report"), "since", since), "report"));
    }

    /** The newest lines, newest first. */
    public List<LogLine> log(long last, Outcome outcome) throws EngineException {
        JSONObject request = put(request("log"), "last", last);
        if (outcome != null) {
            put(request, "outcome", outcome.word());
        }
        List<LogLine> lines = new ArrayList<>();
        for (JSONObject answer : ask(request, "done")) {
            JSONObject line = answer.optJSONObject("log");
            if (line != null) {
                lines.add(0, LogLine.of(line));
            }
        }
        return lines;
    }

    public List<VendorLine> vendors() throws EngineException {
        JSONObject answer = last(ask(request("vendors"), "vendors"));
        return Fields.list(answer.optJSONArray("vendors"), VendorLine::of);
    }

    public void setMode(String vendor, Mode mode) throws EngineException {
        ask(put(put(request("set_vendor"), "vendor", vendor), "mode", mode.word()), "done");
    }

    /**
     * @param date ISO date of the opt-out; empty to forget it
     */
    public void setOptedOut(String vendor, String date) throws EngineException {
        ask(put(put(request("set_vendor"), "vendor", vendor), "opted_out", date), "done");
    }

    /**
     * @param app judge as for this program; null for any
     */
    public Explanation explain(String subject, String app) throws EngineException {
        JSONObject request = put(request("explain"), "subject", subject);
        put(request, "app", app == null ? JSONObject.NULL : app);
        return Explanation.of(one(put(request, "client", JSONObject.NULL), "explanation"));
    }

    /** The user's own rules. */
    public List<UserRule> rules() throws EngineException {
        JSONObject answer = last(ask(request("rules"), "rules"));
        return Fields.list(answer.optJSONArray("rules"), UserRule::of);
    }

    /** Removes all rules of the user's own that name exactly this. */
    public void removeRule(String subject) throws EngineException {
        ask(put(request("remove_rule"), "subject", subject), "done");
    }

    /** The lists that the user added. */
    public ListControl lists() {
        return new ListControl(this);
    }

    /**
     * @param exact for this name alone; else also for all that is below it
     */
    public void addRule(boolean allow, String subject, boolean exact) throws EngineException {
        JSONObject request = put(request("add_rule"), "action", allow ? "allow" : "block");
        ask(put(put(request, "subject", subject), "exact", exact), "done");
    }

    /**
     * @param until seconds since 1970 at which it ends; null for never
     * @param app only for this program; null for all
     */
    public void allow(String subject, Long until, String app) throws EngineException {
        addRule("allow", subject, until, app);
    }

    /**
     * @param app only for this program; null for all
     */
    public void block(String subject, String app) throws EngineException {
        addRule("block", subject, null, app);
    }

    private void addRule(String action, String subject, Long until, String app)
            throws EngineException {
        JSONObject request = put(put(request("add_rule"), "action", action), "subject", subject);
        if (until != null) {
            put(request, "until", until);
        }
        if (app != null) {
            put(request, "app", app);
        }
        ask(request, "done");
    }

    private JSONObject one(JSONObject request, String kind) throws EngineException {
        return Fields.object(last(ask(request, kind)), kind);
    }

    /** The answers; the last of them is of that kind, or it is an exception. */
    List<JSONObject> ask(JSONObject request, String kind) throws EngineException {
        List<JSONObject> answers = send(request);
        if (!last(answers).has(kind)) {
            throw new EngineException(refusal(last(answers)));
        }
        return answers;
    }

    /** All answers as they came; at least one. */
    List<JSONObject> send(JSONObject request) throws EngineException {
        String text = door.control(request.toString());
        List<JSONObject> answers;
        try {
            answers = Fields.list(new JSONArray(text), answer -> answer);
        } catch (JSONException e) {
            throw new EngineException(text);
        }
        if (answers.isEmpty()) {
            throw new EngineException(text);
        }
        return answers;
    }

    private static String refusal(JSONObject answer) {
        return answer.has("failed") ? answer.optString("failed") : answer.toString();
    }

    static JSONObject last(List<JSONObject> answers) {
        return answers.get(answers.size() - 1);
    }

    static JSONObject request(String what) {
        return put(new JSONObject(), "do", what);
    }

    static JSONObject put(JSONObject into, String key, Object value) {
        try {
            return into.put(key, value);
        } catch (JSONException e) {
            // Only for a number that is none, and none of ours is one.
            throw new IllegalArgumentException(e);
        }
    }
}
