package org.optout.tunnel;

/**
 * The door to optout's engine, which is the same program that runs on routers.
 *
 * <p>There is one engine in a process. Every call may come from any thread, and may take
 * milliseconds; only {@link #start}, {@link #reload} and {@link #control} may take longer, so
 * none of these three belongs on the main thread. What goes wrong is an {@link EngineException}
 * whose message is one sentence for the user.
 */
public final class Engine {
    private Engine() {}

    /**
     * What has to be asked of the system so that the right packets come to the engine, as JSON:
     *
     * <pre>{"addresses": ["198.18.0.1", …], "resolvers": ["198.18.0.53", …],
     *  "routes": ["198.18.0.0/15", …], "mtu": 1500}</pre>
     *
     * Works whether or not the engine runs, and reads the same folders as {@link #start}.
     */
    public static native String plan(String configDir, String dataDir) throws EngineException;

    /**
     * Starts the engine on a TUN that is open, and returns when it answers. The descriptor is the
     * engine's from the call on, whatever comes of it.
     *
     * @param tunnel what {@code ParcelFileDescriptor.detachFd()} gave; or −1, and the engine
     *     waits for one, and can be asked and told everything meanwhile
     * @param configDir where {@code optout.toml} may be
     * @param dataDir where the journal, the lists and the state are
     */
    public static native void start(int tunnel, String configDir, String dataDir, Bridge bridge)
            throws EngineException;

    /**
     * Goes on with another TUN in the stead of the one before, or with none for −1. It is the
     * engine's from now on.
     */
    public static native void replaceTunnel(int tunnel) throws EngineException;

    /** Stops, and returns when nothing of the engine is left. No engine: nothing happens. */
    public static native void stop();

    /** Whether it runs. */
    public static native boolean isRunning();

    /** Reads configuration and lists anew. */
    public static native void reload() throws EngineException;

    /**
     * Asks what programs may ask at the control socket (docs/control.md): one request, as JSON.
     *
     * @return the answers, as a JSON array
     */
    public static native String control(String request) throws EngineException;

    /** The report since then (seconds since 1970), as a page of HTML that needs no other file. */
    public static native String page(long since) throws EngineException;

    /**
     * The network is another one.
     *
     * @param addresses of this device on it, without prefix lengths
     * @param resolvers that it hands out, best first
     * @param metered whether its bytes cost money: then no lists are fetched
     * @param captive whether it wants a person to sign in first
     */
    public static native void networkChanged(
            String[] addresses, String[] resolvers, boolean metered, boolean captive)
            throws EngineException;
}
