package org.optout.tunnel;

import android.content.Context;
import android.net.ConnectivityManager;
import android.net.VpnService;
import android.os.Build;
import android.os.Process;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.function.Consumer;

/**
 * Answers the engine from what Android knows. It outlives the service, as the engine may: what
 * only a service can do is done by the one that is there at the time.
 */
final class SystemBridge implements Bridge {
    private final Context context;
    private volatile Host host;

    private record Host(VpnService service, Consumer<String> told) {}

    SystemBridge(Context context) {
        this.context = context;
    }

    /** The service is there, and wants to be told. */
    synchronized void enter(VpnService service, Consumer<String> told) {
        host = new Host(service, told);
    }

    /** It is there no more, unless another took its place. */
    synchronized void leave(VpnService service) {
        Host now = host;
        if (now != null && now.service == service) {
            host = null;
        }
    }

    @Override
    public boolean protect(int socket) {
        Host now = host;
        // Without a service there is no tunnel to be kept out of.
        return now == null || now.service.protect(socket);
    }

    @Override
    public int ownerOf(int protocol, byte[] local, int localPort, byte[] remote, int remotePort) {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) {
            return Process.INVALID_UID; // the engine reads /proc/net there
        }
        try {
            return context.getSystemService(ConnectivityManager.class)
                    .getConnectionOwnerUid(protocol, at(local, localPort), at(remote, remotePort));
        } catch (UnknownHostException | IllegalArgumentException | SecurityException e) {
            return Process.INVALID_UID;
        }
    }

    @Override
    public String packageOf(int uid) {
        return packageOf(context, uid);
    }

    @Override
    public void onState(String json) {
        Host now = host;
        if (now != null) {
            now.told.accept(json);
        }
    }

    /** One package of that uid; where several share it, the first in the order of the alphabet. */
    static String packageOf(Context context, int uid) {
        String[] names = context.getPackageManager().getPackagesForUid(uid);
        if (names == null || names.length == 0) {
            return null;
        }
        String first = names[0];
        for (String name : names) {
            first = name.compareTo(first) < 0 ? name : first;
        }
        return first;
    }

    /** Of bytes: no name is looked up. */
    private static InetSocketAddress at(byte[] address, int port) throws UnknownHostException {
        return new InetSocketAddress(InetAddress.getByAddress(address), port);
    }
}
