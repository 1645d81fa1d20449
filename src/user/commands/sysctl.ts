/** sysctl: -w name=value, name=value, name, -a. */
import { kernel } from '../../kernel/current.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { EINVAL, ENOENT } from '../../kernel/uapi/errno.ts';
import { nearest } from '../nearest.ts';
import { CommandError, type Output } from './command.ts';

export function* sysctl(words: readonly string[], out: Output): Sleeping<number> {
  const { sysctls } = kernel().init_net;
  const requests = words.slice(1).filter((word) => word !== '-w' && word !== '-q');
  if (requests.includes('-a')) for (const name of sysctls.names()) out(`${name} = ${sysctls.get(name)}`);
  // The value may hold blanks (tcp_rmem="4096 131072 6291456"), and blanks may stand around the sign.
  for (const request of joinAssignments(requests.filter((word) => word !== '-a'))) apply(request, out);
  return 0;
}

/** `a = b` typed with blanks is one request. */
function joinAssignments(words: readonly string[]): string[] {
  return words.some((word) => word === '=') ? [words.join(' ').replace(/\s*=\s*/, '=')] : [...words];
}

function apply(request: string, out: Output): void {
  const { sysctls } = kernel().init_net;
  const at = request.indexOf('=');
  const name = at < 0 ? request : request.slice(0, at);
  const result = at < 0 ? sysctls.get(name) : sysctls.set(name, request.slice(at + 1));
  if (result === -ENOENT) {
    const near = nearest(name, sysctls.names());
    throw new CommandError(
      `sysctl: cannot stat /proc/sys/${name.replaceAll('.', '/')}: No such file or directory${near === null ? '' : `; did you mean ${JSON.stringify(near)}?`}`,
    );
  }
  if (result === -EINVAL)
    throw new CommandError(`sysctl: setting key ${JSON.stringify(name)}: read ${JSON.stringify(request.slice(at + 1))}: Invalid argument`);
  if (typeof result === 'number' && result < 0) throw new CommandError(`sysctl: permission denied on key ${JSON.stringify(name)}`);
  out(`${name} = ${sysctls.get(name)}`);
}
