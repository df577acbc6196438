package org.optout.tunnel;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * How things are, for whoever shows it.
 *
 * @param fault why it failed, in the engine's words; null unless it failed
 * @param pausedUntil seconds since 1970, or 0
 * @param problems of the engine, each with its remedy
 * @param hindrances of this phone
 */
public record Standing(
        Phase phase,
        String fault,
        long pausedUntil,
        List<String> problems,
        Set<Hindrance> hindrances) {

    public static final Standing OFF =
            new Standing(Phase.OFF, null, 0, List.of(), EnumSet.noneOf(Hindrance.class));

    /** Whether it runs or is about to. */
    public boolean isActive() {
        return phase == Phase.ON || phase == Phase.PAUSED || phase == Phase.STARTING;
    }

    Standing with(Phase next) {
        return new Standing(next, null, 0, problems, hindrances);
    }

    Standing pausedUntil(long seconds) {
        return new Standing(Phase.PAUSED, null, seconds, problems, hindrances);
    }

    Standing failed(String why) {
        return new Standing(Phase.FAILED, why, 0, List.of(), hindrances);
    }

    Standing with(List<String> now) {
        return new Standing(phase, fault, pausedUntil, List.copyOf(now), hindrances);
    }

    Standing with(Hindrance hindrance, boolean holds) {
        Set<Hindrance> now = EnumSet.noneOf(Hindrance.class);
        now.addAll(hindrances);
        if (holds) {
            now.add(hindrance);
        } else {
            now.remove(hindrance);
        }
        return new Standing(phase, fault, pausedUntil, problems, now);
    }
}
