// Derives src/kernel/trace/function_costs.ts from function_graph recordings of a real Linux:
//
//     node tools/function_costs.mjs RECORDING… > src/kernel/trace/function_costs.ts
//
// A recording is the text of tracefs' `trace` file (or that, gzipped) with the options funcgraph-abstime, funcgraph-cpu, funcgraph-proc
// and funcgraph-tail, made on a machine whose clock counts instructions. Tracing a call costs more than most functions do (about
// 1.65 µs), and the clock shows whole microseconds, so nothing can be read off a single call. The method:
//
// 1. The trace of a CPU is cut into segments, from one record to the next. A segment holds the tracer's work for one call (after a leaf,
//    which is entry and exit in one record) or half of it (otherwise), the leaf's body, and a piece of the caller.
// 2. Segments at the same place of the code (same caller, same records around them) are averaged: rounding is then a dither. Longer ones
//    are left out, because the CPUs of the recording share one instruction counter: a segment in which the other CPU ran is longer by that.
// 3. What remains is explained as tracer + leaf + piece of the caller + peculiarity of the place. Each effect is pulled to what is usual, the
//    more so the fewer samples speak for it (a random effects model, fitted by backfitting). Large deviations are hardly pulled.
// 4. The tracer's own work is the gap after leaf functions that do next to nothing; see `calibrate`.
// 5. The cost of a function is its body as a leaf, or the sum of its pieces, averaged over its calls.
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** Leaf functions of a few instructions: what follows their record is the tracer's work, nearly, or a long piece of their caller. */
const TRIVIAL_LEAVES = new Set(
  `setup_object skb_push skb_put kmem_cache_size sk_free tcp_release_cb try_module_get module_put skb_clone_tx_timestamp validate_xmit_xfrm
  igb_features_check map_id_range_down inet_send_prepare xfrm_dev_backlog tcp_stream_memory_free timer_init_key ip_send_check ipv4_dst_check
  ipv4_mtu napi_schedule_prep tcp_chrono_stop mem_cgroup_sk_alloc cgroup_sk_alloc __init_waitqueue_head __init_rwsem __hrtimer_setup
  lock_timer_base inet_addr_hash dst_release fib_lookup_good_nhc l3mdev_fib_table_rcu`.split(/\s+/),
);
/**
 * Instructions that such a leaf, its call and the caller's piece up to the next traced call take on average. Not measured: chosen so that
 * whole system calls come near what the same calls took without function_graph (by their event traces).
 */
const TRIVIAL_LEAF_INSTRUCTIONS = 40;
/** The leaf's own share of these. */
const TRIVIAL_BODY = 20;
/** Share of entry in the tracer's work on a call: the ratio of the mean gaps of entry → entry and exit → exit. */
const ENTRY_SHARE = 0.52;
const MINIMUM = 5;
/** Standard deviation of one sample (µs rounding of both ends), and of the three effects between functions, in ns. */
const SAMPLE_DEVIATION = 420;
const LEAF_DEVIATION = 90;
const PIECE_DEVIATION = 50;
const PLACE_DEVIATION = 50;
/** No estimate is pulled farther than so many of its own standard errors. */
const LONGEST_PULL = 2.5;
/** Segments above need more than a sample or two to be believed, in ns. */
const LONG_LEAF = 3600;
const LONG_PIECE = 2600;
const ROUNDS = 30;
/** Within so many µs of a record of the other CPU, that CPU may have run untraced. */
const NEIGHBOURHOOD = 25;
/** A longer segment is a sleep or an idle CPU. */
const LONGEST = 60;

/**
 * The recording left some functions out of the graph (set_graph_notrace) without taking the hook out of them and of all they call. Their callers
 * would pay for those hooks, so their cost is limited to what their kind of function has. The recording's socket calls bound it from above: without
 * function_graph, socket() took 6 000 instructions in all.
 */
