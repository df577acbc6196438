package org.optout.tunnel;

import android.content.pm.PackageManager;
import android.net.VpnService;
import android.os.Build;
import android.system.OsConstants;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * What of this phone's traffic comes to the engine: its resolvers, its sinkhole, addresses that
 * rules name. Everything else finds no route here and stays outside at full speed, and with it the
 * local network, captive portals and calls over Wi-Fi.
 */
record Plan(List<String> addresses, List<String> resolvers, List<String> routes, int mtu) {
    /** Reads what {@link Engine#plan} says. */
    static Plan parse(String json) throws EngineException {
        try {
            JSONObject from = new JSONObject(json);
            return new Plan(
                    texts(from.getJSONArray("addresses")),
                    texts(from.getJSONArray("resolvers")),
                    texts(from.getJSONArray("routes")),
                    from.getInt("mtu"));
        } catch (JSONException e) {
            throw new EngineException(json);
        }
    }

    /** Asks for exactly this. {@code exempt} are packages that stay outside altogether. */
    void describe(VpnService.Builder builder, Set<String> exempt) throws EngineException {
        try {
            for (String address : addresses) {
                builder.addAddress(host(address), length(address));
            }
            for (String resolver : resolvers) {
                builder.addDnsServer(resolver);
            }
            for (String route : routes) {
                builder.addRoute(host(route), length(route));
            }
            builder.setMtu(mtu);
        } catch (IllegalArgumentException e) {
            throw new EngineException(String.valueOf(e.getMessage()));
        }
        // A family of which the plan has nothing would otherwise be blocked altogether.
        builder.allowFamily(OsConstants.AF_INET);
        builder.allowFamily(OsConstants.AF_INET6);
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            // Otherwise every network below us counts as metered, and apps put off their downloads.
            builder.setMetered(false);
        }
        // Null is the network that is the default one, whichever that is at the time.
        builder.setUnderlyingNetworks(null);
        // No allowBypass: with it any app could step around its own blocking by binding a socket.
        for (String app : exempt) {
            leaveOut(builder, app);
        }
    }

    private static void leaveOut(VpnService.Builder builder, String app) {
        try {
            builder.addDisallowedApplication(app);
        } catch (PackageManager.NameNotFoundException e) {
            // It was uninstalled; should it come back, its exemption holds again.
            return;
        }
    }

    static String host(String prefix) {
        int slash = prefix.indexOf('/');
        return slash < 0 ? prefix : prefix.substring(0, slash);
    }

    static int length(String prefix) {
        int slash = prefix.indexOf('/');
        if (slash >= 0) {
            return Integer.parseInt(prefix.substring(slash + 1));
        }
        return prefix.indexOf(':') >= 0 ? 128 : 32;
    }

    private static List<String> texts(JSONArray from) throws JSONException {
        List<String> found = new ArrayList<>();
        for (int i = 0; i < from.length(); i++) {
            found.add(from.getString(i));
        }
        return found;
    }
}
