package org.optout;

import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.widget.BaseAdapter;
import java.util.List;

/** A list of things, each in a row of one layout. */
final class Rows<T> extends BaseAdapter {
    private final int layout;
    private final Fill<T> fill;
    private List<T> things = List.of();

    /** Writes a thing into its row. */
    interface Fill<T> {
        void fill(View row, T thing);
    }

    Rows(int layout, Fill<T> fill) {
        this.layout = layout;
        this.fill = fill;
    }

    void show(List<T> now) {
        things = now;
        notifyDataSetChanged();
    }

    @Override
    public int getCount() {
        return things.size();
    }

    @Override
    public T getItem(int position) {
        return things.get(position);
    }

    @Override
    public long getItemId(int position) {
        return position;
    }

    @Override
    public View getView(int position, View old, ViewGroup parent) {
        LayoutInflater inflater = LayoutInflater.from(parent.getContext());
        View row = old == null ? inflater.inflate(layout, parent, false) : old;
        fill.fill(row, things.get(position));
        return row;
    }
}
