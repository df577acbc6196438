package org.optout.control;

import org.json.JSONException;
import org.json.JSONObject;

/**
 * One stored event; equal ones that came together share a line.
 *
 * @param host null if it is not known
 * @param query the type of a question, null for a connection
 * @param connection protocol, port and address, null for a question
 * @param rule the rule that decided, or null
 * @param alias the alias that the rule names, if it is not the host itself
 * @param learnt how the host of a connection was learnt, or null
 * @param json the line as it came, to be handed from screen to screen
 */
public record LogLine(
        long firstMs,
        long lastMs,
        long count,
        Outcome outcome,
        String host,
        String query,
        Connection connection,
        Client client,
        Rule rule,
        String alias,
        String learnt,
        String json) {

    /** Where a connection wanted to go. */
    public record Connection(String protocol, int port, String address) {}

    /** Reads {@link #json} again. */
    public static LogLine parse(String json) throws JSONException {
        return of(new JSONObject(json));
    }

    static LogLine of(JSONObject from) {
        return new LogLine(
                from.optLong("first_ms"),
                from.optLong("last_ms"),
                from.optLong("count", 1),
                Outcome.of(Fields.text(from, "outcome")),
                Fields.text(from, "host"),
                Fields.text(from, "query"),
                connection(from.optJSONObject("connection")),
                Client.of(Fields.object(from, "client")),
                Rule.of(from.optJSONObject("rule")),
                Fields.text(Fields.object(from, "via"), "name"),
                Fields.text(from, "learnt"),
                from.toString());
    }

    /** What a rule about it would name: the host, or else the address. */
    public String subject() {
        return host != null ? host : connection == null ? "" : connection.address();
    }

    private static Connection connection(JSONObject from) {
        if (from == null) {
            return null;
        }
        return new Connection(
                Fields.text(from, "protocol"), from.optInt("port"), Fields.text(from, "address"));
    }
}
