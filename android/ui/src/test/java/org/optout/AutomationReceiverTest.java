package org.optout;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertNull;
import static org.robolectric.Shadows.shadowOf;

import android.app.Application;
import android.content.Intent;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowVpnService;

/** Intents of other apps, with the right key, a wrong one, and none. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = {24, 35})
public class AutomationReceiverTest {
    private final Application context = RuntimeEnvironment.getApplication();
    private Scene scene;
    private String key;

    @Before
    public void begin() {
        ShadowVpnService.setPrepareResult(null);
        scene = new Scene();
        scene.tunnel.choices().setAutomation(true);
        key = scene.tunnel.choices().key();
    }

    @Test
    public void the_right_key_switches_on() {
        receive(AutomationReceiver.ON, key);
        assertEquals("start", ordered());
    }

    @Test
    public void the_right_key_switches_off() {
        scene.on();
        receive(AutomationReceiver.OFF, key);
        assertEquals("stop", ordered());
    }

    @Test
    public void a_pause_is_as_long_as_it_says() {
        scene.on();
        send(new Intent(AutomationReceiver.PAUSE).putExtra("key", key).putExtra("minutes", 5));
        Intent order = shadowOf(context).getNextStartedService();
        assertEquals("pause", order.getStringExtra("what"));
        assertEquals(300, order.getLongExtra("seconds", 0));
    }

    @Test
    public void a_pause_has_bounds() {
        scene.on();
        for (int minutes : new int[] {0, -1, Integer.MIN_VALUE}) {
            send(new Intent(AutomationReceiver.PAUSE).putExtra("key", key).putExtra("minutes", minutes));
            assertNull(ordered());
        }
        send(new Intent(AutomationReceiver.PAUSE).putExtra("key", key).putExtra("minutes", Integer.MAX_VALUE));
        assertEquals(86400, shadowOf(context).getNextStartedService().getLongExtra("seconds", 0));
    }

    @Test
    public void a_wrong_key_or_none_does_nothing() {
        scene.on();
        for (String wrong : new String[] {null, "", "x", key + "x", key.substring(1), key.toLowerCase() + " "}) {
            receive(AutomationReceiver.OFF, wrong);
            receive(AutomationReceiver.PAUSE, wrong);
            assertNull(wrong, ordered());
        }
    }

    @Test
    public void an_old_key_does_nothing() {
        scene.on();
        assertNotEquals(key, scene.tunnel.choices().newKey());
        receive(AutomationReceiver.OFF, key);
        assertNull(ordered());
    }

    @Test
    public void it_is_off_by_default() {
        scene.on();
        scene.tunnel.choices().setAutomation(false);
        receive(AutomationReceiver.OFF, key);
        assertNull(ordered());
    }

    @Test
    public void an_action_that_is_none_does_nothing() {
        receive("org.optout.action.EXPLODE", key);
        receive(null, key);
        assertNull(ordered());
    }

    private void receive(String action, String with) {
        send(new Intent(action).putExtra("key", with));
    }

    private void send(Intent intent) {
        new AutomationReceiver().onReceive(context, intent);
    }

    private String ordered() {
        Intent order = shadowOf(context).getNextStartedService();
        return order == null ? null : order.getStringExtra("what");
    }
}
