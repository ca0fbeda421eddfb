/**
 * For tests: a display with a picture of 640×480 on it, a screen that shows it to viewers, and an input port that keeps what
 * came to it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FLIP } from '../../abi/kms.ts';
import * as I from '../../abi/kms-ioctls.ts';
import { RFB_ENCODING } from '../../abi/rfb.ts';
import type { Dram } from '../../board/dram.ts';
import type { Picture } from '../../display/index.ts';
import { Screen } from '../../host/screen/screen.ts';
import type { InputPort } from '../../input/port.ts';
import type { Machine } from '../../machine/machine.ts';
import { FRAME, type TestClient, testClient } from '../display/client.ts';
import { RfbClient, type RfbClientOptions } from './rfb-client.ts';

export class Stage {
  readonly guest: TestClient = testClient({ mode: '640x480@60' });
  readonly calls: [keyof InputPort, ...unknown[]][] = [];
  readonly screen: Screen;
  /** The machine's folder. */
  readonly directory = mkdtempSync(join(tmpdir(), 'tyr-screen-'));
  readonly #front: number[] = [];
  readonly #buffers: { id: number; handle: number; pitch: number }[] = [];

  constructor() {
    const { display, clock } = this.guest;
    const { dram, log } = display.device.context;
    const input = new Proxy({} as Machine['input'], {
      get:
        (_, name) =>
        (...args: unknown[]) =>
          this.calls.push([name as keyof InputPort, ...args]),
    });
    this.screen = new Screen({
      machine: { display, dram: dram as Dram, input },
      clock,
      log,
      directory: this.directory,
      title: 'stage',
    });
  }

  static async of(t: TestContext): Promise<Stage> {
    const stage = new Stage();
    t.after(async () => {
      await stage.screen.close();
      rmSync(stage.directory, { recursive: true });
    });
    for (let i = 0; i < 2; i++) stage.#buffers.push(stage.guest.framebuffer(640, 480));
    stage.#front.push(0);
    await stage.guest.setCrtc(stage.#buffers[0]!.id);
    return stage;
  }

  get lines(): string[] {
    return (this.guest.display.device.context as unknown as { lines: string[] }).lines;
  }

  connect(options: RfbClientOptions = {}): Promise<RfbClient> {
    const { port, password } = this.screen.address.vnc;
    return RfbClient.connect(port, { password, encodings: [RFB_ENCODING.TIGHT], ...options });
  }

  /** Draws the next picture and flips to it: `colour` of each pixel as 0xRRGGBB. */
  async show(colour: (x: number, y: number) => number): Promise<void> {
    const next = 1 - this.#front[0]!;
    const { id, handle, pitch } = this.#buffers[next]!;
    const { run } = this.guest.file.object(handle);
    const { u32 } = this.guest.display.device.context.dram;
    for (let y = 0; y < 480; y++) for (let x = 0; x < 640; x++) u32[(run.physical + y * pitch) / 4 + x] = colour(x, y);
    this.guest.run(I.MODE_PAGE_FLIP, { crtc_id: this.guest.ids.crtc, fb_id: id, flags: FLIP.EVENT });
    this.guest.clock.advance(2 * FRAME);
    await new Promise((resolve) => setImmediate(resolve));
    this.#front[0] = next;
  }

  /** Waits until so many calls have come to the input port. */
  async arrived(count: number): Promise<void> {
    for (let i = 0; this.calls.length < count && i < 500; i++) await sleep(10);
  }

  /** What the monitor shows, pixel by pixel as 0xRRGGBB. */
  get shown(): Uint32Array {
    return numbers(this.guest.display.screenshot());
  }
}

const numbers = ({ data }: Picture): Uint32Array =>
  Uint32Array.from(
    { length: data.length / 4 },
    (_, i) => (data[4 * i]! << 16) | (data[4 * i + 1]! << 8) | data[4 * i + 2]!,
  );
