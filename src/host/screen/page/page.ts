/**
 * The page's script, as the browser gets it (page-server.ts takes the types out): noVNC shows the screen and carries keyboard and
 * mouse; fingers, which noVNC would turn into a mouse, and frame rates go by a socket of their own.
 */

/** What is used of noVNC's RFB object. Source: noVNC `docs/API.md`. */
interface Rfb extends EventTarget {
  scaleViewport: boolean;
  background: string;
  focus(): void;
  toBlob(callback: (blob: Blob) => void): void;
}

const NOVNC: string = './novnc/core/rfb.js';
const { default: RFB } = (await import(NOVNC)) as { default: new (target: HTMLElement, url: string) => Rfb };

/** Milliseconds after which it connects again. */
const AGAIN = 1000;

function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found as T;
}
const [title, rate, state, screen] = ['title', 'rate', 'state', 'screen'].map((id) => element(id)) as [
  HTMLElement,
  HTMLElement,
  HTMLElement,
  HTMLElement,
];
const [screenshot, fullscreen] = [element<HTMLButtonElement>('screenshot'), element<HTMLButtonElement>('fullscreen')];

function socketAddress(name: string): string {
  const url = new URL(name, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

let rfb: Rfb | undefined;
let hands: WebSocket | undefined;

function connect(): void {
  const mine = new RFB(screen, socketAddress('screen'));
  mine.scaleViewport = true;
  mine.background = 'transparent';
  mine.addEventListener('connect', () => {
    rfb = mine;
    state.textContent = '';
    screenshot.disabled = false;
    mine.focus();
  });
  mine.addEventListener('desktopname', (event) => {
    const { name } = (event as CustomEvent<{ name: string }>).detail;
    title.textContent = name;
    document.title = name;
  });
  mine.addEventListener('disconnect', () => {
    rfb = undefined;
    screenshot.disabled = true;
    rate.textContent = '';
    state.textContent = 'the machine is off, or does not answer';
    setTimeout(connect, AGAIN);
  });
  hands?.close();
  hands = new WebSocket(socketAddress('hands'));
  hands.addEventListener('message', ({ data }) => {
    const { fps, shown } = JSON.parse(String(data)) as { fps: number; shown: number };
    rate.textContent = `${fps.toFixed(1)} frames per second, ${shown.toFixed(1)} shown`;
  });
}

const say = (...message: (string | number)[]): void => {
  if (hands?.readyState === WebSocket.OPEN) hands.send(JSON.stringify(message));
};

/** Fingers go to the machine's touch screen, before noVNC makes gestures of them. */
function finger(event: TouchEvent): void {
  const canvas = screen.querySelector('canvas');
  if (!canvas) return;
  event.preventDefault();
  event.stopPropagation();
  const { left, top, width, height } = canvas.getBoundingClientRect();
  for (const { identifier, clientX, clientY } of event.changedTouches) {
    if (event.type === 'touchend' || event.type === 'touchcancel') say('release', identifier);
    else say('touch', identifier, (clientX - left) / width, (clientY - top) / height);
  }
}
for (const type of ['touchstart', 'touchmove', 'touchend', 'touchcancel'] as const)
  screen.addEventListener(type, finger, { capture: true, passive: false });

screenshot.addEventListener('click', () => {
  rfb?.toBlob((blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${document.title.replace(/[^\w.-]+/g, '-')}.png`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  rfb?.focus();
});

fullscreen.addEventListener('click', () => {
  void screen.requestFullscreen();
  rfb?.focus();
});

connect();
