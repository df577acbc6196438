package org.optout;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Application;
import android.content.Intent;
import android.service.quicksettings.Tile;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.optout.tunnel.Written;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowVpnService;

/** The tile: what it shows, and what a tap does. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = {24, 35})
public class TileTest {
    private final Application context = RuntimeEnvironment.getApplication();
    private final OptoutTile tile = Robolectric.setupService(OptoutTile.class);
    private Scene scene;

    @Before
    public void begin() {
        ShadowVpnService.setPrepareResult(null);
        scene = new Scene();
    }

    @Test
    public void it_shows_off_then_on_as_soon_as_it_is() {
        tile.onStartListening();
        assertEquals(Tile.STATE_INACTIVE, tile.getQsTile().getState());
        scene.on();
        Scene.settle();
        assertEquals(Tile.STATE_ACTIVE, tile.getQsTile().getState());
        assertTrue(tile.getQsTile().getContentDescription().toString().endsWith("On"));
        tile.onStopListening();
    }

    @Test
    public void a_pause_shows_as_one() {
        Written.pausedUntil(scene.on().board(), 1795352400L);
        tile.onStartListening();
        assertEquals(Tile.STATE_INACTIVE, tile.getQsTile().getState());
        assertTrue(tile.getQsTile().getContentDescription().toString().endsWith("Paused"));
    }

    @Test
    public void a_tap_switches_on() {
        tile.onClick();
        assertEquals("start", shadowOf(context).getNextStartedService().getStringExtra("what"));
    }

    @Test
    public void a_tap_switches_off() {
        scene.on();
        tile.onClick();
        Scene.settle();
        assertEquals("stop", shadowOf(context).getNextStartedService().getStringExtra("what"));
    }

    @Test
    public void a_tap_ends_a_pause() {
        Written.pausedUntil(scene.on().board(), 1795352400L);
        tile.onClick();
        assertEquals("resume", shadowOf(context).getNextStartedService().getStringExtra("what"));
    }

    @Test
    @Config(sdk = 24)
    public void without_consent_a_tap_opens_the_app_that_asks_for_it() {
        ShadowVpnService.setPrepareResult(new Intent("consent"));
        tile.onClick();
        assertNull(shadowOf(context).getNextStartedService());
        Intent opened = shadowOf(context).getNextStartedActivity();
        assertEquals(MainActivity.SWITCH_ON, opened.getAction());
    }
}
