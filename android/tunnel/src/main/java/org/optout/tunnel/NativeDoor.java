package org.optout.tunnel;

import android.util.Log;

/** The engine in {@code liboptout.so}. */
public final class NativeDoor implements Door {
    private static final boolean PRESENT = load();

    @Override
    public boolean isPresent() {
        return PRESENT;
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
        if (PRESENT) {
            Engine.stop();
        }
    }

    @Override
    public boolean isRunning() {
        return PRESENT && Engine.isRunning();
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

    private static boolean load() {
        try {
            System.loadLibrary("optout");
            return true;
        } catch (UnsatisfiedLinkError e) {
            Log.e("optout", "the engine does not load", e);
            return false;
        }
    }
}