const LIMITS = new Map([
  ['sock_alloc_file', 1200],
  ['sock_alloc', 300],
  ['schedule_timeout', 400],
  ['try_to_wake_up', 900],
  ['skb_page_frag_refill', 400],
  ['__sock_release', 300],
  // Zeroing (init_on_alloc) is counted by the word here; a real CPU clears lines.
  ['sk_prot_alloc', 600],
  ['__kmalloc_node_track_caller_noprof', 400],
  // The doorbell at its end interrupts the peer, so that the other CPU always runs in this segment.
  ['igb_xmit_frame_ring', 700],
  // What these do with data is charged by the byte where it happens; here is the call alone.
  ...['csum_partial', 'csum_partial_copy_nocheck', 'csum_and_copy_from_user', 'csum_and_copy_to_user', 'skb_checksum'].map((name) => [
    name,
    40,
  ]),
  ...['csum_and_copy_from_iter_full', 'csum_and_copy_to_iter', 'simple_copy_to_iter', 'skb_copy_and_csum_bits'].map((name) => [name, 60]),
]);

/** Called by an interrupt, not by the function that is above it in the trace. */
function isAsynchronous(name, caller) {
  if (name === 'igb_msix_ring' || name === 'igb_intr_msi') return true;
  if (name === 'handle_softirqs') return caller !== '__do_softirq';
  if (name === 'net_rx_action' || name === 'net_tx_action') return caller !== 'handle_softirqs';
  return false;
}

/** Not part of a network stack: memory management, cgroups, files, scheduler balancing, workqueues and what else came along. */
const FOREIGN = [
  /^(?:alloc_fd|alloc_inode|inode_init_always_gfp|get_next_ino|get_unused_fd_flags|stream_open|evm_|hook_socket|current_check_access|lsm_)/,
  /(?:folio|anon_|anonymous|pte_|_pte|vma|mm_fault|lruvec|memcg|mem_cgroup|mempolicy|policy_nodemask|lock_mm|node_page_state)/,
  /^(?:get_page_from_freelist|allocate_slab|get_partial_node|setup_object|alloc_frozen|__alloc_frozen|alloc_pages|__slab|___slab)/,
  /^(?:make_k[ug]id|map_id_range_down|css_rstat|count_memcg|charge_|__check_heap_object|arch_scale|sched_balance|__update_load_avg)/,
  /^(?:cgroup_|kick_pool|kthread_|insert_work|pwq_|queue_|__queue_|housekeeping_enabled|__schedule_delayed|clear_pending_if_disabled)/,
  /^(?:do_nocb|call_rcu|__call_rcu|kvfree|get_state_synchronize|__srcu|put_pid|down_|up_|__init_rwsem|bpf_|mod_node)/,
  /^(?:_raw_|try_module_get|module_put|__module_get|add_timer_global|get_random|arch_)/,
];

const LINE = /^\s*(?:(\d+\.\d+) \|\s+)?(\d+)\)\s+(.*)$/;
const RECORD = /^(\S+)\s*\|\s?(.*)$/;

const ENTRY = 0;
const EXIT = 1;
const LEAF = 2;

function plainName(text) {
  return text.replace(/\.(?:isra|part|constprop|cold)\.\d+/g, '');
}

/** { kind, name, time, task } or null for anything that breaks the flow (task switches, markers). */
function parseRecord(time, text) {
  const record = RECORD.exec(text);
  if (time === undefined || record === null) return null;
  const body = record[2].trim();
  const exit = /^\} \/\* ([\w.]+)/.exec(body);
  const call = /^([\w.]+)(?: \[\w+\])?\(\)(;| \{)/.exec(body);
  if (exit === null && call === null) return null;
  const kind = exit !== null ? EXIT : call[2] === ';' ? LEAF : ENTRY;
  return { kind, name: plainName((exit ?? call)[1]), time: Math.round(Number(time) * 1e6), task: record[1] };
}

