/** `ethtool -t DEVICE [offline | online | external_lb]`: the driver's self-test, as version 6.1 prints it. Exit status 2 when it failed. */
import {
  ETH_TEST_FL_EXTERNAL_LB,
  ETH_TEST_FL_EXTERNAL_LB_DONE,
  ETH_TEST_FL_FAILED,
  ETH_TEST_FL_OFFLINE,
} from '../../kernel/include/linux/ethtool.ts';
import type { net_device } from '../../kernel/include/linux/netdevice.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { CommandError, type Output, refuse } from './command.ts';

const MODES: Readonly<Record<string, number>> = {
  offline: ETH_TEST_FL_OFFLINE,
  online: 0,
  external_lb: ETH_TEST_FL_OFFLINE | ETH_TEST_FL_EXTERNAL_LB,
};

export function* selfTest(dev: net_device, words: readonly string[], out: Output): Sleeping<number> {
  const test = { flags: MODES[words[0] ?? 'offline'] ?? refuse('ethtool -t', words[0]!, `one of ${Object.keys(MODES).join(', ')}`) };
  const run = dev.ethtool_ops?.self_test;
  if (run === undefined) throw new CommandError('Cannot test: Operation not supported');
  const results = yield* run(dev, test);
  const failed = test.flags & ETH_TEST_FL_FAILED;
  out(`The test result is ${failed !== 0 ? 'FAIL' : 'PASS'}`);
  if ((test.flags & ETH_TEST_FL_EXTERNAL_LB) !== 0)
    out(`External loopback test was ${(test.flags & ETH_TEST_FL_EXTERNAL_LB_DONE) !== 0 ? '' : 'not '}executed`);
  out('The test extra info:');
  for (const [name, result] of results) out(`${name}\t ${result}`);
  out('');
  return failed;
}
