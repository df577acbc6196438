package org.optout.tunnel;

import android.annotation.TargetApi;
import android.app.Notification;
import android.app.PendingIntent;
import android.app.Service;
import android.content.Intent;
import android.content.pm.ServiceInfo;
import android.net.VpnService;
import android.os.Build;
import android.os.Handler;
import android.os.Looper;
import android.os.ParcelFileDescriptor;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.optout.control.Status;

/**
 * The VPN: holds the tunnel open and the engine running in it.
 *
 * <p>Android starts it by itself too: with no intent after it had to end the process, and with a
 * bare one where the VPN is set to be always on. Both mean: start.
 *
 * <p>What the user sees of it is the app's: a subclass has the notification.
 */
public abstract class TunnelService extends VpnService implements Board.Listener {
    static final String WHAT = "what";
    static final String SECONDS = "seconds";
    static final String START = "start";
    static final String STOP = "stop";
    static final String PAUSE = "pause";
    static final String RESUME = "resume";
    static final String RENEW = "renew";

    private final AtomicReference<Link> waiting = new AtomicReference<>();
    private Tunnel tunnel;
    private LinkWatch watch;
    private volatile Link link = Link.NONE;
    private volatile int newestOrder;
    private volatile boolean replaced;
    private final Handler main = new Handler(Looper.getMainLooper());

    /** The notification that has to stand while we run. */
    protected abstract Notification notice(Standing standing);

    /** The standing is another one. */
    protected abstract void onNews(Standing standing);

    @Override
    public void onCreate() {
        super.onCreate();
        tunnel = Tunnel.of(this);
        tunnel.board().listen(this);
        tunnel.bridge().enter(this, this::onEngineState);
        watch = new LinkWatch(this, this::onLink);
        watch.start();
    }

    @Override
    public int onStartCommand(Intent intent, int flags, int id) {
        String what = intent == null ? null : intent.getStringExtra(WHAT);
        newestOrder = id;
        enterForeground();
        if (what == null) {
            tunnel.choices().setWanted(true);
        }
        if ((what == null || what.equals(START)) && tunnel.choices().wanted()) {
            begin();
            return Service.START_STICKY;
        }
        if (what.equals(STOP)) {
            tunnel.choices().setWanted(false);
            leaveLater(now -> now.with(Phase.OFF));
            return Service.START_NOT_STICKY;
        }
        if (!tunnel.board().standing().isActive()) {
            // It comes too late: from a notification that outlived its process, or it is a start
            // that was taken back before it came.
            leaveLater(now -> now);
            return Service.START_NOT_STICKY;
        }
        switch (what) {
            case START -> { }
            case PAUSE -> pause(intent.getLongExtra(SECONDS, 0));
            case RESUME -> asked(() -> tunnel.control().resume());
            default -> tunnel.work().execute(this::renew);
        }
        return Service.START_STICKY;
    }

    /** Called when another VPN app takes over, or when the user takes the permission away. */
    @Override
    public void onRevoke() {
        leaveLater(now -> now.with(Phase.TAKEN));
    }

    @Override
    public void onDestroy() {
        watch.stop();
        tunnel.board().leave(this);
        // Also when Android ends us without a word; where nothing runs, nothing happens.
        tunnel.work().execute(() -> {
            tunnel.upkeep().take();
            tunnel.bridge().leave(this);
        });
        tunnel.board().write(now -> now.isActive() ? now.with(Phase.OFF) : now);
        super.onDestroy();
    }

    @Override
    public void onStanding(Standing now) {
        onNews(now);
    }

    protected Tunnel tunnel() {
        return tunnel;
    }

    /** Apart, so that a test can see what is asked for. */
    protected Builder builder() {
        return new Builder();
    }

    /** The descriptor, ours alone; −1 where Android gives none. Apart, for there is no VPN in tests. */
    protected int open(Builder builder) {
        ParcelFileDescriptor descriptor = builder.establish();
        return descriptor == null ? -1 : descriptor.detachFd();
    }

