/** The end of a run in words and columns of the tools people know: mpstat, /proc/softirqs, nstat. */
import { formatSeconds } from '../../sim/time.ts';
import type { CpuTimes, HostReport, RunReport } from './run_report.ts';

/** `directory` is where the files are, `logs` those beside the captures; `seconds` is the real time the run took. */
export function summarize(report: RunReport, directory: string, logs: readonly string[], seconds: number): string {
  const rate = seconds > 0 ? Math.round(report.wireFrames / seconds).toLocaleString('en') : '-';
  const lines = [
    `${report.name}: ${formatSeconds(report.simulatedNs, 6)} s of virtual time in ${seconds.toFixed(2)} s; ` +
      `${report.wireFrames.toLocaleString('en')} frames on the wire (${rate} a second), ${report.events.toLocaleString('en')} events, seed ${report.seed}`,
    '',
    ...cpuTable(report),
    '',
    ...table(
      ['softirqs', 'TIMER', 'NET_TX', 'NET_RX', 'interrupts', 'context switches'],
      hosts(report).map(([name, host]) => [
        name,
        host.softirqs.TIMER ?? 0,
        host.softirqs.NET_TX ?? 0,
        host.softirqs.NET_RX ?? 0,
        Object.values(host.interrupts).reduce((a, b) => a + b, 0),
        host.contextSwitches,
      ]),
    ),
    '',
    ...table(
      ['copies (bytes)', 'user → skb', 'skb → user', 'skb → skb', 'clones (no copy)'],
      hosts(report).map(([name, { copies }]) => [
        name,
        copies.userToSkb.bytes,
        copies.skbToUser.bytes,
        copies.skbToSkb.bytes,
        copies.clones,
      ]),
    ),
    '',
    ...table(
      ['tcp', 'segs out', 'segs in', 'retransmitted', 'delayed ACKs', 'listen drops'],
      hosts(report).map(([name, { snmp, netstat }]) => [
        name,
        snmp.TcpOutSegs ?? 0,
        snmp.TcpInSegs ?? 0,
        snmp.TcpRetransSegs ?? 0,
        netstat.TcpExtDelayedACKs ?? 0,
        netstat.TcpExtListenDrops ?? 0,
      ]),
    ),
    '',
    ...dropLines(report),
    report.leaks === 0 ? 'leaks: 0 (no skb, page, DMA mapping or frame is lost)' : `leaks: ${report.leaks}: ${report.leaked.join('; ')}`,
    ...programLines(report),
    '',
    `${directory}/`,
    ...report.captures.map(
      ({ file, point, frames }) => `  ${file.padEnd(40)} ${frames.toLocaleString('en').padStart(9)} frames   (${point}) open in Wireshark`,
    ),
    `  ${[...logs, 'run.json'].join(', ')}`,
  ];
  return lines.join('\n');
}

const hosts = (report: RunReport): [string, HostReport][] => Object.entries(report.hosts);

function cpuTable(report: RunReport): string[] {
  const share = (times: CpuTimes): string[] => {
    const total = times.user + times.system + times.hardirq + times.softirq + times.idle;
    return [times.user, times.system, times.hardirq, times.softirq, times.idle].map(
      (part) => `${((100 * part) / (total || 1)).toFixed(2)}`,
    );
  };
  const busy = (times: CpuTimes): string => `${((times.user + times.system + times.hardirq + times.softirq) / 1e6).toFixed(3)} ms`;
  return table(
    ['cpu', '%usr', '%sys', '%irq', '%soft', '%idle', 'busy'],
    hosts(report).map(([name, { cpu }]) => [name, ...share(cpu), busy(cpu)]),
  );
}

function dropLines(report: RunReport): string[] {
  if (report.drops.length === 0) return ['drops: none'];
  return ['drops:', ...report.drops.map(({ reason, where, count }) => `  ${String(count).padStart(8)}  ${reason}  (${where})`)];
}

function programLines(report: RunReport): string[] {
  return report.programs
    .filter(({ status }) => status !== 0)
    .map(({ host, command, status }) => `${host}: ${command}: ${status === null ? 'still running at the end' : `exit status ${status}`}`);
}

/** Left-aligned first column, right-aligned numbers. */
function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  const cells = [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en') : cell)))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => String(row[column] ?? '').length)));
  return cells.map((row) =>
    row.map((cell, i) => (i === 0 ? String(cell).padEnd(widths[0]!) : String(cell).padStart(widths[i]!))).join('   '),
  );
}
