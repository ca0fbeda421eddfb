/**
 * Where a worker begins. It is told where compiled code of its modules may be kept from run to run: without, a thread needs most
 * of a second of a core to compile them, with it a quarter.
 */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { workerData } from 'node:worker_threads';
import type { ThreadData } from './thread.ts';

const { codeCache } = workerData as ThreadData;
if (codeCache !== undefined) enableCompileCache(codeCache);
const { work } = await import('./thread.ts');
// Work ends with the thread, so now is the time to keep what has been compiled.
if (codeCache !== undefined) flushCompileCache();
await work();
