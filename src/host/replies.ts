/**
 * What the machine sends on a control channel: its answers, and its questions in between. Both are written into one buffer
 * that is used again and again, since an ioctl of a drawing program costs little more than its transport.
 */
import type { Infer } from '../abi/layout.ts';
import { SHIM_REPLY, ShimPlace, ShimReply } from '../abi/shim.ts';
import * as sys from './syscalls.ts';

/** One descriptor on its way to the guest. */
export interface Outgoing {
  readonly fd: number;
  readonly place: Partial<Infer<typeof ShimPlace>>;
  /** The machine needs the descriptor itself; otherwise it is closed once it has been sent. */
  readonly kept: boolean;
  /** An offer, which may be left out; it comes last. */
  readonly offered?: boolean;
}

/** Closes what is not kept, whether it was sent or not. */
export function closeSent(outgoing: readonly Outgoing[]): void {
  for (const { fd, kept } of outgoing) if (!kept) sys.close(fd);
}

export const NO_DESCRIPTORS: readonly Outgoing[] = [];

const head = new Uint8Array(ShimReply.size);
const view = new DataView(head.buffer);

/** The head of an answer that brings no descriptors; `arg` is to follow. Good until the next answer. */
export function doneHead(value: number, arg: Uint8Array | undefined): Uint8Array {
  const argSize = arg?.length ?? 0;
  ShimReply.write(view, 0, { kind: SHIM_REPLY.DONE, value: BigInt(value), argSize, fds: 0, size: 0, address: 0n });
  return head;
}

/** Answers a request. `arg` goes over the caller's argument. `closeSent` is to follow. */
export function sendDone(
  channel: number,
  value: number,
  arg: Uint8Array | undefined,
  outgoing: readonly Outgoing[],
): 'sent' | 'full' | 'gone' {
  const fds = outgoing.length;
  if (fds === 0) return sys.sendPacket(channel, doneHead(value, arg), arg);
  const argSize = arg?.length ?? 0;
  const offers = outgoing[fds - 1]?.offered ? 1 : 0;
  ShimReply.write(view, 0, { kind: SHIM_REPLY.DONE, value: BigInt(value), argSize, fds, size: offers, address: 0n });
  const places = new Uint8Array(argSize + fds * ShimPlace.size);
  if (arg) places.set(arg);
  outgoing.forEach(({ place }, i) => {
    places.set(ShimPlace.pack(place), argSize + i * ShimPlace.size);
  });
  return sys.sendPacket(
    channel,
    head,
    places,
    outgoing.map(({ fd }) => fd),
  );
}

/** Asks for `size` bytes, or for a descriptor, or says that bytes will come. */
export function sendQuestion(channel: number, kind: number, value: bigint, address = 0n, size = 0): boolean {
  ShimReply.write(view, 0, { kind, value, argSize: 0, fds: 0, size, address });
  return sys.sendPacket(channel, head) === 'sent';
}
