/** net/ipv4/tcp_cong.c and the initcalls of its modules: reno and cubic are built in, bbr and dctcp are modules, as in most distributions. */
import type { net } from '../../include/net/net_namespace.ts';
import { tcp_bbr_cong_ops } from './tcp_bbr.ts';
import { tcp_register_congestion_control, tcp_reno, tcp_set_default_congestion_control } from './tcp_cong.ts';
import { cubictcp } from './tcp_cubic.ts';
import { cubicModule } from './tcp_cubic_hystart.ts';
import { dctcp } from './tcp_dctcp.ts';

/** To be called once at boot, before the first socket. */
export function tcp_congestion_default(network: net): void {
  network.kernel.modules.set('tcp_cubic', cubicModule());
  tcp_register_congestion_control(network, tcp_reno);
  tcp_register_congestion_control(network, cubictcp);
  network.tcpCongModules.push(tcp_bbr_cong_ops, dctcp);
  tcp_set_default_congestion_control(network, 'cubic');
}
