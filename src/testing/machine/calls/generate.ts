/**
 * Random sequences of calls, by seed: a client that mostly knows what it does, and now and then makes a mistake.
 *
 * What a call brings must not depend on how fast anybody is, since the sequences are held against another driver: whatever is submitted
 * is waited for before the next call, nothing endless is submitted, and nobody waits long for what never comes.
 */
import { IOCTLS } from './vocabulary.ts';

type Random = (below: number) => number;

/** Numbers that look random and are the same on every run. */
function randomOf(seed: number): Random {
  let state = (seed * 2654435761 + 1) >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return (below) => Math.floor(next() * below);
}

/** What a client has: names of the calls that made it. */
const KINDS = ['vm', 'bo', 'map', 'group', 'sync', 'heap', 'stream'] as const;
type Kind = (typeof KINDS)[number];

/** Fields of an ioctl as text, in order. */
type Fields = Record<string, string>;

const EXTREME = [
  '1',
  '2',
  '3',
  '7',
  '0x20',
  '4095',
  '4097',
  '0x80000000',
  '0xffffffff',
  '0x100000000',
  '0x1000000000000',
  '0x7fffffffffffffff',
  '0x8000000000000000',
  '0xfffffffffffff000',
  '0xffffffffffffffff',
];
/** Fields that take no accident: a wait of 292 years, gigabytes of a heap's chunks. */
const SPARED =
  /timeout|^(type|size|fd2?)$|initialChunkCount|maxChunks|chunkSize|count_handles|(name|date|desc|unique)_len/;
/** Where LATEST_FLUSH_ID is mapped. */
const DEVICE_PAGE = '0x100000000000000';
/** Where buffers are bound, a window each. */
const BASE = 0x1000000;
const WINDOW = 0x100000;
const hex = (value: number): string => `0x${value.toString(16)}`;

class Writer {
  readonly #random: Random;
  readonly #lines: string[] = [];
  readonly #names: Record<Kind, string[]> = { vm: [], bo: [], map: [], group: [], sync: [], heap: [], stream: [] };
  /** Syncobjs that are there for certain: made without a mistake, and never destroyed. */
  readonly #certain: string[] = [];
  /** Named once, and gone since. */
  readonly #gone: string[] = [];
  readonly #sizes = new Map<string, number>();
  /** Group to its VM; stream to where it lies. */
  readonly #homes = new Map<string, string>();
  #count = 0;
  #point = 1;

  constructor(seed: number) {
    this.#random = randomOf(seed);
    this.#lines.push(`sequence ${seed}`);
  }

  write(length: number): string {
    this.#begin();
    for (let i = 0; i < length; i++) this.#pick(ACTIONS)(this);
    return `${this.#lines.join('\n')}\n`;
  }

