package org.optout.control;

import java.util.Locale;

/** What was done. */
public enum Outcome {
    BLOCKED,
    WATCHED,
    PASSED;

    /** The word of the control language. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    static Outcome of(String word) {
        for (Outcome outcome : values()) {
            if (outcome.word().equals(word)) {
                return outcome;
            }
        }
        return PASSED;
    }
}
