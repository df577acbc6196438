package org.optout.tunnel;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * An engine that says what a test wrote down, in the shape of docs/control.md, and remembers what
 * it was asked. It stands for the real one, which needs a phone's tunnel; that one is tested in
 * the JVM with a real device (src/jni.rs).
 */
public final class Script implements Door {
    public final List<String> calls = new ArrayList<>();
    public final List<JSONObject> requests = new ArrayList<>();
    public final Map<String, String> answers = new HashMap<>();
    public boolean present = true;
    public String refusal;
    public String plan = PLAN;
    public Link link;
    public Bridge bridge;
    private boolean running;

    @Override
    public boolean isPresent() {
        return present;
    }

    @Override
    public String plan(String configDir, String dataDir) throws EngineException {
        refuse();
        return plan;
    }

    @Override
    public void start(int tunnel, String configDir, String dataDir, Bridge bridge)
            throws EngineException {
        calls.add(tunnel < 0 ? "start without" : "start");
        refuse();
        if (running) {
            throw new EngineException("the engine runs already");
        }
        this.bridge = bridge;
        running = true;
    }

    @Override
    public void replaceTunnel(int tunnel) throws EngineException {
        calls.add(tunnel < 0 ? "take" : "replace");
        refuse();
        needs();
    }

    @Override
    public void stop() {
        if (running) {
            calls.add("stop");
        }
        running = false;
    }

    @Override
    public boolean isRunning() {
        return running;
    }

    /** It runs, and nobody says how that came. */
    public Script run() {
        running = true;
        return this;
    }

    @Override
    public void reload() throws EngineException {
        calls.add("reload");
        refuse();
    }

    @Override
    public String control(String text) throws EngineException {
        refuse();
        needs();
        try {
            JSONObject request = new JSONObject(text);
            requests.add(request);
            String answer = answers.get(request.getString("do"));
            if (answer == null) {
                return "[{\"done\":null}]";
            }
            return request.getString("do").equals("log") ? sift(answer, request) : answer;
        } catch (JSONException e) {
            throw new AssertionError(text, e);
        }
    }

    /** Only the newest, and only those of an outcome, as the real one does. */
    private static String sift(String answer, JSONObject request) throws JSONException {
        JSONArray all = new JSONArray(answer);
        List<JSONObject> found = new ArrayList<>();
        for (int i = 0; i < all.length(); i++) {
            JSONObject line = all.getJSONObject(i).optJSONObject("log");
            if (line == null || fits(line, request)) {
                found.add(all.getJSONObject(i));
            }
        }
        int last = request.optInt("last", found.size());
        return found.subList(Math.max(0, found.size() - 1 - last), found.size()).toString();
    }

    private static boolean fits(JSONObject line, JSONObject request) {
        return !request.has("outcome")
                || request.optString("outcome").equals(line.optString("outcome"));
    }

    /** The last request of that kind. */
    public JSONObject asked(String what) {
        JSONObject found = null;
        for (JSONObject request : requests) {
            found = request.optString("do").equals(what) ? request : found;
        }
        return found;
    }

    @Override
    public String page(long since) throws EngineException {
        refuse();
        needs();
        return "<!doctype html><title>report</title>";
    }

    @Override
    public void networkChanged(Link link) throws EngineException {
        calls.add("network");
        this.link = link;
    }

    private void refuse() throws EngineException {
        if (refusal != null) {
            throw new EngineException(refusal);
        }
    }

    private void needs() throws EngineException {
        if (!running) {
            throw new EngineException("the engine does not run");
        }
    }

    static final String PLAN = """
            {"addresses": ["198.18.0.1", "2001:db8::1/128"],
             "resolvers": ["198.18.0.53", "2001:db8::53"],
             "routes": ["198.18.0.0/15", "2001:db8::/64"], "mtu": 1500}""";
}
