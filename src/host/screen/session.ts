/**
 * Session: one VNC client, from its greeting to its end, over any stream of bytes.
 *
 * A client asks for what has changed, gets it once, and asks again. So a slow one holds up nobody and gathers nothing but
 * an account of what it has not seen (surface.ts): its next update is sent when it has asked for it and its stream has taken
 * the last one, from the picture of that moment. What a client gets wrong ends this session, with a sentence for the log.
 * Source: RFC 6143.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  RFB_CHALLENGE,
  RFB_CLIENT,
  RFB_ENCODING,
  RFB_QEMU,
  RFB_RESULT,
  RFB_SECURITY,
  RFB_SERVER,
  RFB_VERSION,
  RFB_VERSIONS,
  RfbCutText,
  RfbEncoding,
  RfbExtendedKey,
  RfbKey,
  RfbLength,
  RfbPixelFormat,
  RfbPointer,
  RfbRectangle,
  RfbSetEncodings,
  RfbSetPixelFormat,
  RfbSize,
  RfbUpdate,
  RfbUpdateRequest,
} from '../../abi/rfb.ts';
import { ByteReader, Gone } from './byte-reader.ts';
import type { Hands } from './hands.ts';
import { DEFAULT_FORMAT, type Packer, packerOf, tightPackerOf } from './pixels.ts';
import type { Damage, Rectangle, Surface } from './surface.ts';
import { tight } from './tight.ts';
import { isAnswer } from './vnc-password.ts';

export interface SessionHost {
  readonly surface: Surface;
  readonly title: string;
  /** Somebody waits for the next picture. */
  want(): void;
  /** Resolves when there is a picture. */
  ready(): Promise<void>;
}

/** Milliseconds in which a client has to say who it is, and for which one with a wrong password waits for the answer. */
const GREETING = 10_000;
const REFUSAL = 1000;
/** Bytes of the longest text that is skipped; a client that sends more has lost its way. */
const MOST_TEXT = 1 << 20;
const MOST_ENCODINGS = 1024;

/** A client does not keep to the protocol. */
class ProtocolError extends Error {}

export class Session {
  readonly #stream: Duplex;
  readonly #reader: ByteReader;
  readonly #host: SessionHost;
  readonly #hands: Hands;
  /** Without: the stream's way here has proved who it is. */
  readonly #password: string | undefined;
  #damage: Damage | undefined;
  #pixels: Packer = packerOf(DEFAULT_FORMAT);
  #tightPixels: Packer = tightPackerOf(DEFAULT_FORMAT);
  #encodings = new Set<number>();
  /** Pseudo-encodings that the client has to be told that we know. */
  readonly #untold = new Set<number>();
  readonly #told = new Set<number>();
  /** The size of the screen that the client knows. */
  #width = 0;
  #height = 0;
  /** The area that the client waits for. */
  #request: Rectangle | undefined;
  #sending = false;
  /** What went wrong while an update was made: nothing, or there is a bug of ours. */
  #bug: unknown;

  constructor(stream: Duplex, host: SessionHost, hands: Hands, password: string | undefined) {
    this.#stream = stream;
    this.#reader = new ByteReader(stream);
    this.#host = host;
    this.#hands = hands;
    this.#password = password;
    stream.on('error', () => {});
  }

