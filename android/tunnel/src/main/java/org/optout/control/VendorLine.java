package org.optout.control;

import org.json.JSONObject;

/**
 * One vendor.
 *
 * @param optOut where the vendor's own switch is, or null
 * @param optedOut ISO date on which the user opted out, or null
 * @param blocked stopped so far
 */
public record VendorLine(
        String vendor,
        String name,
        Mode mode,
        long blocks,
        long watches,
        long allows,
        String story,
        String optOut,
        String optedOut,
        long blocked) {

    static VendorLine of(JSONObject from) {
        return new VendorLine(
                Fields.text(from, "vendor"),
                Fields.text(from, "name"),
                Mode.of(Fields.text(from, "mode")),
                from.optLong("blocks"),
                from.optLong("watches"),
                from.optLong("allows"),
                Fields.text(from, "story"),
                Fields.text(from, "opt_out"),
                Fields.text(from, "opted_out"),
                from.optLong("blocked"));
    }
}
