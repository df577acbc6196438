package org.optout.tunnel;

import android.content.Context;
import android.content.Intent;
import android.net.VpnService;
import android.os.Build;
import java.io.File;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import org.optout.control.Control;

/** What there is one of in this process: the engine, the thread it is asked on, the standing. */
public final class Tunnel {
    private static Tunnel only;

    private final Context context;
    private final Door door;
    private final Executor work;
    private final Board board = new Board();
    private final Choices choices;
    private final SystemBridge bridge;
    private final Upkeep upkeep;
    private final Errands errands;

    Tunnel(Context context, Door door, Executor work, Executor slow) {
        this.context = context.getApplicationContext();
        this.door = door;
        this.work = work;
        this.choices = new Choices(this.context);
        this.bridge = new SystemBridge(this.context);
        this.upkeep = new Upkeep(this, bridge);
        this.errands = new Errands(this, slow);
    }

    public static synchronized Tunnel of(Context context) {
        if (only == null) {
            Executor work = Executors.newSingleThreadExecutor();
            only = new Tunnel(context, new NativeDoor(), work, Errands.thread());
        }
        return only;
    }

    /** For tests: another engine, and a thread that they hold. */
    public static synchronized Tunnel replace(Context context, Door door, Executor work) {
        return replace(context, door, work, work);
    }

    /** The same with another thread for errands. */
    public static synchronized Tunnel replace(
            Context context, Door door, Executor work, Executor slow) {
        only = new Tunnel(context, door, work, slow);
        return only;
    }

    public Door door() {
        return door;
    }

    public Control control() {
        return new Control(door);
    }

    /** The one thread on which the engine is asked, so that start and stop keep their order. */
    public Executor work() {
        return work;
    }

    /** Whether the engine runs, and with what. */
    public Upkeep upkeep() {
        return upkeep;
    }

    /** What takes the engine too long for that thread. */
    public Errands errands() {
        return errands;
    }

    SystemBridge bridge() {
        return bridge;
    }

    public Board board() {
        return board;
    }

    public Choices choices() {
        return choices;
    }

    public File configDir() {
        return folder("config");
    }

    public File dataDir() {
        return folder("data");
    }

    /** Whether the user has to agree first: he never did, or another VPN has the place now. */
    public boolean needsConsent() {
        return VpnService.prepare(context) != null;
    }

    /** Starts, if the user has agreed that we be the VPN; else the standing says that he has not. */
    public void start() {
        boolean consent = !needsConsent();
        board.write(now -> now.with(Hindrance.NO_CONSENT, !consent));
        if (consent) {
            choices.setWanted(true);
            foreground(order(context, TunnelService.START));
        }
    }

    public void stop() {
        choices.setWanted(false);
        if (board.standing().isActive()) {
            send(TunnelService.STOP, 0);
        } else {
            board.write(now -> Standing.OFF);
        }
    }

    public void pause(long seconds) {
        send(TunnelService.PAUSE, seconds);
    }

    public void resume() {
        send(TunnelService.RESUME, 0);
    }

    /** Another tunnel, because other apps are exempt now. */
    public void renew() {
        if (board.standing().isActive()) {
            send(TunnelService.RENEW, 0);
        }
    }

    /** What the service is told. Its class is the app's; the action that every VPN has finds it. */
    public static Intent order(Context context, String what) {
        return new Intent(VpnService.SERVICE_INTERFACE)
                .setPackage(context.getPackageName())
                .putExtra(TunnelService.WHAT, what);
    }

    private void foreground(Intent order) {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.O) {
            context.startForegroundService(order);
        } else {
            context.startService(order);
        }
    }

    private void send(String what, long seconds) {
        context.startService(order(context, what).putExtra(TunnelService.SECONDS, seconds));
    }

    private File folder(String name) {
        File folder = new File(context.getFilesDir(), name);
        // If it cannot be made, the engine says so of its folder, in better words.
        folder.mkdirs();
        return folder;
    }
}
