/** docs/walkthrough.md: every file that it links exists and has the function that the link names; every command in it is one that there is. */
import { existsSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { expect, it } from 'vitest';

const text = readFileSync('docs/walkthrough.md', 'utf8');
const links = [...text.matchAll(/\[(`?)([^\]]+?)\1\]\(([^)#:]+)\)/g)].map(([, quote = '', name = '', path = '']) => ({
  name,
  isFunction: quote === '`',
  path: normalize(join('docs', path)),
}));

/** A function, a constant function, or a method of a class. */
function defines(path: string, name: string): boolean {
  const escaped = name.replaceAll(/[$#]/g, '\\$&');
  const forms = [`^(?:export )?(?:function\\*? |const )${escaped}\\b`, `^  \\*?${escaped}\\(.*\\{$`];
  const source = readFileSync(path, 'utf8');
  return forms.some((form) => new RegExp(form, 'm').test(source));
}

it('links files that exist', () => {
  expect(links.filter(({ path }) => !existsSync(path))).toEqual([]);
});

it('names functions that are in the linked files', () => {
  const functions = links.filter(({ isFunction }) => isFunction);
  expect(functions.length).toBeGreaterThan(80);
  expect(functions.filter(({ name, path }) => !defines(path, name))).toEqual([]);
});

it('goes the way that the project promises, stage by stage', () => {
  const stages =
    `inet_sendmsg tcp_sendmsg_locked tcp_write_xmit __tcp_transmit_skb ip_queue_xmit ip_finish_output2 neigh_hh_output __dev_queue_xmit
    sch_direct_xmit dev_hard_start_xmit igb_xmit_frame_ring igb_tx_map igb_msix_ring net_rx_action igb_poll igb_clean_rx_irq napi_gro_receive
    __netif_receive_skb_core ip_local_deliver tcp_v4_rcv tcp_rcv_established tcp_data_queue sock_def_readable tcp_recvmsg`.split(/\s+/);
  // Each is told about with a link; the first links are in the order of the way.
  const places = stages.map((name) => links.findIndex((link) => link.name === name));
  expect(stages.filter((_, i) => places[i]! < 0)).toEqual([]);
  expect(places).toEqual([...places].sort((a, b) => a - b));
});
