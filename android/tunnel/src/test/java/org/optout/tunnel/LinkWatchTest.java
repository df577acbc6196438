package org.optout.tunnel;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Context;
import android.net.ConnectivityManager;
import android.net.LinkProperties;
import android.net.Network;
import android.net.NetworkCapabilities;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowNetwork;
import org.robolectric.shadows.ShadowNetworkCapabilities;
import org.robolectric.shadows.ShadowVpnService;
import org.robolectric.util.ReflectionHelpers;

/** What of Android's news about networks reaches the engine. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35)
public class LinkWatchTest {
    private final Context context = RuntimeEnvironment.getApplication();
    private final List<Link> told = new ArrayList<>();
    private final LinkWatch watch = new LinkWatch(context, told::add);
    private final Network wifi = ShadowNetwork.newInstance(7);
    private final Network mobile = ShadowNetwork.newInstance(8);

    @Before
    public void begin() {
        ShadowVpnService.setPrepareResult(null);
        watch.start();
    }

    @Test
    public void it_listens_and_stops_listening() {
        ConnectivityManager connectivity = context.getSystemService(ConnectivityManager.class);
        assertTrue(shadowOf(connectivity).getNetworkCallbacks().contains(watch));
        watch.stop();
        assertEquals(0, shadowOf(connectivity).getNetworkCallbacks().size());
    }

    @Test
    public void a_network_is_told_with_what_it_hands_out() throws UnknownHostException {
        come(wifi, NetworkCapabilities.TRANSPORT_WIFI, properties(null, "192.0.2.53", "2001:db8::53"),
                NetworkCapabilities.NET_CAPABILITY_NOT_METERED);
        // The JVM writes all of it out where Android shortens; the engine reads both.
        assertEquals(List.of("192.0.2.53", "2001:db8:0:0:0:0:0:53"), newest().resolvers());
        assertEquals(false, newest().metered());
        assertEquals(false, newest().captive());
    }

    @Test
    public void metered_and_captive_are_passed_on() throws UnknownHostException {
        come(mobile, NetworkCapabilities.TRANSPORT_CELLULAR, properties(null, "198.51.100.1"),
                NetworkCapabilities.NET_CAPABILITY_CAPTIVE_PORTAL);
        assertTrue(newest().metered());
        assertTrue(newest().captive());
    }

    @Test
    public void a_private_dns_with_a_host_of_its_own_is_noticed() throws UnknownHostException {
        come(wifi, NetworkCapabilities.TRANSPORT_WIFI, properties("dns.example", "192.0.2.53"));
        assertEquals("dns.example", newest().privateDns());
    }

    @Test
    public void wifi_comes_before_mobile_and_mobile_takes_over() throws UnknownHostException {
        come(mobile, NetworkCapabilities.TRANSPORT_CELLULAR, properties(null, "198.51.100.1"));
        come(wifi, NetworkCapabilities.TRANSPORT_WIFI, properties(null, "192.0.2.53"));
        assertEquals(List.of("192.0.2.53"), newest().resolvers());
        watch.onLost(wifi);
        assertEquals(List.of("198.51.100.1"), newest().resolvers());
        watch.onLost(mobile);
        assertEquals(Link.NONE, newest());
    }

    @Test
    public void what_changes_nothing_is_not_told() throws UnknownHostException {
        come(wifi, NetworkCapabilities.TRANSPORT_WIFI, properties(null, "192.0.2.53"));
        int before = told.size();
        for (int i = 0; i < 1000; i++) {
            come(wifi, NetworkCapabilities.TRANSPORT_WIFI, properties(null, "192.0.2.53"));
        }
        assertEquals(before, told.size());
    }

    @Test
    public void of_a_storm_the_engine_hears_the_newest_alone() throws UnknownHostException {
        Script engine = new Script();
        engine.answers.put("status", Examples.answers("status").get(0));
        Later work = new Later();
        Tunnel.replace(context, engine, work);
        Tunnel.of(context).choices().setWanted(true);
        RecordingService service = Robolectric.buildService(RecordingService.class).create().get();
        service.onStartCommand(Tunnel.order(context, TunnelService.START), 0, 1);
        work.run();
        assertEquals(Phase.ON, Tunnel.of(context).board().standing().phase());
        engine.calls.clear();
        ConnectivityManager connectivity = context.getSystemService(ConnectivityManager.class);
        LinkWatch its = (LinkWatch) shadowOf(connectivity).getNetworkCallbacks().stream()
                .filter(one -> one != watch).findFirst().orElseThrow();
        for (int i = 1; i < 250; i++) {
            its.onCapabilitiesChanged(wifi, capabilities(NetworkCapabilities.TRANSPORT_WIFI));
            its.onLinkPropertiesChanged(wifi, properties(null, "192.0.2." + i));
        }
        assertTrue(work.waiting() <= 1);
        work.run();
        assertEquals(List.of("network"), engine.calls);
        assertEquals(List.of("192.0.2.249"), engine.link.resolvers());
    }

    private Link newest() {
        return told.get(told.size() - 1);
    }

    private void come(Network network, int transport, LinkProperties properties, int... more) {
        NetworkCapabilities capabilities = capabilities(transport, more);
        watch.onAvailable(network);
        watch.onCapabilitiesChanged(network, capabilities);
        watch.onLinkPropertiesChanged(network, properties);
    }

    private static NetworkCapabilities capabilities(int transport, int... more) {
        NetworkCapabilities capabilities = ShadowNetworkCapabilities.newInstance();
        shadowOf(capabilities).addTransportType(transport);
        for (int one : more) {
            shadowOf(capabilities).addCapability(one);
        }
        return capabilities;
    }

    private static LinkProperties properties(String privateDns, String... resolvers)
            throws UnknownHostException {
        LinkProperties properties = new LinkProperties();
        List<InetAddress> all = new ArrayList<>();
        for (String resolver : resolvers) {
            all.add(InetAddress.getByName(resolver));
        }
        properties.setDnsServers(all);
        // What Android sets there itself; there is no public way.
        ReflectionHelpers.setField(properties, "mPrivateDnsServerName", privateDns);
        return properties;
    }
}
