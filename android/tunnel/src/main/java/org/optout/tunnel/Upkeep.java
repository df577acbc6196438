package org.optout.tunnel;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Whether the engine runs: with a tunnel while the service has one; without one while a screen is
 * shown that asked it something, and while a question is being answered or an errand done; else
 * not at all.
 *
 * <p>All but {@link #comes} and {@link #goes} belongs on the engine's thread, so what is done here
 * is done in the order in which it was asked for, and no two orders end with different engines.
 */
public final class Upkeep {
    private final Tunnel tunnel;
    private final Door door;
    private final SystemBridge bridge;
    private final AtomicInteger shown = new AtomicInteger();
    private boolean given;
    private int errands;

    /** A question to the engine, or a change that it is asked for. */
    public interface Question<T> {
        T ask() throws EngineException;
    }

    Upkeep(Tunnel tunnel, SystemBridge bridge) {
        this.tunnel = tunnel;
        this.door = tunnel.door();
        this.bridge = bridge;
    }

    /** A screen is shown. That alone starts nothing. */
    public void comes() {
        shown.incrementAndGet();
    }

    /** A screen is shown no more; with the last of them goes an engine without a tunnel. */
    public void goes() {
        shown.decrementAndGet();
        tunnel.work().execute(this::settle);
    }

    /** Asks the engine; where none runs, one is started that waits for a tunnel. */
    public <T> T ask(Question<T> question) throws EngineException {
        try {
            rouse();
            return question.ask();
        } finally {
            settle();
        }
    }

    /** An errand begins on another thread: the engine runs, and goes on until {@link #end}. */
    void begin() throws EngineException {
        rouse();
        errands++;
    }

    void end() {
        errands--;
        settle();
    }

    /** Whether the engine runs and has the service's tunnel. */
    public boolean hasTunnel() {
        return given && door.isRunning();
    }

    /** Stops it, for its files are about to be others; says whether it had a tunnel. */
    public boolean halt() {
        boolean had = hasTunnel();
        given = false;
        door.stop();
        return had;
    }

    /** Hands over a tunnel: to the engine that runs, or to one that is started with it. */
    void give(int descriptor) throws EngineException {
        if (door.isRunning()) {
            door.replaceTunnel(descriptor);
        } else {
            start(descriptor);
        }
        given = true;
    }

    /** Takes the tunnel away. The engine goes with it, unless it is needed without. */
    void take() {
        if (given && isNeeded() && door.isRunning()) {
            bare();
        }
        given = false;
        settle();
    }

    private void bare() {
        try {
            door.replaceTunnel(NO_TUNNEL);
            door.networkChanged(Link.NONE);
        } catch (EngineException e) {
            door.stop(); // it holds a tunnel that nobody wants; who asks next starts it anew
        }
    }

    private void settle() {
        if (!given && !isNeeded()) {
            door.stop();
        }
    }

    private boolean isNeeded() {
        return shown.get() > 0 || errands > 0;
    }

    private void rouse() throws EngineException {
        // One that ended under its tunnel is not replaced behind the service's back.
        if (!given && !door.isRunning()) {
            // Nobody watches the network for it, so it is to think that there is none.
            door.networkChanged(Link.NONE);
            start(NO_TUNNEL);
        }
    }

    private void start(int descriptor) throws EngineException {
        String config = tunnel.configDir().getPath();
        door.start(descriptor, config, tunnel.dataDir().getPath(), bridge);
    }

    private static final int NO_TUNNEL = -1;
}
