package org.optout;

import android.os.Bundle;
import android.widget.CheckBox;
import android.widget.RadioButton;
import android.widget.TextView;
import java.util.Locale;

/** One more rule of the user's own: what it names, and whether that is stopped or let through. */
public final class AddRuleActivity extends Screen {
    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        show(R.layout.add_rule);
        field(R.id.rule_subject, this::add);
        onClick(R.id.add, this::add);
    }

    private void add() {
        boolean allow = this.<RadioButton>findViewById(R.id.action_allow).isChecked();
        boolean exact = this.<CheckBox>findViewById(R.id.exact).isChecked();
        String subject = subject();
        change(() -> tunnel().control().addRule(allow, subject, exact), this::finish);
    }

    /** As the engine writes names, so that what is added can be removed by the same name. */
    private String subject() {
        String text = this.<TextView>findViewById(R.id.rule_subject).getText().toString();
        String name = text.trim().toLowerCase(Locale.ROOT);
        return name.endsWith(".") ? name.substring(0, name.length() - 1) : name;
    }
}
