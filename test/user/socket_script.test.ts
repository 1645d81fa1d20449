/** Socket scripts: the recorded vocabulary, its log, and what is said about mistakes. */
import { describe, expect, it } from 'vitest';
import { linesTo } from '../../src/user/socket_script/log.ts';
import { ScriptError } from '../../src/user/socket_script/parse.ts';
import { socketScript } from '../../src/user/socket_script/run.ts';
import { LoopbackHost } from '../support/programs.ts';

/** Log lines without times. */
const untimed = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/^\d+ (\+\d+ )?/, ''));

function play(...scripts: string[]): string[][] {
  const host = new LoopbackHost(2);
  const logs = scripts.map((): string[] => []);
  host.runAll(
    ...scripts.map((text, i) =>
      socketScript(
        text,
        linesTo((line) => logs[i]!.push(line)),
      ),
    ),
  );
  expect(host.leftovers()).toEqual([]);
  return logs.map(untimed);
}

describe('socket scripts', () => {
  it('run an echo as recorded', () => {
    const [client, server] = play(
      'sleep_us 1000\nconnect 127.0.0.1 5001\nsend 100\nrecv 100\nshutdown wr\nrecvall\nclose\n',
      'listen 5001\naccept\nrecv 100\nsend 100\nrecvall\nclose\ncloselisten\n',
    );
    expect(client).toEqual([
      'sleep_us 1000 -> 0', 'socket(tcp) -> 3', 'connect 127.0.0.1 5001 -> 0', 'send 100 -> 100', 'recv(100) -> 100', 'recv 100 -> 100',
      'shutdown wr -> 0', 'recv(65536) -> 0', 'recvall -> 0', 'close -> 0', 'end tx=100 rx=100 bad=0',
    ]); // biome-ignore format: a log
    expect(server!.filter((line) => !line.startsWith('peer'))).toEqual([
      'socket(tcp) -> 3', 'listen 5001 -> 0', 'accept -> 4', 'recv(100) -> 100', 'recv 100 -> 100', 'send 100 -> 100', 'recv(65536) -> 0',
      'recvall -> 0', 'close -> 0', 'closelisten -> 0', 'end tx=100 rx=100 bad=0',
    ]); // biome-ignore format: a log
  });

  it('run the recorded UDP scenario: a reply, then errors of a port that nobody has', () => {
    const [a] = play(
      'sleep_us 1000\nudp\nbind 127.0.0.1 9001\nsendto 127.0.0.1 9000 4000\nrecvfrom 65536\nclose\nudp\nconnect 127.0.0.1 9999\nsend 100\n' +
        'sleep_us 50000\ngetsockopt SO_ERROR\nsend 100\nsleep_us 50000\nsend 100\nclose\n',
      'udp\nbind 127.0.0.1 9000\nreply 65536\nclose\n',
    );
    expect(a!.slice(3)).toEqual([
      'sendto 127.0.0.1 9000 4000 -> 4000', 'recvfrom 65536 -> 4000', 'from 127.0.0.1:9000 bad=0', 'close -> 0', 'socket(udp) -> 3',
      'connect 127.0.0.1 9999 -> 0', 'send 100 -> 100', 'sleep_us 50000 -> 0', 'SO_ERROR=111 (ECONNREFUSED)', 'getsockopt SO_ERROR -> 0',
      'send 100 -> 100', 'sleep_us 50000 -> 0', 'send 100 -> -1 ECONNREFUSED', 'close -> 0', 'end tx=200 rx=0 bad=0',
    ]); // biome-ignore format: a log
  });

  it('repeat, work in the background and join', () => {
    const [log] = play('udp\nbind 127.0.0.1 9000\nbg recvfrom 100\nrepeat 2: sleep_us 1000; outq\nsendto 127.0.0.1 9000 10\njoin\nclose\n');
    expect(log).toContain('recvfrom 100 -> 10');
    expect(log!.filter((line) => line === 'outq -> 0')).toHaveLength(2);
    expect(log!.at(-1)).toBe('end tx=0 rx=0 bad=0');
  });

  it.each([
    ['conect 10.0.0.2 5001', 1, 1, 'connect'],
    ['tcp\nconnect 10.0.0.2 x', 2, 18, 'a port'],
    ['tcp\n\nshutdown write', 3, 10, 'rd, wr or rdwr'],
  ])('name the place of a mistake in %j', (text, line, column, hint) => {
    let error: unknown;
    try {
      socketScript(
        text,
        linesTo(() => undefined),
      );
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(ScriptError);
    expect(error).toMatchObject({ line, column });
    expect((error as ScriptError).message).toContain(hint);
  });
});