  /** Serves until the client goes. Resolves with what it got wrong, if anything. */
  async run(): Promise<string | undefined> {
    const greeting = setTimeout(() => this.#stream.destroy(), GREETING);
    try {
      await this.#greet();
      clearTimeout(greeting);
      for (;;) await this.#message();
    } catch (error) {
      if (this.#bug !== undefined) throw this.#bug;
      if (error instanceof Gone) return undefined;
      if (error instanceof ProtocolError) return error.message;
      throw error;
    } finally {
      clearTimeout(greeting);
      if (this.#damage) this.#host.surface.leave(this.#damage);
      this.#hands.letGo();
      this.#stream.destroy();
    }
  }

  /** There is another picture. */
  changed(): void {
    this.#serve();
  }

  // --- who it is ---

  async #greet(): Promise<void> {
    this.#stream.write(RFB_VERSION);
    const answer = Buffer.from(await this.#reader.take(RFB_VERSION.length)).toString('latin1');
    if (!/^RFB 003\.\d{3}\n$/.test(answer)) throw new ProtocolError('it does not speak RFB 3');
    const minor = RFB_VERSIONS[answer] ?? 3;
    const type = this.#password === undefined ? RFB_SECURITY.NONE : RFB_SECURITY.VNC;
    if (minor === 3) this.#stream.write(RfbLength.pack({ length: type }));
    else {
      this.#stream.write(Uint8Array.of(1, type));
      const chosen = await this.#reader.u8();
      if (chosen !== type) throw new ProtocolError(`security type ${chosen} was not offered`);
    }
    if (this.#password !== undefined) await this.#challenge(this.#password, minor);
    else if (minor === 8) this.#stream.write(RfbLength.pack({ length: RFB_RESULT.OK }));
    await this.#reader.u8(); // whether it would share the screen: it has to
    await this.#host.ready();
    const { surface, title } = this.#host;
    this.#width = surface.width;
    this.#height = surface.height;
    const name = Buffer.from(title);
    this.#stream.write(
      Buffer.concat([
        RfbSize.pack(surface),
        RfbPixelFormat.pack(DEFAULT_FORMAT),
        RfbLength.pack({ length: name.length }),
        name,
      ]),
    );
    this.#damage = surface.view();
  }

  async #challenge(password: string, minor: number): Promise<void> {
    const challenge = randomBytes(RFB_CHALLENGE);
    this.#stream.write(challenge);
    if (isAnswer(await this.#reader.take(RFB_CHALLENGE), challenge, password)) {
      this.#stream.write(RfbLength.pack({ length: RFB_RESULT.OK }));
      return;
    }
    await sleep(REFUSAL);
    const reason = Buffer.from('wrong password');
    this.#stream.write(RfbLength.pack({ length: RFB_RESULT.FAILED }));
    if (minor === 8) this.#stream.write(Buffer.concat([RfbLength.pack({ length: reason.length }), reason]));
    this.#stream.end();
    throw new ProtocolError('it gave a wrong password');
  }

  // --- what it says ---

  async #message(): Promise<void> {
    const type = await this.#reader.u8();
    switch (type) {
      case RFB_CLIENT.SET_PIXEL_FORMAT: {
        const bytes = await this.#reader.take(RfbSetPixelFormat.size + RfbPixelFormat.size);
        this.#setFormat(RfbPixelFormat.read(bytes, RfbSetPixelFormat.size));
        return;
      }
      case RFB_CLIENT.SET_ENCODINGS: {
        const { count } = RfbSetEncodings.read(await this.#reader.take(RfbSetEncodings.size));
        if (count > MOST_ENCODINGS) throw new ProtocolError(`it names ${count} encodings`);
        const bytes = await this.#reader.take(count * RfbEncoding.size);
        this.#setEncodings(
          Array.from({ length: count }, (_, i) => RfbEncoding.read(bytes, i * RfbEncoding.size).encoding),
        );
        return;
      }
      case RFB_CLIENT.UPDATE_REQUEST: {
        const { incremental, ...area } = RfbUpdateRequest.read(await this.#reader.take(RfbUpdateRequest.size));
        if (!incremental) this.#damage?.addRectangle(area);
        this.#request = area;
        this.#serve();
        return;
      }
      case RFB_CLIENT.KEY: {
        const { down, keysym } = RfbKey.read(await this.#reader.take(RfbKey.size));
        this.#hands.keysym(keysym, down !== 0);
        return;
      }
      case RFB_CLIENT.POINTER:
        return this.#pointer();
      case RFB_CLIENT.CUT_TEXT: {
        const { length } = RfbCutText.read(await this.#reader.take(RfbCutText.size));
        if (length < 0 || length > MOST_TEXT) throw new ProtocolError(`a text of ${length} bytes`);
        return this.#reader.skip(length);
      }
      case RFB_CLIENT.QEMU: {
        const submessage = await this.#reader.u8();
        if (submessage !== RFB_QEMU.EXTENDED_KEY) throw new ProtocolError(`submessage ${submessage} of QEMU`);
        const { down, keysym, scanCode } = RfbExtendedKey.read(await this.#reader.take(RfbExtendedKey.size));
        this.#hands.scanCode(scanCode, keysym, down !== 0);
        return;
      }
      default:
        throw new ProtocolError(`message ${type}`);
    }
  }

  #setFormat(format: ReturnType<typeof RfbPixelFormat.read>): void {
    try {
      this.#pixels = packerOf(format);
      this.#tightPixels = tightPackerOf(format);
    } catch (error) {
      throw new ProtocolError(`it asks for ${(error as Error).message}`);
    }
  }

  #setEncodings(encodings: readonly number[]): void {
    this.#encodings = new Set(encodings);
    for (const encoding of [RFB_ENCODING.QEMU_EXTENDED_KEY, RFB_ENCODING.EXTENDED_MOUSE_BUTTONS])
      if (this.#encodings.has(encoding) && !this.#told.has(encoding)) this.#untold.add(encoding);
  }

  async #pointer(): Promise<void> {
    const { buttons, x, y } = RfbPointer.read(await this.#reader.take(RfbPointer.size));
    // Bit 7 is a button of its own for clients that do not know the second byte.
    const extended = this.#told.has(RFB_ENCODING.EXTENDED_MOUSE_BUTTONS) && buttons > 0x7f;
    const more = extended ? await this.#reader.u8() : 0;
    this.#hands.pointer((x + 0.5) / this.#width, (y + 0.5) / this.#height, (buttons & 0x7f) | (more << 8));
  }

  // --- what it sees ---

  /** Sends what the client waits for, if there is any of it and its stream is free. */
  #serve(): void {
    const [request, damage] = [this.#request, this.#damage];
    if (!request || !damage || this.#sending) return;
    const rectangles = this.#news();
    if (rectangles.length === 0) {
      const area = this.#clip(request);
      if (!damage.touches(area)) {
        this.#host.want();
        return;
      }
      for (const owed of damage.take(area)) rectangles.push(...this.#encode(this.#clip(owed)));
    }
    this.#request = undefined;
    this.#sending = true;
    this.#send(rectangles).then(
      () => {
        this.#sending = false;
        this.#serve();
      },
      (error: unknown) => {
        this.#bug = error;
        this.#stream.destroy();
      },
    );
  }

  /** What is to be told before pixels: a new size, and that we know what the client knows. */
  #news(): Promise<Uint8Array[]>[] {
    const news: Promise<Uint8Array[]>[] = [];
    for (const encoding of this.#untold) {
      this.#told.add(encoding);
      news.push(Promise.resolve([RfbRectangle.pack({ encoding })]));
    }
    this.#untold.clear();
    const { width, height } = this.#host.surface;
    if ((width !== this.#width || height !== this.#height) && this.#encodings.has(RFB_ENCODING.DESKTOP_SIZE)) {
      this.#width = width;
      this.#height = height;
      news.push(Promise.resolve([RfbRectangle.pack({ width, height, encoding: RFB_ENCODING.DESKTOP_SIZE })]));
    }
    return news;
  }

  /** What of an area is on the client's screen. */
  #clip({ x, y, width, height }: Rectangle): Rectangle {
    const w = Math.max(0, Math.min(x + width, this.#width) - x);
    const h = Math.max(0, Math.min(y + height, this.#height) - y);
    return { x, y, width: w, height: h };
  }

  /** An area of the picture as it is now. */
  #encode(area: Rectangle): Promise<Uint8Array[]>[] {
    if (area.width === 0 || area.height === 0) return [];
    const { surface } = this.#host;
    if (!this.#encodings.has(RFB_ENCODING.TIGHT)) {
      const head = RfbRectangle.pack({ ...area, encoding: RFB_ENCODING.RAW });
      return [Promise.resolve([head, this.#pixels.pack(surface, area)])];
    }
    const head = RfbRectangle.pack({ ...area, encoding: RFB_ENCODING.TIGHT });
    return [tight(surface, area, this.#tightPixels).then((parts) => [head, ...parts])];
  }

  /** Resolves when the stream has taken all of it. */
  async #send(rectangles: Promise<Uint8Array[]>[]): Promise<void> {
    const parts = (await Promise.all(rectangles)).flat();
    const head = RfbUpdate.pack({ type: RFB_SERVER.UPDATE, rectangles: rectangles.length });
    if (this.#stream.destroyed) return;
    if (!this.#stream.write(Buffer.concat([head, ...parts]))) await once(this.#stream, 'drain').catch(() => {});
  }
}
