package org.optout;

import org.optout.control.ListControl;
import org.optout.tunnel.EngineException;
import org.optout.tunnel.Errands;
import org.optout.tunnel.Hindrance;

/** A screen of lists: shows that the engine is at work on them, and in its words what came of it. */
abstract class ErrandScreen extends Screen implements Errands.Listener {
    private String failure;

    /** Asks the engine for what is shown. */
    abstract void load();

    @Override
    protected void onResume() {
        super.onResume();
        tunnel().errands().listen(this);
        look();
        load();
    }

    @Override
    protected void onPause() {
        tunnel().errands().leave(this);
        super.onPause();
    }

    @Override
    public void onErrands() {
        look();
        // Before it is done the engine says what was, and a switch would jump back.
        if (!tunnel().errands().isBusy()) {
            load();
        }
    }

    private void look() {
        if (isFinishing()) {
            return; // what comes now is for the screen below
        }
        visible(R.id.working, tunnel().errands().isBusy());
        Errands.Outcome outcome = tunnel().errands().take();
        if (outcome != null) {
            came(outcome);
        }
    }

    /** What came of the last errand of all, whoever asked for it. */
    void came(Errands.Outcome outcome) {
        failure = outcome.done() ? null : outcome.sentence();
        fault(failure);
        say(outcome.done() ? sentence(outcome) : null);
    }

    /** For after an answer, which takes faults away: this one is still to be read. */
    void failAgain() {
        if (failure != null) {
            fault(failure);
        }
    }

    /** Has the lists changed, in the order in which that was asked for. */
    void errand(Errand errand) {
        failure = null;
        fault(null);
        say(null);
        if (!tunnel().door().isPresent()) {
            fault(getString(Words.hindrance(Hindrance.NO_ENGINE)));
            return;
        }
        tunnel().errands().ask(() -> errand.make(tunnel().control().lists()));
        visible(R.id.working, true);
    }

    /** The same for what needs a network: why it failed may be that the engine knows none. */
    void errandOutside(Errand errand) {
        String off = tunnel().board().standing().isActive() ? null : getString(R.string.engine_off);
        errand(lists -> {
            try {
                return errand.make(lists);
            } catch (EngineException e) {
                throw off == null ? e : new EngineException(e.getMessage() + "\n\n" + off);
            }
        });
    }

    /** A change of the lists, and what the engine says to it. */
    interface Errand {
        String make(ListControl lists) throws EngineException;
    }

    private String sentence(Errands.Outcome outcome) {
        return outcome.sentence() == null ? getString(R.string.list_done) : outcome.sentence();
    }

    private void say(String word) {
        setText(R.id.word, word);
        visible(R.id.word, word != null);
    }
}
