package org.optout.tunnel;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Application;
import android.os.Looper;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.optout.tunnel.Errands.Outcome;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;

/** What takes long: nobody waits for it, and the engine is there until it is done. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35)
public class ErrandsTest {
    private final Application context = RuntimeEnvironment.getApplication();
    private final Script engine = new Script();
    private final Later work = new Later();
    private final Later slow = new Later();
    private Tunnel tunnel;
    private int told;

    @Before
    public void begin() {
        engine.answers.put("rules", Examples.answers("rules").get(0));
        tunnel = Tunnel.replace(context, engine, work, slow);
        tunnel.errands().listen(() -> told++);
    }

    @Test
    public void a_question_is_answered_while_an_errand_takes_its_time() throws EngineException {
        tunnel.upkeep().comes();
        tunnel.errands().ask(() -> tunnel.control().lists().updateAll());
        work.run();
        assertEquals("it waits on its own thread", 1, slow.waiting());
        assertTrue(tunnel.errands().isBusy());
        assertEquals(2, tunnel.upkeep().ask(() -> tunnel.control().rules()).size());
        assertNull("nothing came of it yet", tunnel.errands().take());
        run();
        assertFalse(tunnel.errands().isBusy());
        assertEquals(new Outcome(true, null), tunnel.errands().take());
        assertNull("it is told once", tunnel.errands().take());
        assertEquals("at its begin and at its end", 2, told);
    }

    @Test
    public void the_engine_stays_for_an_errand_when_the_last_screen_is_gone() {
        tunnel.upkeep().comes();
        tunnel.errands().ask(() -> tunnel.control().lists().updateAll());
        work.run();
        tunnel.upkeep().goes();
        work.run();
        assertTrue(engine.isRunning());
        run();
        assertFalse("and no longer", engine.isRunning());
        assertEquals(List.of("network", "start without", "stop"), engine.calls);
    }

    @Test
    public void an_errand_goes_on_without_the_tunnel_that_is_taken_away() throws EngineException {
        tunnel.upkeep().give(1000);
        tunnel.errands().ask(() -> tunnel.control().lists().updateAll());
        work.run();
        tunnel.upkeep().take();
        assertTrue(engine.isRunning());
        assertTrue("the tunnel is not kept for it", engine.calls.contains("take"));
        run();
        assertEquals(new Outcome(true, null), tunnel.errands().take());
        assertFalse(engine.isRunning());
    }

    @Test
    public void an_engine_that_does_not_start_is_what_came_of_it() {
        engine.refusal = "the data folder is full; free some space";
        tunnel.errands().ask(() -> tunnel.control().lists().updateAll());
        run();
        assertEquals(new Outcome(false, engine.refusal), tunnel.errands().take());
        assertFalse(tunnel.errands().isBusy());
    }

    @Test
    public void an_engine_that_is_stopped_meanwhile_ends_the_errand_with_a_sentence() {
        tunnel.upkeep().comes();
        tunnel.errands().ask(() -> tunnel.control().lists().updateAll());
        work.run();
        tunnel.upkeep().halt(); // a backup is put back
        run();
        assertEquals(new Outcome(false, "the engine does not run"), tunnel.errands().take());
        assertFalse(tunnel.errands().isBusy());
    }

    @Test
    public void errands_are_done_one_after_the_other() throws Exception {
        Executor thread = Errands.thread();
        CountDownLatch go = new CountDownLatch(1);
        CountDownLatch done = new CountDownLatch(2);
        StringBuffer order = new StringBuffer();
        thread.execute(() -> {
            try {
                go.await();
            } catch (InterruptedException e) {
                order.append("interrupted");
            }
            order.append("a");
            done.countDown();
        });
        thread.execute(() -> {
            order.append("b");
            done.countDown();
        });
        go.countDown();
        done.await();
        assertEquals("ab", order.toString());
    }

    private void run() {
        work.run();
        slow.run();
        work.run();
        shadowOf(Looper.getMainLooper()).idle();
    }
}
