package org.optout.tunnel;

import android.app.Notification;
import java.util.ArrayList;
import java.util.List;

/** The service with a builder that writes down what it is asked for, for there is no VPN here. */
public class RecordingService extends TunnelService {
    static final List<String> asked = new ArrayList<>();
    static boolean refuses;
    private static final int TUNNEL = 1000; // no descriptor: the scripted engine opens none

    @Override
    protected Notification notice(Standing standing) {
        return new Notification();
    }

    @Override
    protected void onNews(Standing standing) {}

    @Override
    protected Builder builder() {
        asked.clear();
        return new Recorder();
    }

    @Override
    protected int open(Builder builder) {
        return refuses ? -1 : TUNNEL;
    }

    private final class Recorder extends Builder {
        @Override
        public Builder addAddress(String address, int length) {
            asked.add("address " + address + "/" + length);
            return this;
        }

        @Override
        public Builder addDnsServer(String address) {
            asked.add("resolver " + address);
            return this;
        }

        @Override
        public Builder addRoute(String address, int length) {
            asked.add("route " + address + "/" + length);
            return this;
        }

        @Override
        public Builder addDisallowedApplication(String app) {
            asked.add("without " + app);
            return this;
        }

        @Override
        public Builder allowBypass() {
            asked.add("bypass");
            return this;
        }

        @Override
        public Builder setMtu(int mtu) {
            asked.add("mtu " + mtu);
            return this;
        }

        @Override
        public Builder setMetered(boolean metered) {
            asked.add("metered " + metered);
            return this;
        }
    }
}
