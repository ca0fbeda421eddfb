/** Differences between Tyr and panthor that are known and meant to stay: docs/differences.md has a line for each, by its name. */

/** What a call came to in both worlds, as the transcript tells it. */
export interface Compared {
  /** The call as it was written. */
  readonly call: string;
  readonly tyr: string;
  readonly panthor: string;
}

interface Known {
  readonly name: string;
  covers(compared: Compared): boolean;
  /** What comes after it in a sequence follows from it. */
  readonly ends?: boolean;
}

const withoutState = (text: string): string => text.replace(/ (state=2|fatalQueues=\w+)/g, '');

export const KNOWN: readonly Known[] = [
  {
    name: 'fault-or-kill-first',
    covers: ({ call, tyr, panthor }) =>
      /^GROUP_GET_STATE/.test(call) && tyr !== panthor && withoutState(tyr) === withoutState(panthor),
  },
  {
    name: 'descriptor-without-room',
    covers: ({ call, tyr }) => /(HANDLE_TO_FD|EXPORT_SYNC_FILE|MERGE) .*argsize=/.test(call) && tyr.startsWith('EIO'),
    ends: true,
  },
  {
    name: 'syncobj-0',
    covers: ({ call, panthor }) => /^SYNCOBJ_(CREATE|FD_TO_HANDLE)/.test(call) && /^0( handle=0)?$/.test(panthor),
    ends: true,
  },
  {
    name: 'offset-of-another',
    covers: ({ call, tyr, panthor }) => call.startsWith('mmap') && tyr === 'EINVAL' && panthor === 'EACCES',
  },
  {
    // Behind the buffer's own offset there may be another one's: of whom, depends on the order in which they are given out.
    name: 'offset-of-another',
    covers: ({ call }) => /^mmap \w+\.offset\+\d/.test(call),
    ends: true,
  },
];

/** The known difference that this is. */
export const knownDifference = (compared: Compared): Known | undefined => KNOWN.find((known) => known.covers(compared));
