/**
 * V8's flag for the half-precision proposal (half-conversions.ts), set where there is such a V8.
 *
 * Compiled code that is kept from run to run is good for one set of flags, so whoever keeps some imports this first.
 */
const FLAG = '--experimental-wasm-fp16';

const { process } = globalThis as { process?: { getBuiltinModule?(name: 'node:v8'): typeof import('node:v8') } };
process?.getBuiltinModule?.('node:v8')?.setFlagsFromString(FLAG);
