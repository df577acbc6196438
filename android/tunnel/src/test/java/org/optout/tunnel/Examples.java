package org.optout.tunnel;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.json.JSONException;
import org.json.JSONObject;

/** The examples of docs/control.md, which the engine's own tests hold to be what it speaks. */
public final class Examples {
    private Examples() {}

    /** Every example of an answer of that kind, each in an array as the engine hands them over. */
    public static List<String> answers(String kind) {
        List<String> found = new ArrayList<>();
        for (JSONObject example : all("```response")) {
            if (example.has(kind)) {
                found.add("[" + example + "]");
            }
        }
        return found;
    }

    /** The examples of requests of that kind. */
    public static List<JSONObject> requests(String kind) {
        List<JSONObject> found = new ArrayList<>();
        for (JSONObject example : all("```request")) {
            if (example.optString("do").equals(kind)) {
                found.add(example);
            }
        }
        return found;
    }

    private static List<JSONObject> all(String fence) {
        Path file = Path.of(System.getProperty("optout.sources"), "../docs/control.md");
        List<JSONObject> found = new ArrayList<>();
        boolean inside = false;
        try {
            for (String line : Files.readAllLines(file, StandardCharsets.UTF_8)) {
                if (line.startsWith("```")) {
                    inside = line.equals(fence);
                } else if (inside && !line.isEmpty()) {
                    found.add(new JSONObject(line));
                }
            }
        } catch (IOException | JSONException e) {
            throw new AssertionError(e);
        }
        return found;
    }
}
