package org.optout;

import android.app.Activity;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.net.Uri;
import android.os.Bundle;
import android.provider.Settings;
import android.widget.Switch;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import org.optout.tunnel.Choices;

/** Start, automation, backup, and what this is. */
public final class SettingsActivity extends Screen {
    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        show(R.layout.settings);
        Choices choices = tunnel().choices();
        toggle(R.id.at_boot, choices.atBoot(), choices::setAtBoot);
        toggle(R.id.automation, choices.automation(), on -> {
            choices.setAutomation(on);
            key();
        });
        key();
        onClick(R.id.new_key, () -> {
            choices.newKey();
            key();
        });
        onClick(R.id.vpn_settings, () -> startActivity(new Intent(Settings.ACTION_VPN_SETTINGS)));
        onClick(R.id.backup, this::chooseWhereTo);
        onClick(R.id.restore, this::chooseWhereFrom);
        setText(R.id.version, getString(R.string.version, version()));
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        Uri place = data == null ? null : data.getData();
        if (result != Activity.RESULT_OK || place == null) {
            return;
        }
        if (request == SAVE) {
            save(place);
        } else if (request == RESTORE) {
            restore(place);
        }
    }

    private interface Choose {
        void choose(boolean on);
    }

    private void toggle(int id, boolean on, Choose choose) {
        Switch view = findViewById(id);
        view.setChecked(on);
        view.setOnCheckedChangeListener((button, now) -> choose.choose(now));
    }

    /** The key is shown, and made, only where it opens something. */
    private void key() {
        boolean on = tunnel().choices().automation();
        visible(R.id.key_part, on);
        if (on) {
            setText(R.id.key, tunnel().choices().key());
        }
    }

    private void chooseWhereTo() {
        startActivityForResult(
                new Intent(Intent.ACTION_CREATE_DOCUMENT)
                        .addCategory(Intent.CATEGORY_OPENABLE)
                        .setType(Backup.TYPE)
                        .putExtra(Intent.EXTRA_TITLE, Backup.NAME),
                SAVE);
    }

    private void chooseWhereFrom() {
        // Of any type: what a file that came by another way is called, nobody knows.
        startActivityForResult(
                new Intent(Intent.ACTION_OPEN_DOCUMENT)
                        .addCategory(Intent.CATEGORY_OPENABLE)
                        .setType("*/*"),
                RESTORE);
    }

    private void save(Uri place) {
        fetch(() -> {
            try (OutputStream out = getContentResolver().openOutputStream(place, "wt")) {
                new Backup(tunnel()).write(out);
                return R.string.backup_saved;
            } catch (IOException | SecurityException e) {
                return R.string.backup_unreadable;
            }
        }, this::backupDone);
    }

    private void restore(Uri place) {
        fetch(() -> {
            try (InputStream in = getContentResolver().openInputStream(place)) {
                return new Backup(tunnel()).read(in)
                        ? R.string.backup_restored
                        : R.string.backup_wrong;
            } catch (IOException | SecurityException e) {
                return R.string.backup_unreadable;
            }
        }, this::backupDone);
    }

    private void backupDone(int what) {
        setText(R.id.backup_done, getString(what));
        visible(R.id.backup_done, true);
        this.<Switch>findViewById(R.id.at_boot).setChecked(tunnel().choices().atBoot());
        this.<Switch>findViewById(R.id.automation).setChecked(tunnel().choices().automation());
    }

    private String version() {
        try {
            return getPackageManager().getPackageInfo(getPackageName(), 0).versionName;
        } catch (PackageManager.NameNotFoundException e) {
            return "";
        }
    }

    private static final int SAVE = 1;
    private static final int RESTORE = 2;
}
