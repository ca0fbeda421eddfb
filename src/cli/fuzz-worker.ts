/** A thread of `tyr fuzz shaders --jobs`: it is sent which seeds to try, and answers what was found. */
import { parentPort } from 'node:worker_threads';
import { Fuzzer } from '../testing/mali/fuzz/fuzz.ts';
import { type RoundRequest, tryRound } from './fuzz.ts';

const fuzzer = new Fuzzer();
parentPort!.on('message', (request: RoundRequest) => parentPort!.postMessage(tryRound(fuzzer, request)));
