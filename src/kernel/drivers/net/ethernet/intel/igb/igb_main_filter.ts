/**
 * drivers/net/ethernet/intel/igb/igb_main.c: which frames the device lets in: addresses, multicast hashes, VLANs, promiscuous modes.
 * `igb_set_rx_mode` → `igb_write_mc_addr_list`, `igb_uc_sync` → RCTL, RLPML, VMOLR.
 *
 * Simplified: without SR-IOV there is one pool, number 0, and its settings (VMOLR) apply to all frames.
 */
import * as D from '../../../../../../hw/igb/e1000_defines.ts';
import * as R from '../../../../../../hw/igb/e1000_regs.ts';
import {
  IFF_ALLMULTI,
  IFF_PROMISC,
  NETIF_F_HW_VLAN_CTAG_RX,
  NETIF_F_RXALL,
  type net_device,
  netdev_priv,
} from '../../../../../include/linux/netdevice.ts';
import { EADDRNOTAVAIL, ENOSPC } from '../../../../../uapi/errno.ts';
import { modify32, rd32, wr32 } from './e1000_hw.ts';
import { igb_update_mc_addr_list, igb_write_vfta, rarHigh, rarLow, writeRar } from './e1000_mac.ts';
import { IGB_MAX_FRAME_BUILD_SKB, type igb_adapter } from './igb.ts';

const POOL = 0;

/** Tells the device slot `index` of the address table. */
function igb_rar_set_index(adapter: igb_adapter, index: number): void {
  const entry = adapter.mac_table[index]!;
  const addr = entry.addr;
  const pool = (D.E1000_RAH_POOL_1 << entry.queue) >>> 0;
  const valid = entry.inUse ? (D.E1000_RAH_AV | pool) >>> 0 : 0;
  writeRar(adapter.hw, index, rarLow(addr), (rarHigh(addr) | valid) >>> 0);
}

/** Slot 0 is the port's own address. */
export function igb_set_default_mac_filter(adapter: igb_adapter): void {
  const entry = adapter.mac_table[0]!;
  entry.addr.set(adapter.hw.mac.addr);
  entry.queue = POOL;
  entry.inUse = true;
  entry.isDefault = true;
  igb_rar_set_index(adapter, 0);
}

export function igb_flush_mac_table(adapter: igb_adapter): void {
  for (let i = 0; i < adapter.hw.mac.rar_entry_count; i++) {
    const entry = adapter.mac_table[i]!;
    entry.addr.fill(0);
    entry.inUse = false;
    entry.isDefault = false;
    igb_rar_set_index(adapter, i);
  }
}

const sameAddress = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, i) => byte === b[i]);

/** Adds the device's secondary unicast addresses and removes those that are gone; false when the table is full. */
function syncUnicast(adapter: igb_adapter): boolean {
  const wanted = adapter.netdev.uc;
  adapter.mac_table.forEach((entry, i) => {
    if (!entry.inUse || entry.isDefault || wanted.some((addr) => sameAddress(addr, entry.addr))) return;
    entry.addr.fill(0);
    entry.inUse = false;
    igb_rar_set_index(adapter, i);
  });
  return wanted.every((addr) => igb_uc_sync(adapter, addr) >= 0);
}

/** Puts one address into a free slot; the slot's number, or -ENOSPC. */
function igb_uc_sync(adapter: igb_adapter, addr: Uint8Array): number {
  const known = adapter.mac_table.findIndex((entry) => entry.inUse && sameAddress(entry.addr, addr));
  if (known >= 0) return known;
  const free = adapter.mac_table.findIndex((entry) => !entry.inUse);
  if (free < 0) return -ENOSPC;
  const entry = adapter.mac_table[free]!;
  entry.addr.set(addr);
  entry.queue = POOL;
  entry.inUse = true;
  igb_rar_set_index(adapter, free);
  return free;
}

