package org.optout.tunnel;

import android.os.Handler;
import android.os.Looper;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.optout.tunnel.Upkeep.Question;

/**
 * What takes the engine long, such as to fetch a list: one after the other on a thread of its own,
 * so that neither a screen nor the switch waits for it. It goes on without the screen that asked,
 * and keeps what came of it for the next one that looks.
 */
public final class Errands {
    /** Is told, on the main thread, that one began or is done. */
    public interface Listener {
        void onErrands();
    }

    /**
     * What came of one.
     *
     * @param sentence in the engine's words; null where it has nothing to say
     */
    public record Outcome(boolean done, String sentence) {}

    private final Tunnel tunnel;
    private final Executor slow;
    private final Handler main = new Handler(Looper.getMainLooper());
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();
    private int open;
    private Outcome last;

    Errands(Tunnel tunnel, Executor slow) {
        this.tunnel = tunnel;
        this.slow = slow;
    }

    /** The thread, which ends by itself when there is nothing to do. */
    static Executor thread() {
        ThreadPoolExecutor one = new ThreadPoolExecutor(
                1, 1, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>());
        one.allowCoreThreadTimeOut(true);
        return one;
    }

    /** Asks when it is its turn; where no engine runs, one is started for it. */
    public void ask(Question<String> question) {
        note(1, null);
        tunnel.work().execute(() -> {
            try {
                tunnel.upkeep().begin();
            } catch (EngineException e) {
                note(-1, new Outcome(false, e.getMessage()));
                return;
            }
            slow.execute(() -> {
                Outcome outcome = outcome(question);
                tunnel.work().execute(tunnel.upkeep()::end);
                note(-1, outcome);
            });
        });
    }

    public synchronized boolean isBusy() {
        return open > 0;
    }

    /** What came of the last one, once; null if that was taken already. */
    public synchronized Outcome take() {
        Outcome taken = last;
        last = null;
        return taken;
    }

    /** For the next one who looks: what was taken here belongs there. */
    public synchronized void keep(Outcome outcome) {
        last = outcome;
    }

    public void listen(Listener listener) {
        listeners.add(listener);
    }

    public void leave(Listener listener) {
        listeners.remove(listener);
    }

    private static Outcome outcome(Question<String> question) {
        try {
            return new Outcome(true, question.ask());
        } catch (EngineException e) {
            return new Outcome(false, e.getMessage());
        }
    }

    private synchronized void note(int more, Outcome outcome) {
        open += more;
        last = outcome == null ? last : outcome;
        main.post(this::tell);
    }

    private void tell() {
        for (Listener listener : listeners) {
            listener.onErrands();
        }
    }

    private static final long IDLE_SECONDS = 10;
}