  /** What leads somewhere: without a VM, a buffer and a place to work most calls end at their first check. */
  #begin(): void {
    if (this.chance(20)) return;
    this.createVm();
    this.createBuffer();
    if (!this.chance(8)) this.bind();
    if (!this.chance(3)) this.mapBuffer();
    if (!this.chance(4)) this.createSyncobj();
    if (!this.chance(3)) this.createGroup();
    if (!this.chance(3)) this.writeStream();
  }

  chance(one: number): boolean {
    return this.#random(one) === 0;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random(list.length)]!;
  }

  #name(kind: Kind | 'done'): string {
    return `${kind}${++this.#count}`;
  }

  /** A field of something of this kind, which mostly exists. */
  #of(kind: Kind, field: string): string {
    const names = kind === 'sync' && this.chance(2) ? this.#certain : this.#names[kind];
    if (names.length === 0 || this.chance(40)) return this.#pick(['0', '1', '2', '0xffffffff', '77']);
    if (this.chance(40)) {
      const gone = this.#gone.filter((name) => name.startsWith(kind));
      if (gone.length > 0) return `${this.#pick(gone)}.${field}`;
    }
    return `${this.#pick(names)}.${field}${this.chance(60) ? '+1' : ''}`;
  }

  #forget(text: string): void {
    const name = text.split(/[.+]/)[0]!;
    for (const kind of KINDS) {
      const at = this.#names[kind].indexOf(name);
      if (at < 0) continue;
      this.#names[kind].splice(at, 1);
      this.#gone.push(name);
    }
  }

  /** Writes a call down, with a mistake now and then. */
  #call(verb: string, fields: Fields, name?: string): void {
    const all: [string, string][] = Object.entries(fields);
    const def = IOCTLS[verb]!;
    if (def.arg && this.chance(12)) {
      const scalars = Object.entries<{ width: number; inner?: unknown }>(def.arg.fields).filter(
        ([key, field]) => field.width <= 64 && !SPARED.test(key),
      );
      const [key, field] = scalars.length > 0 ? this.#pick(scalars) : [undefined, undefined];
      if (key !== undefined && field) {
        const value = this.#pick(EXTREME.filter((text) => BigInt(text) < 1n << BigInt(field.width)));
        const at = all.findIndex(([other]) => other === key);
        if (at >= 0) all[at] = [key, value];
        else all.push([key, value]);
      }
    }
    const lists = all.filter(([key, value]) => value.startsWith('[') && def.arg?.fields[key]?.inner !== undefined);
    if (lists.length > 0 && this.chance(20)) {
      const [key] = this.#pick(lists);
      all.push([
        `${key}.${this.#pick(['stride', 'count', 'array'])}`,
        this.#pick(['0', '1', '2', '8', '12', '16', '24', '48', '64', '0x400']),
      ]);
    }
    if (def.arg && this.chance(40))
      all.push(['argsize', String(this.#pick([0, 4, 8, 12, 16, def.arg.size - 4, def.arg.size + 8]))]);
    const text = all.map(([key, value]) => `${key}=${value}`).join(' ');
    this.#lines.push(`${name === undefined ? '' : `${name} = `}${verb}${text && ` ${text}`}`);
  }

  #flags(...flags: string[]): string {
    if (this.chance(30)) return this.#pick(EXTREME.slice(0, 9));
    const set = flags.filter(() => this.chance(3));
    return set.length === 0 ? '0' : set.join('|');
  }

  // VMs and buffers.

  createVm(): void {
    const name = this.#name('vm');
    const range = this.chance(3)
      ? this.#pick([
          '4K',
          '0x10000000',
          '0x800000000000',
          '0x7fff00000000',
          '0xfffff0000000',
          '0x1000000000000',
          '4097',
        ])
      : '0';
    this.#call('VM_CREATE', range === '0' ? {} : { userVaRange: range }, name);
    this.#names.vm.push(name);
  }

  destroyVm(): void {
    const id = this.#of('vm', 'id');
    this.#call('VM_DESTROY', { id });
    this.#forget(id);
  }

  vmState(): void {
    this.#call('VM_GET_STATE', { vmId: this.#of('vm', 'id') });
  }

  createBuffer(): void {
    const name = this.#name('bo');
    const size = this.#pick([4096, 4096, 65536, 65536, 65536, 8192, 4097, 1, 0x100000, 0x200000]);
    const fields: Fields = { size: String(size) };
    if (this.chance(3)) fields.flags = this.#flags('BO.NO_MMAP', 'BO.WB_MMAP');
    if (this.chance(3)) fields.exclusiveVmId = this.#of('vm', 'id');
    this.#call('BO_CREATE', fields, name);
    this.#sizes.set(name, Math.ceil(size / 4096) * 4096);
    this.#names.bo.push(name);
  }

  closeBuffer(): void {
    const handle = this.#of('bo', 'handle');
    this.#call('GEM_CLOSE', { handle });
    this.#forget(handle);
  }

  mapBuffer(): void {
    const { bo } = this.#names;
    const handle = this.#of('bo', 'handle');
    const place = `place${++this.#count}`;
    this.#call('BO_MMAP_OFFSET', { handle }, place);
    const name = this.#name('map');
    const known = this.#sizes.get(handle.split(/[.+]/)[0]!) ?? 4096;
    const size = this.chance(8) ? this.#pick([4096, known + 4096, 2 * known]) : known;
    const offset = this.chance(20)
      ? this.#pick([`${place}.offset+4096`, '0', '0x8000000000000', DEVICE_PAGE])
      : `${place}.offset`;
    this.#lines.push(`${name} = mmap ${offset} ${size}${this.chance(10) ? ' r' : ''}`);
    // The GPU's flush count, which is no two drivers' alike.
    if (bo.length === 0 || offset === DEVICE_PAGE) return;
    this.#sizes.set(name, size);
    this.#names.map.push(name);
    if (this.chance(2)) this.lookAtMap();
  }

  lookAtMap(): void {
    const { map } = this.#names;
    if (map.length === 0) return;
    const name = this.#pick(map);
    this.#lines.push(this.chance(2) ? `hash ${name} 0 4096` : `read ${name} ${64 * this.#random(32)} 16`);
  }

  unmapMemory(): void {
    const { map } = this.#names;
    if (map.length === 0) return;
    const name = this.#pick(map);
    this.#lines.push(`munmap ${name}`);
    this.#forget(name);
  }

  labelBuffer(): void {
    const label = this.#pick(['"one"', '""', '"a label with spaces"', '0', '8']);
    this.#call('BO_SET_LABEL', { handle: this.#of('bo', 'handle'), label });
  }

  syncBuffer(): void {
    const ops = this.#list(3, () => {
      const offset = this.#pick(['0', '0', '4096', '1', '64', '0x100000']);
      const size = this.#pick(['0', '64', '4096', '4097', '65536', '0xffffffffffffffff']);
      return `{ handle=${this.#of('bo', 'handle')} type=${this.#pick(['0', '1', '1', '2'])} offset=${offset} size=${size} }`;
    });
    this.#call('BO_SYNC', { ops });
  }

  bufferInfo(): void {
    this.#call('BO_QUERY_INFO', { handle: this.#of('bo', 'handle') });
  }

  #list(most: number, make: () => string): string {
    return `[${Array.from({ length: this.#random(most + 1) }, make).join(' ')}]`;
  }

  /** Where a buffer is bound as a rule. */
  #home(name: string): number {
    return BASE + WINDOW * (Number(/\d+$/.exec(name)?.[0] ?? 0) % 64);
  }

  /**
   * `later`: of an asynchronous bind. None of those maps nothing: panthor of Linux 7.3.4 takes that, and does not come back from a bind
   * that cuts what lay there (docs/differences.md).
   */
  #operation(syncs: string | undefined, later = false): string {
    const fields: string[] = [];
    const kind = this.#random(10);
    const handle = this.#of('bo', 'handle');
    const name = handle.split(/[.+]/)[0]!;
    const size = this.#sizes.get(name) ?? 65536;
    let va = hex(this.#home(name) + (this.chance(5) ? 4096 * this.#random(32) : 0));
    if (this.chance(25))
      va = this.#pick([
        '0',
        '4096',
        '0x800000000000',
        '0x7ffffffff000',
        '0xfffffffff000',
        '0x1000001',
        '0x1000000000000',
      ]);
    let length = this.chance(6) ? this.#pick([0, 4096, size + 4096, 65536, 100, 0x200000]) : size;
    if (later && length === 0 && kind < 8) length = size;
    if (kind < 7) {
      const flags = this.chance(3) ? this.#flags('BIND.MAP_READONLY', 'BIND.MAP_NOEXEC', 'BIND.MAP_UNCACHED') : '0';
      if (flags !== '0') fields.push(`flags=${flags}`);
      fields.push(`boHandle=${handle}`);
      if (this.chance(6)) fields.push(`boOffset=${this.#pick([4096, 8192, 1, 0x100000])}`);
    } else if (kind === 7) {
      fields.push(`flags=BIND.MAP_SPARSE${this.chance(5) ? '' : '|BIND.MAP_NOEXEC'}`);
      if (this.chance(10)) fields.push(`boHandle=${handle}`);
    } else if (kind === 8) {
      fields.push('flags=BIND.UNMAP');
      if (this.chance(10)) fields.push(`boHandle=${handle}`);
    } else {
      fields.push('flags=BIND.SYNC_ONLY');
      if (!this.chance(10)) return `{ ${fields.join(' ')}${syncs === undefined ? '' : ` syncs=${syncs}`} }`;
    }
    fields.push(`va=${va} size=${length}`);
    if (syncs !== undefined) fields.push(`syncs=${syncs}`);
    return `{ ${fields.join(' ')} }`;
  }

  bind(): void {
    const ops = this.chance(3)
      ? this.#list(3, () => this.#operation(this.chance(20) ? '[{}]' : undefined))
      : `[${this.#operation(undefined)}]`;
    this.#call('VM_BIND', { vmId: this.#of('vm', 'id'), ops });
  }

  bindLater(): void {
    const signal = this.#signal();
    const count = 1 + this.#random(3);
    const ops = Array.from({ length: count }, (_, i) =>
      this.#operation(
        i === count - 1 ? `[${this.#wait()}${signal.text}]` : this.chance(3) ? `[${this.#wait()}]` : undefined,
        true,
      ),
    );
    this.#call('VM_BIND', { vmId: this.#of('vm', 'id'), flags: 'BIND.ASYNC', ops: `[${ops.join(' ')}]` });
    signal.wait();
    if (this.chance(2)) this.vmState();
  }

  // Syncobjs.

  createSyncobj(): void {
    const name = this.#name('sync');
    this.#call('SYNCOBJ_CREATE', this.chance(4) ? { flags: this.#flags('CREATE.SIGNALED') } : {}, name);
    this.#names.sync.push(name);
  }

  /**
   * The handle of one that there is: panthor of Linux 7.3.4 takes a signal for one that there is not by reaching through a null
   * pointer, which is the end of its kernel's GPU (docs/differences.md).
   */
  #certainHandle(): string {
    if (this.#certain.length === 0 || this.chance(4)) {
      const name = this.#name('done');
      this.#lines.push(`${name} = SYNCOBJ_CREATE`);
      this.#certain.push(name);
    }
    return `${this.#pick(this.#certain)}.handle`;
  }

  /** A sync operation that signals something, and the call that waits for it. */
  #signal(): { text: string; wait: () => void } {
    const handle = this.#certainHandle();
    const until = (fields: string, verb: string): void => {
      this.#lines.push(`${verb} ${fields} count_handles=1 timeout_nsec=now+20s`);
    };
    if (this.chance(3)) {
      const point = this.chance(8) ? this.#random(4) : this.#point++;
      return {
        text: `{ flags=SYNC.SIGNAL|SYNC.TIMELINE_SYNCOBJ handle=${handle} timelineValue=${point} }`,
        wait: () => until(`handles=[${handle}] points=[${point}]`, 'SYNCOBJ_TIMELINE_WAIT'),
      };
    }
    return {
      text: `{ flags=SYNC.SIGNAL handle=${handle}${this.chance(40) ? ' timelineValue=1' : ''} }`,
      wait: () => until(`handles=[${handle}]`, 'SYNCOBJ_WAIT'),
    };
  }

  /** One that waits, or none. */
  #wait(): string {
    if (!this.chance(3)) return '';
    const handle = this.#of('sync', 'handle');
    if (this.chance(3))
      return `{ flags=SYNC.TIMELINE_SYNCOBJ handle=${handle} timelineValue=${this.#random(this.#point + 2)} } `;
    return `{ flags=${this.chance(30) ? '2' : '0'} handle=${handle} } `;
  }

  syncobjs(): void {
    const handle = (): string => this.#of('sync', 'handle');
    const handles = (): string => `[${Array.from({ length: this.#random(4) }, handle).join(' ')}]`;
    const list = handles();
    const many = (text: string): string => String(text === '[]' ? 0 : text.split(' ').length);
    const counted = { handles: list, count_handles: this.chance(30) ? '3' : many(list) };
    const points = `[${
      list === '[]'
        ? ''
        : list
            .slice(1, -1)
            .split(' ')
            .map(() => String(this.#random(this.#point + 2)))
            .join(' ')
    }]`;
    switch (this.#random(12)) {
      case 0:
        this.#call('SYNCOBJ_RESET', counted);
        return;
      case 1:
        this.#call('SYNCOBJ_SIGNAL', counted);
        return;
      case 2:
        this.#call('SYNCOBJ_TIMELINE_SIGNAL', { ...counted, points });
        this.#point++;
        return;
      case 3:
      case 4:
        this.#call('SYNCOBJ_QUERY', { ...counted, points, flags: this.#flags('QUERY_SYNCOBJ.LAST_SUBMITTED') });
        return;
      case 5:
      case 6: {
        const flags = this.#flags('WAIT.ALL', 'WAIT.FOR_SUBMIT', 'WAIT.DEADLINE');
        this.#call('SYNCOBJ_WAIT', { ...counted, flags, timeout_nsec: this.#pick(['0', 'now+2ms', '1']) });
        return;
      }
      case 7: {
        const flags = this.#flags('WAIT.ALL', 'WAIT.FOR_SUBMIT', 'WAIT.AVAILABLE', 'WAIT.DEADLINE');
        this.#call('SYNCOBJ_TIMELINE_WAIT', {
          ...counted,
          points,
          flags,
          timeout_nsec: this.#pick(['0', 'now+2ms', '1']),
        });
        return;
      }
      case 8: {
        const point = (): string => String(this.#random(this.#point + 1));
        this.#call('SYNCOBJ_TRANSFER', {
          src_handle: handle(),
          dst_handle: handle(),
          src_point: this.chance(2) ? '0' : point(),
          dst_point: this.chance(2) ? '0' : point(),
          flags: this.#flags(),
        });
        return;
      }
      case 9: {
        const name = `file${++this.#count}`;
        const flags = this.chance(2) ? 'FD.SYNC_FILE' : this.#flags('FD.SYNC_FILE', 'FD.TIMELINE');
        this.#call(
          'SYNCOBJ_HANDLE_TO_FD',
          { handle: handle(), flags, ...(this.chance(6) ? { point: '1' } : {}) },
          name,
        );
        this.#lines.push(`${name}d = fd ${name}.fd`);
        if (this.chance(2)) this.#call('SYNC_IOC_FILE_INFO', { on: `${name}d` });
        else {
          const back = this.#name('sync');
          const more: Fields = this.chance(2) ? { flags, handle: handle() } : {};
          this.#call('SYNCOBJ_FD_TO_HANDLE', { fd: `${name}d`, ...more }, back);
          this.#names.sync.push(back);
        }
        return;
      }
      default: {
        // By its own name, or by a number that none has: never one of those that are certain, and not 0, which the next one is
        // called after that under Linux 7.3.4 (docs/differences.md).
        const names = this.#names.sync;
        const gone =
          names.length === 0 || this.chance(8) ? this.#pick(['0xffffffff', '77']) : `${this.#pick(names)}.handle`;
        this.#lines.push(`SYNCOBJ_DESTROY handle=${gone}${this.chance(20) ? ' pad=1' : ''}`);
        this.#forget(gone);
      }
    }
  }

  // Groups and jobs.

  createGroup(): void {
    const name = this.#name('group');
    const vm = this.#of('vm', 'id');
    const queues = this.chance(8)
      ? this.#list(
          9,
          () =>
            `{ priority=${this.#random(17)} ringbufSize=${this.#pick(['4K', '64K', '128K', '0', '4097', '12288'])} }`,
        )
      : `[${Array.from({ length: 1 + this.#random(2) }, () => `{ priority=${this.#random(4)} ringbufSize=${this.#pick(['4K', '8K', '64K'])} }`).join(' ')}]`;
    const mask = (): string =>
      this.chance(15) ? this.#pick(['0', '1', '0x50004', '0xffffffff', '0x150005']) : '0x50005';
    const cores = (): string => (this.chance(15) ? this.#pick(['0', '4', '5', '255']) : '1');
    this.#call(
      'GROUP_CREATE',
      {
        vmId: vm,
        queues,
        maxComputeCores: cores(),
        maxFragmentCores: cores(),
        maxTilerCores: cores(),
        priority: this.chance(10) ? this.#pick(['2', '3', '4', '255']) : this.#pick(['0', '1']),
        computeCoreMask: mask(),
        fragmentCoreMask: mask(),
        tilerCoreMask: this.chance(15) ? '3' : '1',
      },
      name,
    );
    this.#homes.set(name, vm.split(/[.+]/)[0]!);
    this.#names.group.push(name);
  }

  destroyGroup(): void {
    const groupHandle = this.#of('group', 'groupHandle');
    this.#call('GROUP_DESTROY', { groupHandle });
    this.#forget(groupHandle);
  }

  groupState(): void {
    this.#call('GROUP_GET_STATE', { groupHandle: this.#of('group', 'groupHandle') });
  }

  /** A command stream in a mapping: mostly one that does something, now and then one that faults. */
  writeStream(): void {
    const { map, bo } = this.#names;
    if (map.length === 0) {
      this.mapBuffer();
      return;
    }
    const memory = this.#pick(map);
    const name = this.#name('stream');
    const at = 64 * this.#random(16);
    const target = hex((bo.length > 0 ? this.#home(this.#pick(bo)) : BASE) + 0x800 + 4 * this.#random(64));
    const store = [
      `MOVE destination=66 immediate=${target}`,
      `MOVE32 destination=68 immediate=${hex(this.#random(2 ** 31))}`,
    ];
    const body = this.#pick([
      [...store, 'STORE_MULTIPLE address=66 baseRegister=68 mask=1', 'WAIT waitMask=1'],
      [...store, 'STORE_MULTIPLE address=66 baseRegister=68 mask=3 offset=8', 'WAIT waitMask=255'],
      [
        ...store,
        'LOAD_MULTIPLE address=66 baseRegister=70 mask=1',
        'WAIT waitMask=1',
        'STORE_MULTIPLE address=66 baseRegister=70 mask=1 offset=64',
        'WAIT waitMask=1',
      ],
      ['NOP'],
      ['MOVE32 destination=4 immediate=1', 'ADD_IMMEDIATE32 destination=5 source=4 immediate=7'].slice(0, 1),
      [
        ...store,
        `WORD ${this.#pick(['0xff00000000000000', '0xf300000000000000', '0x0000000000000001', '0x0500000000000000'])}`,
      ],
    ]);
    this.#lines.push(`${name} = stream ${memory} ${at} {`, ...body.map((line) => `  ${line}`), '}');
    this.#homes.set(name, String(at));
    this.#names.stream.push(name);
  }

  submit(): void {
    const { stream, bo } = this.#names;
    if (stream.length === 0) {
      this.writeStream();
      return;
    }
    const signal = this.#signal();
    const count = this.chance(5) ? this.#random(3) : 1;
    const jobs = Array.from({ length: count }, () => {
      const name = this.#pick(stream);
      const home = bo.length > 0 ? this.#home(this.#pick(bo)) : BASE;
      const size = this.chance(15) ? this.#pick(['0', '4', '8', '4096']) : `${name}.size`;
      const address = this.chance(15)
        ? this.#pick(['0', '0x1000001', '0x900000000000'])
        : hex(home + Number(this.#homes.get(name)!));
      const queue = this.chance(8) ? ` queueIndex=${this.#random(3)}` : '';
      const flush = this.chance(20) ? ` latestFlush=${this.#pick(['0x80000000', '0x01000000', '5'])}` : '';
      return `{ streamSize=${size} streamAddr=${address}${queue}${flush} syncs=[${this.#wait()}${signal.text}] }`;
    });
    const groupHandle = this.#of('group', 'groupHandle');
    this.#call('GROUP_SUBMIT', { groupHandle, queueSubmits: `[${jobs.join(' ')}]` });
    signal.wait();
    if (this.chance(2)) this.#call('GROUP_GET_STATE', { groupHandle });
    if (this.chance(4)) this.lookAtMap();
  }

  heap(): void {
    if (this.#names.heap.length > 0 && this.chance(2)) {
      const handle = this.#of('heap', 'handle');
      this.#call('TILER_HEAP_DESTROY', { handle });
      this.#forget(handle);
      return;
    }
    const name = this.#name('heap');
    this.#call(
      'TILER_HEAP_CREATE',
      {
        vmId: this.#of('vm', 'id'),
        initialChunkCount: this.#pick(['1', '1', '2', '3', '0', '9']),
        chunkSize: this.chance(5) ? this.#pick(['64K', '131073', '8M', '16M', '0', '4096', '136K', '192K']) : '128K',
        maxChunks: this.#pick(['4', '4', '8', '1', '0']),
        targetInFlight: this.#pick(['1', '2', '0', '65535']),
      },
      name,
    );
    this.#names.heap.push(name);
  }

  // What the device and the core say.

  ask(): void {
    switch (this.#random(9)) {
      case 0:
      case 1: {
        const type = this.#pick(['GPU_INFO', 'CSIF_INFO', 'TIMESTAMP_INFO', 'GROUP_PRIORITIES_INFO', 'MMU_INFO']);
        if (this.chance(6)) {
          this.#call('DEV_QUERY', { type: `QUERY.${type}` });
          return;
        }
        const size: Fields = this.chance(3)
          ? { size: String(this.#pick([0, 1, 4, 8, 24, 40, 64, 128, 200, 4096, 5000])) }
          : {};
        const flags =
          type === 'TIMESTAMP_INFO' && this.chance(2)
            ? `{ flags=${this.#pick(['0', '1', '0x10', '0x40', '6', '8', '0xff', '0x100', '4'])} }`
            : '{}';
        this.#call('DEV_QUERY', { type: `QUERY.${type}`, pointer: flags, ...size });
        return;
      }
      case 2:
        this.#call('DEV_QUERY', { type: this.#pick(['5', '6', '0xffffffff']) });
        return;
      case 3:
        this.#call('GET_CAP', { capability: this.#pick([...Array(24).keys()].map(String)) });
        return;
      case 4:
        this.#call('SET_CLIENT_CAP', { capability: String(this.#random(9)), value: String(this.#random(3)) });
        return;
      case 5:
        this.#call('VERSION', {});
        return;
      case 6:
        this.#call('SET_CLIENT_NAME', {
          name: this.#pick(['"client"', '"with space"', '""', '0']),
          name_len: this.#pick(['0', '6', '64', '65', '4']),
        });
        return;
      case 7:
        this.#call('SET_USER_MMIO_OFFSET', {
          offset: this.#pick(['0x80000000000', '0x100000000000000', '0', '4096']),
        });
        return;
      default:
        this.#call(
          this.#pick([
            'GET_UNIQUE',
            'GET_MAGIC',
            'GET_CLIENT',
            'GET_STATS',
            'SET_VERSION',
            'AUTH_MAGIC',
            'SET_MASTER',
            'DROP_MASTER',
            'GEM_FLINK',
            'GEM_OPEN',
          ]),
          {},
        );
        return;
    }
  }

  share(): void {
    const name = `buf${++this.#count}`;
    this.#call(
      'PRIME_HANDLE_TO_FD',
      { handle: this.#of('bo', 'handle'), flags: this.#flags('PRIME.CLOEXEC', 'PRIME.RDWR') },
      name,
    );
    this.#lines.push(`${name}d = fd ${name}.fd`);
    const back = this.#name('bo');
    this.#call('PRIME_FD_TO_HANDLE', { fd: `${name}d` }, back);
    if (this.chance(2)) this.#names.bo.push(back);
    if (this.chance(2)) this.#call('BO_QUERY_INFO', { handle: `${back}.handle` });
    if (this.chance(3))
      this.#call('DMA_BUF_IOCTL_SYNC', { on: `${name}d`, flags: this.#pick(['1', '3', '4', '5', '7', '0', '8']) });
  }

  unknown(): void {
    const nr = this.#random(256);
    const direction = this.#random(4);
    const size = this.#pick([0, 4, 8, 16, 64]);
    const type = this.chance(5) ? this.#random(256) : 0x64;
    // Not one that is known: it would be made with zeros, and that is what other actions are for.
    if (type === 0x64 && Object.values(IOCTLS).some((def) => def.nr === nr)) return;
    this.#lines.push(`ioctl 0x${((direction << 30) | (size << 16) | (type << 8) | nr).toString(16).replace('-', '')}`);
  }
}

