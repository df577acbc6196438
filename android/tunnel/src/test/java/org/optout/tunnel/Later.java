package org.optout.tunnel;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.Executor;

/** The engine's thread in the hand of a test: nothing runs until it is told to. */
public final class Later implements Executor {
    private final Queue<Runnable> waiting = new ArrayDeque<>();

    @Override
    public void execute(Runnable work) {
        waiting.add(work);
    }

    public int waiting() {
        return waiting.size();
    }

    /** Runs all that waits, and what comes of it. */
    public void run() {
        for (Runnable next = waiting.poll(); next != null; next = waiting.poll()) {
            next.run();
        }
    }
}
