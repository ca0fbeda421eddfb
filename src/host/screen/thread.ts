/** The screen's thread: serves viewers, and asks the machine's thread for pictures while one of them waits. */
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { parentPort, workerData } from 'node:worker_threads';
import { Hands } from './hands.ts';
import type { FromScreen, ScreenThreadData, ToScreen } from './messages.ts';
import { PageServer } from './page-server.ts';
import { Session, type SessionHost } from './session.ts';
import { Surface } from './surface.ts';

/** Milliseconds between two pictures at least, and after which one is looked at though nothing told of a change. */
const SOONEST = 1000 / 60;
const LATEST = 500;
const MOST_VIEWERS = 32;

const data = workerData as ScreenThreadData;
const port = parentPort!;
const tell = (message: FromScreen): void => port.postMessage(message);

class Viewers implements SessionHost {
  readonly surface = new Surface();
  readonly title = data.title;
  /** Pictures that came and were not as the one before. */
  pictures = 0;
  readonly #sessions = new Set<Session>();
  #first = Promise.withResolvers<void>();
  /** Is a picture on its way? */
  #wanted = false;
  #begin = 0;
  #anyway: NodeJS.Timeout | undefined;

  ready(): Promise<void> {
    this.want();
    return this.#first.promise;
  }

  want(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    const wait = this.#begin + SOONEST - performance.now();
    if (wait > 0) setTimeout(() => this.#ask(), wait);
    else this.#ask();
  }

  #ask(): void {
    this.#begin = performance.now();
    tell({ kind: 'want', now: this.surface.width === 0 });
    // A guest may draw into what is on the screen without telling.
    this.#anyway = setTimeout(() => tell({ kind: 'want', now: true }), LATEST);
  }

  show(message: ToScreen & { kind: 'picture' }): void {
    clearTimeout(this.#anyway);
    this.#wanted = false;
    if (this.surface.show(message.snapshot)) this.pictures++;
    this.#first.resolve();
    for (const session of this.#sessions) session.changed();
  }

  /** Serves one client until it goes. `password`: it has to know it. */
  serve(stream: Duplex, who: string, password?: string): void {
    if (this.#sessions.size >= MOST_VIEWERS) {
      tell({ kind: 'log', level: 'warn', message: `${who}: there are ${MOST_VIEWERS} viewers already` });
      stream.destroy();
      return;
    }
    const hands = new Hands((calls) => tell({ kind: 'input', calls }));
    const session = new Session(stream, this, hands, password);
    this.#sessions.add(session);
    void session.run().then((mistake) => {
      this.#sessions.delete(session);
      if (mistake !== undefined) tell({ kind: 'log', level: 'warn', message: `${who}: ${mistake}` });
    });
  }
}

const viewers = new Viewers();
const page = new PageServer(data, {
  viewer: (stream) => viewers.serve(stream, 'page'),
  hands: () => new Hands((calls) => tell({ kind: 'input', calls })),
  count: () => tell({ kind: 'count' }),
  pictures: () => viewers.pictures,
  log: (message) => tell({ kind: 'log', level: 'warn', message }),
});
const vnc = createServer((socket: Socket) => {
  socket.setNoDelay(true);
  viewers.serve(socket, 'VNC client', data.password);
});
vnc.listen({ fd: data.vnc.fd });
port.on('message', (message: ToScreen) => {
  if (message.kind === 'picture') viewers.show(message);
  else page.frames(message.frames, message.time);
});
