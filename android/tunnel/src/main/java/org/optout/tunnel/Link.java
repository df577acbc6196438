package org.optout.tunnel;

import android.net.LinkAddress;
import android.net.LinkProperties;
import android.net.NetworkCapabilities;
import android.os.Build;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;

/**
 * The network below us.
 *
 * @param addresses of this phone on it
 * @param resolvers that it hands out, best first
 * @param metered whether its bytes cost money
 * @param captive whether it wants a person to sign in first
 * @param privateDns the host that the user set as the only resolver, or null
 */
public record Link(
        List<String> addresses,
        List<String> resolvers,
        boolean metered,
        boolean captive,
        String privateDns) {

    /** No network at all. */
    public static final Link NONE = new Link(List.of(), List.of(), false, false, null);

    static Link of(LinkProperties properties, NetworkCapabilities capabilities) {
        List<String> addresses = new ArrayList<>();
        for (LinkAddress address : properties.getLinkAddresses()) {
            addresses.add(text(address.getAddress()));
        }
        List<String> resolvers = new ArrayList<>();
        for (InetAddress resolver : properties.getDnsServers()) {
            resolvers.add(text(resolver));
        }
        boolean metered =
                !capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_NOT_METERED);
        boolean captive =
                capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_CAPTIVE_PORTAL);
        return new Link(addresses, resolvers, metered, captive, strict(properties));
    }

    /** Without the name of the interface that Java puts behind some addresses of IPv6. */
    private static String text(InetAddress address) {
        String text = address.getHostAddress();
        int scope = text.indexOf('%');
        return scope < 0 ? text : text.substring(0, scope);
    }

    private static String strict(LinkProperties properties) {
        return Build.VERSION.SDK_INT >= Build.VERSION_CODES.P
                ? properties.getPrivateDnsServerName()
                : null;
    }
}
