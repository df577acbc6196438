package org.optout;

import android.app.PendingIntent;
import android.content.Intent;
import android.graphics.drawable.Icon;
import android.os.Build;
import android.service.quicksettings.Tile;
import android.service.quicksettings.TileService;
import org.optout.tunnel.Board;
import org.optout.tunnel.Phase;
import org.optout.tunnel.Standing;
import org.optout.tunnel.Tunnel;

/** The tile in the quick settings: a tap switches on or off, and ends a pause. */
public final class OptoutTile extends TileService implements Board.Listener {
    @Override
    public void onStartListening() {
        super.onStartListening();
        Tunnel.of(this).board().listen(this);
        onStanding(Tunnel.of(this).board().standing());
    }

    @Override
    public void onStopListening() {
        Tunnel.of(this).board().leave(this);
        super.onStopListening();
    }

    @Override
    public void onClick() {
        super.onClick();
        Tunnel tunnel = Tunnel.of(this);
        Standing now = tunnel.board().standing();
        if (now.phase() == Phase.PAUSED) {
            tunnel.resume();
        } else if (now.isActive()) {
            // On a locked phone anybody could switch it off.
            unlockAndRun(tunnel::stop);
        } else if (tunnel.needsConsent()) {
            openApp();
        } else {
            tunnel.start();
        }
    }

    @Override
    public void onStanding(Standing now) {
        Tile tile = getQsTile();
        if (tile == null) {
            return;
        }
        boolean on = now.phase() == Phase.ON || now.phase() == Phase.STARTING;
        tile.setState(on ? Tile.STATE_ACTIVE : Tile.STATE_INACTIVE);
        tile.setLabel(getString(R.string.app_name));
        tile.setIcon(Icon.createWithResource(this, on ? R.drawable.ic_shield : R.drawable.ic_shield_off));
        String state = getString(state(now));
        tile.setContentDescription(getString(R.string.app_name) + ", " + state);
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            tile.setSubtitle(state);
        }
        tile.updateTile();
    }

    private void openApp() {
        Intent open = new Intent(this, MainActivity.class)
                .setAction(MainActivity.SWITCH_ON)
                .addFlags(Intent.FLAG_ACTIVITY_NEW_TASK);
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE) {
            startActivityAndCollapse(
                    PendingIntent.getActivity(this, 0, open, PendingIntent.FLAG_IMMUTABLE));
        } else {
            startActivityAndCollapse(open);
        }
    }

    private static int state(Standing now) {
        return switch (now.phase()) {
            case ON, STARTING -> R.string.tile_on;
            case PAUSED -> R.string.tile_paused;
            case OFF, FAILED, TAKEN -> R.string.tile_off;
        };
    }
}
