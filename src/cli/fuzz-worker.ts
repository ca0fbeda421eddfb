/** A thread of `tyr fuzz shaders --jobs`: it is sent the first seed of a round, and answers what was found. */
import { parentPort } from 'node:worker_threads';
import { Fuzzer } from '../testing/mali/fuzz/fuzz.ts';
import { tryRound } from './fuzz.ts';

const fuzzer = new Fuzzer();
parentPort!.on('message', (first: number) => parentPort!.postMessage(tryRound(fuzzer, first)));
