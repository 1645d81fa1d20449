import { expect, it } from 'vitest';
import type { DropReason, NicObserver } from '../../src/hw/igb/observer.ts';
import type { Frame } from '../../src/wire/frame.ts';
import { ipv4Packet, pattern } from './packets.ts';
import * as T from './test_driver.ts';

class Log implements NicObserver {
  readonly lines: string[] = [];
  transmitted(frame: Frame, queue: number, time: number, descriptorIndex: number): void {
    this.lines.push(`tx ${frame.length} q${queue} d${descriptorIndex} @${time}`);
  }
  received(frame: Frame, queue: number, _time: number, rssHash: number, dropped: DropReason | null): void {
    this.lines.push(`rx ${frame.length} q${queue} 0x${rssHash.toString(16)} ${dropped ?? 'ok'}`);
  }
  stored(frame: Frame, queue: number, _time: number, descriptorIndex: number): void {
    this.lines.push(`stored ${frame.length} q${queue} d${descriptorIndex}`);
  }
  discarded(frame: Frame, queue: number, _time: number, reason: DropReason): void {
    this.lines.push(`gone ${frame.length} q${queue} ${reason}`);
  }
}

it('observers hear of each frame when it leaves or arrives, and why it was dropped', () => {
  const driver = new T.TestDriver();
  const log = new Log();
  driver.device.observers.push(log);
  driver.start();
  driver.setupRx(0, 1, T.DROP_EN | 0x0200_0002);
  driver.setupTx(3);
  driver.postContext(3, 14, 20, 32, 0, T.TUCMD_IPV4 | T.TUCMD_TCP);
  driver.postData(3, [ipv4Packet(pattern(100))]);
  driver.ring(3);
  driver.run(20_000);
  driver.arrive(ipv4Packet(pattern(50)));
  driver.arrive(ipv4Packet(pattern(51)));
  driver.arrive(ipv4Packet(pattern(52)), true);
  driver.arrive(ipv4Packet(pattern(53), { to: Uint8Array.of(2, 2, 2, 2, 2, 2) }));
  driver.run(20_000);
  expect(log.lines).toEqual([
    `tx 166 q3 d1 @${driver.end.sent[0]!.time}`,
    'rx 116 q0 0x0 ok',
    'rx 117 q0 0x0 ok',
    'rx 118 q-1 0x0 bad FCS (CRCERRS)',
    'rx 119 q-1 0x0 address filter',
    'stored 116 q0 d0',
    'gone 117 q0 no descriptor (RQDPC)',
  ]);
});

it('the register observer sees every access under the datasheet’s name', () => {
  const driver = new T.TestDriver();
  const seen: string[] = [];
  driver.device.registerObserver = {
    access: (_device, write, name, value) => void seen.push(`${write ? 'WR' : 'rd'} ${name} 0x${value.toString(16)}`),
  };
  driver.write(T.TDT(3), 7);
  driver.read(T.TDT(3));
  driver.read(T.CTRL);
  expect(seen).toEqual(['WR TDT[3] 0x7', 'rd TDT[3] 0x7', 'rd CTRL 0x100209']);
});

it('the same frames leave at the same instants whether or not someone listens', () => {
  const run = (observed: boolean): string => {
    const driver = new T.TestDriver();
    if (observed) driver.device.observers.push(new Log());
    driver.start();
    driver.setupTx(0);
    for (let i = 0; i < 10; i++) driver.postData(0, [ipv4Packet(pattern(100 * i))]);
    driver.ring(0);
    driver.run(1_000_000);
    return driver.end.sent.map((frame) => `${frame.time} ${frame.bytes.length}`).join('\n');
  };
  expect(run(true)).toBe(run(false));
});
