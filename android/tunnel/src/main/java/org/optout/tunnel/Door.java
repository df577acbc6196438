package org.optout.tunnel;

/** {@link Engine} as an object, so that a test can put another in its place. */
public interface Door {
    /** Whether this build carries an engine that this phone can load. */
    boolean isPresent();

    String plan(String configDir, String dataDir) throws EngineException;

    void start(int tunnel, String configDir, String dataDir, Bridge bridge) throws EngineException;

    void replaceTunnel(int tunnel) throws EngineException;

    void stop();

    boolean isRunning();

    void reload() throws EngineException;

    String control(String request) throws EngineException;

    String page(long since) throws EngineException;

    void networkChanged(Link link) throws EngineException;
}
