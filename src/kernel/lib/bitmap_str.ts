/** lib/bitmap-str.c: sets of CPUs as text: masks (`f`, `00000003,00000000`) and lists (`0-3,6`), as /sys and /proc show and take them. */

const WORD_BITS = 32;
const HEX = /^[0-9a-f]{1,8}(,[0-9a-f]{1,8})*$/i;

/** A mask of `count` CPUs, in words of 32 bits. */
export function cpumaskText(cpus: readonly number[], count: number): string {
  const words: string[] = [];
  for (let base = 0; base < count; base += WORD_BITS) {
    let word = 0;
    for (const cpu of cpus) if (cpu >= base && cpu < base + WORD_BITS) word += 2 ** (cpu - base);
    words.unshift(word.toString(16).padStart(Math.ceil(Math.min(WORD_BITS, count - base) / 4), '0'));
  }
  return words.join(',');
}

/** The CPUs of a mask; null when it is none, or names CPUs that do not exist. */
export function parseCpumask(text: string, count: number): number[] | null {
  if (!HEX.test(text)) return null;
  const cpus: number[] = [];
  for (const [i, word] of text.split(',').reverse().entries()) {
    const value = Number.parseInt(word, 16);
    for (let bit = 0; bit < WORD_BITS; bit++) if (Math.floor(value / 2 ** bit) % 2 === 1) cpus.push(i * WORD_BITS + bit);
  }
  return cpus.every((cpu) => cpu < count) ? cpus : null;
}

export function cpulistText(cpus: readonly number[]): string {
  const sorted = [...cpus].sort((a, b) => a - b);
  const ranges: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let last = i;
    while (sorted[last + 1] === sorted[last]! + 1) last++;
    ranges.push(last === i ? `${sorted[i]}` : `${sorted[i]}-${sorted[last]}`);
    i = last + 1;
  }
  return ranges.join(',');
}

export function parseCpulist(text: string, count: number): number[] | null {
  const cpus: number[] = [];
  for (const part of text.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match === null) return null;
    const last = Number(match[2] ?? match[1]);
    for (let cpu = Number(match[1]); cpu <= last; cpu++) cpus.push(cpu);
    if (last >= count) return null;
  }
  return cpus;
}
