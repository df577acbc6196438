package org.optout;

import android.text.Editable;
import android.text.TextWatcher;
import android.widget.EditText;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** The search field of a screen with a list. */
final class Search {
    private Search() {}

    static void in(Screen screen, Runnable changed) {
        EditText field = screen.findViewById(R.id.search);
        field.addTextChangedListener(new TextWatcher() {
            @Override
            public void beforeTextChanged(CharSequence text, int start, int count, int after) {}

            @Override
            public void onTextChanged(CharSequence text, int start, int before, int count) {}

            @Override
            public void afterTextChanged(Editable text) {
                changed.run();
            }
        });
    }

    /** Those in whose words is what is searched for, in the same order. */
    static <T> List<T> sift(Screen screen, List<T> all, Function<T, String> words) {
        String text = text(screen);
        List<T> found = new ArrayList<>();
        for (T one : all) {
            if (words.apply(one).toLowerCase(Locale.getDefault()).contains(text)) {
                found.add(one);
            }
        }
        return found;
    }

    /** What is searched for, in lower case; empty for all. */
    static String text(Screen screen) {
        EditText field = screen.findViewById(R.id.search);
        return field.getText().toString().trim().toLowerCase(Locale.getDefault());
    }
}
