package org.optout;

import android.text.Editable;
import android.text.TextWatcher;
import android.widget.EditText;
import java.util.Locale;

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

    /** What is searched for, in lower case; empty for all. */
    static String text(Screen screen) {
        EditText field = screen.findViewById(R.id.search);
        return field.getText().toString().trim().toLowerCase(Locale.getDefault());
    }
}
