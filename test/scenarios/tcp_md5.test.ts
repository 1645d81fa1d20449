/**
 * TCP-MD5 (RFC 2385): every segment of a signed connection carries the digest that node:crypto computes for it, as those of a real Linux do; what is not
 * signed as it should be is dropped, counted and traced.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openCapture } from '../../src/observe/files/capture_reader.ts';
import { expectGoodEnd, type Outcome, runText, transferred } from './scenario.ts';

const ETHERNET = 14;
const MD5SIG = 19;
const END = 0;
const NOP = 1;

interface Signed {
  readonly flags: number;
  readonly payload: number;
  readonly kinds: readonly number[];
  /** null: no signature. */
  readonly valid: boolean | null;
}
const SYN = 2;
const RST = 4;

/** The TCP segments of a capture, their digests compared with what `key` gives. */
function segmentsOf(path: string, key: string): Signed[] {
  const reader = openCapture(path);
  const seen: Signed[] = [];
  for (let packet = reader.next(); packet !== null; packet = reader.next()) {
    const frame = Buffer.from(packet.bytes());
    if (frame.readUInt16BE(12) === 0x0800 && frame[ETHERNET + 9] === 6) seen.push(judge(frame.subarray(ETHERNET), key));
  }
  reader.close();
  return seen;
}

function judge(ip: Buffer, key: string): Signed {
  const segment = ip.subarray((ip[0]! & 15) * 4, ip.readUInt16BE(2));
  const doff = (segment[12]! >> 4) * 4;
  const kinds: number[] = [];
  let digest: Buffer | null = null;
  for (let at = 20; at < doff && segment[at] !== END; at += segment[at] === NOP ? 1 : segment[at + 1]!) {
    kinds.push(segment[at]!);
    if (segment[at] === MD5SIG) digest = segment.subarray(at + 2, at + 18);
  }
  const pseudo = Buffer.alloc(12);
  ip.copy(pseudo, 0, 12, 20);
  pseudo[9] = 6;
  pseudo.writeUInt16BE(segment.length, 10);
  const header = Buffer.from(segment.subarray(0, 20));
  header.writeUInt16BE(0, 16);
  const expected = createHash('md5').update(pseudo).update(header).update(segment.subarray(doff)).update(key).digest();
  return { flags: segment[13]!, payload: segment.length - doff, kinds, valid: digest === null ? null : expected.equals(digest) };
}

function run(client: string, server: string, impair = '', more = ''): Outcome {
  const block = (text: string): string => text.split('\n').map((line) => `          ${line.trim()}`).join('\n'); // biome-ignore format: short
  return runText(
    'md5.yaml',
    `hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    run:
      - script: |
${block(client)}
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    run:
      - script: |
${block(server)}
${more}
wires:
  - { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 1ms${impair} }
capture: [ wire ]
`,
    { trace: 'tcp:*' },
  );
}

const connectWith = (key: string, rest: string): string => `sleep_us 1000\ntcp\nmd5sig 10.0.0.2 ${key}\nconnect 10.0.0.2 5001\n${rest}`;

it('the digests of a real Linux are what this file computes', () => {
  const segments = segmentsOf('captures/linux/tcp-md5.lo.pcap', 'secret');
  expect(segments.filter(({ valid }) => valid === true)).toHaveLength(14);
  // Two SYNs that the listener dropped: without a digest, and with another key's.
  expect(segments.filter(({ valid }) => valid !== true).map(({ flags, valid }) => [flags, valid])).toEqual([[SYN, null], [SYN, false]]); // biome-ignore format: short
});

it('every segment of a transfer with loss is signed, options as in a real Linux, 20 bytes less in each', () => {
  const server = 'listen 5001\nmd5sig 10.0.0.0/24 secret\naccept\nrecvall\nsend 100\nclose\ncloselisten';
  const outcome = run(connectWith('secret', 'send 60000\nshutdown wr\nrecvall\nclose'), server, ', impair: { client: { drop: [20] } }');
  expectGoodEnd(outcome);
  expect(transferred(outcome, 'server').received).toBe(60_000);
  const segments = segmentsOf(outcome.captures[0]!, 'secret');
  expect(segments.length).toBeGreaterThan(60);
  expect(segments.every(({ valid }) => valid === true)).toBe(true);
  expect(Math.max(...segments.map(({ payload }) => payload))).toBe(1440);
  const real = segmentsOf('captures/linux/tcp-md5.lo.pcap', 'secret');
  expect(segments.slice(0, 3).map(({ kinds }) => kinds)).toEqual(real.slice(0, 3).map(({ kinds }) => kinds));
  // One SACK block has room beside the digest.
  expect(segments.filter(({ kinds }) => kinds.includes(5)).length).toBeGreaterThan(3);
});

