/** What `--name=value` lines in a script and on the command line set. */
import type { Script } from './ast.ts';
import { DEFAULT_PORT, LOCAL_ADDRESS, PREFIX_LENGTH, REMOTE_ADDRESS, TUN_MTU } from './defaults.ts';
import { ScriptSyntaxError } from './failures.ts';

export interface RunOptions {
  localIp: string;
  remoteIp: string;
  prefixLength: number;
  bindPort: number;
  connectPort: number;
  toleranceUs: number;
  tolerancePercent: number;
  /** Microseconds of a tick of the stack's timestamps; 0: values are not looked at. */
  tcpTsTickUs: number;
  tcpTsEcrScaled: boolean;
  /** Segment size of injected super-packets; 0: none. */
  mss: number;
  mtu: number;
  strictSegments: boolean;
  /** Speed of the emulated kernel's clock interrupt. */
  hz: number;
}

export const DEFAULT_RUN_OPTIONS: Readonly<RunOptions> = {
  localIp: LOCAL_ADDRESS,
  remoteIp: REMOTE_ADDRESS,
  prefixLength: PREFIX_LENGTH,
  bindPort: DEFAULT_PORT,
  connectPort: DEFAULT_PORT,
  toleranceUs: 4000,
  tolerancePercent: 12.5,
  tcpTsTickUs: 0,
  tcpTsEcrScaled: false,
  mss: 0,
  mtu: TUN_MTU,
  strictSegments: false,
  hz: 1000,
};

type Setting = (options: RunOptions, value: string) => void;

const whole = (value: string): number => (/^(0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : Number.NaN);
const number =
  (set: (options: RunOptions, value: number) => void): Setting =>
  (options, value) =>
    set(options, whole(value));
/** Options that have no meaning for a host that lives as long as its script, or that only say what is the case anyhow. */
const nothing: Setting = () => undefined;

const SETTINGS: Readonly<Record<string, Setting>> = {
  local_ip: (options, value) => {
    options.localIp = value;
  },
  remote_ip: (options, value) => {
    options.remoteIp = value.replace(/\/.*$/, '');
  },
  netmask_ip: nothing,
  gateway_ip: nothing,
  ip_version: nothing,
  define: nothing,
  send_omit_free: nothing,
  non_fatal: nothing,
  init_scripts: nothing,
  verbose: nothing,
  bind_port: number((options, value) => {
    options.bindPort = value;
  }),
  connect_port: number((options, value) => {
    options.connectPort = value;
  }),
  tolerance_usecs: number((options, value) => {
    options.toleranceUs = value;
  }),
  tolerance_percent: (options, value) => {
    options.tolerancePercent = Number(value);
  },
  tcp_ts_tick_usecs: number((options, value) => {
    options.tcpTsTickUs = value;
  }),
  tcp_ts_ecr_scaled: (options) => {
    options.tcpTsEcrScaled = true;
  },
  mss: number((options, value) => {
    options.mss = value;
  }),
  mtu: number((options, value) => {
    options.mtu = value;
  }),
  strict_segments: (options) => {
    options.strictSegments = true;
  },
};

/** The options of a run: defaults, then the script's, then the command line's. Throws ScriptSyntaxError. */
export function runOptions(script: Script, given: Partial<RunOptions>): RunOptions {
  const options: RunOptions = { ...DEFAULT_RUN_OPTIONS };
  for (const { line, name, value } of script.options) {
    const setting = SETTINGS[name];
    if (setting === undefined) throw new ScriptSyntaxError(script.path, line, `option --${name} is not known here`);
    if (name === 'ip_version' && value !== 'ipv4')
      throw new ScriptSyntaxError(script.path, line, `--ip_version=${value ?? ''}: only ipv4 is emulated`);
    setting(options, value ?? '');
    if (Object.values(options).some((set) => Number.isNaN(set)))
      throw new ScriptSyntaxError(script.path, line, `--${name}: read ${JSON.stringify(value)}, expected a number`);
  }
  return Object.assign(options, given);
}
