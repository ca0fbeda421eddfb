/** DEV_QUERY: what the GPU is and can. After Linux `drivers/gpu/drm/panthor/panthor_drv.c`. */
import { FW_UNPRESERVED_REGS } from '../abi/gpu/firmware.ts';
import { BLOCK_SIZE_L2, PAGE_SIZE } from '../abi/gpu/lpae.ts';
import type { Infer, Layout } from '../abi/layout.ts';
import {
  CsifInfo,
  DEV_QUERY,
  GpuInfo,
  GROUP_PRIORITIES,
  GROUP_PRIORITY,
  GroupPrioritiesInfo,
  MmuInfo,
  PANTHOR,
  TIMESTAMP_FLAGS,
  TIMESTAMP_FLAGS_KNOWN,
  TimestampInfo,
  type UserObject,
} from '../abi/panthor.ts';
import { DrmError, must } from '../drm/error.ts';
import { type IoctlEntry, ioctl } from '../drm/ioctl.ts';
import type { UserContext } from '../drm/user.ts';
import { SECOND } from './async.ts';
import type { File, TyrFile } from './file.ts';
import type { Tyr } from './tyr.ts';
import { readObject, writeObject } from './user-object.ts';

const OBJECTS: Record<number, UserObject<Layout<any>>> = {
  [DEV_QUERY.GPU_INFO]: GpuInfo,
  [DEV_QUERY.CSIF_INFO]: CsifInfo,
  [DEV_QUERY.TIMESTAMP_INFO]: TimestampInfo,
  [DEV_QUERY.GROUP_PRIORITIES_INFO]: GroupPrioritiesInfo,
  [DEV_QUERY.MMU_INFO]: MmuInfo,
};

/** Whether a client may have groups of this priority: what is above medium is for the DRM master, and for who may be less nice. */
export function priorityAllowed(file: File, user: UserContext, priority: number): boolean {
  return priority <= GROUP_PRIORITY.MEDIUM || user.capable('SYS_NICE') || file.isMaster;
}

function gpuInfo({ gpu }: Tyr): Infer<typeof GpuInfo.layout> {
  const p = gpu.properties;
  return {
    ...p,
    textureFeatures: [...p.textureFeatures],
    shaderPresent: BigInt(p.shaderPresent),
    l2Present: BigInt(p.l2Present),
    tilerPresent: BigInt(p.tilerPresent),
    pad: 0,
    gpuFeatures: BigInt(p.gpuFeatures),
  };
}

function csifInfo({ firmware, scheduler }: Tyr): Infer<typeof CsifInfo.layout> {
  return {
    csgSlotCount: scheduler.slots.length,
    csSlotCount: firmware.interface.streamCount,
    csRegCount: firmware.interface.workRegisters,
    scoreboardSlotCount: firmware.interface.scoreboards,
    unpreservedCsRegCount: FW_UNPRESERVED_REGS,
    pad: 0,
  };
}

type Timestamps = Infer<typeof TimestampInfo.layout>;

function timestampInfo({ gpu, context, timerFrequency }: Tyr, asked: number): Timestamps {
  const F = TIMESTAMP_FLAGS;
  const flags = asked === 0 ? F.GPU | F.GPU_OFFSET | F.FREQ : asked;
  const cpu = flags & F.CPU_TYPE_MASK;
  must(
    cpu === F.CPU_NONE || cpu === F.CPU_MONOTONIC || cpu === F.CPU_MONOTONIC_RAW,
    'EINVAL',
    () => `no CPU clock ${cpu}`,
  );
  must((flags & ~TIMESTAMP_FLAGS_KNOWN) === 0, 'EINVAL', () => `unknown flags 0x${flags.toString(16)}`);
  const start = context.clock.monotonic();
  const timestamp = flags & F.GPU ? BigInt(gpu.timestamp) : 0n;
  const now = cpu === F.CPU_NONE ? 0n : context.clock.monotonic();
  const cycles = flags & F.GPU_CYCLE_COUNT ? BigInt(gpu.cycleCount) : 0n;
  const second = BigInt(SECOND);
  return {
    timestampFrequency: flags & F.FREQ ? BigInt(timerFrequency) : 0n,
    currentTimestamp: timestamp,
    timestampOffset: flags & F.GPU_OFFSET ? BigInt(gpu.timestampOffset) : 0n,
    flags: asked,
    durationNsec: flags & F.DURATION ? Number(context.clock.monotonic() - start) : 0,
    cycleCount: cycles,
    cpuTimestampSec: now / second,
    cpuTimestampNsec: now % second,
  };
}

/** Counters are registers, which a GPU that sleeps does not have. */
function timestamps(tyr: Tyr, flags: number, answer: (values: Timestamps) => void): void | Promise<void> {
  if (tyr.power.awake) return answer(timestampInfo(tyr, flags));
  return tyr.power.run(() => answer(timestampInfo(tyr, flags)));
}

function allowedPriorities(file: File, user: UserContext): Infer<typeof GroupPrioritiesInfo.layout> {
  let allowedMask = 0;
  for (let priority = 0; priority < GROUP_PRIORITIES; priority++) {
    if (priorityAllowed(file, user, priority)) allowedMask |= 1 << priority;
  }
  return { allowedMask, pad: [0, 0, 0] };
}

export const queryIoctls: readonly IoctlEntry<any, TyrFile>[] = [
  ioctl(PANTHOR.DEV_QUERY, { render: true }, (file: File, arg, user) => {
    const { tyr } = file.private;
    const object = OBJECTS[arg.type];
    if (!object) throw new DrmError('EINVAL', `no query ${arg.type}`);
    if (arg.pointer === 0n) {
      arg.size = object.layout.size;
      return;
    }
    const answer = (values: object): void => writeObject(user, arg.pointer, arg.size, object, values);
    switch (arg.type) {
      case DEV_QUERY.GPU_INFO:
        return answer(gpuInfo(tyr));
      case DEV_QUERY.CSIF_INFO:
        return answer(csifInfo(tyr));
      case DEV_QUERY.TIMESTAMP_INFO:
        return timestamps(tyr, readObject(user, arg.pointer, arg.size, TimestampInfo).flags, answer);
      case DEV_QUERY.GROUP_PRIORITIES_INFO:
        return answer(allowedPriorities(file, user));
      default:
        return answer({ pageSizeBitmap: BigInt(PAGE_SIZE) + BigInt(BLOCK_SIZE_L2) });
    }
  }),
];
