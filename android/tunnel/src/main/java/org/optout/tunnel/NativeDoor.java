package org.optout.tunnel;

import android.util.Log;

/** The engine in {@code liboptout.so}. */
public final class NativeDoor implements Door {
    private final boolean present;

    public NativeDoor() {
        this(() -> System.loadLibrary("optout"));
    }

    /** For tests, whose engine is not where an app has its libraries. */
    NativeDoor(Runnable load) {
        present = loads(load);
    }

    @Override
    public boolean isPresent() {
        return present;
    }

    @Override
    public String plan(String configDir, String dataDir) throws EngineException {
        return Engine.plan(configDir, dataDir);
    }

    @Override
    public void start(int tunnel, String configDir, String dataDir, Bridge bridge)
            throws EngineException {
        Engine.start(tunnel, configDir, dataDir, bridge);
    }

    @Override
    public void replaceTunnel(int tunnel) throws EngineException {
        Engine.replaceTunnel(tunnel);
    }

    @Override
    public void stop() {
        if (present) {
            Engine.stop();
        }
    }

    @Override
    public boolean isRunning() {
        return present && Engine.isRunning();
    }

    @Override
    public void reload() throws EngineException {
        Engine.reload();
    }

    @Override
    public String control(String request) throws EngineException {
        return Engine.control(request);
    }

    @Override
    public String page(long since) throws EngineException {
        return Engine.page(since);
    }

    @Override
    public void networkChanged(Link link) throws EngineException {
        Engine.networkChanged(
                link.addresses().toArray(new String[0]),
                link.resolvers().toArray(new String[0]),
                link.metered(),
                link.captive());
    }

    private static boolean loads(Runnable load) {
        try {
            load.run();
            return true;
        } catch (UnsatisfiedLinkError e) {
            Log.e("optout", "the engine does not load", e);
            return false;
        }
    }
}
