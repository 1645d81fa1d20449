/**
 * The order of kernel functions is that of a real Linux 6.18: the recordings' scenario s01 (100 bytes each way, orderly close) is run here, and the
 * call trees of one send() and of received segments are compared with the recorded ones, function by function, level by level. Compared are all functions
 * that both sides know; every difference that remains is listed with its reason, and an entry that no comparison needs fails.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { function_costs } from '../../src/kernel/trace/function_costs.ts';
import { loadTopology } from '../../src/topology/load.ts';
import { type Guest, runTopology } from '../../src/topology/run.ts';
import { sources } from '../support/sources.ts';
import { allCalls, type Call, CallCollector, outline, recordedCalls, simplify } from './call_tree.ts';

const SCENARIO = `
hosts:
  client:
    cpus: 2
    interfaces: { eth0: 10.0.0.1/24 }
    run: [ { script: "connect 10.0.0.2 5001\\nsend 100\\nrecv 100\\nsleep_us 20000\\nshutdown wr\\nrecvall\\nclose" } ]
  server:
    cpus: 2
    interfaces: { eth0: 10.0.0.2/24 }
    run: [ { script: "listen 5001\\naccept\\nrecv 100\\nsend 100\\nrecvall\\nclose\\ncloselisten" } ]
wires: [ { between: [client.eth0, server.eth0], rate: 1Gbit, delay: 50us } ]
`;

/** Functions that only the recorded kernel entered; what they call counts as called by their callers. */
const ONLY_RECORDED: Readonly<Record<string, string>> = {
  nf_hook_slow: 'the recorded host had a hook at POST_ROUTING; without one nf_hook() goes on at once, as here',
  lock_timer_base: 'the timer wheel has no locks here',
  detach_if_pending: 'part of mod_timer and timer_delete here',
  __try_to_del_timer_sync: 'no callback runs on another CPU meanwhile',
  timer_init_key: 'timers are initialised when their object is made',
  hrtimer_setup: 'timers are initialised when their object is made',
  __hrtimer_setup: 'timers are initialised when their object is made',
  __init_waitqueue_head: 'wait queues are initialised when their object is made',
  __kmalloc_noprof: 'metadata are objects, not memory of a slab cache',
  tcp_rcv_sne_update: 'sequence number extension of TCP-AO',
  tcp_v4_md5_lookup: 'TCP-MD5',
  tcp_ao_copy_all_matching: 'TCP-AO',
  tcp_ao_established: 'TCP-AO',
  tcp_ao_finish_connect: 'TCP-AO',
  tcp_ao_connect_init: 'TCP-AO',
  tcp_bpf_clone: 'BPF',
};

/** The same with all that they call. */
const ONLY_RECORDED_TREES: Readonly<Record<string, string>> = {
  '__dev_queue_xmit > do_softirq': 'QEMU sends the frame and interrupts during the write of the tail register; a real NIC takes longer',
  '__dev_queue_xmit > __qdisc_run': 'the recorded qdisc is fq_codel, which looks again after sending; pfifo_fast only when it is not empty',
  '__neigh_event_send > do_softirq': 'as above: the ARP request was answered meanwhile',
  'tcp_conn_request > tcp_do_parse_auth_options': 'TCP-AO and TCP-MD5 of connections to be',
  'dst_alloc > kmem_cache_alloc_noprof': 'metadata are objects, not memory of a slab cache',
  'sk_prot_alloc > kmem_cache_alloc_noprof': 'metadata are objects, not memory of a slab cache',
  'inet_bind2_bucket_create > kmem_cache_alloc_noprof': 'metadata are objects, not memory of a slab cache',
  '__inet_hash_connect > kmem_cache_alloc_noprof': 'metadata are objects, not memory of a slab cache',
  'inet_reqsk_alloc > kmem_cache_alloc_noprof': 'metadata are objects, not memory of a slab cache',
  '__neigh_notify > *': 'netlink messages',
  'call_netevent_notifiers > *': 'nobody listens',
  'napi_complete_done > __napi_schedule': 'an interrupt had come during the poll, so that there is another',
  '__skb_get_hash_net > __kmalloc_cache_noprof': 'the random key of the flow hash is made on first use',
  '__skb_get_hash_net > queue_work_on': 'the random key of the flow hash is made on first use',
};

