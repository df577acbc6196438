package org.optout;

import android.content.Context;
import android.content.pm.ApplicationInfo;
import android.content.pm.PackageManager;
import android.graphics.drawable.Drawable;
import android.os.Process;
import java.util.HashMap;
import java.util.Map;
import org.optout.control.Client;

/** Names and icons of the apps behind the packages that the engine names. */
final class Programs {
    private final Context context;
    private final PackageManager packages;
    private final Map<String, Drawable> icons = new HashMap<>();

    Programs(Context context) {
        this.context = context;
        this.packages = context.getPackageManager();
    }

    /** The app's own name; else what is known of it. */
    String name(Client client) {
        ApplicationInfo app = app(client.program());
        if (app != null) {
            return app.loadLabel(packages).toString();
        }
        if (client.program() != null) {
            return client.program();
        }
        if (client.uid() == null) {
            return context.getString(R.string.app_unknown);
        }
        boolean system = client.uid() < Process.FIRST_APPLICATION_UID;
        return context.getString(system ? R.string.app_system : R.string.app_uid, client.uid());
    }

    Drawable icon(Client client) {
        String key = client.program() == null ? "" : client.program();
        Drawable known = icons.get(key);
        if (known == null) {
            ApplicationInfo app = app(client.program());
            known = app == null ? unknown() : packages.getApplicationIcon(app);
            icons.put(key, known);
        }
        return known;
    }

    /** Whether it is an installed app that can be left alone. */
    boolean isApp(Client client) {
        return app(client.program()) != null;
    }

    private Drawable unknown() {
        Drawable icon = context.getDrawable(R.drawable.ic_system).mutate();
        icon.setTint(context.getColor(R.color.faint));
        return icon;
    }

    private ApplicationInfo app(String name) {
        try {
            return name == null ? null : packages.getApplicationInfo(name, 0);
        } catch (PackageManager.NameNotFoundException e) {
            return null;
        }
    }
}
