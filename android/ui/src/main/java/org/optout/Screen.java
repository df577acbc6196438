package org.optout;

import android.app.Activity;
import android.os.Bundle;
import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.view.inputmethod.EditorInfo;
import android.widget.EditText;
import android.widget.ImageButton;
import android.widget.TextView;
import java.util.function.Consumer;
import org.optout.tunnel.EngineException;
import org.optout.tunnel.Hindrance;
import org.optout.tunnel.Tunnel;
import org.optout.tunnel.Upkeep.Question;

/** What all screens share: the bar, the engine's thread, and the place for what went wrong. */
abstract class Screen extends Activity {
    private Tunnel tunnel;

    /** A change that the engine is asked for. */
    interface Change {
        void make() throws EngineException;
    }

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        tunnel = Tunnel.of(this);
    }

    @Override
    protected void onStart() {
        super.onStart();
        tunnel.upkeep().comes();
    }

    @Override
    protected void onStop() {
        tunnel.upkeep().goes();
        super.onStop();
    }

    /** Shows that layout below the bar, with the title of the activity in it. */
    void show(int layout) {
        super.setContentView(R.layout.frame);
        LayoutInflater.from(this).inflate(layout, this.<ViewGroup>findViewById(R.id.content));
        onClick(R.id.back, this::finish);
        title(getTitle());
    }

    void title(CharSequence title) {
        setText(R.id.title, title);
    }

    Tunnel tunnel() {
        return tunnel;
    }

    /**
     * Asks on the engine's thread and shows the answer on ours, or the engine's sentence. Where
     * no engine runs, one is started that answers and does no more.
     */
    <T> void ask(Question<T> question, Consumer<T> answer) {
        String absent = getString(Words.hindrance(Hindrance.NO_ENGINE));
        fetch(() -> {
            if (!tunnel.door().isPresent()) {
                throw new EngineException(absent);
            }
            return tunnel.upkeep().ask(question);
        }, answer);
    }

    /** The same with what needs no engine, only time. */
    <T> void fetch(Question<T> question, Consumer<T> answer) {
        tunnel.work().execute(() -> {
            try {
                T found = question.ask();
                later(() -> {
                    fault(null);
                    answer.accept(found);
                });
            } catch (EngineException e) {
                later(() -> fault(e.getMessage()));
            }
        });
    }

    void change(Change change, Runnable done) {
        ask(() -> {
            change.make();
            return this;
        }, nothing -> done.run());
    }

    /** Shows the sentence as it came; null takes it away. */
    void fault(String sentence) {
        setText(R.id.fault, sentence);
        visible(R.id.fault, sentence != null);
    }

    void setText(int id, CharSequence text) {
        this.<TextView>findViewById(id).setText(text);
    }

    void visible(int id, boolean visible) {
        findViewById(id).setVisibility(visible ? View.VISIBLE : View.GONE);
    }

    void onClick(int id, Runnable action) {
        findViewById(id).setOnClickListener(view -> action.run());
    }

    /** Shows the button at the end of the bar. */
    void corner(int icon, int what, Runnable action) {
        ImageButton corner = findViewById(R.id.corner);
        corner.setImageResource(icon);
        corner.setContentDescription(getString(what));
        visible(R.id.corner, true);
        onClick(R.id.corner, action);
    }

    /** A field for one line of any length: it wraps, and the last key of the keyboard is done. */
    void field(int id, Runnable done) {
        EditText field = findViewById(id);
        field.setHorizontallyScrolling(false);
        field.setMaxLines(FIELD_LINES);
        field.setOnEditorActionListener((view, action, key) -> {
            boolean last = action == EditorInfo.IME_ACTION_DONE;
            if (last) {
                done.run();
            }
            return last;
        });
    }

    private void later(Runnable show) {
        runOnUiThread(() -> {
            if (!isDestroyed()) {
                show.run();
            }
        });
    }

    private static final int FIELD_LINES = 6; // more of it scrolls
}
