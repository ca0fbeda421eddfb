/**
 * Counters in both worlds: what either driver asks of the GPU for the same work, as the GPU counts it. Each work marks its beginning and
 * its end, when everything is set up and before anything is taken down.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Counts } from '../../../mali/counters.ts';
import { compileCalls } from '../../machine/calls/compile.ts';
import { programText } from '../../machine/calls/steps.ts';
import { inWorlds, NODE, type Stage, WORLDS, type World, type WorldOptions } from './worlds.ts';

interface Work {
  readonly title: string;
  /** What the counts are divided by. */
  readonly times: number;
  readonly calls?: string;
  readonly command?: (stage: Stage) => string;
}

const JOBS = 500;
const BINDS = 4;
const FRAMES = 60;

/** A client with a VM, a stream of one NOP, and a group. */
const CLIENT = `
vm = VM_CREATE
bo = BO_CREATE size=64K exclusiveVmId=vm.id
VM_BIND vmId=vm.id ops=[{ boHandle=bo.handle va=0x1000000 size=64K }]
place = BO_MMAP_OFFSET handle=bo.handle
memory = mmap place.offset 64K
stream = stream memory 0 {
  NOP
}
group = GROUP_CREATE vmId=vm.id queues=[{ priority=1 ringbufSize=64K }] maxComputeCores=1 maxFragmentCores=1 maxTilerCores=1 \\
  priority=1 computeCoreMask=0x50005 fragmentCoreMask=0x50005 tilerCoreMask=1
done = SYNCOBJ_CREATE
`;
const SUBMIT = `GROUP_SUBMIT groupHandle=group.groupHandle queueSubmits=[{ streamSize=8 streamAddr=0x1000000 syncs=[{ flags=SYNC.SIGNAL handle=done.handle }] }]
`;
const WAIT = `SYNCOBJ_WAIT handles=[done.handle] count_handles=1 timeout_nsec=now+60s
`;
const LARGE = `large = BO_CREATE size=1G
`;
const MAP = 'VM_BIND vmId=vm.id ops=[{ boHandle=large.handle va=0x40000000 size=1G }]\n';
const UNMAP = 'VM_BIND vmId=vm.id ops=[{ flags=BIND.UNMAP va=0x40000000 size=1G }]\n';
const marked = (work: string): string => `mark begin\n${work}mark end\n`;

export const WORKS: readonly Work[] = [
  {
    title: 'no-op job, waited for',
    times: JOBS,
    calls: CLIENT + SUBMIT + WAIT + marked((SUBMIT + WAIT).repeat(JOBS)),
  },
  {
    title: 'no-op job, all waited for at the end',
    times: JOBS,
    calls: CLIENT + SUBMIT + WAIT + marked(SUBMIT.repeat(JOBS) + WAIT),
  },
  {
    title: '1 GiB bound, a no-op job, unbound',
    times: BINDS,
    // Once before, so that there are pages. The job sees to it that the VM sits in an address space when it is changed.
    calls: CLIENT + LARGE + MAP + UNMAP + SUBMIT + WAIT + marked((MAP + SUBMIT + WAIT + UNMAP).repeat(BINDS)),
  },
  {
    title: 'frame of a cube',
    times: FRAMES,
    command: ({ client }) => `${client('frames')} -m ${FRAMES} cube`,
  },
];

export interface CountedWork {
  readonly title: string;
  readonly times: number;
  /** For each world, what was counted between the marks; undefined where the work did not come to its end. */
  readonly counts: Partial<Record<World, Counts | undefined>>;
}

/** Does the works in both worlds. As the superuser: marks are files in a folder that the worlds share with the host. */
export async function countWorks(options: WorldOptions): Promise<CountedWork[]> {
  const folder = await mkdtemp(join(tmpdir(), 'tyr-counters-'));
  const seen: Record<World, Counts[]> = { tyr: [], panthor: [] };
  try {
    for (const [i, { calls }] of WORKS.entries()) {
      if (calls === undefined) continue;
      await writeFile(join(folder, `${i}.calls`), programText(compileCalls(calls).flatMap(({ steps }) => steps)));
    }
    const script = (stage: Stage): string =>
      WORKS.map(({ command }, i) => command?.(stage) ?? `${stage.client('calls')} -p ${NODE} ${i}.calls`)
        .map((text) => `${text} >>out`)
        .join('\n');
    const onMark = (world: World, _name: string, counts: Counts): void => void seen[world].push(counts);
    // Without workers, so that the GPU's one thread counts all walks.
    await inWorlds(WORLDS, folder, script, { ...options, workers: 0, watchTables: true, onMark }, async () => {});
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return WORKS.map(({ title, times }, i) => {
    const counts: CountedWork['counts'] = {};
    for (const world of WORLDS) {
      const [begin, end] = seen[world].slice(2 * i);
      counts[world] = begin && end ? difference(begin, end) : undefined;
    }
    return { title, times, counts };
  });
}

function difference(begin: Counts, end: Counts): Counts {
  const names = Object.keys(end).filter((name) => end[name]! !== (begin[name] ?? 0));
  return Object.fromEntries(names.map((name) => [name, end[name]! - (begin[name] ?? 0)]));
}

/** Rows that are shown, and the counters that each sums up. */
const ROWS: readonly (readonly [title: string, matches: RegExp])[] = [
  ['register reads', /^reads (?!flush-id)/],
  ['… of the client: LATEST_FLUSH_ID', /^reads flush-id$/],
  ['register writes', /^writes (?!doorbells)/],
  ['doorbells', /^writes doorbells$/],
  ['interrupts', /^interrupts /],
  ['address-space commands', /^as /],
  ['cache flush commands', /^cache flushes$/],
  ['page-table bytes written', /^page-table bytes written$/],
  ['page-table bytes walked', /^page-table bytes walked$/],
  ['resets', /^resets$/],
];

/** The counts as a table in Markdown, for one of each work. */
export function countsTable(works: readonly CountedWork[]): string {
  const lines: string[] = [];
  for (const { title, times, counts } of works) {
    lines.push(`| ${title} | Tyr | panthor |`, '|---|---|---|');
    for (const [row, matches] of ROWS) {
      const [tyr, panthor] = WORLDS.map((world) => {
        const own = counts[world];
        if (!own) return '–';
        const sum = Object.entries(own).reduce((all, [name, count]) => all + (matches.test(name) ? count : 0), 0);
        return number(sum / times);
      });
      lines.push(`| ${row} | ${tyr} | ${panthor} |`);
    }
    lines.push('');
  }
  return lines.join('\n');
}

const number = (value: number): string =>
  value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString('en') : value.toPrecision(2);
