package org.optout.control;

import org.json.JSONObject;

/**
 * Who asked, as far as known. On Android the program is the package that a uid belongs to.
 *
 * @param uid null if it is not known
 * @param program hostile text, or null
 */
public record Client(Integer uid, String program) {
    static Client of(JSONObject from) {
        Long uid = Fields.number(from, "uid");
        return new Client(uid == null ? null : uid.intValue(), Fields.text(from, "program"));
    }
}
