/**
 * CommitQueue: carries out checked commits, one after the other.
 * After Linux `drivers/gpu/drm/drm_atomic_helper.c` (setup_commit, swap_state, commit_tail).
 *
 * The new state is the current one for every later check as soon as a commit is accepted; the screen follows. Each commit
 * waits for the one before it, then for the fences of its framebuffers, is written to the hardware, and is done when the
 * hardware shows it: then come its event, its out-fence and the answer to a blocking ioctl. A non-blocking commit is
 * refused while another one is under way, so that clients cannot run ahead of the screen.
 */
import { DPMS } from '../../abi/kms.ts';
import { DrmError } from '../error.ts';
import type { Fence } from '../fence.ts';
import { AtomicCommit } from './atomic.ts';
import { checkCommit } from './check.ts';
import type { ModeConfig } from './config.ts';
import { type Crtc, setModeBlob } from './crtc.ts';
import type { FrameTime } from './events.ts';
import type { Framebuffer } from './framebuffer.ts';
import type { Plane } from './plane.ts';

interface Running {
  readonly commit: AtomicCommit;
  readonly fences: readonly Fence[];
  readonly finish: () => void;
  started: boolean;
}

export class CommitQueue {
  readonly #config: ModeConfig;
  readonly #queue: Running[] = [];

  constructor(config: ModeConfig) {
    this.#config = config;
  }

  /** Whether a commit is under way. */
  get busy(): boolean {
    return this.#queue.length > 0;
  }

  /**
   * Checks, swaps and queues. Throws EBUSY for a non-blocking one while another is under way. Resolves when shown; nothing
   * to wait for with an unsynced one that has overtaken the others.
   */
  submit(commit: AtomicCommit, options: { nonblock: boolean }): Promise<void> | undefined {
    checkCommit(commit);
    return this.accept(commit, options);
  }

