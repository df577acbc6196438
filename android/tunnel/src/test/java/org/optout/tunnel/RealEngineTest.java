package org.optout.tunnel;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.optout.control.Control;
import org.optout.control.Explanation;
import org.optout.control.LogLine;
import org.optout.control.Mode;
import org.optout.control.Outcome;
import org.optout.control.Report;
import org.optout.control.Status;
import org.optout.control.VendorLine;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;

/**
 * The engine itself, without a tunnel, behind the same door as on a phone: what it says is read by
 * what reads it there.
 */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35)
public class RealEngineTest {
    private Door door;
    private Tunnel tunnel;
    private Control control;

    @Before
    public void begin() {
        door = RealEngine.door();
        tunnel = Tunnel.replace(RuntimeEnvironment.getApplication(), door, Runnable::run);
        control = tunnel.control();
        tunnel.upkeep().comes();
    }

    @After
    public void end() {
        if (tunnel != null) {
            tunnel.upkeep().goes();
            assertFalse("nothing is left", door.isRunning());
        }
    }

    @Test
    public void it_loads_and_runs_for_a_question_alone() throws EngineException {
        assertTrue(door.isPresent());
        assertFalse(door.isRunning());
        ask(control::status);
        assertTrue(door.isRunning());
        assertFalse(tunnel.upkeep().hasTunnel());
    }

    @Test
    public void its_status_is_read() throws EngineException {
        Status status = ask(control::status);
        assertEquals("on", status.state());
        assertEquals("", status.device());
        assertNull(status.pausedUntil());
        assertTrue(status.version(), status.version().matches("\\d+\\.\\d+\\.\\d+.*"));
    }

    @Test
    public void a_pause_and_its_end_are_read() throws EngineException {
        ask(() -> {
            control.pause(900);
            return null;
        });
        Status paused = control.status();
        assertEquals("paused", paused.state());
        assertTrue(paused.pausedUntil() > 900);
        control.resume();
        assertEquals("on", control.status().state());
    }

    /** What a person switched off is off when the engine has gone and come again. */
    @Test
    public void looking_does_not_switch_it_on() throws EngineException {
        ask(() -> door.control("{\"do\":\"off\"}"));
        tunnel.upkeep().goes();
        assertFalse(door.isRunning());
        tunnel.upkeep().comes();
        assertEquals("off", ask(control::status).state());
        control.on();
        assertEquals("on", control.status().state());
    }

    @Test
    public void a_vendor_is_switched_and_stays_so() throws EngineException {
        VendorLine before = vendor("oneplus");
        assertEquals("OnePlus", before.name());
        assertTrue(before.blocks() > 0);
        assertFalse(before.story().isEmpty());
        control.setMode("oneplus", Mode.WATCH);
        control.setOptedOut("oneplus", "2026-11-01");
        tunnel.upkeep().goes();
        tunnel.upkeep().comes();
        assertEquals(Mode.WATCH, vendor("oneplus").mode());
        assertEquals("2026-11-01", vendor("oneplus").optedOut());
        control.setMode("oneplus", Mode.OFF);
        control.setOptedOut("oneplus", "");
        assertEquals(Mode.OFF, vendor("oneplus").mode());
        assertNull(vendor("oneplus").optedOut());
    }

    @Test
    public void every_vendor_of_the_catalogue_is_read() throws EngineException {
        List<VendorLine> vendors = ask(control::vendors);
        assertTrue("" + vendors.size(), vendors.size() > 20);
        for (VendorLine vendor : vendors) {
            assertNotNull(vendor.toString(), vendor.name());
            assertTrue(vendor.toString(), vendor.blocks() + vendor.watches() > 0);
        }
    }

    @Test
    public void a_verdict_comes_with_its_evidence() throws EngineException {
        Explanation verdict = ask(() -> control.explain("open.oneplus.net", "net.oneplus.odm"));
        assertEquals(Outcome.BLOCKED, verdict.outcome());
        assertEquals("oneplus", verdict.rules().get(0).vendor());
        assertTrue(verdict.rules().get(0).line() > 0);
        assertEquals("OnePlus", verdict.entry().vendorName());
        assertFalse(verdict.entry().collects().isEmpty());
        assertTrue(verdict.entry().sources().get(0).startsWith("https://"));
        Explanation other = control.explain("a.example", null);
        assertEquals(Outcome.PASSED, other.outcome());
        assertNull(other.entry());
    }

