/**
 * Faults as each driver reports them: a page fault's address, code and kind of access, an exception of a command stream with its code and data, a
 * job or group that is late. Both drivers say them in the same words (Linux `drivers/gpu/drm/panthor/panthor_{mmu,sched}.c`; `driver/mmu/index.ts`,
 * `driver/sched/events.ts`); what is compared is what the words say, without the slots that were free and the numbers of processes. The level at which
 * a walk of page tables has ended is left out as well: it says which tables a driver keeps when a range is unmapped.
 */

/** Lines of a report, each the beginning of what stands there, whatever the kernel has put before it. */
const PAGE_FAULT = /Unhandled Page fault in AS\d+ at VA 0x([0-9a-fA-F]+)/;
/** The raw status is the three others. */
const DETAIL = /(?:^|\] )(exception type|access type|source id)[ :]+(0x[0-9a-fA-F]+)(?:: (\w+))?/;
const STREAM = /CS_(?:FATAL|FAULT): pid=/;
const CS_SLOT = /CSG slot \d+ CS slot: (\d+)/;
const EXCEPTION = /CS_(FATAL|FAULT)(_INFO)?\.EXCEPTION_(TYPE|DATA): (0x[0-9a-fA-F]+)(?: \((\w+)\))?/;
const LATE = /(job timeout|progress timeout)/;
/** What else belongs to such reports. */
const COMPANY = /(raw|decoded) fault status:/;
const LEVEL = /^TRANSLATION_FAULT_\d$/;

/** Where a driver's own mappings of a VM begin: what lies where there is each one's own affair. */
const OWN = 2n ** 47n;

const hex = (text: string): string => {
  const value = BigInt(text.startsWith('0x') ? text : `0x${text}`);
  return value >= OWN ? 'the driver’s own range' : `0x${value.toString(16)}`;
};

/** Whether a line of a log is part of a report of a fault. */
export const tellsOfFault = (line: string): boolean =>
  [PAGE_FAULT, DETAIL, STREAM, CS_SLOT, EXCEPTION, LATE, COMPANY].some((part) => part.test(line));

const TRACE = /-+\[ cut here \]-+/;
const TRACE_END = /---\[ end trace /;

/**
 * Of a kernel's warnings those that neither tell of a fault nor are expected. A warning with a stack is one, whose every line goes if one of them is
 * expected.
 */
export function unexpectedWarnings(lines: readonly string[], expected?: RegExp): string[] {
  const found: string[] = [];
  let trace: string[] | undefined;
  for (const line of lines) {
    if (TRACE.test(line)) trace = [];
    if (!trace) {
      if (!tellsOfFault(line) && !expected?.test(line)) found.push(line);
      continue;
    }
    trace.push(line);
    if (!TRACE_END.test(line)) continue;
    if (!trace.some((each) => expected?.test(each))) found.push(...trace);
    trace = undefined;
  }
  return [...found, ...(trace ?? [])];
}

/** What a log reports, in order, a sentence for each fault. */
export function reportedFaults(log: string): string[] {
  const found: string[] = [];
  let parts: string[] = [];
  let queue = '?';
  for (const line of log.split('\n')) {
    const page = PAGE_FAULT.exec(line);
    if (page) {
      parts = [`page fault at ${hex(page[1]!)}`];
      continue;
    }
    const detail = DETAIL.exec(line);
    if (detail && parts.length > 0) {
      const [, what, code, name = ''] = detail;
      parts.push(LEVEL.test(name) ? 'TRANSLATION_FAULT' : `${what} ${hex(code!)} ${name}`.trimEnd());
      if (what === 'source id') {
        found.push(parts.join(', '));
        parts = [];
      }
      continue;
    }
    queue = CS_SLOT.exec(line)?.[1] ?? queue;
    const exception = EXCEPTION.exec(line);
    if (exception) {
      const [, kind, info, what, value, name] = exception;
      if (what === 'TYPE') parts = [`CS_${kind} of queue ${queue}: ${hex(value!)} ${name ?? ''}`];
      else parts.push(`${info ? 'info' : 'data'} ${hex(value!)}`);
      if (info) {
        found.push(parts.join(', '));
        parts = [];
      }
      continue;
    }
    const late = LATE.exec(line);
    if (late) found.push(late[1]!);
  }
  return found;
}

const ADDRESS = /^page fault at ([^,]+)/;
const BUS_FAULT = /CS_BUS_FAULT, data \w+, info (.+)$/;

/**
 * The faults that only one of both reports, with how often each has it. A stream's own end at the address of a page fault is left out: whether
 * anybody notes it is chance (docs/differences.md, fault-or-kill-first).
 */
export function faultDifferences(tyr: string, panthor: string): string[] {
  const counts = [tyr, panthor].map((log) => {
    const faults = reportedFaults(log);
    const addresses = new Set(faults.map((fault) => ADDRESS.exec(fault)?.[1]));
    const count = new Map<string, number>();
    for (const fault of faults) {
      const address = BUS_FAULT.exec(fault)?.[1];
      if (address !== undefined && addresses.has(address)) continue;
      count.set(fault, (count.get(fault) ?? 0) + 1);
    }
    return count;
  });
  const [ours, theirs] = counts as [Map<string, number>, Map<string, number>];
  const all = new Set([...ours.keys(), ...theirs.keys()]);
  return [...all]
    .map((fault) => ({ fault, us: ours.get(fault) ?? 0, them: theirs.get(fault) ?? 0 }))
    .filter(({ us, them }) => us !== them)
    .map(({ fault, us, them }) => `${fault}\n    tyr:     ${us} times\n    panthor: ${them} times`);
}
