package org.optout.tunnel;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Application;
import android.content.Intent;
import android.net.VpnService;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowVpnService;

/** What happens when the phone has started, or the app was updated. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = {24, 35})
public class BootReceiverTest {
    private final Application context = RuntimeEnvironment.getApplication();
    private Tunnel tunnel;

    @Before
    public void begin() {
        ShadowVpnService.setPrepareResult(null);
        tunnel = Tunnel.replace(context, new Script(), Runnable::run);
        tunnel.choices().setWanted(true);
        tunnel.choices().setAtBoot(true);
    }

    @Test
    public void it_goes_on_if_it_ran_before() {
        receive(Intent.ACTION_BOOT_COMPLETED);
        Intent started = shadowOf(context).getNextStartedService();
        assertEquals(VpnService.SERVICE_INTERFACE, started.getAction());
        assertEquals(context.getPackageName(), started.getPackage());
    }

    @Test
    public void it_stays_off_if_it_was_off() {
        tunnel.choices().setWanted(false);
        receive(Intent.ACTION_BOOT_COMPLETED);
        receive(Intent.ACTION_MY_PACKAGE_REPLACED);
        assertNull(shadowOf(context).getNextStartedService());
    }

    @Test
    public void it_does_not_start_with_the_phone_against_the_users_will() {
        tunnel.choices().setAtBoot(false);
        receive(Intent.ACTION_BOOT_COMPLETED);
        assertNull(shadowOf(context).getNextStartedService());
    }

    @Test
    public void an_update_goes_on_where_it_was_cut_off() {
        tunnel.choices().setAtBoot(false);
        receive(Intent.ACTION_MY_PACKAGE_REPLACED);
        assertTrue(shadowOf(context).getNextStartedService() != null);
    }

    @Test
    public void where_another_vpn_has_the_slot_it_takes_nothing() {
        ShadowVpnService.setPrepareResult(new Intent("consent"));
        receive(Intent.ACTION_BOOT_COMPLETED);
        assertNull(shadowOf(context).getNextStartedService());
        assertTrue(tunnel.board().standing().hindrances().contains(Hindrance.NO_CONSENT));
    }

    @Test
    public void other_broadcasts_start_nothing() {
        receive("com.example.OTHER");
        receive(null);
        assertNull(shadowOf(context).getNextStartedService());
    }

    private void receive(String action) {
        new BootReceiver().onReceive(context, new Intent(action));
    }
}
