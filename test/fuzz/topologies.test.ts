/** Damaged topology files: a run, or a line for each mistake and exit code 2; never a bug's stack. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { explain } from '../../src/cli/errors.ts';
import { EXIT_INPUT } from '../../src/cli/exit_codes.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { runTopology } from '../../src/topology/run.ts';
import { temporaryFolder } from '../scenarios/scenario.ts';
import { FUZZ_TIMEOUT_MS, fuzzed } from './fuzz_settings.ts';

/** Everything that a topology may say, in one. */
const FULL = `
about: everything
seed: 3
until: 20ms
hosts:
  a:
    cpus: 2
    cpu: { ghz: 2.5, ipc: 1.2 }
    hz: 250
    memory: 256MB
    interfaces:
      eth0: { address: [10.0.0.1/24], nic: igb, mac: "02:00:00:00:00:01", mtu: 1400, interrupts: msix, queues: 2, rx_ring: 256, tx_ring: 256 }
      eth1: 10.0.1.1/24
    pcie: { posted_write: 200ns, read: 500ns }
    faults: [ { at: 5ms, fault: tx-hang, on: eth0, queue: 0, for: 1ms } ]
    setup: [ sysctl -w net.ipv4.tcp_sack=0, ip route add 10.9.0.0/16 via 10.0.0.2, "tc qdisc replace dev eth1 root pfifo limit 10" ]
    run:
      - { at: 1ms, cpu: 1, script: "connect 10.0.0.2 5001\\nsend 3000\\nclose" }
      - { command: "ping -c 2 -i 0.002 10.0.1.2 | cat && echo done" }
  b:
    interfaces: { eth0: 10.0.0.2/24, eth1: 10.0.1.2/24 }
    run: [ { script: "listen 5001\\naccept\\nrecvall\\nclose\\ncloselisten" } ]
wires:
  - { name: first, between: [a.eth0, b.eth0], rate: 1Gbit, delay: 1ms, impair: { a: { drop: [2], loss: 1%, jitter: 10us } }, faults: [ { at: 3ms, fault: link-down, for: 1ms } ] }
  - { between: [a.eth1, b.eth1], rate: 10Mbit, impair: { b: { duplicate: 0.1, corrupt: 0.01, reorder: 5%, reorder_by: 1ms } } }
capture: [ wire, { point: tcpdump, on: a.eth0, snaplen: 96, filter: "tcp port 5001", max_size: 1MB, files: 3 } ]
`;
const texts = [
  FULL,
  ...readdirSync('topologies')
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => readFileSync(join('topologies', name), 'utf8')),
];

/** Pieces that mean something in YAML or here, and some that mean nothing. */
const piece = fc.oneof(
  fc.constantFrom(
    ...[
      '',
      ' ',
      '\n',
      '  ',
      ':',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      '#',
      '&a',
      '*a',
      '!!str',
      '|',
      '>',
      '~',
      'null',
      'true',
      '-1',
      '0',
      '1e9',
    ],
    ...[
      '99999999999999999999',
      '0.0.0.0/0',
      '255.255.255.255/32',
      '10.0.0.1/33',
      '1Tbit',
      '-5ms',
      '1000000h',
      'NaN',
      '__proto__',
      'constructor',
    ],
    ...[
      'toString',
      'a.eth0',
      'eth9',
      'msi',
      'legacy',
      '\u0000',
      '\ud800',
      '☃',
      '../../x',
      '%s',
      '|| true',
      '; false',
      'send -1',
      'accept accept',
    ],
  ),
  fc.string({ maxLength: 8 }),
  // What belongs elsewhere in the file.
  { weight: 3, arbitrary: fc.constantFrom(...(FULL.match(/[\w.:/%-]+/g) ?? [])) },
);
const edit = fc.record({
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  cut: fc.oneof(fc.nat(12), fc.nat(60)),
  insert: piece,
});

/** Where words, values and lines begin: edits there do more than edits anywhere. */
const places = (text: string): number[] => [...text.matchAll(/\b|\n/g)].map(({ index }) => index);

function damaged(text: string, edits: readonly { at: number; cut: number; insert: string }[]): string {
  for (const { at, cut, insert } of edits) {
    const all = places(text);
    const from = all[Math.floor(at * all.length)] ?? 0;
    // Up to the end of a word, mostly.
    const to = cut <= 12 ? (all.find((place) => place > from) ?? text.length) : from + cut;
    text = text.slice(0, from) + insert + text.slice(to);
  }
  return text;
}

it(
  'run, or are refused with a line for each mistake',
  () => {
    const directory = temporaryFolder();
    let ran = 0;
    fc.assert(
      fc.property(fc.nat(texts.length - 1), fc.array(edit, { minLength: 1, maxLength: 2 }), (which, edits) => {
        const text = damaged(texts[which]!, edits);
        try {
          const topology = loadTopology('fuzz.yaml', text);
          // Programs of modules are loaded by the command line; sizes that are allowed, but take long, are not what is looked for.
          if (
            Object.values(topology.hosts).some(
              (host) => (host.cpus ?? 1) > 8 || (host.run ?? []).some(({ program }) => program !== undefined),
            )
          )
            return;
          const report = runTopology(topology, { directory, trace: 'none', untilNs: 20_000_000 });
          expect(report.leaked).toEqual([]);
          ran++;
        } catch (error) {
          const { message, code } = explain(error);
          expect(code, `${text}\n${message}`).toBe(EXIT_INPUT);
          expect(message.length).toBeGreaterThan(10);
          expect(message).not.toMatch(/\n\s+at /);
        }
      }),
      fuzzed(400),
    );
    expect(ran).toBeGreaterThan(5);
  },
  FUZZ_TIMEOUT_MS,
);

it('run undamaged', () => {
  const report = runTopology(loadTopology('fuzz.yaml', texts[0]!), { directory: temporaryFolder(), trace: 'none', untilNs: 20_000_000 });
  expect(report.leaked).toEqual([]);
});
