package org.optout;

import android.content.Context;
import android.util.AttributeSet;
import android.view.View;
import android.widget.RadioGroup;

/**
 * Sets its children like words: in lines, and what does not fit goes into the next one. Lines are
 * centred where the orientation is vertical.
 */
public final class Wrap extends RadioGroup {
    private final int gap = Math.round(6 * getResources().getDisplayMetrics().density);

    public Wrap(Context context, AttributeSet attributes) {
        super(context, attributes);
    }

    @Override
    protected void onMeasure(int widthSpec, int heightSpec) {
        int width = MeasureSpec.getSize(widthSpec);
        int most = MeasureSpec.makeMeasureSpec(inner(width), MeasureSpec.AT_MOST);
        int any = MeasureSpec.makeMeasureSpec(0, MeasureSpec.UNSPECIFIED);
        for (int i = 0; i < getChildCount(); i++) {
            getChildAt(i).measure(most, any);
        }
        setMeasuredDimension(width, place(width, false));
    }

    @Override
    protected void onLayout(boolean changed, int left, int top, int right, int bottom) {
        place(right - left, true);
    }

    /** Goes through the lines, moves the children there if asked to, and says how high it is. */
    private int place(int width, boolean move) {
        int top = getPaddingTop();
        int first = 0;
        while (first < getChildCount()) {
            int used = getChildAt(first).getMeasuredWidth();
            int height = getChildAt(first).getMeasuredHeight();
            int next = first + 1;
            while (next < getChildCount() && used + gap + wide(next) <= inner(width)) {
                used += gap + wide(next);
                height = Math.max(height, getChildAt(next).getMeasuredHeight());
                next++;
            }
            if (move) {
                line(first, next, top, width, used);
            }
            top += height + (next < getChildCount() ? gap : 0);
            first = next;
        }
        return top + getPaddingBottom();
    }

    private void line(int first, int next, int top, int width, int used) {
        boolean centred = getOrientation() == VERTICAL;
        int x = getPaddingStart() + (centred ? (inner(width) - used) / 2 : 0);
        for (int i = first; i < next; i++) {
            View child = getChildAt(i);
            int left = getLayoutDirection() == LAYOUT_DIRECTION_RTL ? width - x - child.getMeasuredWidth() : x;
            child.layout(left, top, left + child.getMeasuredWidth(), top + child.getMeasuredHeight());
            x += child.getMeasuredWidth() + gap;
        }
    }

    private int wide(int child) {
        return getChildAt(child).getMeasuredWidth();
    }

    private int inner(int width) {
        return width - getPaddingStart() - getPaddingEnd();
    }
}
