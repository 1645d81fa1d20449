/** truewire follow */
import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openCapture } from '../observe/files/capture_reader.ts';
import { followPacket } from '../observe/follow/life.ts';
import { lifeLines, waitLines } from '../observe/follow/print.ts';
import { sumWaits } from '../observe/follow/waits.ts';
import { TRUTH_FILE, type TruthRecord } from '../observe/truth.ts';
import { UsageError } from './errors.ts';
import { EXIT_NO, EXIT_OK } from './exit_codes.ts';

export interface FollowFlags {
  waits?: boolean;
}

const EVENTS = 'events.msgpack';

export async function followCommand(directory: string, which: string | undefined, flags: FollowFlags): Promise<number> {
  if (!existsSync(directory)) throw new UsageError(`${directory}: no such directory, expected that of a run`);
  const log = join(directory, EVENTS);
  if (which === undefined && flags.waits !== true)
    throw new UsageError('follow: read no packet, expected a packet id, a frame as FILE:NUMBER, or --waits');
  const id = which === undefined ? null : packetId(directory, which);
  if (flags.waits === true) return await printWaits(directory, log, id);
  const life = await followPacket(log, id!);
  if (life === null) {
    process.stderr.write(`follow: no record in ${log} is about packet ${id}\n`);
    return EXIT_NO;
  }
  const truth = await truthOf(directory, (record) => record.id === id || record.cause === id);
  process.stdout.write(`${lifeLines(life, truth.map((record) => remark(record, id!))).join('\n')}\n`); // biome-ignore format: one
  return EXIT_OK;
}

async function printWaits(directory: string, log: string, id: number | null): Promise<number> {
  if (id === null) {
    process.stdout.write(`${waitLines(await sumWaits(log, null), 'all packets').join('\n')}\n`);
    return EXIT_OK;
  }
  const [own] = await truthOf(directory, (record) => record.id === id);
  if (own === undefined)
    throw new UsageError(`follow: ${join(directory, TRUTH_FILE)} does not tell the flow of packet ${id}: run with --truth to leave one`);
  const flow = await truthOf(directory, (record) => record.flow === own.flow);
  const sums = await sumWaits(log, new Set(flow.map((record) => record.id)));
  process.stdout.write(`${waitLines(sums, own.flow).join('\n')}\n`);
  return EXIT_OK;
}

/** `41`: a packet id; `client.eth0.nic.pcapng:17` (or `#17` of the run's first capture): the id of a frame by its number. */
function packetId(directory: string, which: string): number {
  if (/^\d+$/.test(which)) return Number(which);
  const match = /^(.*)[:#](\d+)$/.exec(which);
  if (match === null)
    throw new UsageError(
      `follow: read ${JSON.stringify(which)}, expected a packet id such as 41 or a frame such as client.eth0.nic.pcapng:17 or #17`,
    );
  const captures = readdirSync(directory).filter((name) => name.endsWith('.pcapng')).sort(); // biome-ignore format: short
  const file = match[1] === '' ? captures[0] : match[1];
  if (file === undefined || !captures.includes(file))
    throw new UsageError(`follow: ${directory} has no capture ${file ?? ''}, expected one of ${captures.join(', ')}`);
  return idOfFrame(join(directory, file), Number(match[2]));
}

function idOfFrame(path: string, number: number): number {
  const reader = openCapture(path);
  try {
    let left = number;
    for (let packet = reader.next(); packet !== null; packet = reader.next()) if (--left === 0) return packet.packetId;
  } finally {
    reader.close();
  }
  throw new UsageError(`follow: ${path} has no frame ${number}`);
}

async function truthOf(directory: string, wanted: (record: TruthRecord) => boolean): Promise<TruthRecord[]> {
  const path = join(directory, TRUTH_FILE);
  if (!existsSync(path)) return [];
  const found: TruthRecord[] = [];
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const record = JSON.parse(line) as TruthRecord;
    if (wanted(record)) found.push(record);
  }
  return found;
}

function remark({ id, flow, wire, kind, by, spurious, cause, fate }: TruthRecord, followed: number): string {
  if (id !== followed) return `packet ${id} repeats it (${by ?? kind})`;
  const what =
    kind === 'original'
      ? 'sent for the first time'
      : `${spurious === true ? 'spurious ' : ''}${kind}${by === undefined ? '' : ` (${by})`} of packet ${cause}`;
  return `${flow}: ${what}; on ${wire}: ${fate}`;
}
