/** include/net/udp.h: what one send works on. */
import { flowi4 } from './inet_sock.ts';
import { inet_cork, ipcm_cookie } from './ip.ts';

/** What is on the stack in C: a send does not sleep from when it fills this until the packet is made. Not in Linux. */
export class udpSendState {
  readonly fl4 = new flowi4();
  readonly cork = new inet_cork();
  readonly ipc = new ipcm_cookie();
  daddr = 0;
  dport = 0;
  /** To the socket's own peer by its own route. */
  connected = false;
}
