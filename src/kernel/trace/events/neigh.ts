/** include/trace/events/neigh.h */
import {
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  type neighbour,
} from '../../include/net/neighbour.ts';
import { type PrintArgument, rows, symbolic } from '../print_argument.ts';
import type { EventSource, EventTable } from '../trace_event.ts';
import type { TraceRecord } from '../trace_record.ts';
import { AF_INET } from './common.ts';

const states = rows(
  {
    [NUD_INCOMPLETE]: 'incomplete',
    [NUD_REACHABLE]: 'reachable',
    [NUD_STALE]: 'stale',
    [NUD_DELAY]: 'delay',
    [NUD_PROBE]: 'probe',
    [NUD_FAILED]: 'failed',
    [NUD_NOARP]: 'noarp',
    [NUD_PERMANENT]: 'permanent',
  },
  (value) => `0x${value.toString(16).padStart(2, '0')}`,
);

const MAX_ADDRESS_BYTES = 32;
const FIELDS =
  'u32 family; __data_loc char[] dev; u8 lladdr[32]; u8 lladdr_len; u8 flags; u8 nud_state; u8 type; u8 dead; int refcnt; __u8 primary_key4[4]; ' +
  '__u8 primary_key6[16]; unsigned long confirmed; unsigned long updated; unsigned long used';
const PRINT =
  'family %d dev %s lladdr %s flags %02x nud_state %s type %02x dead %d refcnt %d primary_key4 %pI4 primary_key6 %pI6c confirmed %lu updated %lu used %lu';
const ARGUMENTS: readonly PrintArgument[] = [
  'family', 'dev', { kind: 'hexBytes', field: 'lladdr', length: 'lladdr_len' }, 'flags', symbolic('nud_state', states), 'type', 'dead', 'refcnt',
  'primary_key4', 'primary_key6', 'confirmed', 'updated', 'used',
]; // biome-ignore format: a row of fields

function putNeighbour(record: TraceRecord, n: neighbour): void {
  record.u32(AF_INET);
  record.text(n.dev.name);
  record.bytes(n.ha, MAX_ADDRESS_BYTES);
  record.u8Field(n.ha.length);
  record.u8Field(n.flags);
  record.u8Field(n.nud_state);
  record.u8Field(n.type);
  record.u8Field(n.dead);
  record.u32(n.refcnt);
  record.ip4(n.primary_key);
  record.ip6Mapped(n.primary_key);
  record.u64(n.confirmed);
  record.u64(n.updated);
  record.u64(n.used);
}

const withError: EventSource<[n: neighbour, err: number]> = {
  fields: `${FIELDS}; u32 err`,
  print: `${PRINT} err %d`,
  arguments: [...ARGUMENTS, 'err'],
  assign: (record, n, err) => {
    putNeighbour(record, n);
    record.u32(err);
  },
};

export const neigh_events: EventTable = {
  neigh_create: {
    fields: 'u32 family; __data_loc char[] dev; int entries; u8 created; u8 gc_exempt; u8 primary_key4[4]; u8 primary_key6[16]',
    print: 'family %d dev %s entries %d primary_key4 %pI4 primary_key6 %pI6c created %d gc_exempt %d',
    arguments: ['family', 'dev', 'entries', 'primary_key4', 'primary_key6', 'created', 'gc_exempt'],
    assign: (record, dev, key, exempt_from_gc, n) => {
      record.u32(AF_INET);
      record.text(dev.name);
      record.u32(n === null ? 0 : n.tbl.entries);
      record.bool(n !== null);
      record.bool(exempt_from_gc);
      record.ip4(key);
      record.ip6Zero();
    },
  },
  neigh_update: {
    fields: `${FIELDS}; u8 new_lladdr[32]; u8 new_state; u32 update_flags; u32 pid`,
    print: `${PRINT} new_lladdr %s new_state %s update_flags %02x pid %d`,
    arguments: [
      ...ARGUMENTS,
      { kind: 'hexBytes', field: 'new_lladdr', length: 'lladdr_len' },
      symbolic('new_state', states),
      'update_flags',
      'pid',
    ],
    assign: (record, n, lladdr, state, flags) => {
      putNeighbour(record, n);
      record.bytes(lladdr, MAX_ADDRESS_BYTES);
      record.u8Field(state);
      record.u32(flags);
      record.u32(0);
    },
  },
  neigh_update_done: withError,
  neigh_timer_handler: withError,
  neigh_event_send_done: withError,
  neigh_event_send_dead: withError,
  neigh_cleanup_and_release: withError,
};
