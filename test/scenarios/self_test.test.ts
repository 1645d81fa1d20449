/** `ethtool -t` on a host with the real device model: what it prints, what it says in the kernel log, and that the port works afterwards. */
import { describe, expect, it } from 'vitest';
import { runText } from './scenario.ts';

const PASSED = [
  'The test result is PASS',
  'The test extra info:',
  'Register test  (offline)\t 0',
  'Eeprom test    (offline)\t 0',
  'Interrupt test (offline)\t 0',
  'Loopback test  (offline)\t 0',
  'Link test   (on/offline)\t 0',
  '',
];

function run(commands: readonly string[], options = ''): { lines: string[]; statuses: (number | null)[]; leaked: readonly string[] } {
  const { output, report } = runText(
    'self-test.yaml',
    `
hosts:
  client: { cpus: 2, interfaces: { eth0: { address: 10.0.0.1/24${options} } }, run: [ ${commands.join(', ')} ] }
  server: { interfaces: { eth0: 10.0.0.2/24 } }
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 1ms }]
`,
  );
  return {
    lines: output.map((line) => line.slice('client: '.length)),
    statuses: report.programs.map(({ status }) => status),
    leaked: report.leaked,
  };
}

const at = (time: string, command: string): string => `{ at: ${time}, command: ${JSON.stringify(command)} }`;

describe.each(['msix', 'msi', 'intx'])('with %s interrupts', (interrupts) => {
  it('passes offline, and frames flow afterwards', () => {
    const commands = [at('0s', 'ethtool -t eth0'), at('30s', 'ping -c 1 10.0.0.2'), at('31s', 'dmesg | grep test')];
    const { lines, statuses, leaked } = run(commands, `, interrupts: ${interrupts}`);
    expect(lines.slice(0, 8)).toEqual(PASSED);
    expect(lines).toContainEqual(expect.stringContaining('64 bytes from 10.0.0.2'));
    const log = lines.filter((line) => line.startsWith('[')).map((line) => line.replace(/^\[ *[\d.]+\] /, ''));
    const shared = interrupts === 'msi' ? 'unshared' : 'shared';
    expect(log).toEqual(['igb 0000:01:00.0: offline testing starting', `igb 0000:01:00.0: testing ${shared} interrupt`]);
    expect(statuses).toEqual([0, 0, 0]);
    expect(leaked).toEqual([]);
  });
});

it('tests only the link online, while frames flow', () => {
  const { lines, statuses } = run([at('0s', 'ethtool -t eth0 online'), at('1s', 'ping -c 3 10.0.0.2')]);
  expect(lines.filter((line) => line.startsWith('64 bytes'))).toHaveLength(3);
  expect(lines.slice(-8)).toEqual(PASSED);
  expect(statuses).toEqual([0, 0]);
});

it('fails without a link, offline and online', () => {
  const commands = [at('0s', 'fault eth0 link-down for 60s'), at('1s', 'ethtool -t eth0 online'), at('20s', 'ethtool -t eth0 external_lb')];
  const { lines, statuses } = run(commands);
  const failed = [...PASSED.slice(1, 6), 'Link test   (on/offline)\t 1', ''];
  expect(lines.slice(0, 8)).toEqual(['The test result is FAIL', ...failed]);
  expect(lines.slice(8)).toEqual(['The test result is FAIL', 'External loopback test was not executed', ...failed]);
  expect(statuses).toEqual([0, 2, 2]);
});

it('is refused in other words than those known, and for devices without a test', () => {
  expect(() => run([at('0s', 'ethtool -t eth0 upside-down')])).toThrow(
    'ethtool -t: read "upside-down", expected one of offline, online, external_lb',
  );
  expect(() => run([at('0s', 'ethtool -t lo')])).toThrow('Cannot test: Operation not supported');
});

it.each(['1s', '5100ms', '5600ms', '5700ms', '6s', '9s'])('leaves nothing behind when the run is cut %s into it', (until) => {
  const { report } = runText(
    'self-test.yaml',
    `
until: ${until}
hosts:
  client: { interfaces: { eth0: 10.0.0.1/24 }, run: [ ${at('0s', 'ethtool -t eth0')} ] }
  server: { interfaces: { eth0: 10.0.0.2/24 } }
wires: [{ between: [client.eth0, server.eth0], rate: 1Gbit, delay: 1ms }]
`,
  );
  expect(report.leaked).toEqual([]);
});