/** The records of each CPU, in order; null where the flow breaks. */
export function readRecording(path) {
  const bytes = readFileSync(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  const cpus = new Map();
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const records = cpus.get(match[2]) ?? [];
    cpus.set(match[2], records);
    records.push(parseRecord(match[1], match[3]));
  }
  return cpus;
}

/** Tells of intervals that move forward in time how near other CPUs' records are. */
class Neighbours {
  #times;
  #index = 0;

  constructor(times) {
    this.#times = times;
  }

  /** 0: inside the interval; 1: in the neighbourhood; 2: far. */
  distance(from, to) {
    const times = this.#times;
    while (this.#index < times.length && times[this.#index] < from - NEIGHBOURHOOD) this.#index++;
    let result = 2;
    for (let i = this.#index; i < times.length && times[i] <= to + NEIGHBOURHOOD; i++) {
      if (times[i] >= from && times[i] <= to) return 0;
      result = 1;
    }
    return result;
  }
}

/**
 * Follows one CPU's records. Fills `places` (key → place) and `calls` (name → calls, each the list of its places). A place collects the
 * lengths of its segments by the neighbours' distance.
 */
function follow(records, neighbours, places, calls) {
  const stacks = new Map();
  let previous = null;
  for (const record of records) {
    if (record !== null) {
      let stack = stacks.get(record.task);
      if (stack === undefined) stacks.set(record.task, (stack = []));
      if (stack.length > 0) addSegment(stack.at(-1), previous, record, neighbours, places);
      step(stack, record, calls);
    }
    previous = record;
  }
}

function addSegment(call, previous, record, neighbours, places) {
  if (previous === null || previous.task !== record.task) return;
  const length = record.time - previous.time;
  const afterInterrupt = previous.kind === EXIT && isAsynchronous(previous.name, call.name);
  const beforeInterrupt = record.kind !== EXIT && isAsynchronous(record.name, call.name);
  call.interrupted ||= afterInterrupt || beforeInterrupt;
  if (length > LONGEST || afterInterrupt || beforeInterrupt) return;
  const key = `${call.name} ${previous.kind} ${previous.name} ${record.kind} ${record.name}`;
  let place = places.get(key);
  if (place === undefined) {
    place = { caller: call.name, from: previous, to: record, samples: [[], [], []], count: 0, mean: 0, own: 0 };
    places.set(key, place);
  }
  place.samples[neighbours.distance(previous.time, record.time)].push(length);
  call.places.push(place);
}

function step(stack, record, calls) {
  if (record.kind === LEAF) return;
  if (record.kind === ENTRY) {
    stack.push({ name: record.name, places: [], interrupted: false });
    return;
  }
  // The recording may start inside of a call.
  if (stack.at(-1)?.name !== record.name) {
    stack.length = 0;
    return;
  }
  const call = stack.pop();
  append(calls, call.name, call);
}

function append(map, key, value) {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function mean(values) {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The mean in ns of the samples that are at most a tick longer than the lower median: a longer one held something else. Disturbed samples
 * count only where there are few others.
 */
function settle(place) {
  const [inside, near, far] = place.samples;
  const samples = far.length >= 4 ? [...far] : far.length + near.length > 0 ? [...far, ...near] : [...inside];
  samples.sort((a, b) => a - b);
  const limit = samples[(samples.length - 1) >> 1] + 1;
  const kept = samples.filter((sample) => sample <= limit);
  place.mean = 1000 * mean(kept);
  // A few long samples are rather slices of the other CPU than long pieces of code.
  const isLong = place.mean > (place.from.kind === LEAF ? LONG_LEAF : LONG_PIECE);
  place.count = isLong && far.length < 2 && kept.length < 4 ? 0 : kept.length;
}

/** The tracer's work on one call, in ns: the mean gap after trivial leaves without what these do. */
function calibrate(places) {
  const gaps = [];
  for (const place of places) {
    if (place.from.kind !== LEAF || !TRIVIAL_LEAVES.has(place.from.name)) continue;
    for (const sample of place.samples[2]) if (sample <= 3) gaps.push(1000 * sample);
  }
  return { overhead: mean(gaps) - TRIVIAL_LEAF_INSTRUCTIONS, count: gaps.length };
}

/** The tracer's part of a place's segments. */
function tracerAt(place, overhead) {
  if (place.from.kind === LEAF) return overhead;
  const entries = (place.from.kind === ENTRY ? 1 : 0) + (place.to.kind !== EXIT ? 1 : 0);
  return (overhead * (entries * ENTRY_SHARE + (2 - entries) * (1 - ENTRY_SHARE))) / 2;
}

/** The best guess for an effect that `count` samples put at `value`, when effects usually are around `usual`. */
function pull(value, count, usual, deviation) {
  const variance = SAMPLE_DEVIATION ** 2 / count;
  const pulled = (value * deviation ** 2 + usual * variance) / (deviation ** 2 + variance);
  const longest = LONGEST_PULL * Math.sqrt(variance);
  return Math.min(value + longest, Math.max(value - longest, pulled));
}

/** An effect of all places that share a key: what they have over the other effects. */
class Effect {
  #groups = new Map();
  #deviation;
  #values = new Map();
  #usual;

  constructor(places, keyOf, deviation, usual) {
    for (const place of places) append(this.#groups, keyOf(place), place);
    this.#deviation = deviation;
    this.#usual = usual;
  }

  of(key) {
    return this.#values.get(key) ?? this.#usual;
  }

  fit(remainderOf) {
    for (const [key, places] of this.#groups) {
      const count = places.reduce((sum, place) => sum + place.count, 0);
      const value = places.reduce((sum, place) => sum + place.count * remainderOf(place), 0) / count;
      this.#values.set(key, pull(value, count, this.#usual, this.#deviation));
    }
  }
}

/** Explains the places: sets their `own`, the caller's piece, and returns the function that tells leaves' bodies. */
function explain(places, overhead) {
  const seen = places.filter((place) => place.count > 0);
  const afterLeaves = seen.filter((place) => place.from.kind === LEAF);
  const work = (place) => place.mean - tracerAt(place, overhead);
  const weightedMean = (list) =>
    list.reduce((s, place) => s + place.count * work(place), 0) / list.reduce((s, place) => s + place.count, 0);
  const usualPiece = weightedMean(seen.filter((place) => place.from.kind !== LEAF));
  const usualLeaf = Math.max(MINIMUM, weightedMean(afterLeaves) - usualPiece);
  const pieces = new Effect(seen, (place) => place.caller, PIECE_DEVIATION, usualPiece);
  const bodies = new Effect(afterLeaves, (place) => place.from.name, LEAF_DEVIATION, usualLeaf);
  const bodyOf = (name) => (TRIVIAL_LEAVES.has(name) ? TRIVIAL_BODY : bodies.of(name));
  const bodyAt = (place) => (place.from.kind === LEAF ? bodyOf(place.from.name) : 0);
  for (let round = 0; round < ROUNDS; round++) {
    pieces.fit((place) => work(place) - bodyAt(place));
    bodies.fit((place) => work(place) - pieces.of(place.caller));
  }
  for (const place of places) {
    const piece = pieces.of(place.caller);
    place.own = piece;
    if (place.count > 0) place.own += pull(work(place) - bodyAt(place) - piece, place.count, 0, PLACE_DEVIATION);
  }
  return bodyOf;
}

function costOfCalls(calls) {
  const whole = calls.filter((call) => !call.interrupted);
  return mean((whole.length > 0 ? whole : calls).map((call) => call.places.reduce((sum, place) => sum + place.own, 0)));
}

/** name → { cost, count }. A function may be a leaf in some calls and have children in others. */
function costTable(places, calls, bodyOf) {
  const leafCounts = new Map();
  for (const { from, samples } of places) {
    if (from.kind === LEAF) leafCounts.set(from.name, (leafCounts.get(from.name) ?? 0) + samples.flat().length);
  }
  const table = new Map();
  for (const name of new Set([...calls.keys(), ...leafCounts.keys()])) {
    const branches = calls.get(name) ?? [];
    const leaves = leafCounts.get(name) ?? 0;
    const sum = costOfCalls(branches) * branches.length + (leaves > 0 ? bodyOf(name) * leaves : 0);
    const cost = Math.min(sum / (branches.length + leaves), LIMITS.get(name) ?? Number.POSITIVE_INFINITY);
    const limited = cost === LIMITS.get(name);
    table.set(name, { cost: Math.max(MINIMUM, Math.round(cost)), count: branches.length + leaves, limited });
  }
  return table;
}

/** The costs of all functions in the recordings, and the tracer's calibration. */
export function measure(paths) {
  const places = new Map();
  const calls = new Map();
  for (const path of paths) {
    const cpus = readRecording(path);
    for (const [cpu, records] of cpus) {
      const others = [...cpus].filter(([other]) => other !== cpu).flatMap(([, list]) => list.filter((r) => r !== null).map((r) => r.time));
      follow(records, new Neighbours(others.sort((a, b) => a - b)), places, calls);
    }
  }
  const list = [...places.values()];
  for (const place of list) settle(place);
  const { overhead, count } = calibrate(list);
  return { table: costTable(list, calls, explain(list, overhead)), overhead, count };
}

/** The names of the rows that a limit decided, as lines of a comment. */
function limitedRows(costs, names) {
  const lines = [' *  '];
  for (const name of names.filter((candidate) => costs.get(candidate).limited)) {
    if (lines.at(-1).length + name.length > 130) lines.push(' *  ');
    lines.push(`${lines.pop()} ${name}`);
  }
  return lines.join('\n');
}

function table(paths) {
  const { table: costs, overhead, count } = measure(paths);
  const names = [...costs.keys()].filter((name) => !FOREIGN.some((pattern) => pattern.test(name))).sort();
  return `/**
 * What the kernel's functions cost, in instructions, without the functions they call. The index of a row is the function's id.
 *
 * Generated by tools/function_costs.mjs from recordings of Linux 6.18 (function_graph, x86-64, one instruction per ns): not to be edited.
 * The recordings have no durations, only times in whole microseconds, and tracing one call took ${Math.round(overhead)} instructions (${count} calls of
 * trivial functions, less ${TRIVIAL_LEAF_INSTRUCTIONS} that these are assumed to take). A row is a function's time minus its children's and minus the tracer's, averaged
 * over its calls and pulled to what is usual where there are few. Functions that gcc inlined or that the tracer was told to skip have no
 * row: they are part of their callers' costs.
 *
 * Accuracy: these are estimates. The tracer's work is 10 to 20 times that of most functions, and other ways to measure it give 1550 to 1700.
 * The value was chosen in that range so that whole calls come near what they took without function_graph; 10 instructions more or less
 * move a send() of 100 bytes by TCP (about 8 000 with its transmission) by some 800. Short calls miss their bound by up to 40 % either
 * way (TCP bind() 2 900 here, at most 2 100 there; recv() 2 000 here, 3 300 there). Rows of functions seen once or twice are mostly the usual value.
 * Not measured but limited by hand (LIMITS in the tool):
${limitedRows(costs, names)}
 */
export const function_costs: readonly (readonly [name: string, instructions: number])[] = [
${names.map((name) => `  ['${name}', ${costs.get(name).cost}],`).join('\n')}
];
`;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (process.argv.length > 2) process.stdout.write(table(process.argv.slice(2)));
  else {
    console.error('usage: node tools/function_costs.mjs RECORDING…');
    process.exitCode = 2;
  }
}
