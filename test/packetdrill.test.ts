import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TestFailure } from '../src/packetdrill/failures.ts';
import { runOptions } from '../src/packetdrill/options.ts';
import { readPacket, TcpPacket } from '../src/packetdrill/packet.ts';
import { parseScript } from '../src/packetdrill/parse.ts';
import { type Names, PythonError, runPython } from '../src/packetdrill/python.ts';
import { runScript, type Verdict } from '../src/packetdrill/run.ts';
import { parseShell } from '../src/packetdrill/shell_parse.ts';
import { checkTime, tolerance } from '../src/packetdrill/times.ts';

const FOLDER = 'test/packetdrill';
const scripts = readdirSync(FOLDER).filter((file) => file.endsWith('.pkt'));

function runFile(path: string): Verdict {
  const script = parseScript(path, readFileSync(path, 'utf8'), new Map());
  return runScript(script, runOptions(script, {}), { recordTo: null, readScript: () => null });
}

/** A script of ours, given as text. */
function run(text: string): Verdict {
  const script = parseScript('test.pkt', text, new Map());
  return runScript(script, runOptions(script, {}), { recordTo: null, readScript: () => null });
}

const SERVER = `\`./defaults.sh\`
  0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
 +0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
 +0 bind(3, ..., ...) = 0
 +0 listen(3, 1) = 0
 +0 < S 0:0(0) win 30000 <mss 1000>
 +0 > S. 0:0(0) ack 1 <mss 1460>
+.02 < . 1:1(0) ack 1 win 30000
 +0 accept(3, ..., ...) = 4
`;

describe('scripts', () => {
  it.each(scripts)('%s', (file) => {
    const { ok, message } = runFile(`${FOLDER}/${file}`);
    expect(message).toBe('');
    expect(ok).toBe(true);
  });

  it('say the same every time', () => {
    expect(run(`${SERVER} +0 write(4, ..., 10) = 10\n +0 > P. 1:11(10) ack 2`)).toEqual(
      run(`${SERVER} +0 write(4, ..., 10) = 10\n +0 > P. 1:11(10) ack 2`),
    );
  });
});

describe('a failure', () => {
  it('names line, field and both packets', () => {
    const { ok, message, line } = run(`${SERVER} +0 write(4, ..., 10) = 10\n +0 > P. 1:11(10) ack 2`);
    expect(ok).toBe(false);
    expect(line).toBe(11);
    expect(message).toBe(
      [
        'test.pkt:11: error handling packet: live packet field tcp_ack_seq: expected: 2 (0x2) vs actual: 1 (0x1)',
        'script packet:  0.020155 P. 1:11(10) ack 2',
        'actual packet:  0.020155 P. 1:11(10) ack 1 win 65535',
      ].join('\n'),
    );
  });

  it('tells when something happens at the wrong time', () => {
    const { message } = run(`${SERVER} +0 write(4, ..., 10) = 10\n+.1 > P. 1:11(10) ack 1`);
    expect(message).toContain(
      'timing error: expected outbound packet at 0.120155 sec but happened at 0.020155 sec; tolerance 0.012501 sec',
    );
  });

  it('tells when nothing comes', () => {
    expect(run(`${SERVER} +0 > P. 1:11(10) ack 1`).message).toBe('test.pkt:10: error handling packet: Timed out waiting for packet');
  });

  it('tells result and errno of a call', () => {
    expect(run(`${SERVER} +0 read(9, ..., 10) = 1`).message).toBe(
      'test.pkt:10: runtime error in read call: unable to find socket with script fd 9',
    );
    expect(run(`${SERVER} +0 fcntl(4, F_SETFL, O_NONBLOCK) = 0\n +0 read(4, ..., 10) = 1`).message).toBe(
      'test.pkt:11: runtime error in read call: Expected result 1 but got -1 with errno 11 (Resource temporarily unavailable)',
    );
    expect(run(`${SERVER} +0 fcntl(4, F_SETFL, O_NONBLOCK) = 0\n +0 read(4, ..., 10) = -1 EPIPE (Broken pipe)`).message).toBe(
      'test.pkt:11: runtime error in read call: Expected errno 32 (Broken pipe) but got 11 (Resource temporarily unavailable)',
    );
  });

  it('comes from a call that never returns, too', () => {
    expect(run(`${SERVER} +0 read(4, ..., 10) = 1`).message).toBe('test.pkt:10: read() never returns');
  });

  it('comes from a blocking call at its end', () => {
    expect(run(`${SERVER} +0...0.1 read(4, ..., 10) = 5\n+.5 < P. 1:6(5) ack 1 win 1000\n+0 > . 1:1(0) ack 6`).message).toMatch(
      /^test.pkt:10: timing error: expected system call return at 0.1\d+ sec but happened at 0.5/,
    );
  });

  it('comes from code at the end of the script', () => {
    expect(run(`${SERVER} +0 %{ assert tcpi_snd_cwnd == 11, tcpi_snd_cwnd }%`).message).toBe(
      'test.pkt:10: error in Python code\nAssertionError: 10\nassert tcpi_snd_cwnd == 11, tcpi_snd_cwnd',
    );
  });

  it('comes from a command', () => {
    expect(run(`${SERVER} +0 \`nstat | grep -q TcpExtTCPNothing\``).message).toBe(
      "test.pkt:10: error executing command: 'nstat | grep -q TcpExtTCPNothing' exited with status 1",
    );
    expect(run(`\`sysctl -q net.ipv4.tcp_unheard_of=1\`\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3`).message).toContain(
      'error executing init command',
    );
  });
});