/** Calls that gcc inlined, since caller and callee are in one file; what they call counts as called by the caller. */
const INLINED: Readonly<Record<string, string>> = {
  'tcp_write_xmit > tcp_mstamp_refresh': 'tcp_output.c',
  'tcp_connect > tcp_mstamp_refresh': 'tcp_output.c',
  'tcp_send_fin > tcp_chrono_start': 'tcp_output.c',
  'tcp_v4_send_check > __tcp_v4_send_check': 'tcp_ipv4.c',
  'tcp_v4_syn_recv_sock > inet_sk_rx_dst_set': 'tcp_ipv4.c',
  'tcp_rcv_state_process > tcp_initialize_rcv_mss': 'tcp_input.c',
  '__ip_dev_find > inet_lookup_ifaddr_rcu': 'devinet.c',
};

/** Functions of another name with the same work. */
const SAME: Readonly<Record<string, string>> = { timer_delete_sync: 'timer_delete' };

const FOLDER = 'test/fixtures/linux/calls';
const recorded = (name: string): Call[] => recordedCalls(join(FOLDER, `calls-${name}.txt`));
const recordings = {
  sendto: recorded('sendto'),
  connect: recorded('connect'),
  shutdown: recorded('shutdown'),
  a: recorded('net_rx_action-A'),
  b: recorded('net_rx_action-B'),
};
const known = new Set(function_costs.map(([name]) => name));
const recordedNames = new Set(Object.values(recordings).flatMap((tree) => [...allCalls(tree)].map(({ name }) => name)));
const compared = (name: string): boolean => known.has(name) && recordedNames.has(name);

const used = new Set<string>();

/** Looks a difference up, and remembers that it was of use. */
function listed(list: Readonly<Record<string, string>>, ...keys: string[]): boolean {
  const key = keys.find((candidate) => candidate in list);
  if (key !== undefined) used.add(key);
  return key !== undefined;
}

const ofLinux = (tree: Call): string[] =>
  outline(
    simplify(tree, {
      drop: (call, caller) => listed(ONLY_RECORDED_TREES, `${caller.name} > ${call.name}`, `${caller.name} > *`),
      // gcc's .part functions are called by what is left of the function they were cut from.
      merge: (call, caller) => call.name === caller.name || listed(ONLY_RECORDED, call.name),
      rename: (name) => (listed(SAME, name) ? SAME[name]! : name),
    }),
    compared,
  );

const ofOurs = (tree: Call): string[] =>
  outline(
    simplify(tree, {
      drop: () => false,
      merge: (call, caller) => listed(INLINED, `${caller.name} > ${call.name}`),
      rename: (name) => name,
    }),
    compared,
  );

/** The first call of `name` that (itself or further down) calls all of `needed` and none of `others`. */
function find(trees: readonly Call[], name: string, needed: readonly string[] = [], others: readonly string[] = []): Call {
  for (const call of allCalls(trees)) {
    if (call.name !== name) continue;
    const below = new Set([...allCalls([call])].map((inner) => inner.name));
    if (needed.every((one) => below.has(one)) && !others.some((one) => below.has(one))) return call;
  }
  throw new Error(`no ${name} that calls ${needed.join(', ')}`);
}

