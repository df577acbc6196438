package org.optout.control;

import java.util.List;
import org.json.JSONObject;

/**
 * A verdict with its evidence.
 *
 * @param because one sentence: why
 * @param rules every rule that names it, the deciding one first
 * @param entry what the catalogue knows of it, or null
 */
public record Explanation(
        String subject, Outcome outcome, String because, List<Rule> rules, Entry entry) {

    /**
     * An entry of the catalogue.
     *
     * @param breaks what breaks when it is blocked; empty if nothing is known to
     * @param inferred whether {@code collects} was concluded from the name alone
     */
    public record Entry(
            String vendor,
            String vendorName,
            String product,
            String collects,
            String breaks,
            String confidence,
            boolean inferred,
            List<String> sources,
            String optOut) {

        static Entry of(JSONObject from) {
            if (from == null) {
                return null;
            }
            return new Entry(
                    Fields.text(from, "vendor"),
                    Fields.text(from, "vendor_name"),
                    Fields.text(from, "product"),
                    Fields.text(from, "collects"),
                    from.optString("breaks"),
                    Fields.text(from, "confidence"),
                    from.optBoolean("inferred"),
                    Fields.texts(from.optJSONArray("sources")),
                    Fields.text(from, "opt_out"));
        }
    }

    static Explanation of(JSONObject from) {
        return new Explanation(
                Fields.text(from, "subject"),
                Outcome.of(Fields.text(from, "outcome")),
                Fields.text(from, "because"),
                Fields.list(from.optJSONArray("rules"), rule -> Rule.of(rule.optJSONObject("rule"))),
                Entry.of(from.optJSONObject("entry")));
    }
}
