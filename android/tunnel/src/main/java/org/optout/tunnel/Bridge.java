package org.optout.tunnel;

/**
 * What the engine asks of the app. Calls come from threads of the engine; one that throws is
 * taken for a no.
 */
public interface Bridge {
    /** Keeps a socket out of the tunnel ({@code VpnService.protect}). */
    boolean protect(int socket);

    /**
     * Whose connection it is ({@code ConnectivityManager.getConnectionOwnerUid}).
     *
     * @param protocol 6 for TCP, 17 for UDP
     * @param local address in 4 or 16 bytes
     * @param remote address in 4 or 16 bytes
     * @return the uid; −1 if it is not known, and the engine reads /proc/net, which Android lets
     *     apps do before its version 10
     */
    int ownerOf(int protocol, byte[] local, int localPort, byte[] remote, int remotePort);

    /** The package that a uid belongs to, or null. */
    String packageOf(int uid);

    /**
     * Something changed that the user may want to see. JSON:
     *
     * <pre>{"state": "on", "problems": ["…"], "plan_changed": false, "has_tunnel": true}</pre>
     *
     * With {@code plan_changed}, another tunnel is needed for what {@link Engine#plan} says now;
     * hand it in with {@link Engine#replaceTunnel}. Without {@code has_tunnel} there is none: it
     * was not given yet, was taken away, or is gone.
     *
     * <p>Never called while nothing happens; counters are asked for with {@link Engine#control}.
     */
    void onState(String state);
}