describe('the parser', () => {
  const refused = (text: string): string => {
    try {
      parseScript('bad.pkt', text, new Map());
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };

  it.each([
    ['1 close(3) = 0', 'bad.pkt:1: first event should be at time 0'],
    ['0 close(3) = 0\n1 close(3) = 0\n.5 close(3) = 0', 'bad.pkt:3: time goes backward in script from 1000000 usec to 500000 usec'],
    ['0 < . 1:1(0) ack 1', 'semantic error: window must be specified for inbound packets'],
    ['0 < . 1:5(3) ack 1 win 5', 'inconsistent TCP sequence numbers and payload size'],
    ['* close(3) = 0', 'event time <star> can only be used with outbound packets'],
    ['0~1 close(3) = 0', 'event time range can only be used with outbound packets'],
    ['0 < . 1:1(0) ack 1 win 5 <...>', '<...> for TCP options can only be used with outbound packets'],
    ['0 < . 1:1(0) ack 1 win 5 <nop>', 'TCP options are not padded to a multiple of 4 bytes'],
    ['0 < S5E 1:1(0) win 5', 'conflicting TCP flags'],
    ['0 > udp (100)', "'udp' packets are not supported"],
    ['0 close(3) = ', 'expected an expression'],
    ['', 'expected an event'],
  ])('refuses %j', (text, message) => {
    expect(refused(text)).toContain(message);
  });

  it('reads times to the microsecond', () => {
    const { events } = parseScript('a', '0 close(3) = 0\n+.000001~+1.1 > . 1:1(0) ack 1\n0.3...0.29 close(3) = 0', new Map());
    expect(events.map(({ time }) => time)).toEqual([
      { kind: 'absolute', us: 0, endUs: 0 },
      { kind: 'relativeRange', us: 1, endUs: 1_100_000 },
      { kind: 'absolute', us: 300_000, endUs: 300_000 },
    ]);
    expect(events[2]!.action).toMatchObject({ endUs: 290_000 });
  });

  it('puts definitions in', () => {
    const { events } = parseScript('a', '--define=WHAT=EPIPE\n0 close(N) = -1 WHAT', new Map([['N', '7']]));
    expect(events[0]!.action).toMatchObject({ args: [{ kind: 'number', value: 7 }], errno: 'EPIPE' });
  });

  it('writes packets as it reads them', () => {
    const lines = [
      'S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 8>',
      'FP. 1:11(10) ack 4294967295 win 0 <nop,nop,sack 1:2 3:4>',
      'S. 0:0(0) ack 1 win 5 <mss 5,FO aabb>',
      'SEWA 0:0(0) win 5 <FOEXP 01020304>',
      '.5 1:1(0) ack 1 win 5 <ECN e0b 1 ceb 2>',
      'R 5:5(0) win 0',
    ];
    const { events } = parseScript('a', lines.map((line, i) => `${i === 0 ? '0' : '+0'} < ${line}`).join('\n'), new Map());
    expect(events.map(({ action }) => (action.type === 'packet' ? action.packet.toString() : ''))).toEqual(lines);
  });
});

describe('packets', () => {
  it('survive the way through bytes', () => {
    const packet = new TcpPacket();
    Object.assign(packet, {
      source: 0xc0000201,
      dest: 0xc0a80001,
      sport: 5,
      dport: 8080,
      seq: 0xffffffff,
      ack_seq: 7,
      window: 9,
      urg_ptr: 3,
    });
    Object.assign(packet, { psh: true, ack: true, urg: true, ae: true, tos: 2, payloadBytes: 6, options: Uint8Array.of(1, 1, 1, 0) });
    const read = readPacket(packet.bytes(), 12)!;
    expect(read.toString()).toBe(packet.toString());
    expect(read).toMatchObject({
      source: 0xc0000201,
      dport: 8080,
      seq: 0xffffffff,
      urg_ptr: 3,
      tos: 2,
      ttl: 255,
      payloadBytes: 6,
      time: 12,
    });
    expect(read.ipChecksumGood).toBe(true);
  });

  it('are recognised only when they are TCP', () => {
    expect(readPacket(new Uint8Array(40), 0)).toBeNull();
  });
});

describe('times', () => {
  it('may be off by a share of the distance', () => {
    expect(tolerance(100_000, 0, 4000, 12.5)).toBe(12_500);
    expect(tolerance(10_000, 0, 4000, 12.5)).toBe(4000);
    expect(tolerance(100_000, null, 4000, 12.5)).toBe(4000);
  });

  it('of ranges are widened on both sides', () => {
    const due = { kind: 'relativeRange', us: 1000, endUs: 2000, anchorUs: 500 } as const;
    expect(() => checkTime(due, 996, 4, 'it')).not.toThrow();
    expect(() => checkTime(due, 2004, 4, 'it')).not.toThrow();
    expect(() => checkTime(due, 2005, 4, 'it')).toThrow(
      'timing error: expected it in relative time range +0.000500~+0.001500 sec but happened at +0.001505 sec',
    );
  });
});

describe('code', () => {
  const names = (): Names => new Map([['x', 7]]);
  const passes = (code: string): void => runPython(code, names(), () => undefined);

  it.each([
    'assert x == 7',
    'assert 5 < x <= 7 and not x > 7',
    'assert (x & 3) == 3; assert x | 8 == 15',
    'y = x * 2 + 1\nassert y == 15, "y is %d" % y',
    'assert x // 2 == 3 and x % 4 == 3 and -7 // 2 == -4 and -7 % 3 == 2',
    'assert x == 7 \\\n  and x != 8 # a comment',
    'assert 0xffffffff + 1 == 1 << 32 and (1 << 40) & (1 << 40) != 0',
    'assert abs(-3) == 3 and max(1, 2, 3) == 3 and min([4, 2]) == 2',
    'assert x in (6, 7) and 9 not in [1, 2]',
    'assert (1 if x == 7 else 2) == 1',
    "assert '%s %04d %.1f %x' % ('a', 5, 1.25, 255) == 'a 0005 1.3 ff'",
  ])('understands %j', (code) => {
    expect(() => passes(code)).not.toThrow();
  });

  it.each([
    ['assert x == 8, x', 'AssertionError: 7'],
    ['assert x == 8', 'AssertionError'],
    ["assert False, 'x=%d' % x", 'AssertionError: x=7'],
    ['assert z', "NameError: name 'z' is not defined"],
    ['assert x ==', 'SyntaxError: invalid syntax at "\\n"'],
    ['assert x / 0', 'ZeroDivisionError: division by zero'],
  ])('fails as Python does: %j', (code, message) => {
    expect(() => passes(code)).toThrow(new PythonError(message));
  });

  it('prints', () => {
    const lines: string[] = [];
    runPython('print(x, "and", True, (1, "a"))', names(), (line) => lines.push(line));
    expect(lines).toEqual(["7 and True (1, 'a')"]);
  });
});

describe('shell lines', () => {
  const words = (text: string): (readonly string[])[] =>
    parseShell(text, new Map([['PPID', '42']])).flatMap(({ commands }) => commands.map((c) => c.words));

  it('are split as a shell splits them', () => {
    expect(words('a "b c" \'d e\' f\\ g # no\n /x_$PPID.sh \\\n  $((15*1024*1024))')).toEqual([
      ['a', 'b c', 'd e', 'f g'],
      ['/x_42.sh', '15728640'],
    ]);
  });

  it('keep conditions, pipes and redirections apart', () => {
    const [first, second, third] = parseShell('a | b > f && ! c 2>/dev/null ; d', new Map());
    expect(first!.commands.map(({ words: w, redirects }) => [w, redirects.length])).toEqual([
      [['a'], 0],
      [['b'], 1],
    ]);
    expect(second).toMatchObject({ when: 'success', negated: true });
    expect(third).toMatchObject({ when: 'always', commands: [{ words: ['d'] }] });
  });
});

it('failures of scripts are told from bugs', () => {
  expect(new TestFailure(3, 'x')).toMatchObject({ line: 3, name: 'TestFailure' });
});