export function igb_set_rx_mode(dev: net_device): void {
  const adapter = netdev_priv<igb_adapter>(dev);
  const hw = adapter.hw;
  let rctl = 0;
  let vmolr = 0;
  if ((dev.flags & IFF_PROMISC) !== 0) {
    rctl |= D.E1000_RCTL_UPE | D.E1000_RCTL_MPE;
    vmolr |= D.E1000_VMOLR_MPME | D.E1000_VMOLR_ROPE;
  } else if ((dev.flags & IFF_ALLMULTI) !== 0) {
    rctl |= D.E1000_RCTL_MPE;
    vmolr |= D.E1000_VMOLR_MPME;
  } else {
    igb_update_mc_addr_list(hw, dev.mc);
    if (dev.mc.length > 0) vmolr |= D.E1000_VMOLR_ROMPE;
  }
  if (!syncUnicast(adapter)) {
    rctl |= D.E1000_RCTL_UPE;
    vmolr |= D.E1000_VMOLR_ROPE;
  }
  // Who wants everything wants all VLANs, too.
  if ((dev.flags & IFF_PROMISC) === 0 && (dev.features & NETIF_F_RXALL) === 0) rctl |= D.E1000_RCTL_VFE;
  modify32(hw, R.E1000_RCTL, D.E1000_RCTL_UPE | D.E1000_RCTL_MPE | D.E1000_RCTL_VFE, rctl);
  const limit = adapter.max_frame_size <= IGB_MAX_FRAME_BUILD_SKB ? IGB_MAX_FRAME_BUILD_SKB : D.MAX_JUMBO_FRAME_SIZE;
  wr32(hw, R.E1000_RLPML, limit);
  const modes = D.E1000_VMOLR_ROPE | D.E1000_VMOLR_MPME | D.E1000_VMOLR_ROMPE;
  modify32(hw, R.E1000_VMOLR(POOL), modes | D.E1000_VMOLR_RLPML_MASK, vmolr | limit | D.E1000_VMOLR_LPE);
}

export function igb_set_mac(dev: net_device, address: Uint8Array): number {
  const adapter = netdev_priv<igb_adapter>(dev);
  if ((address[0]! & 1) !== 0 || address.every((byte) => byte === 0)) return -EADDRNOTAVAIL;
  dev.dev_addr = address.slice();
  adapter.hw.mac.addr.set(address);
  igb_set_default_mac_filter(adapter);
  return 0;
}

/** Tags are inserted and stripped by the device, or left alone. */
export function igb_vlan_mode(dev: net_device, features: number): void {
  const hw = netdev_priv<igb_adapter>(dev).hw;
  const enable = (features & NETIF_F_HW_VLAN_CTAG_RX) !== 0;
  if (enable) {
    wr32(hw, R.E1000_CTRL, (rd32(hw, R.E1000_CTRL) | D.E1000_CTRL_VME) >>> 0);
    // Canonical form indicator: the check would drop frames that carry it.
    modify32(hw, R.E1000_RCTL, D.E1000_RCTL_CFIEN, 0);
  } else wr32(hw, R.E1000_CTRL, (rd32(hw, R.E1000_CTRL) & ~D.E1000_CTRL_VME) >>> 0);
  modify32(hw, R.E1000_VMOLR(POOL), D.E1000_VMOLR_STRVLAN, enable ? D.E1000_VMOLR_STRVLAN : 0);
}

/** Lets a VLAN's frames in (or out of) the filter table. */
function igb_vfta_set(adapter: igb_adapter, vid: number, on: boolean): void {
  const index = vid >>> D.E1000_VFTA_ENTRY_SHIFT;
  const bit = 1 << (vid & D.E1000_VFTA_ENTRY_BIT_SHIFT_MASK);
  const before = adapter.shadow_vfta[index]!;
  const after = (on ? before | bit : before & ~bit) >>> 0;
  if (after !== before) igb_write_vfta(adapter.hw, adapter.shadow_vfta, index, after);
}

export function igb_vlan_rx_add_vid(dev: net_device, vid: number): number {
  const adapter = netdev_priv<igb_adapter>(dev);
  igb_vfta_set(adapter, vid, true);
  adapter.active_vlans.add(vid);
  return 0;
}

export function igb_vlan_rx_kill_vid(dev: net_device, vid: number): number {
  const adapter = netdev_priv<igb_adapter>(dev);
  if (vid !== 0) igb_vfta_set(adapter, vid, false);
  adapter.active_vlans.delete(vid);
  return 0;
}

/** After a reset the device knows no VLAN. VLAN 0 is priority tagging and always let in. */
export function igb_restore_vlan(adapter: igb_adapter): void {
  igb_vlan_mode(adapter.netdev, adapter.netdev.features);
  igb_vlan_rx_add_vid(adapter.netdev, 0);
  for (const vid of [...adapter.active_vlans].sort((a, b) => a - b)) if (vid !== 0) igb_vlan_rx_add_vid(adapter.netdev, vid);
}
