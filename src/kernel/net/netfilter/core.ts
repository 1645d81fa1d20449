/**
 * net/netfilter/core.c, include/linux/netfilter.h: hooks that packets pass, and the functions registered at them in order of priority.
 * `NF_HOOK` → `nf_hook` → (if anything is registered) `nf_hook_slow` → the hook functions → `okfn`.
 */
import type { net_device } from '../../include/linux/netdevice.ts';
import {
  NF_ACCEPT,
  NF_DROP,
  NF_QUEUE,
  NF_REPEAT,
  NF_STOP,
  NF_VERDICT_MASK,
  NFPROTO_IPV4,
  type nf_hook_ops,
  nf_hook_state,
  type okfn_t,
} from '../../include/linux/netfilter.ts';
import { __skb_dequeue, __skb_queue_tail, type sk_buff, sk_buff_head } from '../../include/linux/skbuff.ts';
import { SKB_DROP_REASON_NETFILTER_DROP } from '../../include/net/dropreason.ts';
import type { net } from '../../include/net/net_namespace.ts';
import type { sock } from '../../include/net/sock.ts';
import { EINVAL, EPERM } from '../../uapi/errno.ts';
import { kfree_skb_reason } from '../core/skbuff_free.ts';

/** Registers a hook function; those of lower priority values see packets first, equal ones in order of registration. */
export function nf_register_net_hook(network: net, ops: nf_hook_ops): number {
  const entries = network.nf_hooks_ipv4[ops.hooknum];
  if (ops.pf !== NFPROTO_IPV4 || entries === undefined) return -EINVAL;
  const at = entries.findIndex((other) => other.priority > ops.priority);
  entries.splice(at < 0 ? entries.length : at, 0, ops);
  return 0;
}

export function nf_unregister_net_hook(network: net, ops: nf_hook_ops): void {
  const entries = network.nf_hooks_ipv4[ops.hooknum]!;
  const index = entries.indexOf(ops);
  if (index >= 0) entries.splice(index, 1);
}

/** 1 when the packet may go on; else it was taken care of, and this is 0 or -errno. */
export function nf_hook(
  _pf: number,
  hook: number,
  network: net,
  sk: sock | null,
  skb: sk_buff,
  indev: net_device | null,
  outdev: net_device | null,
  okfn: okfn_t,
): number {
  const entries = network.nf_hooks_ipv4[hook]!;
  if (entries.length === 0) return 1;
  return nf_hook_slow(skb, nf_hook_state_init(hook, indev, outdev, sk, network, okfn), entries, 0);
}

/** A fresh one each time: a hook function may send packets, which pass hooks while this one is in use. */
function nf_hook_state_init(
  hook: number,
  indev: net_device | null,
  outdev: net_device | null,
  sk: sock | null,
  network: net,
  okfn: okfn_t,
): nf_hook_state {
  const state = new nf_hook_state();
  state.hook = hook;
  state.pf = NFPROTO_IPV4;
  state.in = indev;
  state.out = outdev;
  state.sk = sk;
  state.net = network;
  state.okfn = okfn;
  return state;
}

/** Shows the packet to the functions from number `s` on, until one decides. */
function nf_hook_slow(skb: sk_buff, state: nf_hook_state, entries: readonly nf_hook_ops[], s: number): number {
  for (; s < entries.length; s++) {
    const ops = entries[s]!;
    const verdict = ops.hook(ops.priv, skb, state);
    switch (verdict & NF_VERDICT_MASK) {
      case NF_ACCEPT:
        break;
      case NF_REPEAT:
        s--;
        break;
      case NF_STOP:
        return 1;
      case NF_DROP:
        kfree_skb_reason(skb, SKB_DROP_REASON_NETFILTER_DROP, 'nf_hook_slow');
        // The upper half of a verdict is the error that the sender sees.
        return verdict >>> 16 === 0 ? -EPERM : -(verdict >>> 16);
      case NF_QUEUE:
        // Simplified: nobody listens to queues (nfnetlink_queue), which Linux answers by dropping, too.
        kfree_skb_reason(skb, SKB_DROP_REASON_NETFILTER_DROP, 'nf_queue');
        return 0;
      default:
        return 0;
    }
  }
  return 1;
}

/** Passes the hook, then goes on with `okfn`. */
export function NF_HOOK(
  pf: number,
  hook: number,
  network: net,
  sk: sock | null,
  skb: sk_buff,
  indev: net_device | null,
  outdev: net_device | null,
  okfn: okfn_t,
): number {
  const ret = nf_hook(pf, hook, network, sk, skb, indev, outdev, okfn);
  return ret === 1 ? okfn(network, sk, skb) : ret;
}

/** As NF_HOOK, where the hook is passed only under a condition. */
export function NF_HOOK_COND(
  pf: number,
  hook: number,
  network: net,
  sk: sock | null,
  skb: sk_buff,
  indev: net_device | null,
  outdev: net_device | null,
  okfn: okfn_t,
  cond: boolean,
): number {
  if (!cond) return okfn(network, sk, skb);
  return NF_HOOK(pf, hook, network, sk, skb, indev, outdev, okfn);
}

/** Leaves in `list` the packets that may go on. */
export function NF_HOOK_LIST(
  pf: number,
  hook: number,
  network: net,
  sk: sock | null,
  list: sk_buff_head,
  indev: net_device | null,
  outdev: net_device | null,
  okfn: okfn_t,
): void {
  if (network.nf_hooks_ipv4[hook]!.length === 0) return;
  const passed = new sk_buff_head();
  for (let skb = __skb_dequeue(list); skb !== null; skb = __skb_dequeue(list)) {
    if (nf_hook(pf, hook, network, sk, skb, indev, outdev, okfn) === 1) __skb_queue_tail(passed, skb);
  }
  for (let skb = __skb_dequeue(passed); skb !== null; skb = __skb_dequeue(passed)) __skb_queue_tail(list, skb);
}
