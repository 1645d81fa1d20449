/** States that a bulk transfer never shows, against what iproute2 6.1 printed on Linux 6.18 (two namespaces joined by veth, BBR). */
import { expect, it } from 'vitest';
import { runText } from '../../scenarios/scenario.ts';

/** Lines that a host's program printed. */
function printed(client: readonly string[], server: readonly string[] = []): string[] {
  const { output } = runText(
    'states.yaml',
    `
until: 3s
hosts:
  client:
    interfaces: { eth0: 10.0.0.1/24 }
    setup: ["sysctl -w net.ipv4.tcp_congestion_control=bbr"]
    run: [ ${client.join(', ')} ]
  server:
    interfaces: { eth0: 10.0.0.2/24 }
    setup: ["sysctl -w net.ipv4.tcp_congestion_control=bbr"]
    run: [ ${server.join(', ')} ]
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 10us }]
`,
  );
  return output.map((line) => line.replace(/^\w+: /, '').trimEnd());
}

const script = (at: string, ...lines: string[]): string => `{ at: ${at}, script: ${JSON.stringify(lines.join('\n'))} }`;
const command = (at: string, line: string): string => `{ at: ${at}, command: ${JSON.stringify(line)} }`;

/** Without what depends on the machine: memory's limits, identities, times. */
const shape = (line: string): string =>
  line
    .replaceAll(/\b(ino|sk):\w+/g, '$1:N')
    .replaceAll(/\b(rb|tb|f|t|w|r)\d+(?=[,)])/g, '$1N')
    .replaceAll(/(lastsnd|lastrcv|lastack):\d+/g, '$1:N')
    .replaceAll(/\d+ms/g, 'Nms')
    .replace(/ cgroup:\S+/, '')
    .replaceAll(/ +/g, ' ')
    .trim();

it('ss shows a connection that waits for its SYN-ACK as Linux does', () => {
  const lines = printed([script('0s', 'connect 10.0.0.99 80'), command('400ms', 'ss -tinmoe -a')]);
  const at = lines.findIndex((line) => line.startsWith('SYN-SENT'));
  expect(shape(lines[at]!).replace(/:\d{5} /, ':38316 ')).toBe(
    shape('SYN-SENT 0 1 10.0.0.1:38316 10.0.0.99:80 timer:(on,656ms,0) ino:1990617 sk:1b cgroup:unreachable:1 <->'),
  );
  const real =
    'skmem:(r0,rb131072,t832,tb16384,f3264,w832,o0,bl0,d0) bbr rto:1000 mss:524 pmtu:1500 rcvmss:88 advmss:1460 cwnd:10 segs_out:1 bbr:(bw:0bps,mrtt:0) lastsnd:27972696 lastrcv:27972696 lastack:27972696 app_limited unacked:1 rcv_ssthresh:64240';
  expect(shape(lines[at + 1]!)).toBe(shape(real));
  // 1.4 s after power-on, in 32 bits.
  expect(lines[at + 1]).toContain(' lastsnd:1400 lastrcv:1400 lastack:1400 ');
});

it('ss tells nothing of the congestion control’s model where inet_diag does not: in LISTEN and CLOSE-WAIT', () => {
  const lines = printed(
    [
      script('10ms', 'connect 10.0.0.2 5001', 'shutdown wr', 'sleep_us 2000000'),
      script('11ms', 'connect 10.0.0.2 5001', 'sleep_us 2000000'),
    ],
    [script('0s', 'listen 5001 1', 'sleep_us 2000000'), command('400ms', 'ss -tinmoe -a')],
  );
  const listener = lines.findIndex((line) => line.startsWith('LISTEN'));
  expect(shape(lines[listener]!)).toBe('LISTEN 2 1 0.0.0.0:5001 0.0.0.0:* ino:N sk:N <->');
  expect(shape(lines[listener + 1]!)).toBe(shape('skmem:(r0,rb131072,t0,tb16384,f0,w0,o0,bl0,d0) bbr cwnd:10 unacked:2'));
  const waiting = lines.findIndex((line) => line.startsWith('CLOSE-WAIT'));
  // Nobody has accepted it.
  expect(lines[waiting]).toMatch(/^CLOSE-WAIT 1 +0 .* ino:0 sk:\w+ -->$/);
  expect(lines[waiting + 1]).toMatch(/ bytes_received:1 segs_out:1 segs_in:3 send /);
  expect(lines[waiting + 1]).not.toContain('bbr:(');
});

it('ss shows the timers of TIME-WAIT and of keepalives as Linux does', () => {
  const lines = printed(
    [
      script('10ms', 'connect 10.0.0.2 5001', 'send 100', 'shutdown wr', 'recvall', 'close'),
      script('20ms', 'connect 10.0.0.2 5001', 'setsockopt SO_KEEPALIVE 1', 'send 100', 'sleep_us 2500000'),
      command('2050ms', 'ss -tano'),
    ],
    [script('0s', 'listen 5001', 'accept', 'recvall', 'send 10', 'close', 'accept', 'recvall', 'close', 'closelisten')],
  );
  const rows = lines.filter((line) => /timer:/.test(line)).map((line) => line.replaceAll(/ +/g, ' ').replace(/:\d{5} /, ':54398 '));
  expect(rows).toContain('TIME-WAIT 0 0 10.0.0.1:54398 10.0.0.2:5001 timer:(timewait,57sec,0)');
  expect(rows).toContain('ESTAB 0 0 10.0.0.1:54398 10.0.0.2:5001 timer:(keepalive,119min,0)');
});

it('ip route shows metrics as Linux does, and what a packet would get of them', () => {
  const lines = printed([
    command('0s', 'ip route add 10.9.0.0/16 via 10.0.0.2 metric 50 mtu 1400 initcwnd 20 rto_min 5ms'),
    command('1ms', 'ip route add blackhole 10.10.0.0/16'),
    command('2ms', 'ip route add unreachable 10.11.0.0/16 metric 7'),
    command('3ms', 'ip route add 10.12.0.0/16 dev eth0 src 10.0.0.1 scope link advmss 1000 window 30000 quickack 1'),
    command('4ms', 'ip route'),
    command('5ms', 'ip route get 10.9.1.1'),
  ]);
  expect(lines).toEqual([
    '10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1',
    '10.9.0.0/16 via 10.0.0.2 dev eth0 metric 50 mtu 1400 initcwnd 20 rto_min lock 5ms',
    'blackhole 10.10.0.0/16',
    'unreachable 10.11.0.0/16 metric 7',
    '10.12.0.0/16 dev eth0 scope link src 10.0.0.1 window 30000 advmss 1000 quickack 1',
    '10.9.1.1 via 10.0.0.2 dev eth0 src 10.0.0.1 uid 0',
    '    cache mtu 1400 initcwnd 20 rto_min lock 5ms',
  ]);
});
