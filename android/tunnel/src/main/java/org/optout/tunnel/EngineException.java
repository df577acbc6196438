package org.optout.tunnel;

/** What the engine could not do: what happened, why, and what to do, in one sentence. */
public final class EngineException extends Exception {
    private static final long serialVersionUID = 1L;

    public EngineException(String message) {
        super(message);
    }
}
