/** A thread of `tyr fuzz --jobs`: it is sent which seeds to try, and answers what was found. */
import { parentPort } from 'node:worker_threads';
import { type RoundRequest, tryRound } from './fuzz.ts';

parentPort!.on('message', (request: RoundRequest) => parentPort!.postMessage(tryRound(request)));