  /** The same for a commit that has been checked. */
  accept(commit: AtomicCommit, { nonblock }: { nonblock: boolean }): Promise<void> | undefined {
    if (nonblock && this.busy) throw new DrmError('EBUSY', 'a commit is still under way');
    const fences = fencesOf(commit);
    const held = this.#swap(commit);
    if (commit.unsynced && !this.#queue.some((other) => mustFollow(other.commit, commit))) {
      this.#config.hardware.program(commit, false, () => {});
      held();
      return undefined;
    }
    return new Promise((resolve) => {
      this.#queue.push({
        commit,
        fences,
        started: false,
        finish: () => {
          held();
          resolve();
        },
      });
      if (this.#queue.length === 1) this.#start();
    });
  }

  /** Takes a framebuffer off every plane that shows it. */
  disableFramebuffer(fb: Framebuffer): Promise<void> | undefined {
    return this.disablePlanes(this.#config.planes.filter((plane) => plane.state.fb === fb));
  }

  /** Takes planes off the screen. */
  disablePlanes(all: readonly Plane[]): Promise<void> | undefined {
    const planes = all.filter((plane) => plane.state.fb);
    if (planes.length === 0) return undefined;
    const commit = new AtomicCommit(this.#config);
    for (const plane of planes) commit.disablePlane(plane);
    return this.submit(commit, { nonblock: false });
  }

  /** Everything as after power-on: planes, CRTCs and connectors off, nothing left of what clients have set. */
  switchOff(): Promise<void> | undefined {
    const { crtcs, planes, connectors } = this.#config;
    const commit = new AtomicCommit(this.#config);
    for (const plane of planes) Object.assign(commit.plane(plane).next, plane.initial);
    for (const crtc of crtcs) {
      const { next } = commit.crtc(crtc);
      setModeBlob(commit.crtc(crtc), undefined);
      next.active = false;
      next.gammaLut = undefined;
    }
    for (const connector of connectors)
      if (connector.state.crtc) commit.setConnectorCrtc(commit.connector(connector), undefined);
    return this.submit(commit, { nonblock: false });
  }

  /**
   * Stops all CRTCs that run, for a machine that falls asleep. Resolves when nothing is scanned out any more, with what brings the
   * picture back: of those that nobody has switched off or on since. After drm_atomic_helper_suspend and _resume.
   */
  async sleep(): Promise<() => Promise<void>> {
    const running = this.#config.crtcs.filter(({ state }) => state.active);
    await this.#setActive(running, false);
    return async () => {
      await this.#setActive(
        running.filter(({ state }) => state.enable && !state.active),
        true,
      );
    };
  }

  #setActive(crtcs: readonly Crtc[], active: boolean): Promise<void> | undefined {
    if (crtcs.length === 0) return undefined;
    const commit = new AtomicCommit(this.#config);
    for (const crtc of crtcs) commit.crtc(crtc).next.active = active;
    return this.submit(commit, { nonblock: false });
  }

  /** Makes the new state the current one. Returns what drops the references that the commit keeps until it is shown. */
  #swap(commit: AtomicCommit): () => void {
    const held: { put(): void }[] = [];
    const keep = <T extends { get(): T; put(): void }>(object: T | undefined): void => {
      if (object) held.push(object.get());
    };
    for (const { plane, old, next } of commit.planes.values()) {
      keep(next.fb);
      keep(old.fb);
      next.fb?.get();
      old.fb?.put();
      plane.state = next;
    }
    for (const change of commit.crtcs.values()) {
      const { crtc, old, next } = change;
      keep(next.gammaLut);
      next.modeBlob?.get();
      next.gammaLut?.get();
      old.modeBlob?.put();
      old.gammaLut?.put();
      crtc.state = next;
      if (!commit.needsModeset(change)) continue;
      for (const connector of this.#config.connectors)
        if (commit.connectorAfter(connector).crtc === crtc) connector.dpms = next.active ? DPMS.On : DPMS.Off;
    }
    for (const { connector, next } of commit.connectors.values()) connector.state = next;
    return () => {
      for (const object of held) object.put();
    };
  }

  #start(): void {
    const running = this.#queue[0];
    if (!running || running.started) return;
    running.started = true;
    let left = running.fences.length + 1;
    const ready = (): void => {
      if (--left === 0) this.#program(running);
    };
    for (const fence of running.fences) fence.onSignal(ready);
    ready();
  }

  #program(running: Running): void {
    const { commit } = running;
    const changes = [...commit.crtcs.values()];
    const immediate = changes.length > 0 && changes.every((change) => change.async);
    let done = false;
    this.#config.hardware.program(commit, immediate, (at) => {
      if (done) throw new Error('kms: a commit was shown twice');
      done = true;
      this.#finish(running, at);
    });
  }

  #finish(running: Running, at: FrameTime): void {
    if (this.#queue.shift() !== running) throw new Error('kms: commits were shown out of order');
    for (const change of running.commit.crtcs.values()) {
      change.outFence?.signal();
      change.event?.send(at);
    }
    running.finish();
    this.#start();
  }
}

/** An explicit fence stands for the plane's whole wait; without one it is the buffer's own pending writers. */
function fencesOf(commit: AtomicCommit): Fence[] {
  const fences: Fence[] = [];
  for (const { fence, next, presents } of commit.planes.values()) {
    if (!next.fb || !presents) continue;
    const these = fence ? fence.fences.filter((one) => !one.signaled) : next.fb.object.resv.pending('read');
    for (const one of these) fences.push(one);
  }
  return fences;
}

/** An unsynced commit overtakes others, but not one that sets the same planes or starts or stops the same CRTC. */
const mustFollow = (first: AtomicCommit, commit: AtomicCommit): boolean =>
  [...commit.planes.keys()].some((plane) => first.planes.has(plane)) ||
  [...commit.crtcs.keys()].some((crtc) => {
    const change = first.crtcs.get(crtc);
    return change !== undefined && first.needsModeset(change);
  });
