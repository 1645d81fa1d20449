/**
 * net/core/dev.c: network devices: made, registered, opened, closed, looked up, counted.
 * `net_dev_init` → `register_netdevice` → `dev_open` → … → `dev_close`.
 *
 * The file is cut along a packet's way:
 * - dev.ts: net_dev_init, alloc_netdev, register_netdevice, unregister_netdevice, dev_open, dev_close, dev_change_flags, dev_set_mtu, dev_set_mac_address,
 *   dev_get_by_name, dev_get_by_index, __dev_get_by_name, __dev_get_by_index, dev_get_by_index_rcu, dev_add_pack, dev_remove_pack, dev_add_offload, dev_get_stats,
 *   dev_get_flags, netdev_update_features, netdev_change_features, netif_set_real_num_tx_queues, netif_set_real_num_rx_queues, netif_set_xps_queue,
 *   register_netdevice_notifier, call_netdevice_notifiers, dev_set_rx_mode, dev_set_promiscuity, dev_uc_add, dev_mc_add, net_enable_timestamp
 * - dev_queue_xmit.ts: dev_queue_xmit, __dev_queue_xmit, dev_direct_xmit, netdev_core_pick_tx, netdev_pick_tx, net_tx_action
 * - dev_hard_start_xmit.ts: validate_xmit_skb, validate_xmit_skb_list, netif_skb_features, skb_csum_hwoffload_help, dev_hard_start_xmit, dev_queue_xmit_nit,
 *   netdev_start_xmit
 * - dev_tx_queue.ts: __netif_schedule, netif_schedule_queue, netif_tx_wake_queue, netif_tx_wake_all_queues, netif_tx_stop_all_queues, netif_tx_start_all_queues,
 *   netdev_tx_sent_queue, __netdev_tx_sent_queue, netdev_tx_completed_queue, netdev_tx_reset_queue, netdev_tx_reset_subqueue, dev_kfree_skb_any, dev_consume_skb_any,
 *   netif_stop_subqueue, netif_wake_subqueue, __netif_subqueue_stopped
 * - dev_receive.ts: netif_rx, __netif_rx, netif_receive_skb, netif_receive_skb_list, netif_receive_skb_list_internal, process_backlog
 * - dev_napi.ts: netif_napi_add, netif_napi_del, napi_enable, napi_disable, napi_schedule, napi_schedule_prep, __napi_schedule, napi_schedule_irqoff,
 *   napi_complete_done, napi_complete, napi_synchronize, net_rx_action
 * - gro.ts: napi_gro_receive, napi_gro_flush, gro_normal_one, gro_normal_list; gso.ts: skb_gso_segment, skb_mac_gso_segment
 * - netif_carrier_on, netif_carrier_off: net/sched/sch_generic_carrier.ts. netif_tx_stop_queue, netif_tx_start_queue: include/linux/netdevice.ts
 */
