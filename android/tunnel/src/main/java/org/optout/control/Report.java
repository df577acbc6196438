package org.optout.control;

import java.util.List;
import org.json.JSONObject;

/** What was stopped since a time: counts, and by vendor, most stopped first. */
public record Report(
        long since, long until, long blocked, long watched, long passed, List<Vendor> vendors) {

    /**
     * What a vendor's software did.
     *
     * @param vendor empty for what is in no pack
     * @param optedOut ISO date, or null
     * @param sinceOptOut attempts on and after that day whenever the report begins, or null
     */
    public record Vendor(
            String vendor,
            String name,
            long blocked,
            long watched,
            long hosts,
            long last,
            String optedOut,
            Long sinceOptOut) {

        static Vendor of(JSONObject from) {
            return new Vendor(
                    from.optString("vendor"),
                    from.optString("name"),
                    from.optLong("blocked"),
                    from.optLong("watched"),
                    from.optLong("hosts"),
                    from.optLong("last"),
                    Fields.text(from, "opted_out"),
                    Fields.number(from, "since_opt_out"));
        }
    }

    /** Everything that was asked for. */
    public long total() {
        return blocked + watched + passed;
    }

    static Report of(JSONObject from) {
        return new Report(
                from.optLong("since"),
                from.optLong("until"),
                from.optLong("blocked"),
                from.optLong("watched"),
                from.optLong("passed"),
                Fields.list(from.optJSONArray("vendors"), Vendor::of));
    }
}