const weighted: readonly (readonly [number, (writer: Writer) => void])[] = [
  [2, (w) => w.createVm()],
  [1, (w) => w.destroyVm()],
  [1, (w) => w.vmState()],
  [4, (w) => w.createBuffer()],
  [2, (w) => w.closeBuffer()],
  [4, (w) => w.mapBuffer()],
  [3, (w) => w.lookAtMap()],
  [1, (w) => w.unmapMemory()],
  [1, (w) => w.labelBuffer()],
  [2, (w) => w.syncBuffer()],
  [1, (w) => w.bufferInfo()],
  [8, (w) => w.bind()],
  [5, (w) => w.bindLater()],
  [3, (w) => w.createSyncobj()],
  [9, (w) => w.syncobjs()],
  [3, (w) => w.createGroup()],
  [1, (w) => w.destroyGroup()],
  [2, (w) => w.groupState()],
  [4, (w) => w.writeStream()],
  [8, (w) => w.submit()],
  [3, (w) => w.heap()],
  [5, (w) => w.ask()],
  [2, (w) => w.share()],
  [1, (w) => w.unknown()],
];
const ACTIONS = weighted.flatMap(([weight, action]) => Array<(writer: Writer) => void>(weight).fill(action));

/** Calls of a sequence beside what a call brings with it. */
const LENGTH = 20;

/** The sequence that a seed (a whole number) stands for, as text. */
export const generateCalls = (seed: number): string => new Writer(seed).write(LENGTH);
