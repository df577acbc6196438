package org.optout.control;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.json.JSONObject;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.optout.tunnel.EngineException;
import org.optout.tunnel.Examples;
import org.optout.tunnel.Script;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;

/** The language of docs/control.md: its own examples are read, and what we ask fits its examples. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35)
public class ControlTest {
    private final Script engine = new Script().run();
    private final Control control = new Control(engine);

    @Test
    public void the_example_of_a_status_is_read() throws EngineException {
        answer("status");
        Status status = control.status();
        assertEquals("on", status.state());
        assertNull(status.pausedUntil());
        assertEquals(List.of(), status.problems());
    }

    @Test
    public void every_example_of_the_log_is_read() throws EngineException {
        List<String> examples = Examples.answers("log");
        assertEquals(4, examples.size());
        for (String example : examples) {
            engine.answers.put("log", "[" + example.substring(1, example.length() - 1) + ",{\"done\":null}]");
            LogLine line = control.log(10, null).get(0);
            assertTrue(line.lastMs() >= 1795348800000L);
            assertTrue(!line.subject().isEmpty());
        }
    }

    @Test
    public void a_question_and_a_connection_are_told_apart() throws EngineException {
        String question = Examples.answers("log").get(0);
        String connection = Examples.answers("log").get(1);
        engine.answers.put("log", join(question, connection, "[{\"done\":null}]"));
        List<LogLine> lines = control.log(10, null);
        assertEquals("newest first", "cname.example", lines.get(0).alias());
        assertEquals(new LogLine.Connection("tcp", 443, "198.18.1.0"), lines.get(0).connection());
        assertEquals("AAAA", lines.get(1).query());
        assertEquals(new Client(1000, "curl"), lines.get(1).client());
        assertEquals(new Rule("oneplus", 12, "open.oneplus.net", "oneplus"), lines.get(1).rule());
        assertEquals(3, lines.get(1).count());
    }

    @Test
    public void a_line_survives_the_way_from_screen_to_screen() throws Exception {
        engine.answers.put("log", join(Examples.answers("log").get(1), "[{\"done\":null}]"));
        LogLine line = control.log(1, null).get(0);
        assertEquals(line, LogLine.parse(line.json()));
    }

    @Test
    public void the_example_of_vendors_is_read() throws EngineException {
        answer("vendors");
        VendorLine vendor = control.vendors().get(0);
        assertEquals(Mode.ENFORCE, vendor.mode());
        assertEquals("2026-11-01", vendor.optedOut());
        assertNull(vendor.optOut());
        assertEquals(1234, vendor.blocked());
    }

    @Test
    public void the_example_of_a_report_is_read() throws EngineException {
        answer("report");
        Report report = control.report(0);
        assertEquals(800 + 56 + 78901, report.total());
        assertEquals(Long.valueOf(1234), report.vendors().get(0).sinceOptOut());
    }

    @Test
    public void the_example_of_an_explanation_is_read() throws EngineException {
        answer("explanation", "explain");
        Explanation explanation = control.explain("open.oneplus.net", null);
        assertEquals(2, explanation.rules().size());
        assertEquals("IMEI", explanation.entry().collects());
    }

    @Test
    public void the_example_of_rules_is_read() throws EngineException {
        answer("rules");
        assertEquals(List.of(
                new UserRule(true, "a.example", false, null, null, null, null),
                new UserRule(false, "b.example", true, 1795352400L, "curl", null, "night")),
                control.rules());
    }

    @Test
    public void the_example_of_lists_is_read_but_for_the_packs() throws EngineException {
        answer("lists");
        List<ListLine> lists = control.lists().all();
        assertEquals(1, lists.size());
        ListLine line = lists.get(0);
        assertEquals("ads-txt", line.id());
        assertEquals(Mode.WATCH, line.mode());
        assertEquals(7, line.rules());
        assertEquals(1, line.versions());
        assertEquals("it shrank from 200 to 2 rules", line.quarantined());
        assertNull(line.problem());
        assertTrue(line.isFetched());
    }

    @Test
    public void what_came_of_a_change_of_lists_is_said_in_the_engines_words() throws EngineException {
        engine.answers.put("change_lists", join(progress().toArray(new String[0])));
        assertEquals("ads.txt: the new version shrank from 200 to 2 rules", control.lists().updateAll());
        engine.answers.put("change_lists", "[{\"done\":\"Nothing new.\"}]");
        assertEquals("Nothing new.", control.lists().updateAll());
        engine.answers.put("change_lists", "[{\"done\":null}]");
        assertNull(control.lists().remove("ads-txt"));
    }

    @Test
    public void a_change_of_lists_that_failed_says_why_of_each_once() {
        String looked = "[{\"progress\":{\"step\":\"looked\",\"list\":\"ads.txt\",\"outcome\":\"failed\","
                + "\"detail\":\"its server does not answer\"}}]";
        engine.answers.put("change_lists", join(looked, "[{\"failed\":\"1 of 2 lists could not be updated\"}]"));
        EngineException failed = assertThrows(EngineException.class, () -> control.lists().updateAll());
        assertEquals("1 of 2 lists could not be updated\nads.txt: its server does not answer", failed.getMessage());
        engine.answers.put("change_lists", join(looked, "[{\"failed\":\"not added: its server does not answer\"}]"));
        failed = assertThrows(EngineException.class, () -> control.lists().add("https://lists.example/ads.txt"));
        assertEquals("not added: its server does not answer", failed.getMessage());
    }

    private static List<String> progress() {
        List<String> all = Examples.answers("progress");
        all.add("[{\"done\":null}]");
        return all;
    }

    @Test
    public void a_refusal_comes_as_the_sentence_it_is() {
        engine.answers.put("set_vendor", "[{\"failed\":\"there is no vendor \\\"acme\\\"\"}]");
        EngineException refusal = assertThrows(
                EngineException.class, () -> control.setMode("acme", Mode.OFF));
        assertEquals("there is no vendor \"acme\"", refusal.getMessage());
    }

    @Test
    public void answers_that_make_no_sense_are_refused_and_crash_nothing() {
        for (String answer : List.of("", "[", "{}", "[]", "[1]", "null", "[{}]", "[{\"log\":1}]")) {
            engine.answers.put("status", answer);
            assertThrows(answer, EngineException.class, control::status);
            engine.answers.put("vendors", answer);
            assertThrows(answer, EngineException.class, control::vendors);
            engine.answers.put("lists", answer);
            assertThrows(answer, EngineException.class, () -> control.lists().all());
            engine.answers.put("change_lists", answer);
            assertThrows(answer, EngineException.class, () -> control.lists().updateAll());
        }
    }

    /** The engine refuses fields that it does not know, so ours must be among its own. */
    @Test
    public void what_we_ask_has_only_fields_of_the_examples() throws EngineException {
        for (String kind : List.of("status", "vendors", "report", "rules", "lists")) {
            answer(kind);
        }
        answer("explanation", "explain");
        engine.answers.put("log", "[{\"done\":null}]");
        control.on();
        control.pause(900);
        control.resume();
        control.status();
        control.log(5, Outcome.BLOCKED);
        control.vendors();
        control.setMode("oneplus", Mode.WATCH);
        control.setOptedOut("oneplus", "2026-11-01");
        control.report(1);
        control.explain("a.example", "com.example");
        control.allow("a.example", 1795352400L, "com.example");
        control.block("a.example", null);
        control.addRule(true, "a.example", true);
        control.removeRule("a.example");
        control.rules();
        ListControl lists = control.lists();
        lists.all();
        lists.add("https://lists.example/ads.txt");
        lists.remove("ads-txt");
        lists.update("ads-txt");
        lists.updateAll();
        lists.rollback("ads-txt");
        lists.accept("ads-txt");
        lists.setMode("ads-txt", Mode.OFF);
        assertEquals(23, engine.requests.size());
        for (JSONObject request : engine.requests) {
            Set<String> known = new TreeSet<>();
            for (JSONObject example : Examples.requests(request.optString("do"))) {
                example.keys().forEachRemaining(known::add);
            }
            Set<String> ours = new TreeSet<>();
            request.keys().forEachRemaining(ours::add);
            assertTrue(request + " beside " + known, known.containsAll(ours));
        }
    }

    private void answer(String kind) {
        answer(kind, kind);
    }

    private void answer(String kind, String to) {
        engine.answers.put(to, Examples.answers(kind).get(0));
    }

    private static String join(String... answers) {
        StringBuilder all = new StringBuilder();
        for (String answer : answers) {
            all.append(all.length() == 0 ? "" : ",").append(answer, 1, answer.length() - 1);
        }
        return "[" + all + "]";
    }
}
