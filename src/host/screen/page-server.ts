/**
 * PageServer: the page that shows the screen (page/), and the two WebSockets that it opens: `screen`, which is RFB, and `hands`,
 * for what RFB has no words for (page-messages.ts).
 *
 * It is reached on loopback only, which every program of this host and every page in a browser can reach too. So all
 * addresses begin with a token, the name by which the server was called has to be this host's (a foreign name that leads here is
 * DNS rebinding), and a request that a browser makes for another site is refused.
 */
import { timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import type { Hands } from './hands.ts';
import type { ScreenThreadData } from './messages.ts';
import { type PageTold, parsePageMessage } from './page-messages.ts';
import { Tickets } from './tickets.ts';

export interface PageServerHost {
  /** A viewer that has proved that it knows the token. */
  viewer(stream: Duplex): void;
  hands(): Hands;
  /** Asks for `PageServer.frames`. */
  count(): void;
  /** Pictures that were shown. */
  pictures(): number;
  log(message: string): void;
}

/** Bytes of the longest message of a page, and milliseconds between two reports to it. */
const MOST_BYTES = 65536;
const REPORT = 1000;

const OWN_NAMES = new Set(['127.0.0.1', 'localhost', '[::1]']);
const NOVNC = new URL('../', import.meta.resolve('@novnc/novnc'));
const PAGE = new URL('./page/', import.meta.url);

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' ws:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
};

/** Why a request is not served. */
interface Refusal {
  readonly status: 403 | 404 | 405;
  readonly why: string;
}

export class PageServer {
  readonly #host: PageServerHost;
  readonly #token: Buffer;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: MOST_BYTES, perMessageDeflate: false });
  readonly #pages = new Set<WebSocket>();
  readonly #tickets = new Tickets();
  #reports: NodeJS.Timeout | undefined;
  #last: { frames: number; time: number; pictures: number } | undefined;

  constructor(data: ScreenThreadData, host: PageServerHost) {
    this.#host = host;
    this.#token = Buffer.from(data.token);
    this.#server = createServer((request, response) => void this.#request(request, response));
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(request, socket, head),
    );
    this.#server.listen({ fd: data.page.fd });
  }

  /** The answer to `count`. */
  frames(frames: number, time: number): void {
    const now = { frames, time, pictures: this.#host.pictures() };
    if (this.#last && now.time > this.#last.time) {
      const seconds = (now.time - this.#last.time) / 1e9;
      const rate = (of: 'frames' | 'pictures') => (now[of] - this.#last![of]) / seconds;
      const told: PageTold = { fps: rate('frames'), shown: rate('pictures') };
      for (const page of this.#pages) if (page.bufferedAmount < MOST_BYTES) page.send(JSON.stringify(told));
    }
    this.#last = now;
  }

  async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    const path = this.#pathOf(request);
    if (typeof path !== 'string') return this.#refuse(request, response, path);
    const { method } = request;
    if (path === 'ticket' && method === 'POST') {
      response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/plain' }).end(this.#tickets.issue());
      return;
    }
    if (method !== 'GET' && method !== 'HEAD')
      return this.#refuse(request, response, { status: 405, why: `${method} of ${path}` });
    const file = await contentOf(path);
    if (!file) return this.#refuse(request, response, { status: 404, why: `there is no ${path}` });
    response.writeHead(200, { ...HEADERS, 'Content-Type': file.type });
    response.end(method === 'HEAD' ? undefined : file.content);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    const path = this.#pathOf(request);
    const refusal = typeof path !== 'string' ? path : undefined;
    if (refusal || (path !== 'screen' && path !== 'hands')) {
      this.#host.log(`refused a WebSocket: ${refusal?.why ?? `there is no ${path}`}`);
      socket.end(`HTTP/1.1 ${refusal?.status ?? 404} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (page) => {
      page.on('error', () => {});
      if (path === 'screen') this.#host.viewer(createWebSocketStream(page));
      else this.#welcome(page);
    });
  }

  /**
   * The path behind the token, or why it is not served. A ticket, which is good once and for a moment, leads to the link: a browser is
   * started with it, as everybody on this host can read a command line.
   */
  #pathOf({ headers, url = '/' }: IncomingMessage): string | Refusal {
    const host = headers.host ?? '';
    if (!OWN_NAMES.has(host.replace(/:\d+$/, ''))) return { status: 403, why: `it was called ${host}` };
    const { origin } = headers;
    if (origin !== undefined && origin !== `http://${host}`) return { status: 403, why: `it came from ${origin}` };
    const site = headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin' && site !== 'none')
      return { status: 403, why: 'it was made for another site' };
    const [, first = '', path = ''] = /^\/([^/?]*)\/([^?]*)/.exec(url) ?? [];
    const given = Buffer.from(first);
    if (given.length !== this.#token.length || !timingSafeEqual(given, this.#token))
      return { status: 403, why: 'the token is not this machine’s' };
    return path;
  }

  #refuse({ url = '/', headers }: IncomingMessage, response: ServerResponse, { status, why }: Refusal): void {
    const ticket = /^\/ticket\/([\w-]+)$/.exec(url)?.[1];
    if (OWN_NAMES.has((headers.host ?? '').replace(/:\d+$/, '')) && ticket && this.#tickets.redeem(ticket)) {
      response.writeHead(303, { ...HEADERS, Location: `/${this.#token}/` }).end();
      return;
    }
    this.#host.log(`refused a request: ${why}`);
    response.writeHead(status, { ...HEADERS, 'Content-Type': 'text/plain; charset=utf-8' });
    response.end(
      status === 403 ? 'This is not the link of a running machine; `tyr screen` prints it.\n' : 'Not here.\n',
    );
  }

  /** A page's second socket: what its hands do comes in, how fast the machine draws goes out. */
  #welcome(page: WebSocket): void {
    const hands = this.#host.hands();
    this.#pages.add(page);
    this.#reports ??= setInterval(() => this.#host.count(), REPORT);
    page.on('message', (data, isBinary) => {
      const message = isBinary ? undefined : parsePageMessage(String(data));
      if (message) message(hands);
      else {
        this.#host.log('a page sent what is no message');
        page.close();
      }
    });
    page.on('close', () => {
      hands.letGo();
      this.#pages.delete(page);
      if (this.#pages.size > 0) return;
      clearInterval(this.#reports);
      this.#reports = undefined;
      this.#last = undefined;
    });
  }
}

async function contentOf(path: string): Promise<{ type: string; content: string | Buffer } | undefined> {
  const name = path === '' ? 'index.html' : path;
  if (/^novnc\/(core|vendor)\/[\w/-]+\.js$/.test(name)) {
    const content = await readFile(new URL(name.slice('novnc/'.length), NOVNC)).catch(() => undefined);
    return content && { type: TYPES.js!, content };
  }
  const [, stem, kind] = /^([\w-]+)\.(html|css|js|svg)$/.exec(name) ?? [];
  if (!stem || !kind) return undefined;
  const file = new URL(kind === 'js' ? `${stem}.ts` : name, PAGE);
  const content = await readFile(file, 'utf8').catch(() => undefined);
  if (content === undefined) return undefined;
  return { type: TYPES[kind]!, content: kind === 'js' ? stripTypeScriptTypes(content) : content };
}
