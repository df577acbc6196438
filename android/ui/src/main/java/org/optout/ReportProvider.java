package org.optout;

import android.content.ClipData;
import android.content.ContentProvider;
import android.content.ContentValues;
import android.content.Context;
import android.content.Intent;
import android.database.Cursor;
import android.database.MatrixCursor;
import android.net.Uri;
import android.os.ParcelFileDescriptor;
import android.provider.OpenableColumns;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Gives the one report that was made last to the app that the user shares it with. */
public final class ReportProvider extends ContentProvider {
    /** Keeps the page, and makes the intent that shares it. */
    static Intent share(Context context, String page) throws IOException {
        try (OutputStream out = new FileOutputStream(file(context))) {
            out.write(page.getBytes(StandardCharsets.UTF_8));
        }
        Uri uri = new Uri.Builder()
                .scheme("content")
                .authority(context.getPackageName() + ".report")
                .path(NAME)
                .build();
        Intent share = new Intent(Intent.ACTION_SEND)
                .setType(TYPE)
                .putExtra(Intent.EXTRA_STREAM, uri)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION);
        // The chooser hands the right to read on from here.
        share.setClipData(ClipData.newRawUri(NAME, uri));
        return share;
    }

    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        if (!isReport(uri) || !mode.equals("r")) {
            throw new FileNotFoundException(uri.toString());
        }
        return ParcelFileDescriptor.open(file(getContext()), ParcelFileDescriptor.MODE_READ_ONLY);
    }

    @Override
    public String getType(Uri uri) {
        return isReport(uri) ? TYPE : null;
    }

    @Override
    public Cursor query(Uri uri, String[] want, String where, String[] values, String order) {
        MatrixCursor found = new MatrixCursor(
                new String[] {OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE});
        if (isReport(uri)) {
            found.addRow(new Object[] {NAME, file(getContext()).length()});
        }
        return found;
    }

    @Override
    public Uri insert(Uri uri, ContentValues values) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int delete(Uri uri, String where, String[] values) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int update(Uri uri, ContentValues values, String where, String[] arguments) {
        throw new UnsupportedOperationException();
    }

    /** Exactly that one: a path that leads elsewhere leads nowhere. */
    private static boolean isReport(Uri uri) {
        return List.of(NAME).equals(uri.getPathSegments());
    }

    private static File file(Context context) {
        return new File(context.getCacheDir(), NAME);
    }

    private static final String NAME = "optout-report.html";
    private static final String TYPE = "text/html";
}
