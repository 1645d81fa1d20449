/** include/linux/win_minmax.h: the windowed minimum of samples, by three candidates. The algorithm is in lib/win_minmax.ts. */
export class minmax {
  /** Time and value of the best, second best and third best sample. */
  readonly t = new Float64Array(3);
  readonly v = new Float64Array(3);
}
export const minmax_get = (m: minmax): number => m.v[0]!;
