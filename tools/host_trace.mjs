/**
 * Makes the log that `truewire replay --calls` wants of a recording whose two hosts share one kernel: what belongs to one of them, and of each record only the
 * fields that are read.
 *
 *     node tools/host_trace.mjs trace.txt.gz B | gzip -9n > test/fixtures/linux/scenarios/NAME/B.trace.gz
 *
 * The recordings' host A runs on CPU 0 and has the first four NAPI instances, B runs on CPU 1 and has the next four. Interrupts can still hit the other CPU the
 * first time, so frames are told apart by their instance.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const HOSTS = { A: { cpu: '[000]', napi: [0x2001, 0x2004] }, B: { cpu: '[001]', napi: [0x2005, 0x2008] } };
const LINE = /^\s*(\S.*)-(\d+)\s+(\[\d+\])\s+(\S+)\s+(\d+\.\d+): (\w+)(.*)$/;
const TCP = new Set(['tcp_probe', 'skb_copy_datagram_iovec', 'tcp_rcv_space_adjust', 'sock_recv_length']);

const [file, name] = process.argv.slice(2);
const { cpu: home, napi } = HOSTS[name];
const bytes = readFileSync(file);
const records = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes)
  .toString()
  .split('\n')
  .map((line) => LINE.exec(line))
  .filter((match) => match !== null)
  .map(([, comm, pid, cpu, flags, time, event, rest]) => ({ comm, pid, cpu, flags, time, event, rest }));
const readers = new Set(
  records.filter(({ cpu, event, rest }) => event === 'sys_recvfrom' && cpu === home && rest.startsWith('(')).map(({ pid }) => pid),
);
const pick = (rest, pattern) => rest.match(pattern)?.join('') ?? '';
/** The CPU whose softirq takes in frames of this host. */
let taking = null;

/** What is kept behind the event's name; null: nothing of this record. */
function kept({ pid, cpu, flags, event, rest }) {
  if (event === 'napi_gro_receive_entry') {
    const id = Number(/napi_id=(\w+)/.exec(rest)?.[1]);
    if (id < napi[0] || id > napi[1]) return null;
    taking = cpu;
    return `:${pick(rest, / len=\d+/)}`;
  }
  if (event === 'napi_poll') return taking === cpu && !rest.includes(' work 0 ') ? `:${pick(rest, / work \d+/)}` : null;
  if (event === 'softirq_exit') {
    if (taking !== cpu || !rest.includes('NET_RX')) return null;
    taking = null;
    return rest;
  }
  if (cpu !== home) return null;
  if (event === 'sched_switch') {
    const next = / next_pid=(\d+)/.exec(rest)[1];
    return readers.has(pid) || readers.has(next) ? `: next_pid=${next}` : null;
  }
  if (event === 'sys_recvfrom' && readers.has(pid)) return rest.startsWith('(') ? `${rest.split(',')[0]})` : rest;
  const mine = readers.has(pid) || (event === 'tcp_probe' && flags[2] !== '.');
  return TCP.has(event) && mine ? `:${pick(rest, / (?:src=\S+|sport=\d+|data_len=\d+|len=\d+)/g)}` : null;
}

for (const record of records) {
  const rest = kept(record);
  const { comm, pid, cpu, flags, time, event } = record;
  if (rest !== null) console.log(`${comm}-${pid} ${cpu} ${flags} ${time}: ${event}${rest}`);
}
