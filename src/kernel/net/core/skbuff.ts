/**
 * net/core/skbuff.c: the life of a socket buffer.
 * `alloc_skb` | `build_skb` → `skb_clone` → `consume_skb` | `kfree_skb_reason` | `napi_consume_skb` → `skb_release_head_state` → `skb_release_data`
 * → `kfree_skbmem` or the NAPI cache of this CPU.
 *
 * The file is cut by what is done to a buffer:
 * - skbuff.ts: skb_init, __alloc_skb, alloc_skb, alloc_skb_fclone, netdev_alloc_skb, napi_alloc_skb, build_skb, napi_build_skb, skb_clone,
 *   __copy_skb_header, skb_share_check, skb_morph, kfree_skb, kfree_skb_reason, sk_skb_reason_drop, kfree_skb_list, kfree_skb_list_reason, consume_skb,
 *   napi_consume_skb, __kfree_skb, __napi_kfree_skb, napi_skb_free_stolen_head, kfree_skb_partial, skb_queue_purge, skb_queue_purge_reason,
 *   skb_attempt_defer_free, skb_defer_free_flush, skb_condense
 * - skbuff_reshape.ts: pskb_expand_head, skb_cow, skb_cow_head, skb_realloc_headroom, skb_copy, skb_copy_expand, pskb_copy, skb_unshare, skb_unclone,
 *   pskb_may_pull, pskb_may_pull_reason, pskb_network_may_pull, pskb_pull, __pskb_pull_tail, pskb_trim, ___pskb_trim, skb_trim, __skb_trim, skb_linearize,
 *   skb_pad, skb_put_padto
 * - skbuff_bits.ts: skb_copy_bits, skb_store_bits, skb_header_pointer, skb_copy_to_page_nocache, skb_add_data_nocache, skb_put_data, skb_checksum, skb_copy_and_csum_bits
 * - skbuff_csum.ts: skb_checksum_help, __skb_checksum_complete, skb_checksum_complete, skb_checksum_init, skb_postpull_rcsum, skb_pull_rcsum
 * - skbuff_split.ts: skb_split, skb_shift, skb_try_coalesce, skb_append_pagefrags
 * - skbuff_segment.ts: skb_segment
 * - skbuff_errqueue.ts: sock_queue_err_skb, sock_dequeue_err_skb, __skb_tstamp_tx, skb_tstamp_tx, skb_complete_tx_timestamp
 * - datagram.ts: skb_copy_datagram_iter, skb_copy_datagram_msg, skb_copy_and_csum_datagram_msg
 * Small inline functions (skb_get, skb_orphan, skb_header_release, skb_fclone_busy …) are in include/linux/skbuff.ts;
 * skb_set_owner_w and skb_set_owner_r in net/core/sock*.ts, since their destructors are there.
 *
 * Where C passes the address of data, these pass a page and an offset in its section: `build_skb(page, offset, frag_size)`.
 * `location` names the function that lets go of a packet (C: the return address); it goes into the tracepoints.
 */
