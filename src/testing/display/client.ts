/** A client of the display for tests: opens the card, makes dumb buffers and framebuffers, collects events. */
import assert from 'node:assert/strict';
import { DRM_CLIENT_CAP, DRM_IOCTL } from '../../abi/drm.ts';
import { ERRNO } from '../../abi/errno.ts';
import type { IoctlDef } from '../../abi/ioctl.ts';
import { EVENT, OBJECT } from '../../abi/kms.ts';
import * as I from '../../abi/kms-ioctls.ts';
import { EventCrtcSequence, EventVblank, ModeInfo } from '../../abi/kms-structs.ts';
import { type Infer, type Values, viewOf } from '../../abi/layout.ts';
import { Display, type DisplayOptions } from '../../display/index.ts';
import type { DrmFile } from '../../drm/file.ts';
import { call, FakeUser, start, testContext } from '../drm/client.ts';

/** Object id → property name → value. */
export type Settings = Record<number, Record<string, bigint | number>>;

type Fields = Record<string, any>;

/** One frame of the standard modes, a little more: nanoseconds. */
export const FRAME = 16_700_000;

export interface TestFramebuffer {
  readonly id: number;
  readonly handle: number;
  readonly pitch: number;
}

/** A display on a board whose clock stands still, and a client that is DRM master. */
export function testClient(options: DisplayOptions = {}): TestClient {
  return new TestClient(new Display(testContext(), options));
}

export class TestClient {
  readonly display: Display;
  readonly file: DrmFile<any>;
  readonly user = new FakeUser();
  readonly events: (Infer<typeof EventVblank> | Infer<typeof EventCrtcSequence>)[] = [];
  readonly ids: { crtc: number; connector: number; primary: number; overlay: number; cursor: number };

  /** `file`: opened for it; by default it opens the card. */
  constructor(display: Display, file?: DrmFile<any>) {
    this.display = display;
    this.file = file ?? display.device.open('primary', this.user.pid);
    this.file.sendEvent = (bytes) => {
      const { type } = EventVblank.read(viewOf(bytes), 0);
      const layout = type === EVENT.CRTC_SEQUENCE ? EventCrtcSequence : EventVblank;
      this.events.push(layout.read(viewOf(bytes), 0));
    };
    const [primary, overlay, cursor] = display.config.planes.map((plane) => plane.id) as [number, number, number];
    this.ids = {
      crtc: display.config.crtcs[0]!.id,
      connector: display.config.connectors[0]!.id,
      primary,
      overlay,
      cursor,
    };
  }

  get clock() {
    return this.display.device.context.clock as ReturnType<typeof testContext>['clock'];
  }

  setCap(capability: keyof typeof DRM_CLIENT_CAP, value = 1n): void {
    this.run(DRM_IOCTL.SET_CLIENT_CAP, { capability: BigInt(DRM_CLIENT_CAP[capability]), value });
  }

  /** Runs an ioctl; the outcome's value must be 0. */
  run<F extends Fields>(def: IoctlDef<F>, values: Partial<Values<F>> = {}): Values<F> {
    const outcome = call(this.file, def, values, this.user);
    assert.equal(outcome.value, 0, `${def.name}: ${outcome.value}`);
    return outcome.arg;
  }

  /** Runs an ioctl that fails and returns the errno's name. */
  fail<F extends Fields>(def: IoctlDef<F>, values: Partial<Values<F>> = {}): string {
    const { value } = call(this.file, def, values, this.user);
    assert.ok(value < 0, `${def.name} succeeded`);
    return Object.entries(ERRNO).find(([, code]) => code === -value)?.[0] ?? String(value);
  }

  /** Runs an ioctl that waits for the screen; time goes on until it returns. */
  async wait<F extends Fields>(def: IoctlDef<F>, values: Partial<Values<F>> = {}): Promise<Values<F>> {
    const outcome = start(this.file, def, values, this.user);
    let done = !(outcome instanceof Promise);
    if (outcome instanceof Promise)
      void outcome.then(() => {
        done = true;
      });
    for (let frame = 0; !done && frame < 10; frame++) {
      this.clock.advance(FRAME);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(done, `${def.name} does not return`);
    const { value, arg } = await outcome;
    assert.equal(value, 0, `${def.name}: ${value}`);
    return arg;
  }

  /** A dumb buffer with a framebuffer of format XRGB8888. */
  framebuffer(width: number, height: number): TestFramebuffer {
    const { handle, pitch } = this.run(I.MODE_CREATE_DUMB, { width, height, bpp: 32 });
    const { fb_id: id } = this.run(I.MODE_ADDFB, { width, height, bpp: 32, depth: 24, pitch, handle });
    return { id, handle, pitch };
  }

  /** Fills a buffer with one 32-bit word. */
  fill(handle: number, word: number): void {
    const { run } = this.file.object(handle);
    this.display.device.context.dram.u32.fill(word, run.physical / 4, (run.physical + run.size) / 4);
  }

  modes(): ModeInfo[] {
    const { connector } = this.ids;
    const { count_modes } = this.run(I.MODE_GETCONNECTOR, { connector_id: connector });
    const modes_ptr = this.user.put(count_modes * ModeInfo.size);
    this.run(I.MODE_GETCONNECTOR, { connector_id: connector, count_modes, modes_ptr });
    const data = viewOf(this.user.read(modes_ptr, count_modes * ModeInfo.size));
    return Array.from({ length: count_modes }, (_, i) => ModeInfo.read(data, i * ModeInfo.size));
  }

  /** Legacy modeset of the preferred mode. */
  async setCrtc(fb_id: number, mode = this.modes()[0]!): Promise<void> {
    const { crtc, connector } = this.ids;
    const set_connectors_ptr = this.user.putU32(connector);
    await this.wait(I.MODE_SETCRTC, {
      crtc_id: crtc,
      fb_id,
      mode_valid: 1,
      mode,
      set_connectors_ptr,
      count_connectors: 1,
    });
  }

  /** Property ids of an object by name. */
  properties(obj_id: number): Map<string, { id: number; value: bigint }> {
    const object = this.display.config.objects.peek(obj_id, OBJECT.any);
    return new Map(object?.properties()?.map(({ property, value }) => [property.name, { id: property.id, value }]));
  }

  /** The argument of MODE_ATOMIC for these settings. */
  atomic(settings: Settings, flags = 0, user_data = 0n) {
    const objects: number[] = [];
    const counts: number[] = [];
    const ids: number[] = [];
    const values: bigint[] = [];
    for (const [id, entries] of Object.entries(settings)) {
      const known = this.properties(Number(id));
      objects.push(Number(id));
      counts.push(Object.keys(entries).length);
      for (const [name, value] of Object.entries(entries)) {
        const property = known.get(name);
        assert.ok(property, `object ${id} has no ${name}`);
        ids.push(property.id);
        values.push(BigInt.asUintN(64, BigInt(value)));
      }
    }
    return {
      flags,
      user_data,
      count_objs: objects.length,
      objs_ptr: this.user.putU32(...objects),
      count_props_ptr: this.user.putU32(...counts),
      props_ptr: this.user.putU32(...ids),
      prop_values_ptr: this.user.putU64(...values),
    };
  }

  blob(data: Uint8Array): number {
    return this.run(I.MODE_CREATEPROPBLOB, { data: this.user.put(data), length: data.length }).blob_id;
  }
}
