package org.optout.tunnel;

import android.content.Context;
import android.net.ConnectivityManager;
import android.net.LinkProperties;
import android.net.Network;
import android.net.NetworkCapabilities;
import android.net.NetworkRequest;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Tells of another network below us as soon as the system does, and of nothing else. It has no
 * timer.
 */
final class LinkWatch extends ConnectivityManager.NetworkCallback {
    private final ConnectivityManager connectivity;
    private final Consumer<Link> told;
    private final Map<Network, NetworkCapabilities> capabilities = new LinkedHashMap<>();
    private final Map<Network, LinkProperties> properties = new LinkedHashMap<>();
    private Link last;

    LinkWatch(Context context, Consumer<Link> told) {
        this.connectivity = context.getSystemService(ConnectivityManager.class);
        this.told = told;
    }

    void start() {
        NetworkRequest everyRealOne =
                new NetworkRequest.Builder()
                        .addCapability(NetworkCapabilities.NET_CAPABILITY_INTERNET)
                        .addCapability(NetworkCapabilities.NET_CAPABILITY_NOT_VPN)
                        .build();
        connectivity.registerNetworkCallback(everyRealOne, this);
    }

    void stop() {
        connectivity.unregisterNetworkCallback(this);
    }

    @Override
    public synchronized void onCapabilitiesChanged(Network network, NetworkCapabilities now) {
        capabilities.put(network, now);
        tell();
    }

    @Override
    public synchronized void onLinkPropertiesChanged(Network network, LinkProperties now) {
        properties.put(network, now);
        tell();
    }

    @Override
    public synchronized void onLost(Network network) {
        capabilities.remove(network);
        properties.remove(network);
        tell();
    }

    private void tell() {
        Link now = best();
        if (!now.equals(last)) {
            last = now;
            told.accept(now);
        }
    }

    private Link best() {
        Network best = null;
        int highest = -1;
        for (Network network : properties.keySet()) {
            NetworkCapabilities of = capabilities.get(network);
            int rank = of == null ? -1 : rank(of);
            if (rank > highest) {
                best = network;
                highest = rank;
            }
        }
        return best == null ? Link.NONE : Link.of(properties.get(best), capabilities.get(best));
    }

    /** As Android itself chooses: what works before what does not, cable, Wi-Fi, then the rest. */
    private static int rank(NetworkCapabilities of) {
        int rank = of.hasCapability(NetworkCapabilities.NET_CAPABILITY_VALIDATED) ? 4 : 0;
        if (of.hasTransport(NetworkCapabilities.TRANSPORT_ETHERNET)) {
            return rank + 2;
        }
        return of.hasTransport(NetworkCapabilities.TRANSPORT_WIFI) ? rank + 1 : rank;
    }
}
