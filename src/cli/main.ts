#!/usr/bin/env node
/** The command line: the only place that prints and exits. */
import { Command, CommanderError } from 'commander';
import { tuneEngine } from '../topology/engine.ts';
import { type CompareFlags, compareCommand } from './compare_command.ts';
import { explain } from './errors.ts';
import { EXIT_INPUT, EXIT_OK } from './exit_codes.ts';
import { type FollowFlags, followCommand } from './follow_command.ts';
import { type PacketdrillFlags, packetdrillCommand } from './packetdrill_command.ts';
import { registersCommand } from './registers_command.ts';
import { type ReplayFlags, replayCommand } from './replay_command.ts';
import { type RunFlags, runCommand } from './run_command.ts';

const collect = (value: string, all: string[] = []): string[] => [...all, value];

function program(exit: (code: number) => void): Command {
  const cli = new Command('truewire')
    .description('A multi-host Linux network emulator: every frame can be followed in Wireshark to the write() that caused it')
    .version('0.1.0')
    .showSuggestionAfterError()
    .exitOverride();

  cli
    .command('run')
    .description('run a topology; leaves pcapng files, trace.txt and run.json')
    .argument('<topology.yaml>')
    .option('-o, --output <dir>', 'where the files go (default: captures/<topology name>)')
    .option('--seed <n>', 'seed of all random streams')
    .option('--until <time>', 'end of the run, in virtual time after its start')
    .option('--set <path=value>', 'change a value of the topology, such as wires.0.delay=5ms', collect)
    .option(
      '--trace <events>',
      'none, default, all, function_graph, SYSTEM:EVENT, SYSTEM:*, each with /FILTER/, comma-separated',
      'default',
    )
    .option('--trace-format <formats>', 'text, dat (trace-cmd), perfetto, msgpack, comma-separated', 'text')
    .option('--capture-format <format>', 'of captures that do not say: pcapng, pcap (µs), nsecpcap', 'pcapng')
    .option('--merge', 'one pcapng file of all capture points, in order of time')
    .option('--truth', 'leave truth.jsonl: what each frame on each wire really was')
    .option('--at <time host: command>', "show something at an instant, such as '1.5s client: ss -tin', or at the end of the run", collect)
    .option('--json', 'print the report as JSON')
    .action(async (file: string, flags: RunFlags) => exit(await runCommand(file, flags)));

  cli
    .command('replay')
    .description('feed the frames of a real capture into the RX path of a NIC')
    .argument('<capture>')
    .requiredOption('--topology <file>', 'the network to replay into')
    .requiredOption('--to <host.interface>', 'the NIC that gets the frames')
    .option('-o, --output <dir>', 'where the files go (default: captures/<topology name>-replay)')
    .option('--speed <factor>', 'times as fast as it was recorded', '1')
    .option('--rewrite [address]', 'map addresses to the host’s and fix checksums; the host plays ADDRESS of the capture')
    .option('--as <address>', 'play this host of the capture against the host’s own programs: its segments fit their connections')
    .option('--calls <log>', 'with --as: an ftrace log of the recorded host, at whose times the host takes in frames and reads')
    .option('--seed <n>', 'seed of all random streams')
    .option('--set <path=value>', 'change a value of the topology', collect)
    .option('--trace <events>', 'as in run', 'default')
    .option('--json', 'print the report as JSON')
    .action(async (capture: string, flags: ReplayFlags) => exit(await replayCommand(capture, flags)));

  cli
    .command('follow')
    .description("one packet's life over all hosts, from a run with --trace all,function_graph --trace-format msgpack (and --truth)")
    .argument('<dir>', 'the directory of the run')
    .argument('[packet]', 'a packet id, or a frame as FILE:NUMBER, or #NUMBER in the first capture')
    .option('--waits', 'where the time went: of the whole run, or of the flow of the packet')
    .action(async (dir: string, packet: string | undefined, flags: FollowFlags) => exit(await followCommand(dir, packet, flags)));

  cli
    .command('compare')
    .description('compare two captures flow by flow, whatever their addresses, ports, sequence numbers, clocks and offloads')
    .argument('<ours>', 'pcap or pcapng, also .gz; or the directory of a run, which is compared wire by wire')
    .argument('<theirs>')
    .option('--ignore <kinds>', 'kinds of difference or protocols that do not count, such as window,timing,arp')
    .option('--tolerance <time>', 'by how much times may differ', '1ms')
    .option('--json', 'print the comparison as JSON')
    .action((ours: string, theirs: string, flags: CompareFlags) => exit(compareCommand(ours, theirs, flags)));

  cli
    .command('packetdrill')
    .description('run packetdrill scripts against the TCP of an emulated host, in virtual time')
    .argument('<script...>')
    .option('-o, --output <dir>', 'leave a pcapng file and a trace of each script there')
    .option('-D, --define <name=value>', 'what a word in the scripts stands for', collect)
    .option('--hz <n>', 'clock interrupts a second of the emulated kernel', '1000')
    .option('--tolerance_usecs <n>', 'by how much events may be early or late, in place of what the scripts say')
    .option('--json', 'print one record a script as JSON')
    .action((files: string[], flags: PacketdrillFlags) => exit(packetdrillCommand(files, flags)));

  cli
    .command('registers')
    .description('print the register table of a device')
    .argument('<device>', 'igb')
    .action((device: string) => exit(registersCommand(device)));

  return cli;
}

/** Runs a command line; returns its exit code. */
async function main(argv: readonly string[]): Promise<number> {
  let code: number = EXIT_OK;
  try {
    await program((result) => {
      code = result;
    }).parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    // commander has printed what it has to say about how it was called.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_INPUT;
    const { message, code: failure } = explain(error);
    process.stderr.write(`${message}\n`);
    return failure;
  }
}

// Captures are flushed when the process exits, not when it is killed.
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));
// A closed pipe (`| head`) ends the output, not the run's files.
process.stdout.on('error', () => process.exit(EXIT_OK));
tuneEngine();
process.exitCode = await main(process.argv.slice(2));
