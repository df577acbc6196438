package org.optout.control;

import java.util.Locale;

/** What becomes of what a vendor's pack names. */
public enum Mode {
    ENFORCE,
    WATCH,
    OFF;

    /** The word of the control language. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    static Mode of(String word) {
        for (Mode mode : values()) {
            if (mode.word().equals(word)) {
                return mode;
            }
        }
        return OFF;
    }
}
