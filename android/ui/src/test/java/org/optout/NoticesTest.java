package org.optout;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Notification;
import android.app.NotificationManager;
import android.content.Intent;
import android.net.VpnService;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.optout.tunnel.TunnelService;
import org.optout.tunnel.Written;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.android.controller.ServiceController;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowVpnService;

/** What stands in the notifications while it runs, and what is told when it had to stop. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = {24, 35})
public class NoticesTest {
    private Scene scene;
    private ServiceController<OptoutService> service;

    @Before
    public void begin() {
        ShadowVpnService.setPrepareResult(null);
        scene = new Scene().on();
        service = Robolectric.buildService(OptoutService.class).create();
        service.get().onStartCommand(new Intent(VpnService.SERVICE_INTERFACE), 0, 1);
        Scene.settle();
    }

    @Test
    public void it_counts() {
        look();
        assertEquals("1,483 attempts stopped today, of 9,429 seen", text(TunnelService.NOTICE));
    }

    @Test
    public void it_counts_anew_when_somebody_looks_and_never_by_itself() {
        look();
        int before = reports();
        shadowOf(android.os.Looper.getMainLooper()).idleFor(java.time.Duration.ofHours(8));
        assertEquals(before, reports());
        look();
        assertEquals(before + 1, reports());
    }

    @Test
    public void its_actions_pause_and_stop() {
        Notification notice = notice(TunnelService.NOTICE);
        assertEquals(2, notice.actions.length);
        Intent pause = shadowOf(notice.actions[0].actionIntent).getSavedIntent();
        assertEquals("pause", pause.getStringExtra("what"));
        assertEquals(900, pause.getLongExtra("seconds", 0));
        Intent stop = shadowOf(notice.actions[1].actionIntent).getSavedIntent();
        assertEquals("stop", stop.getStringExtra("what"));
    }

    @Test
    public void a_pause_offers_its_end() {
        Written.pausedUntil(scene.board(), 1795352400L);
        Scene.settle();
        Intent first = shadowOf(notice(TunnelService.NOTICE).actions[0].actionIntent).getSavedIntent();
        assertEquals("resume", first.getStringExtra("what"));
    }

    @Test
    public void a_vpn_that_took_over_is_told() {
        assertNull(notice(TunnelService.NOTICE + 1));
        service.get().onRevoke();
        Scene.settle();
        assertTrue(text(TunnelService.NOTICE + 1).contains("one VPN at a time"));
    }

    @Test
    public void a_failure_is_told_in_the_words_of_the_engine() {
        Written.failed(scene.board(), "the data folder is full; free some space");
        Scene.settle();
        assertEquals("the data folder is full; free some space", text(TunnelService.NOTICE + 1));
    }

    @Test
    public void to_stop_on_purpose_is_no_trouble() {
        service.get().onStartCommand(
                new Intent(VpnService.SERVICE_INTERFACE).putExtra("what", "stop"), 0, 2);
        Scene.settle();
        assertNull(notice(TunnelService.NOTICE + 1));
    }

    private void look() {
        service.get().sendBroadcast(new Intent(Intent.ACTION_SCREEN_ON));
        Scene.settle();
    }

    private int reports() {
        int count = 0;
        for (org.json.JSONObject request : scene.engine.requests) {
            count += request.optString("do").equals("report") ? 1 : 0;
        }
        return count;
    }

    private String text(int id) {
        assertNotNull(notice(id));
        return notice(id).extras.getCharSequence(Notification.EXTRA_TEXT).toString();
    }

    private Notification notice(int id) {
        NotificationManager notifications = scene.context.getSystemService(NotificationManager.class);
        return shadowOf(notifications).getNotification(id);
    }
}
