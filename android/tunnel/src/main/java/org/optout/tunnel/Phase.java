package org.optout.tunnel;

/** Where the tunnel stands. */
public enum Phase {
    OFF,
    STARTING,
    ON,
    PAUSED,
    /** It could not start or go on; {@link Standing#fault} says why. */
    FAILED,
    /** Another VPN app has the slot now, or the user took the permission away. */
    TAKEN
}
