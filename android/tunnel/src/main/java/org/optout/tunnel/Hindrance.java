package org.optout.tunnel;

/** What on this phone keeps optout from doing its job; the app has words and a remedy for each. */
public enum Hindrance {
    /** The user has not yet agreed that we be the VPN, or no longer does. */
    NO_CONSENT,
    /** The build has no engine for this phone. */
    NO_ENGINE,
    /** Private DNS names a host: questions go there, past everything. */
    PRIVATE_DNS,
    /** "Block connections without VPN": what we leave outside has no way out at all. */
    LOCKDOWN,
    /** The network wants somebody to sign in first. */
    CAPTIVE
}