let client: readonly Call[];
let server: readonly Call[];
const directory = mkdtempSync(join(tmpdir(), 'truewire-calls-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

beforeAll(() => {
  const collectors: CallCollector[] = [];
  const tracer: Guest = {
    unplugged: null,
    done: true,
    start: (network) => {
      for (const host of network.hosts) collectors.push(new CallCollector(host));
    },
  };
  const report = runTopology(loadTopology('s01.yaml', SCENARIO), { directory, trace: 'none', untilNs: 60_000_000 }, tracer);
  expect(report.programs.map(({ status }) => status)).toEqual([0, 0]);
  [client, server] = collectors.map(({ roots }) => roots) as [Call[], Call[]];
});

describe('call graphs are those recorded of Linux 6.18:', () => {
  it('send() of 100 bytes', () => {
    const ours = ofOurs(find(client, '__x64_sys_sendto'));
    expect(ours).toEqual(ofLinux(find(recordings.sendto, '__x64_sys_sendto')));
    expect(ours.length).toBeGreaterThan(70);
  });

  const DATA = ['tcp_rcv_established', 'tcp_queue_rcv'];

  it('a data segment that wakes its reader, from the poll of the NIC to its ACK on the ring', () => {
    const ours = ofOurs(find(client, '__napi_poll', DATA, ['tcp_fin']));
    expect(ours).toEqual(ofLinux(find(recordings.a, '__napi_poll', DATA, ['tcp_fin'])));
    expect(ours.length).toBeGreaterThan(90);
  });

  it('the ACK of sent data, which cleans the retransmission queue', () => {
    for (const [ours, theirs] of [
      [client, recordings.a],
      [server, recordings.b],
    ] as const) {
      const needed = ['tcp_rcv_established', 'tcp_rate_gen'];
      expect(ofOurs(find(ours, '__napi_poll', needed))).toEqual(ofLinux(find(theirs, '__napi_poll', needed)));
    }
  });

  it('a SYN for a listener', () => {
    expect(ofOurs(find(server, '__napi_poll', ['tcp_conn_request']))).toEqual(
      ofLinux(find(recordings.b, '__napi_poll', ['tcp_conn_request'])),
    );
  });

  it('the ACK that ends the handshake', () => {
    expect(ofOurs(find(server, '__napi_poll', ['tcp_check_req']))).toEqual(ofLinux(find(recordings.b, '__napi_poll', ['tcp_check_req'])));
  });

  it('a SYN-ACK', () => {
    expect(ofOurs(find(client, '__napi_poll', ['tcp_finish_connect']))).toEqual(
      ofLinux(find(recordings.a, '__napi_poll', ['tcp_finish_connect'])),
    );
  });

  it('a FIN', () => {
    expect(ofOurs(find(server, '__napi_poll', ['tcp_fin']))).toEqual(ofLinux(find(recordings.b, '__napi_poll', ['tcp_fin'])));
  });

  it('an ARP request and its reply', () => {
    expect(ofOurs(find(server, 'arp_process', ['arp_send_dst']))).toEqual(
      ofLinux(find(recordings.connect, 'arp_process', ['arp_send_dst'])),
    );
    expect(ofOurs(find(client, 'arp_process', ['neigh_update']))).toEqual(ofLinux(find(recordings.b, 'arp_process', ['neigh_update'])));
  });

  it('connect(), until it sleeps', () => {
    const linux = ofLinux(find(recordings.connect, '__x64_sys_connect'));
    const ours = ofOurs(find(client, '__x64_sys_connect'));
    // The recording ends where the task sleeps; ours goes on when it is woken.
    expect(linux.at(-1)!.trim()).toBe('schedule_timeout');
    expect(ours.slice(0, linux.length)).toEqual(linux);
    expect(ours.slice(linux.length).map((line) => line.trim())).toEqual(['lock_sock_nested', 'release_sock', 'tcp_release_cb']);
  });

  it('shutdown(), from the protocol down', () => {
    // The socket's lock is taken by the system call here, not by inet_shutdown: see kernel/net/socket_syscalls.ts.
    expect(ofOurs(find(client, 'tcp_shutdown'))).toEqual(ofLinux(find(recordings.shutdown, 'tcp_shutdown')));
  });

  it('with no difference listed that is not there', () => {
    const all = [ONLY_RECORDED, ONLY_RECORDED_TREES, INLINED, SAME].flatMap((list) => Object.keys(list));
    expect(all.filter((key) => !used.has(key))).toEqual([]);
  });
});

/** The stages of a packet's way that the project promises, by the names they have in Linux. */
const STAGES = `
  __sys_sendto sock_sendmsg inet_sendmsg tcp_sendmsg tcp_sendmsg_locked skb_copy_to_page_nocache sk_stream_write_space forced_push tcp_push
  tcp_write_xmit tcp_cwnd_test tcp_snd_wnd_test tso_fragment tcp_fragment __tcp_transmit_skb tcp_select_window
  ip_queue_xmit ip_local_out ip_output ip_finish_output ip_finish_output2 neigh_hh_output
  __dev_queue_xmit netdev_core_pick_tx __qdisc_run sch_direct_xmit dev_hard_start_xmit netif_tx_stop_queue
  igb_xmit_frame_ring igb_tx_map dma_map_single skb_frag_dma_map __igb_open
  igb_msix_ring napi_schedule igb_poll igb_clean_tx_irq napi_consume_skb igb_clean_rx_irq napi_gro_receive napi_complete_done
  netif_receive_skb eth_type_trans ip_rcv ip_local_deliver tcp_v4_rcv tcp_rcv_established tcp_data_queue tcp_recvmsg tcp_send_ack
`;

it('every stage of the way is a function of that name in src/kernel', () => {
  const text = sources('src/kernel')
    .map((file) => file.text)
    .join('\n');
  const missing = STAGES.trim()
    .split(/\s+/)
    .filter((name) => !new RegExp(`(?:function\\*? |const )${name}\\b`).test(text));
  expect(missing).toEqual([]);
});