    @Test
    public void an_hour_of_leave_is_a_rule_until_it_is_taken_back() throws EngineException {
        long until = System.currentTimeMillis() / 1000 + 3600;
        ask(() -> {
            control.allow("open.oneplus.net", until, null);
            return null;
        });
        assertEquals(Outcome.PASSED, control.explain("open.oneplus.net", null).outcome());
        JSONObject rule = rules().optJSONObject(0);
        assertEquals(until, rule.optLong("until"));
        door.control("{\"do\":\"remove_rule\",\"subject\":\"open.oneplus.net\"}");
        assertEquals(0, rules().length());
        assertEquals(Outcome.BLOCKED, control.explain("open.oneplus.net", null).outcome());
    }

    @Test
    public void a_rule_for_one_app_is_for_it_alone() throws EngineException {
        ask(() -> {
            control.block("a.example", "com.example.chat");
            return null;
        });
        assertEquals(Outcome.BLOCKED, control.explain("a.example", "com.example.chat").outcome());
        assertEquals(Outcome.PASSED, control.explain("a.example", "com.example.bank").outcome());
    }

    /** Without a tunnel nothing comes to it. Its lines are read in ControlTest, from docs/control.md. */
    @Test
    public void where_nothing_happened_the_log_is_empty() throws EngineException {
        List<LogLine> lines = ask(() -> control.log(500, null));
        assertEquals(List.of(), lines);
        for (Outcome outcome : Outcome.values()) {
            assertEquals(List.of(), control.log(5, outcome));
        }
    }

    @Test
    public void its_report_is_read_and_is_a_page() throws EngineException {
        long since = System.currentTimeMillis() / 1000 - 86400;
        Report report = ask(() -> control.report(since));
        assertEquals(0, report.total());
        assertEquals(List.of(), report.vendors());
        assertTrue(report.until() >= report.since());
        String page = door.page(since);
        assertTrue(page.toLowerCase().startsWith("<!doctype html>"));
        assertFalse("it needs no other file", page.contains("src=\"http"));
    }

    @Test
    public void a_wrong_request_is_refused_in_a_sentence() throws EngineException {
        EngineException no = assertThrows(EngineException.class, () -> ask(() -> {
            control.setMode("nobody", Mode.OFF);
            return null;
        }));
        assertTrue(no.getMessage(), no.getMessage().contains("nobody"));
        for (String request : List.of("", "{}", "[]", "{\"do\":\"fly\"}", "{\"do\":\"pause\"}")) {
            String answer = door.control(request);
            assertTrue(request + ": " + answer, answer.startsWith("[{\"failed\":"));
        }
        assertEquals("on", control.status().state());
    }

    @Test
    public void what_it_says_of_itself_without_a_tunnel_is_read() throws Exception {
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        tunnel.bridge().enter(null, told::add);
        ask(control::status);
        EngineState said = EngineState.parse(told.poll(10, TimeUnit.SECONDS));
        assertFalse(said.hasTunnel());
        assertFalse(said.planChanged());
        assertEquals(control.status().problems(), said.problems());
    }

    @Test
    public void its_plan_is_read_whether_it_runs_or_not() throws EngineException {
        String config = tunnel.configDir().getPath();
        Plan before = Plan.parse(door.plan(config, tunnel.dataDir().getPath()));
        ask(control::status);
        assertEquals(before, Plan.parse(door.plan(config, tunnel.dataDir().getPath())));
        assertFalse(before.resolvers().isEmpty());
        assertFalse(before.routes().isEmpty());
        assertTrue(before.mtu() >= 1280);
        for (String address : before.addresses()) {
            assertEquals(address, address.contains(":") ? 128 : 32, Plan.length(address));
            assertFalse(Plan.host(address).contains("/"));
        }
    }

    @Test
    public void what_is_no_tunnel_is_refused_and_the_engine_goes_on() throws EngineException {
        ask(control::status);
        assertThrows(EngineException.class, () -> tunnel.upkeep().give(NO_DESCRIPTOR));
        assertFalse(tunnel.upkeep().hasTunnel());
        assertEquals("on", ask(control::status).state());
    }

    private <T> T ask(Upkeep.Question<T> question) throws EngineException {
        return tunnel.upkeep().ask(question);
    }

    private VendorLine vendor(String key) throws EngineException {
        for (VendorLine vendor : ask(control::vendors)) {
            if (vendor.vendor().equals(key)) {
                return vendor;
            }
        }
        throw new AssertionError(key);
    }

    private JSONArray rules() throws EngineException {
        try {
            return new JSONArray(door.control("{\"do\":\"rules\"}")).getJSONObject(0).getJSONArray("rules");
        } catch (JSONException e) {
            throw new AssertionError(e);
        }
    }

    private static final int NO_DESCRIPTOR = 1_000_000; // more than a process may open
}
