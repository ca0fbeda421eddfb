/**
 * Waiting for vertical blanks.
 * After Linux `drivers/gpu/drm/drm_vblank.c` (drm_wait_vblank_ioctl and the two sequence ioctls).
 */
import { SEQUENCE, VBLANK } from '../../abi/kms.ts';
import * as I from '../../abi/kms-ioctls.ts';
import { DrmError, must } from '../error.ts';
import type { DrmFile } from '../file.ts';
import { type IoctlEntry, ioctl } from '../ioctl.ts';
import type { UserContext } from '../user.ts';
import { waitUntil } from '../wait.ts';
import type { KmsFile, ModeConfig } from './config.ts';
import type { Crtc } from './crtc.ts';
import { type EventTicket, type FrameTime, sequenceEvent, waitEvent } from './events.ts';
import type { Vblank } from './vblank.ts';

/** A blocking wait gives up after this many nanoseconds. */
const WAIT_LIMIT = 3_000_000_000n;
const NANOSECONDS = 1_000_000_000n;

/** Sends the event when its frame has come; a closed file takes it back. */
function queueEvent(file: DrmFile<KmsFile>, vblank: Vblank, target: bigint, event: EventTicket): void {
  const undo = vblank.wait(target, (at) => {
    offClose();
    event.send(at);
  });
  const offClose = file.onClose(() => {
    undo();
    event.cancel();
  });
}

export function vblankIoctls(config: ModeConfig): IoctlEntry<any, KmsFile>[] {
  const known =
    VBLANK.RELATIVE | VBLANK.HIGH_CRTC_MASK | VBLANK.EVENT | VBLANK.NEXTONMISS | VBLANK.SECONDARY | VBLANK.SIGNAL;
  return [
    ioctl(I.WAIT_VBLANK, {}, (file: DrmFile<KmsFile>, arg, user) => {
      const { type } = arg;
      must(!(type & VBLANK.SIGNAL), 'EINVAL', 'signals at vertical blanks are no more');
      must((type & ~known) === 0, 'EINVAL', () => `vblank wait type 0x${type.toString(16)}`);
      const high = (type & VBLANK.HIGH_CRTC_MASK) >>> VBLANK.HIGH_CRTC_SHIFT;
      const crtcs = config.crtcs.filter(({ id }) => config.holds(file, id));
      const crtc = crtcs[high || (type & VBLANK.SECONDARY ? 1 : 0)];
      must(crtc, 'EINVAL', 'there is no such CRTC');
      const { vblank } = crtc;
      must(vblank.running, 'EINVAL', () => `${crtc.name} is off`);
      const at = vblank.now();
      // A 32-bit absolute number means the nearest frame that ends with it.
      const relative = (type & VBLANK.RELATIVE) !== 0;
      const near = BigInt.asIntN(32, BigInt(arg.sequence) - at.sequence);
      let target = BigInt.asUintN(64, relative ? at.sequence + BigInt(arg.sequence) : at.sequence + near);
      if (type & VBLANK.NEXTONMISS && vblank.passed(at.sequence, target)) target = at.sequence + 1n;
      const due = vblank.passed(at.sequence, target);

      if (type & VBLANK.EVENT) {
        const event = waitEvent(file, crtc, arg.signal);
        arg.sequence = Number(BigInt.asUintN(32, due ? at.sequence : target));
        if (due) event.send(at);
        else queueEvent(file, vblank, target, event);
        return;
      }
      const reply = ({ sequence, time }: FrameTime): void => {
        arg.sequence = Number(BigInt.asUintN(32, sequence));
        arg.signal = time / NANOSECONDS;
        arg.tval_usec = (time % NANOSECONDS) / 1000n;
      };
      if (due) {
        reply(at);
        return;
      }
      return block(config, file, vblank, target, user).then(reply);
    }),

    ioctl(I.CRTC_GET_SEQUENCE, {}, (file: DrmFile<KmsFile>, arg) => {
      const crtc = config.find<Crtc>(file, arg.crtc_id, 'crtc');
      must(crtc.vblank.running, 'EINVAL', () => `${crtc.name} is off`);
      const { sequence, time } = crtc.vblank.now();
      arg.active = crtc.state.enable ? 1 : 0;
      arg.sequence = sequence;
      arg.sequence_ns = time;
    }),

    ioctl(I.CRTC_QUEUE_SEQUENCE, {}, (file: DrmFile<KmsFile>, arg) => {
      const crtc = config.find<Crtc>(file, arg.crtc_id, 'crtc');
      const { flags } = arg;
      must(
        (flags & ~(SEQUENCE.RELATIVE | SEQUENCE.NEXT_ON_MISS)) === 0,
        'EINVAL',
        () => `sequence flags 0x${flags.toString(16)}`,
      );
      const { vblank } = crtc;
      must(vblank.running, 'EINVAL', () => `${crtc.name} is off`);
      const at = vblank.now();
      let target = BigInt.asUintN(64, arg.sequence + (flags & SEQUENCE.RELATIVE ? at.sequence : 0n));
      if (flags & SEQUENCE.NEXT_ON_MISS && vblank.passed(at.sequence, target)) target = at.sequence + 1n;
      const due = vblank.passed(at.sequence, target);
      const event = sequenceEvent(file, arg.user_data);
      arg.sequence = due ? at.sequence : target;
      if (due) event.send(at);
      else queueEvent(file, vblank, target, event);
    }),
  ];
}

/** Resolves at the frame, or when the CRTC goes off. Rejects with EBUSY when it takes too long. */
async function block(
  config: ModeConfig,
  file: DrmFile<KmsFile>,
  vblank: Vblank,
  target: bigint,
  user: UserContext,
): Promise<FrameTime> {
  const deadline = config.clock.monotonic() + WAIT_LIMIT;
  try {
    return await waitUntil<FrameTime>(file, user, deadline, (done) => vblank.wait(target, done));
  } catch (error) {
    if (error instanceof DrmError && error.errno === 'ETIME')
      throw new DrmError('EBUSY', `frame ${target} did not come in 3 seconds`);
    throw error;
  }
}
