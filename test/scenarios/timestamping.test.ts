/**
 * SO_TIMESTAMPING between two hosts: stamps of the card's clock come as control messages with what is received, and in the error queue for what was sent.
 * Messages, their order and lengths are those of Linux 6.18 with igb on the same calls.
 */
import { describe, expect, it } from 'vitest';
import { runText } from './scenario.ts';

/** A PTP version 2 Sync would begin with 0; the pattern of scripts does, too. */
const MESSAGE = 44;
const FRAME = 14 + 20 + 8 + MESSAGE;
/** Preamble and start delimiter, frame, check sequence, at 1 Gbit/s. */
const FRAME_NS = (8 + FRAME + 4) * 8;
const DELAY_NS = 1_000_000;
/** The clocks tick every 16 ns. */
const TICK_NS = 16;

interface Run {
  readonly client: string[];
  readonly server: string[];
  readonly drops: readonly { reason: string; where: string; count: number }[];
  readonly leaks: number;
}

function run(flags: string, reads: number, options: { hwstamp?: string; receive?: string; port?: number; sends?: number } = {}): Run {
  const { hwstamp = 'hwstamp_ctl -i eth0 -t 1 -r 12', receive = '0x5c', port = 319, sends = 1 } = options;
  const lines = (line: string, count: number): string => `          ${line}\n`.repeat(count);
  const { output, report } = runText(
    'stamps.yaml',
    `
hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    setup: [ ${JSON.stringify(hwstamp)} ]
    run:
      - command: ping -c 1 10.0.0.2
      - at: 10ms
        script: |
          udp
          bind 10.0.0.1 ${port}
          setsockopt SO_TIMESTAMPING ${flags}
${lines(`sendto 10.0.0.2 ${port} ${MESSAGE}`, sends)}          sleep_us 1000
${lines('recverr 200', reads)}          close
      - { at: 20ms, command: ethtool -S eth0 | grep stamp }
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    setup: [ ${JSON.stringify(hwstamp)} ]
    run:
      - script: |
          udp
          bind 10.0.0.2 ${port}
          setsockopt SO_TIMESTAMPING ${receive}
${lines('recvmsg 100', sends)}          close
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 1ms }]
`,
  );
  const of = (host: string): string[] => output.filter((line) => line.startsWith(`${host}: `)).map((line) => line.slice(host.length + 2));
  return { client: of('client'), server: of('server'), drops: report.drops, leaks: report.leaks };
}

/** [software, hardware] of each SO_TIMESTAMPING message, in ns. */
const stamps = (lines: readonly string[]): [number, number][] =>
  lines.flatMap((line) => {
    const [, software, hardware] = /cmsg SO_TIMESTAMPING software=(\d+) hardware=(\d+)/.exec(line) ?? [];
    return software === undefined ? [] : [[Number(software), Number(hardware)] as [number, number]];
  });

const errors = (lines: readonly string[]): string[] => lines.flatMap((line) => /cmsg IP_RECVERR (.*)/.exec(line)?.[1] ?? []);
const lengths = (lines: readonly string[]): string[] => lines.flatMap((line) => /recverr 200 -> (.*)/.exec(line)?.[1] ?? []);

describe('hardware stamps', () => {
  it('of both ends differ by the time on the wire', () => {
    const { client, server, leaks } = run('0x41', 2);
    const [sent] = stamps(client);
    const [received] = stamps(server);
    expect(sent![0]).toBe(0);
    expect(received![0]).toBeGreaterThan(received![1]);
    const way = received![1] - sent![1];
    expect(way).toBeGreaterThanOrEqual(DELAY_NS - 2 * TICK_NS);
    expect(way).toBeLessThanOrEqual(DELAY_NS + FRAME_NS + 2 * TICK_NS);
    expect(leaks).toBe(0);
  });

  it('come with the whole frame and an error that is none', () => {
    const { client } = run('0x41', 2);
    expect(lengths(client)).toEqual([String(FRAME), '-1 EAGAIN']);
    expect(errors(client)).toEqual(['errno=ENOMSG origin=4 type=0 code=0 info=0 data=0']);
  });

  it('take the place of those in software, unless both are wanted', () => {
    const one = stamps(run('0x53', 2).client);
    expect(one).toHaveLength(1);
    expect(one[0]![0]).toBe(0);
    const both = stamps(run('0x4053', 3).client);
    expect(both).toHaveLength(2);
    expect(both[0]).toEqual([expect.any(Number), 0]);
    expect(both[0]![0]).toBeGreaterThan(0);
    expect(both[1]).toEqual([0, expect.any(Number)]);
    expect(both[1]![1]).toBeGreaterThan(0);
  });

  it('come alone and numbered with OPT_TSONLY and OPT_ID', () => {
    const { client } = run('0x8c1', 2);
    expect(lengths(client)).toEqual(['0', '-1 EAGAIN']);
    expect(errors(client)).toEqual(['errno=ENOMSG origin=4 type=0 code=0 info=0 data=0']);
  });

  it('are taken of one packet at a time: others that want one meanwhile are counted', () => {
    const { client } = run('0x8c1', 3, { sends: 3 });
    const skipped = Number(/tx_hwtstamp_skipped: (\d+)/.exec(client.find((line) => line.includes('skipped'))!)![1]);
    expect(stamps(client)).toHaveLength(3 - skipped);
    expect(skipped).toBeGreaterThan(0);
    expect(client).toContainEqual(expect.stringContaining('tx_hwtstamp_timeouts: 0'));
  });

  it('tell on request which device took them', () => {
    const { server } = run('0x41', 1, { receive: '0x2044' });
    expect(server).toContainEqual(expect.stringContaining(`cmsg SCM_TIMESTAMPING_PKTINFO if_index=2 pkt_length=${FRAME}`));
  });

  it('are not taken of packets that are no PTP messages, nor while stamping is off', () => {
    expect(stamps(run('0x41', 1, { receive: '0x44', port: 400 }).server)).toEqual([]);
    const off = run('0x41', 1, { hwstamp: 'hwstamp_ctl -i eth0', receive: '0x44' });
    expect(stamps(off.client)).toEqual([]);
    expect(stamps(off.server)).toEqual([]);
    expect(off.client).toContainEqual(expect.stringContaining('tx_hwtstamp_skipped: 1'));
  });
});

