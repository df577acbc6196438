package org.optout.tunnel;

import java.util.List;

/** Writes on a board what the service would, for tests of what shows it. */
public final class Written {
    private Written() {}

    /** It is on, and the engine has a tunnel. */
    public static void on(Tunnel tunnel) {
        try {
            tunnel.upkeep().give(1000); // no descriptor: the scripted engine opens none
        } catch (EngineException e) {
            throw new AssertionError(e);
        }
        on(tunnel.board());
    }

    public static void on(Board board) {
        board.write(now -> now.with(Phase.ON));
    }

    public static void starting(Board board) {
        board.write(now -> now.with(Phase.STARTING));
    }

    public static void pausedUntil(Board board, long seconds) {
        board.write(now -> now.pausedUntil(seconds));
    }

    public static void taken(Board board) {
        board.write(now -> now.with(Phase.TAKEN));
    }

    public static void failed(Board board, String why) {
        board.write(now -> now.failed(why));
    }

    public static void problems(Board board, List<String> problems) {
        board.write(now -> now.with(problems));
    }

    public static void hindered(Board board, Hindrance hindrance) {
        board.write(now -> now.with(hindrance, true));
    }
}
