package org.optout.tunnel;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Application;
import android.os.Looper;
import java.util.ArrayList;
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

/** When the engine runs: each order in which screens and the service may come and go. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35)
public class UpkeepTest {
    private final Application context = RuntimeEnvironment.getApplication();
    private final Script engine = new Script();
    private final Later work = new Later();
    private Tunnel tunnel;
    private Upkeep upkeep;
    private ServiceController<RecordingService> service;
    private int orders;

    @Before
    public void begin() {
        ShadowVpnService.setPrepareResult(null);
        RecordingService.refuses = false;
        engine.answers.put("status", Examples.answers("status").get(0));
        engine.answers.put("vendors", Examples.answers("vendors").get(0));
        tunnel = Tunnel.replace(context, engine, work);
        upkeep = tunnel.upkeep();
        service = Robolectric.buildService(RecordingService.class).create();
    }

    @Test
    public void a_screen_that_asks_nothing_starts_nothing() {
        upkeep.comes();
        run();
        upkeep.goes();
        run();
        assertEquals(List.of(), engine.calls);
    }

    @Test
    public void a_question_while_it_is_off_starts_an_engine_that_knows_no_network() {
        upkeep.comes();
        ask();
        run();
        assertEquals(List.of("network", "start without"), engine.calls);
        assertEquals(Link.NONE, engine.link);
        assertFalse(upkeep.hasTunnel());
        assertEquals(Phase.OFF, phase());
    }

    /** To look is not to switch on: what a person switched off stays off. */
    @Test
    public void looking_tells_the_engine_nothing() {
        upkeep.comes();
        ask();
        run();
        upkeep.goes();
        run();
        assertEquals(1, engine.requests.size());
        assertEquals("vendors", engine.requests.get(0).optString("do"));
        assertFalse(tunnel.choices().wanted());
        assertNull(shadowOf(context).getNextStartedService());
    }

    @Test
    public void it_goes_with_the_last_screen() {
        upkeep.comes();
        ask();
        run();
        upkeep.comes(); // the next one comes before this one goes
        upkeep.goes();
        run();
        assertTrue(engine.isRunning());
        upkeep.goes();
        run();
        assertFalse(engine.isRunning());
    }

    @Test
    public void a_question_that_outlives_its_screen_is_answered_and_leaves_nothing_running() {
        upkeep.comes();
        upkeep.goes();
        List<Integer> found = ask();
        run();
        assertEquals(List.of(1), found);
        assertFalse(engine.isRunning());
    }

    @Test
    public void a_screen_and_then_the_service_are_one_engine() {
        upkeep.comes();
        ask();
        order(TunnelService.START);
        run();
        assertEquals(List.of("network", "start without", "replace", "network"), engine.calls);
        assertEquals(Phase.ON, phase());
        assertTrue(engine.asked("on") != null);
        upkeep.goes();
        run();
        assertTrue("the tunnel needs it", engine.isRunning());
    }

    @Test
    public void the_service_and_then_a_screen_are_one_engine() {
        order(TunnelService.START);
        upkeep.comes();
        ask();
        run();
        assertEquals(List.of("start", "network"), engine.calls);
        upkeep.goes();
        run();
        assertTrue(upkeep.hasTunnel());
    }

    @Test
    public void a_stop_under_a_screen_takes_the_tunnel_and_leaves_the_engine_to_it() {
        order(TunnelService.START);
        upkeep.comes();
        order(TunnelService.STOP);
        service.destroy();
        run();
        assertEquals(List.of("start", "network", "take", "network"), engine.calls);
        assertEquals(Link.NONE, engine.link);
        assertEquals(Phase.OFF, phase());
        ask();
        run();
        upkeep.goes();
        run();
        assertEquals("stop", engine.calls.get(engine.calls.size() - 1));
    }

    @Test
    public void a_screen_that_goes_as_the_service_stops_leaves_nothing_whichever_is_first() {
        for (boolean screenFirst : new boolean[] {true, false}) {
            order(TunnelService.START);
            upkeep.comes();
            ask();
            run();
            if (screenFirst) {
                upkeep.goes();
                order(TunnelService.STOP);
            } else {
                order(TunnelService.STOP);
                upkeep.goes();
            }
            run();
            assertFalse("screen first: " + screenFirst, engine.isRunning());
        }
    }

    @Test
    public void a_start_while_the_last_screen_goes_ends_with_a_tunnel_whichever_is_first() {
        for (boolean screenFirst : new boolean[] {true, false}) {
            upkeep.comes();
            ask();
            run();
            if (screenFirst) {
                upkeep.goes();
                order(TunnelService.START);
            } else {
                order(TunnelService.START);
                upkeep.goes();
            }
            run();
            assertTrue("screen first: " + screenFirst, upkeep.hasTunnel());
            order(TunnelService.STOP);
            run();
        }
    }

    @Test
    public void what_an_engine_without_a_tunnel_says_moves_nothing() {
        upkeep.comes();
        ask();
        run();
        engine.bridge.onState("{\"state\":\"on\",\"problems\":[\"no resolver\"],"
                + "\"plan_changed\":true,\"has_tunnel\":false}");
        run();
        assertEquals(List.of("network", "start without"), engine.calls);
        assertEquals(Standing.OFF, tunnel.board().standing());
    }

    @Test
    public void a_tunnel_that_android_does_not_give_leaves_the_engine_to_the_screen() {
        RecordingService.refuses = true;
        upkeep.comes();
        ask();
        order(TunnelService.START);
        run();
        assertEquals(Phase.TAKEN, phase());
        assertTrue(engine.isRunning());
        upkeep.goes();
        run();
        assertFalse(engine.isRunning());
    }

    @Test
    public void an_engine_that_cannot_start_says_why_and_is_tried_again() {
        engine.refusal = "the data folder is full; free some space";
        EngineException why = assertThrows(EngineException.class,
                () -> upkeep.ask(() -> tunnel.control().vendors()));
        assertEquals(engine.refusal, why.getMessage());
        engine.refusal = null;
        ask();
        run();
        assertEquals(1, engine.requests.size());
    }

    @Test
    public void an_engine_that_ended_under_its_tunnel_is_not_replaced_by_one_without() {
        order(TunnelService.START);
        run();
        engine.stop();
        assertThrows(EngineException.class, () -> upkeep.ask(() -> tunnel.control().vendors()));
        assertFalse(engine.calls.contains("start without"));
        order(TunnelService.START);
        run();
        assertTrue(upkeep.hasTunnel());
    }

    /** The service's bridge is the screens' too: it has to do without a service. */
    @Test
    public void without_a_service_there_is_nothing_to_keep_a_socket_out_of() {
        upkeep.comes();
        ask();
        service.destroy();
        run();
        assertTrue(engine.bridge.protect(7));
    }

    private List<Integer> ask() {
        List<Integer> found = new ArrayList<>();
        work.execute(() -> {
            try {
                found.add(upkeep.ask(() -> tunnel.control().vendors()).size());
            } catch (EngineException e) {
                throw new AssertionError(e);
            }
        });
        return found;
    }

    private void order(String what) {
        tunnel.choices().setWanted(true);
        service.get().onStartCommand(Tunnel.order(context, what), 0, ++orders);
    }

    private void run() {
        work.run();
        shadowOf(Looper.getMainLooper()).idle();
    }

    private Phase phase() {
        return tunnel.board().standing().phase();
    }
}