describe('stamps in software', () => {
  const off = { hwstamp: 'true', port: 400 };

  it('of datagrams come from the queue and from the driver, numbered', () => {
    // TX_SOFTWARE, TX_SCHED, SOFTWARE, OPT_ID, OPT_TSONLY
    const { client } = run('0x992', 5, { ...off, sends: 2 });
    const given = stamps(client).map(([software]) => software);
    expect(given).toEqual([...given].sort((a, b) => a - b));
    // info 1: SCM_TSTAMP_SCHED, 0: SCM_TSTAMP_SND
    expect(errors(client).map((line) => line.slice(line.indexOf('info')))).toEqual([
      'info=1 data=0',
      'info=0 data=0',
      'info=1 data=1',
      'info=0 data=1',
    ]);
  });

  it('of arrivals are taken as long as a socket wants them', () => {
    const { server } = run('0', 0, { ...off, receive: '0x18' });
    const [[software, hardware]] = stamps(server) as [[number, number]];
    expect(hardware).toBe(0);
    expect(software).toBeGreaterThan(1_011_000_000);
    expect(stamps(run('0', 0, { ...off, receive: '0x10' }).server)).toEqual([]);
  });
});

describe('the clock', () => {
  it('is read, set, moved and slewed by phc_ctl, which prints as linuxptp does', () => {
    const { output } = runText(
      'phc.yaml',
      `
hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    run:
      - { at: 1ms, command: phc_ctl eth0 -- set 1700000000.5 adj -0.25 freq 1000000 freq wait 0.01 get }
      - { at: 20ms, command: phc_ctl /dev/ptp0 caps cmp }
wires: []
`,
    );
    const lines = output.map((line) => line.replace('client: ', '').replace(/^phc_ctl\[1\.0\d\d\]: /, ''));
    expect(lines.slice(0, 7)).toEqual([
      'set clock time to 1700000000.500000000 or Tue Nov 14 22:13:20 2023',
      '',
      'adjusted clock by -0.250000 seconds',
      '',
      'adjusted clock frequency offset to 1000000.000000ppb',
      'clock frequency offset is 1000000.000000ppb',
      'process slept for 0.010000 seconds',
    ]);
    // 10 ms at a rate that is 1/1000 too fast, and what the calls took.
    const now = /clock time is 1700000000\.(\d{9}) or Tue/.exec(lines[8]!)![1];
    expect(Number(now)).toBeGreaterThan(260_010_000);
    expect(Number(now)).toBeLessThan(260_080_000);
    expect(lines).toContain('  999999881 maximum frequency adjustment (ppb)');
    expect(lines).toContainEqual(expect.stringMatching(/^offset from CLOCK_REALTIME is -1699999999\d{9}ns$/));
  });

  it.each([
    ['phc_ctl /dev/ptp7 get', 'phc_ctl: /dev/ptp7: No such file or directory'],
    ['phc_ctl lo get', 'phc_ctl: interface lo does not have a PHC'],
    ['phc_ctl eth0 adj soon', 'phc_ctl adj: read "soon", expected a time in seconds'],
    ['hwstamp_ctl -t 1', 'hwstamp_ctl: read "the end of the line", expected -i DEVICE'],
  ])('%s is refused', (command, message) => {
    const text = `
hosts: { client: { interfaces: { eth0: 10.0.0.1/24 }, run: [ { command: ${command} } ] } }
wires: []
`;
    expect(() => runText('phc.yaml', text)).toThrow(message);
  });
});
