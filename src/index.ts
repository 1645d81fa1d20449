/** What programs may import from truewire: to load and run topologies, to read captures, and to compare them. */

export { compareCaptures } from './compare/compare.ts';
export { describe } from './compare/describe.ts';
export { neighbourhood } from './compare/neighbourhood.ts';
export { openCapture } from './observe/files/capture_reader.ts';
export { DEFAULT_START_EPOCH_NS } from './observe/files/pcapng_writer.ts';
export { runOneSide } from './replay/one_side.ts';
export { RecordedCalls } from './replay/recorded_calls.ts';
export { tuneEngine } from './topology/engine.ts';
export { loadTopology } from './topology/load.ts';
export { runTopology } from './topology/run.ts';
export { parseDuration } from './topology/units.ts';
