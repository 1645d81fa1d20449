/**
 * lib/win_minmax.c: Kathleen Nichols' windowed minimum and maximum: the best value of the last `win` time units in constant space, by keeping the
 * best, the best since then, and the best since that one.
 */
import type { minmax } from '../include/linux/win_minmax.ts';

function set(m: minmax, i: number, t: number, v: number): void {
  m.t[i] = t;
  m.v[i] = v;
}

function shift(m: minmax, t: number, v: number): void {
  set(m, 0, m.t[1]!, m.v[1]!);
  set(m, 1, m.t[2]!, m.v[2]!);
  set(m, 2, t, v);
}

/** Forgets all but one sample. */
export function minmax_reset(m: minmax, t: number, meas: number): number {
  set(m, 0, t, meas);
  set(m, 1, t, meas);
  set(m, 2, t, meas);
  return meas;
}

/** As time passes, the best expires and is succeeded; a second and a third best are taken after a quarter and a half of the window. */
function minmax_subwin_update(m: minmax, win: number, t: number, v: number): number {
  const dt = t - m.t[0]!;
  if (dt > win) {
    shift(m, t, v);
    if (t - m.t[0]! > win) shift(m, t, v);
  } else if (m.t[1] === m.t[0] && dt > Math.floor(win / 4)) {
    set(m, 1, t, v);
    set(m, 2, t, v);
  } else if (m.t[2] === m.t[1] && dt > Math.floor(win / 2)) set(m, 2, t, v);
  return m.v[0]!;
}

export function minmax_running_max(m: minmax, win: number, t: number, meas: number): number {
  if (meas >= m.v[0]! || t - m.t[2]! > win) return minmax_reset(m, t, meas);
  if (meas >= m.v[1]!) {
    set(m, 1, t, meas);
    set(m, 2, t, meas);
  } else if (meas >= m.v[2]!) set(m, 2, t, meas);
  return minmax_subwin_update(m, win, t, meas);
}

export function minmax_running_min(m: minmax, win: number, t: number, meas: number): number {
  if (meas <= m.v[0]! || t - m.t[2]! > win) return minmax_reset(m, t, meas);
  if (meas <= m.v[1]!) {
    set(m, 1, t, meas);
    set(m, 2, t, meas);
  } else if (meas <= m.v[2]!) set(m, 2, t, meas);
  return minmax_subwin_update(m, win, t, meas);
}
