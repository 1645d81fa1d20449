/**
 * net/core/sock.c: pages that consecutive sends fill together. `sk_page_frag` → `sk_page_frag_refill` → `skb_page_frag_refill`.
 * Order-3 pages (32 KiB) if there are, single ones otherwise; a page whose skbs are all gone is filled again from its start.
 */
import { PAGE_SIZE } from '../../../machine/memory.ts';
import { kernel } from '../../current.ts';
import type { task_struct } from '../../include/linux/sched.ts';
import { PAGE_FRAG_ORDER, page_frag, type sock } from '../../include/net/sock.ts';
import { current } from '../../kernel/sched.ts';
import { alloc_pages, page_ref_count, put_page } from '../../mm/page_alloc.ts';
import { sk_enter_memory_pressure, sk_stream_moderate_sndbuf } from './sock_mem.ts';

/** The task's own fragment for sockets that are used in process context only, the socket's for others. */
export function sk_page_frag(sk: sock): page_frag {
  if (!sk.sk_use_task_frag) return sk.sk_frag;
  const task = current();
  return (task.task_frag as page_frag | null) ?? (task.task_frag = new page_frag());
}

/** Room for `sz` bytes at least in `pfrag`; false when there is no memory. */
export function skb_page_frag_refill(sz: number, pfrag: page_frag, gfp: number): boolean {
  if (pfrag.page !== null) {
    if (page_ref_count(pfrag.page) === 1) {
      pfrag.offset = 0;
      return true;
    }
    if (pfrag.offset + sz <= pfrag.size) return true;
    put_page(pfrag.page);
    pfrag.page = null;
  }
  pfrag.offset = 0;
  return takePages(pfrag, kernel().init_net.core.high_order_alloc_disable === 0 ? PAGE_FRAG_ORDER : 0, gfp);
}

function takePages(pfrag: page_frag, order: number, gfp: number): boolean {
  pfrag.page = alloc_pages(gfp, order);
  if (pfrag.page === null) return order > 0 && takePages(pfrag, 0, gfp);
  pfrag.size = PAGE_SIZE << order;
  return true;
}

export function sk_page_frag_refill(sk: sock, pfrag: page_frag): boolean {
  if (skb_page_frag_refill(32, pfrag, sk.sk_allocation)) return true;
  sk_enter_memory_pressure(sk);
  sk_stream_moderate_sndbuf(sk);
  return false;
}

/** A task ends: its fragment goes back. */
export function releaseTaskFrag(task: task_struct): void {
  const frag = task.task_frag as page_frag | null;
  if (frag === null) return;
  if (frag.page !== null) put_page(frag.page);
  task.task_frag = null;
}
