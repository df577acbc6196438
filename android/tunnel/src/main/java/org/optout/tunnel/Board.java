package org.optout.tunnel;

import android.os.Handler;
import android.os.Looper;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.UnaryOperator;

/** Where the standing is written, from any thread, and read; who listens is told on the main one. */
public final class Board {
    /** Is told, on the main thread, that the standing is another one. */
    public interface Listener {
        void onStanding(Standing now);
    }

    private final Handler main = new Handler(Looper.getMainLooper());
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();
    private volatile Standing standing = Standing.OFF;

    public Standing standing() {
        return standing;
    }

    public void listen(Listener listener) {
        listeners.add(listener);
    }

    public void leave(Listener listener) {
        listeners.remove(listener);
    }

    /** Writes what follows from what stands there. */
    public synchronized void write(UnaryOperator<Standing> next) {
        Standing now = next.apply(standing);
        if (!now.equals(standing)) {
            standing = now;
            main.post(this::tell);
        }
    }

    private void tell() {
        for (Listener listener : listeners) {
            listener.onStanding(standing);
        }
    }
}