    private void enterForeground() {
        Notification notice = notice(tunnel.board().standing());
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE) {
            startAsVpn(notice);
        } else {
            startForeground(NOTICE, notice);
        }
    }

    /** Android has a type for VPN apps that the user agreed to; without his consent it throws. */
    @TargetApi(Build.VERSION_CODES.UPSIDE_DOWN_CAKE)
    private void startAsVpn(Notification notice) {
        try {
            startForeground(NOTICE, notice, ServiceInfo.FOREGROUND_SERVICE_TYPE_SYSTEM_EXEMPTED);
        } catch (SecurityException e) {
            tunnel.board().write(now -> now.with(Hindrance.NO_CONSENT, true));
        }
    }

    private void begin() {
        boolean consent = VpnService.prepare(this) == null;
        tunnel.board().write(now -> now.with(Hindrance.NO_CONSENT, !consent));
        if (!consent) {
            leaveLater(now -> now.with(Phase.OFF));
            return;
        }
        tunnel.board().write(now -> now.isActive() ? now : now.with(Phase.STARTING));
        int order = newestOrder;
        tunnel.work().execute(() -> open(order));
    }

    private void open(int order) {
        if (tunnel.upkeep().hasTunnel()) {
            return;
        }
        tunnel.board().write(now -> now.with(Phase.STARTING));
        boolean present = tunnel.door().isPresent();
        tunnel.board().write(now -> now.with(Hindrance.NO_ENGINE, !present));
        if (!present) {
            leave(now -> now.failed(null), order);
            return;
        }
        try {
            int descriptor = establish();
            if (descriptor < 0) {
                leave(now -> now.with(Phase.TAKEN), order);
                return;
            }
            tunnel.upkeep().give(descriptor);
            tunnel.door().networkChanged(link);
            tunnel.control().on();
            refresh();
        } catch (EngineException e) {
            leave(now -> now.failed(e.getMessage()), order);
        }
    }

    /** The descriptor of a new tunnel; −1 if Android gives none. */
    private int establish() throws EngineException {
        String json = tunnel.door().plan(tunnel.configDir().getPath(), tunnel.dataDir().getPath());
        Builder builder = builder();
        Plan.parse(json).describe(builder, tunnel.choices().exempt());
        builder.setSession(getApplicationInfo().loadLabel(getPackageManager()).toString());
        Intent app = getPackageManager().getLaunchIntentForPackage(getPackageName());
        if (app != null) {
            builder.setConfigureIntent(
                    PendingIntent.getActivity(this, 0, app, PendingIntent.FLAG_IMMUTABLE));
        }
        return open(builder);
    }

    private void renew() {
        if (!tunnel.upkeep().hasTunnel()) {
            return;
        }
        int order = newestOrder;
        try {
            int descriptor = establish();
            if (descriptor < 0) {
                leave(now -> now.with(Phase.TAKEN), order);
            } else {
                tunnel.upkeep().give(descriptor);
            }
        } catch (EngineException e) {
            leave(now -> now.failed(e.getMessage()), order);
        }
    }

    /** The engine said that its tunnel is gone: it gets another one, but not over and over. */
    private void look() {
        try {
            if (!tunnel.upkeep().hasTunnel() || !tunnel.control().status().device().isEmpty()) {
                return; // it was the one before, and has another by now
            }
        } catch (EngineException e) {
            leave(now -> now.failed(e.getMessage()), newestOrder);
            return;
        }
        if (replaced) {
            leave(now -> now.with(Phase.TAKEN), newestOrder);
        } else {
            replaced = true;
            renew();
        }
    }

    private void leaveLater(UnaryOperator<Standing> why) {
        int order = newestOrder;
        tunnel.work().execute(() -> leave(why, order));
    }

    /**
     * Takes the tunnel from the engine, says why, and ends this service, unless there is a newer
     * order than the one that led here.
     */
    private void leave(UnaryOperator<Standing> why, int order) {
        tunnel.upkeep().take();
        tunnel.board().write(now -> why.apply(now).with(List.of()));
        // Where orders come in, so that none comes in between.
        main.post(() -> {
            if (stopSelfResult(order)) {
                stopForeground(true);
            }
        });
    }

    private void pause(long seconds) {
        asked(() -> tunnel.control().pause(seconds));
    }

    /** One request of the user; if it is refused, the reason is a problem that he sees. */
    private void asked(Request request) {
        tunnel.work().execute(() -> {
            if (!tunnel.upkeep().hasTunnel()) {
                return; // it was stopped meanwhile, and an engine that only answers is left alone
            }
            try {
                request.make();
                refresh();
            } catch (EngineException e) {
                tunnel.board().write(now -> now.with(List.of(e.getMessage())));
            }
        });
    }

    private void refresh() throws EngineException {
        lookAtSettings();
        Status status = tunnel.control().status();
        tunnel.board().write(now -> standing(now, status.state(), status.pausedUntil())
                .with(status.problems()));
    }

    private static Standing standing(Standing now, String state, Long until) {
        return switch (String.valueOf(state)) {
            case "paused" -> now.pausedUntil(until == null ? 0 : until);
            case "off" -> now.with(Phase.OFF);
            default -> now.with(Phase.ON);
        };
    }

    /** From threads of the engine. */
    private void onEngineState(String json) {
        EngineState said;
        try {
            said = EngineState.parse(json);
        } catch (EngineException e) {
            tunnel.board().write(now -> now.with(List.of(e.getMessage())));
            return;
        }
        tunnel.board().write(now -> now.isActive() ? now.with(said.problems()) : now);
        if (said.planChanged()) {
            tunnel.work().execute(this::renew);
        }
        if (!said.hasTunnel()) {
            tunnel.work().execute(this::look);
        }
        if (tunnel.board().standing().isActive()) {
            asked(() -> {}); // when a pause ends only the status says
        }
    }

    private void onLink(Link now) {
        link = now;
        replaced = false;
        tunnel.board().write(old -> old
                .with(Hindrance.PRIVATE_DNS, now.privateDns() != null)
                .with(Hindrance.CAPTIVE, now.captive()));
        // In a storm only the newest is handed on: whoever finds one waiting has nothing to add.
        if (waiting.getAndSet(now) == null) {
            tunnel.work().execute(this::passOn);
        }
    }

    private void passOn() {
        Link newest = waiting.getAndSet(null);
        if (newest == null || !tunnel.upkeep().hasTunnel()) {
            return;
        }
        lookAtSettings();
        try {
            tunnel.door().networkChanged(newest);
        } catch (EngineException e) {
            tunnel.board().write(now -> now.with(List.of(e.getMessage())));
        }
    }

    private void lookAtSettings() {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            boolean locked = isLockdownEnabled();
            tunnel.board().write(now -> now.with(Hindrance.LOCKDOWN, locked));
        }
    }

    private interface Request {
        void make() throws EngineException;
    }

    /** Of our notification; any number but zero. */
    public static final int NOTICE = 1;
}