it('the ACK of TIME_WAIT and the RST of an orphan are signed', () => {
  const server = 'listen 5001\nmd5sig 10.0.0.1 secret\naccept\nrecvall\nclose\ncloselisten';
  const timewait = run(connectWith('secret', 'close'), server, ', impair: { client: { drop: [5] } }');
  const after = segmentsOf(timewait.captures[0]!, 'secret');
  expect(after.map(({ flags }) => flags).slice(-3)).toEqual([16, 17, 16]);
  expect(after.every(({ valid }) => valid === true)).toBe(true);

  const orphan = run(
    connectWith('secret', 'sleep_us 50000\nsend 100\nsleep_us 50000\nclose'),
    'listen 5001\nmd5sig 10.0.0.1 secret\naccept\nsetsockopt TCP_LINGER2 90\nclose\ncloselisten',
  );
  const last = segmentsOf(orphan.captures[0]!, 'secret').at(-1)!;
  expect(last.flags & RST).toBe(RST);
  expect(last.valid).toBe(true);
});

it.each([
  ['no key', '', 'TCP_MD5NOTFOUND', 'TcpExtTCPMD5NotFound', 'tcp_hash_md5_required'],
  ['another key', 'wrong', 'TCP_MD5FAILURE', 'TcpExtTCPMD5Failure', 'tcp_hash_md5_mismatch'],
])('with %s the SYN is dropped, counted and traced', (_name, key, reason, counter, event) => {
  const client = `sleep_us 1000\ntcp\n${key === '' ? '' : `md5sig 10.0.0.2 ${key}\n`}setsockopt TCP_SYNCNT 1\nconnect 10.0.0.2 5001\nclose`;
  const outcome = run(
    client,
    'listen 5001\nmd5sig 10.0.0.1 secret\nsleep_us 5000000\ncloselisten',
    '',
    '      - { at: 5s, command: nstat }',
  );
  expect(outcome.output).toContainEqual(expect.stringMatching(/connect 10\.0\.0\.2 5001 -> -1 ETIMEDOUT/));
  expect(outcome.output).toContainEqual(expect.stringMatching(new RegExp(`^server: ${counter} +[23] `)));
  expect(outcome.report.drops.filter(({ reason: why }) => why === reason)).toHaveLength(1);
  expect(readFileSync(join(outcome.directory, 'trace.txt'), 'utf8')).toContain(
    `${event}: net=1 state=TCP_LISTEN family=AF_INET src=10.0.0.1:`,
  );
});

it('a signature that nobody asked for is no better', () => {
  const server = 'listen 5001\nsleep_us 5000000\ncloselisten';
  const outcome = run(`sleep_us 1000\ntcp\nmd5sig 10.0.0.2 secret\nsetsockopt TCP_SYNCNT 1\nconnect 10.0.0.2 5001\nclose`, server);
  expect(outcome.report.drops.map(({ reason }) => reason)).toContain('TCP_MD5UNEXPECTED');
});

it('keys: deleted, missing, too many, and as ss shows them', () => {
  const many = Array.from({ length: 964 }, (_, i) => `md5sig 10.9.${i >> 8}.${i & 255} k`).join('\n');
  const outcome = run(
    connectWith('secret', 'sleep_us 100000\nclose'),
    `listen 5001\nmd5sig 10.0.0.1 secret\naccept\nmd5sig 10.0.0.9\nsleep_us 50000\nclose\nmd5sig 10.0.0.1\n${many}\ncloselisten`,
    '',
    '      - { at: 30ms, command: ss -tinm }',
  );
  expect(outcome.output).toContainEqual(expect.stringMatching(/md5sig 10\.0\.0\.9 -> -1 ENOENT/));
  expect(outcome.output).toContainEqual(expect.stringMatching(/md5sig 10\.0\.0\.1 -> 0/));
  // net.core.optmem_max is 131072 and a key takes 136: a real 6.18 takes 963, too.
  const results = outcome.output.filter((line) => /md5sig 10\.9\./.test(line)).map((line) => line.replace(/.*-> /, ''));
  expect([results.indexOf('-1 ENOMEM'), results.filter((result) => result === '0').length]).toEqual([963, 963]);
  expect(outcome.output).toContainEqual(expect.stringMatching(/o136,.* md5keys:10\.0\.0\.1\/32=secret$/));
});
