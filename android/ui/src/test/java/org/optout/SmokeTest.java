package org.optout;

import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.view.View;
import java.io.FileOutputStream;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35, qualifiers = "w360dp-h740dp-xhdpi")
public class SmokeTest {
    @Test
    public void draws() throws Exception {
        View view = Robolectric.setupActivity(MainActivity.class).getWindow().getDecorView();
        Bitmap b = Bitmap.createBitmap(view.getWidth(), view.getHeight(), Bitmap.Config.ARGB_8888);
        view.draw(new Canvas(b));
        try (FileOutputStream f = new FileOutputStream("/tmp/probe/smoke.png")) { b.compress(Bitmap.CompressFormat.PNG, 100, f); }
    }
}
