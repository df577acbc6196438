package org.optout.control;

import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONObject;
import org.optout.tunnel.EngineException;

/**
 * Asks the engine about the lists that the user added. A change may take minutes, for the engine
 * fetches meanwhile; each gives back, in the engine's words, what came of it, or null.
 */
public final class ListControl {
    private final Control control;

    ListControl(Control control) {
        this.control = control;
    }

    /** Those that are files or have an address; what the packs are, the vendors say. */
    public List<ListLine> all() throws EngineException {
        JSONObject answer = Control.last(control.ask(Control.request("lists"), "lists"));
        List<ListLine> found = Fields.list(answer.optJSONArray("lists"), ListLine::of);
        found.removeIf(line -> line == null);
        return found;
    }

    /**
     * @param place an address that begins with {@code https://}, or the whole path of a file
     */
    public String add(String place) throws EngineException {
        return make(Control.put(change("add"), "place", place));
    }

    public String remove(String list) throws EngineException {
        return make(named("remove", list));
    }

    /** Looks for a new version of this one. */
    public String update(String list) throws EngineException {
        return make(Control.put(change("update"), "lists", new JSONArray().put(list)));
    }

    public String updateAll() throws EngineException {
        return make(Control.put(change("update"), "lists", new JSONArray()));
    }

    /** Back to the version before. */
    public String rollback(String list) throws EngineException {
        return make(named("rollback", list));
    }

    /** Takes the version that was held back. */
    public String accept(String list) throws EngineException {
        return make(named("accept", list));
    }

    public String setMode(String list, Mode mode) throws EngineException {
        return make(Control.put(named("mode", list), "mode", mode.word()));
    }

    private static JSONObject named(String change, String list) {
        return Control.put(change(change), "list", list);
    }

    private static JSONObject change(String change) {
        return Control.put(Control.request("change_lists"), "change", change);
    }

    private String make(JSONObject request) throws EngineException {
        List<JSONObject> answers = control.send(request);
        List<String> said = new ArrayList<>();
        JSONObject end = Control.last(answers);
        String word = Fields.text(end, end.has("done") ? "done" : "failed");
        if (word != null) {
            said.add(word);
        }
        for (JSONObject answer : answers) {
            JSONObject progress = Fields.object(answer, "progress");
            String detail = progress.optString("detail");
            // Of one that was not added the end says the same once more.
            if (!detail.isEmpty() && (word == null || !word.contains(detail))) {
                said.add(progress.optString("list") + ": " + detail);
            }
        }
        if (!end.has("done")) {
            throw new EngineException(said.isEmpty() ? end.toString() : String.join("\n", said));
        }
        return said.isEmpty() ? null : String.join("\n", said);
    }
}
