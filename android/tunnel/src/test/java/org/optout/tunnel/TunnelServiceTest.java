package org.optout.tunnel;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Application;
import android.app.Service;
import android.content.Context;
import android.content.Intent;
import android.net.VpnService;
import android.os.Looper;
import java.util.List;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ServiceController;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowVpnService;

/** The life of the service, as Android may play it. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = {24, 35})
public class TunnelServiceTest {
    private final Context context = RuntimeEnvironment.getApplication();
    private final Script engine = new Script();
    private final Later work = new Later();
    private Tunnel tunnel;
    private ServiceController<RecordingService> service;

    @Before
    public void begin() {
        ShadowVpnService.setPrepareResult(null);
        RecordingService.refuses = false;
        engine.answers.put("status", status("on", "null"));
        tunnel = Tunnel.replace(context, engine, work);
        service = Robolectric.buildService(RecordingService.class).create();
    }

    @Test
    public void it_asks_for_exactly_what_the_engine_plans() {
        order(TunnelService.START);
        assertTrue(RecordingService.asked.containsAll(List.of(
                "address 198.18.0.1/32", "address 2001:db8::1/128", "resolver 198.18.0.53",
                "resolver 2001:db8::53", "route 198.18.0.0/15", "route 2001:db8::/64", "mtu 1500")));
        assertEquals(2, count("route "));
        assertEquals(0, count("bypass"));
        assertEquals(0, count("without "));
    }

    @Test
    @Config(sdk = 35)
    public void the_tunnel_does_not_make_every_network_metered() {
        order(TunnelService.START);
        assertTrue(RecordingService.asked.contains("metered false"));
    }

    @Test
    public void it_starts_off_the_main_thread_and_is_then_on() {
        service.get().onStartCommand(intent(TunnelService.START), 0, 1);
        assertEquals(List.of(), engine.calls);
        assertEquals(Phase.STARTING, phase());
        run();
        assertEquals(List.of("start", "network"), engine.calls);
        assertEquals(Phase.ON, phase());
        assertTrue(tunnel.choices().wanted());
        assertTrue(engine.asked("on") != null);
    }

    @Test
    public void a_second_start_starts_nothing() {
        order(TunnelService.START);
        order(TunnelService.START);
        assertEquals(1, engine.calls.stream().filter("start"::equals).count());
    }

    @Test
    public void it_starts_again_when_android_had_to_end_it() {
        assertEquals(Service.START_STICKY, service.get().onStartCommand(null, 0, 1));
        run();
        assertEquals(Phase.ON, phase());
    }

    @Test
    public void always_on_starts_it_with_a_bare_intent() {
        service.get().onStartCommand(new Intent(VpnService.SERVICE_INTERFACE), 0, 1);
        run();
        assertEquals(Phase.ON, phase());
    }

    @Test
    public void stop_ends_engine_and_service_for_good() {
        order(TunnelService.START);
        assertEquals(Service.START_NOT_STICKY,
                service.get().onStartCommand(intent(TunnelService.STOP), 0, 2));
        run();
        assertFalse(engine.isRunning());
        assertEquals(Phase.OFF, phase());
        assertFalse(tunnel.choices().wanted());
        assertTrue(shadowOf(service.get()).isStoppedBySelf());
    }

    @Test
    public void start_and_stop_keep_their_order() {
        service.get().onStartCommand(intent(TunnelService.START), 0, 1);
        service.get().onStartCommand(intent(TunnelService.STOP), 0, 2);
        run();
        assertFalse(engine.isRunning());
        assertEquals(Phase.OFF, phase());
    }

    @Test
    public void a_pause_is_the_engines_and_its_end_is_known() {
        order(TunnelService.START);
        engine.answers.put("status", status("paused", "1795352400"));
        service.get().onStartCommand(
                intent(TunnelService.PAUSE).putExtra(TunnelService.SECONDS, 900L), 0, 2);
        run();
        assertEquals(900, engine.asked("pause").optLong("seconds"));
        assertEquals(Phase.PAUSED, phase());
        assertEquals(1795352400L, tunnel.board().standing().pausedUntil());
        engine.answers.put("status", status("on", "null"));
        order(TunnelService.RESUME);
        assertEquals(Phase.ON, phase());
    }

    @Test
    public void another_vpn_that_takes_the_slot_ends_the_engine_and_is_told() {
        order(TunnelService.START);
        service.get().onRevoke();
        run();
        assertFalse(engine.isRunning());
        assertEquals(Phase.TAKEN, phase());
        assertTrue(shadowOf(service.get()).isStoppedBySelf());
        service.destroy();
        run();
        assertEquals(Phase.TAKEN, phase());
    }

    @Test
    public void without_consent_nothing_starts() {
        ShadowVpnService.setPrepareResult(new Intent("consent"));
        order(TunnelService.START);
        assertEquals(List.of(), engine.calls);
        assertEquals(Phase.OFF, phase());
        assertTrue(tunnel.board().standing().hindrances().contains(Hindrance.NO_CONSENT));
    }

    @Test
    public void a_tunnel_that_android_does_not_give_is_one_that_is_taken() {
        RecordingService.refuses = true;
        order(TunnelService.START);
        assertEquals(Phase.TAKEN, phase());
        assertEquals(List.of(), engine.calls);
    }

    @Test
    public void what_the_engine_says_when_it_cannot_start_is_kept_as_it_is() {
        engine.refusal = "the data folder is full; free some space";
        order(TunnelService.START);
        assertEquals(Phase.FAILED, phase());
        assertEquals(engine.refusal, tunnel.board().standing().fault());
        assertTrue(shadowOf(service.get()).isStoppedBySelf());
    }

    @Test
    public void a_build_without_an_engine_says_so() {
        engine.present = false;
        order(TunnelService.START);
        assertEquals(Phase.FAILED, phase());
        assertTrue(tunnel.board().standing().hindrances().contains(Hindrance.NO_ENGINE));
    }

    @Test
    public void a_plan_that_is_none_starts_nothing() {
        for (String plan : List.of("", "{}", "[1]", "{\"addresses\":[\"x\"]}")) {
            engine.plan = plan;
            order(TunnelService.START);
            assertEquals(plan, Phase.FAILED, phase());
        }
        assertEquals(List.of(), engine.calls);
    }

    @Test
    public void another_plan_is_another_tunnel_and_the_same_engine() {
        order(TunnelService.START);
        engine.plan = Script.PLAN.replace("198.18.0.0/15", "203.0.113.0/24");
        engine.bridge.onState("{\"state\":\"on\",\"problems\":[],\"plan_changed\":true}");
        run();
        assertEquals("replace", engine.calls.get(engine.calls.size() - 1));
        assertTrue(RecordingService.asked.contains("route 203.0.113.0/24"));
        assertEquals(Phase.ON, phase());
    }

    @Test
    public void an_exempt_app_is_left_out_of_the_next_tunnel() {
        order(TunnelService.START);
        tunnel.choices().setExempt("com.example.bank", true);
        order(TunnelService.RENEW);
        assertTrue(RecordingService.asked.contains("without com.example.bank"));
        assertEquals("replace", engine.calls.get(engine.calls.size() - 1));
    }

    @Test
    public void problems_of_the_engine_reach_the_board() {
        order(TunnelService.START);
        engine.answers.put("status", status("on", "null").replace("\"problems\":[]",
                "\"problems\":[\"no resolver answers; check the network\"]"));
        engine.bridge.onState("{\"state\":\"on\",\"problems\":"
                + "[\"no resolver answers; check the network\"],\"plan_changed\":false}");
        run();
        assertEquals(List.of("no resolver answers; check the network"),
                tunnel.board().standing().problems());
    }

    @Test
    public void a_state_that_makes_no_sense_stops_nothing() {
        order(TunnelService.START);
        for (String state : List.of("", "nonsense", "[]", "{\"problems\":7}")) {
            engine.bridge.onState(state);
            run();
        }
        assertEquals(Phase.ON, phase());
    }

    @Test
    public void an_order_that_comes_too_late_starts_nothing() {
        for (String what : List.of(TunnelService.PAUSE, TunnelService.RESUME, TunnelService.RENEW)) {
            order(what);
            assertEquals(List.of(), engine.calls);
            assertEquals(Phase.OFF, phase());
            assertTrue(shadowOf(service.get()).isStoppedBySelf());
        }
    }

    @Test
    public void a_start_after_a_stop_is_the_last_word() {
        order(TunnelService.START);
        service.get().onStartCommand(intent(TunnelService.STOP), 0, 2);
        service.get().onStartCommand(intent(TunnelService.START), 0, 3);
        run();
        assertEquals(Phase.ON, phase());
        assertTrue(engine.isRunning());
        assertTrue(tunnel.choices().wanted());
        assertEquals("Android keeps it for order 3", 2, shadowOf(service.get()).getStopSelfResultId());
    }

    @Test
    public void a_start_that_was_taken_back_before_it_came_starts_nothing() {
        tunnel.start();
        tunnel.stop();
        service.get().onStartCommand(shadowOf((Application) context).getNextStartedService(), 0, 1);
        run();
        assertEquals(List.of(), engine.calls);
        assertEquals(Phase.OFF, phase());
        assertTrue(shadowOf(service.get()).isStoppedBySelf());
    }

    @Test
    public void a_pause_after_a_stop_pauses_nothing() {
        order(TunnelService.START);
        tunnel.upkeep().comes();
        service.get().onStartCommand(intent(TunnelService.STOP), 0, 2);
        service.get().onStartCommand(intent(TunnelService.PAUSE), 0, 3);
        run();
        assertTrue("for the screen", engine.isRunning());
        assertNull(engine.asked("pause"));
        assertEquals(Phase.OFF, phase());
    }

    @Test
    public void a_tunnel_that_is_gone_is_replaced_once_and_then_counts_as_taken() {
        order(TunnelService.START);
        engine.answers.put("status", status("on", "null").replace("\"optout0\"", "\"\""));
        lose();
        assertEquals("replace", engine.calls.get(engine.calls.size() - 1));
        assertEquals(Phase.ON, phase());
        lose();
        assertEquals(Phase.TAKEN, phase());
        assertFalse(engine.isRunning());
    }

    @Test
    public void a_tunnel_that_is_gone_because_of_a_newer_one_is_not_missed() {
        order(TunnelService.START);
        engine.calls.clear();
        lose(); // and the status says that there is one
        assertEquals(List.of(), engine.calls);
        assertEquals(Phase.ON, phase());
    }

    private void lose() {
        engine.bridge.onState("{\"state\":\"on\",\"problems\":[],\"plan_changed\":false,"
                + "\"has_tunnel\":false}");
        run();
    }

    @Test
    public void an_end_without_a_word_leaves_no_engine_behind() {
        order(TunnelService.START);
        service.destroy();
        run();
        assertFalse(engine.isRunning());
        assertEquals(Phase.OFF, phase());
    }

    private void order(String what) {
        service.get().onStartCommand(intent(what), 0, 1);
        run();
    }

    private Intent intent(String what) {
        tunnel.choices().setWanted(true);
        return Tunnel.order(context, what);
    }

    /** The engine's thread, and then the main one. */
    private void run() {
        work.run();
        shadowOf(Looper.getMainLooper()).idle();
    }

    private Phase phase() {
        return tunnel.board().standing().phase();
    }

    private long count(String begin) {
        return RecordingService.asked.stream().filter(line -> line.startsWith(begin)).count();
    }

    private static String status(String state, String until) {
        return Examples.answers("status").get(0)
                .replace("\"state\":\"on\"", "\"state\":\"" + state + "\"")
                .replace("\"paused_until\":null", "\"paused_until\":" + until);
    }
}
