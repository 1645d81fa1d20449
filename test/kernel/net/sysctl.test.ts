/** Kernel parameters: the defaults of a recorded Linux 6.18, and what may be written. */
import { describe, expect, it } from 'vitest';
import { EINVAL, ENOENT, EPERM } from '../../../src/kernel/uapi/errno.ts';
import { LoopbackHost } from '../../support/programs.ts';

describe('sysctl', () => {
  const host = new LoopbackHost();
  const { sysctls, ipv4, core } = host.kernel.init_net;
  const set = (name: string, value: string): number => host.onCpu(() => sysctls.set(name, value));
  const get = (name: string): string | number => host.onCpu(() => sysctls.get(name));

  it('has the defaults of the recorded kernel', () => {
    const recorded = {
      'net.core.somaxconn': '4096',
      'net.core.wmem_max': '4194304',
      'net.ipv4.icmp_ratelimit': '1000',
      'net.ipv4.ip_local_port_range': '32768\t60999',
      'net.ipv4.ip_local_reserved_ports': '',
      'net.ipv4.route.mtu_expires': '600',
      'net.ipv4.tcp_allowed_congestion_control': 'reno cubic',
      'net.ipv4.tcp_congestion_control': 'cubic',
      'net.ipv4.tcp_fastopen_key': '00000000-00000000-00000000-00000000',
      'net.ipv4.tcp_fin_timeout': '60',
      'net.ipv4.tcp_invalid_ratelimit': '500',
      'net.ipv4.tcp_keepalive_time': '7200',
      'net.ipv4.tcp_notsent_lowat': '4294967295',
      'net.ipv4.tcp_rmem': '4096\t131072\t15411648',
    };
    for (const [name, value] of Object.entries(recorded)) expect([name, get(name)]).toEqual([name, value]);
  });

  it('keeps times in jiffies and shows them in seconds and milliseconds', () => {
    expect(set('net.ipv4.tcp_fin_timeout', '5')).toBe(0);
    expect([ipv4.sysctl_tcp_fin_timeout, get('net.ipv4.tcp_fin_timeout')]).toEqual([1250, '5']);
    expect(set('net.ipv4.neigh.lo.base_reachable_time_ms', '1500')).toBe(0);
    expect(get('net.ipv4.neigh.lo.base_reachable_time_ms')).toBe('1500');
    expect(get('net.ipv4.neigh.default.base_reachable_time_ms')).toBe('30000');
  });

  it('refuses what is out of range, no number, unknown or read-only, and changes nothing', () => {
    expect(set('net.ipv4.tcp_ecn', '9')).toBe(-EINVAL);
    expect(set('net.ipv4.tcp_sack', '256')).toBe(-EINVAL);
    expect(set('net.ipv4.tcp_sack', 'yes')).toBe(-EINVAL);
    expect(set('net.ipv4.tcp_sack', '1 1')).toBe(-EINVAL);
    expect(set('net.ipv4.tcp_rmem', '0 1 2')).toBe(-EINVAL);
    expect(set('net.ipv4.ip_local_port_range', '60000 50000')).toBe(-EINVAL);
    expect(set('net.ipv4.ip_local_port_range', '80 50000')).toBe(-EINVAL);
    expect(set('net.core.wmem_max', '1')).toBe(-EINVAL);
    expect(set('net.ipv4.no_such_thing', '1')).toBe(-ENOENT);
    expect(set('net.ipv4.conf.eth9.rp_filter', '1')).toBe(-ENOENT);
    expect(set('net.ipv4.neigh.lo.gc_thresh1', '1')).toBe(-ENOENT);
    expect(set('net.ipv4.tcp_congestion_control', 'vegas')).toBe(-ENOENT);
    expect(set('net.ipv4.tcp_available_congestion_control', 'x')).toBe(-EPERM);
    expect(ipv4.sysctl_tcp_sack).toBe(1);
    expect(ipv4.sysctl_ip_local_port_range).toEqual([32768, 60999]);
  });

  it('changes part of a row, names by slashes, and lists of ports', () => {
    expect(set('net.ipv4.tcp_wmem', '8192')).toBe(0);
    expect(get('net.ipv4.tcp_wmem')).toBe('8192\t16384\t4194304');
    expect(set('net/ipv4/conf/lo/rp_filter', '2')).toBe(0);
    expect(get('net.ipv4.conf.lo.rp_filter')).toBe('2');
    expect(set('net.ipv4.ip_local_reserved_ports', '9000-9002,8080')).toBe(0);
    expect(get('net.ipv4.ip_local_reserved_ports')).toBe('8080,9000-9002');
    expect(set('net.core.dev_weight_rx_bias', '2')).toBe(0);
    expect(core.dev_rx_weight).toBe(128);
  });

  it('turns every interface into a router’s with ip_forward', () => {
    expect(set('net.ipv4.ip_forward', '1')).toBe(0);
    expect(get('net.ipv4.conf.all.forwarding')).toBe('1');
    expect(get('net.ipv4.conf.lo.forwarding')).toBe('1');
  });

  it('lists names that all can be read', () => {
    const names = host.onCpu(() => sysctls.names());
    expect(names.length).toBeGreaterThan(150);
    for (const name of names) expect([name, typeof get(name)]).toEqual([name, 'string']);
  });
});
